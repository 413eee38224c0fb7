// SPDX-License-Identifier: Apache-2.0
// A stream to one client that always has credit left.
#include "bench/api.hpp"
#include "bench/net.hpp"
#include "bench/protobuf.hpp"
#include "bench/rows.hpp"

#include <array>
#include <string>
#include <string_view>

namespace bench {

namespace {

struct progress {
  std::size_t items = 0;
  std::size_t bytes = 0;
  bool ended = false;
};

constexpr unsigned items_field = 1; // Of StreamResponse.
constexpr unsigned verdict_field = 4;
constexpr unsigned integer_kind = 3; // Of Value.
constexpr unsigned blob_kind = 7;

class stream {
public:
  stream(ws_client& connection, std::string_view session, std::string_view source,
         std::uint64_t window)
      : connection_{connection}, window_{window}, credit_{window} {
    std::string request;
    put_bytes(request, 1, eval_request(session, source));
    auto frame = client_frame(1, frame_kind::stream, request);
    put_number(frame, frame_kind::credit, window);
    connection_.put(frame);
    connection_.flush();
  }

  /// Reads for so long; returns what came.
  progress read_for(double seconds) {
    progress came;
    auto end = now_ns() + static_cast<std::int64_t>(seconds * 1e9);
    while (now_ns() < end) {
      connection_.read();
      take(came);
      if (came.ended)
        die("the stream ended by itself");
      if (credit_ < window_ / 2)
        top_up();
    }
    return came;
  }

  /// Of all so far, and the last of them.
  [[nodiscard]] std::uint64_t received() const { return received_; }
  [[nodiscard]] std::string_view last() const { return last_; }

  void end() {
    connection_.put(client_frame(1, frame_kind::abandon, {}));
    connection_.flush();
    for (progress came; !came.ended;) {
      connection_.read();
      take(came);
    }
  }

private:
  void take(progress& came) {
    while (auto message = connection_.take()) {
      auto answered = open_answer(*message);
      came.ended = came.ended || answered.kind == frame_kind::end;
      if (answered.kind != frame_kind::stream)
        continue;
      for (field_reader fields{answered.body}; fields.next();) {
        if (fields.field() == verdict_field && !field_bytes(fields.bytes(), 2).empty())
          die("the stream failed: " + std::string{fields.bytes()});
        if (fields.field() != items_field)
          continue;
        ++came.items;
        if (credit_-- == 0)
          die("more items came than there was credit for");
        ++received_;
        last_.assign(fields.bytes());
        came.bytes += fields.bytes().size();
      }
    }
  }

  void top_up() {
    std::string frame;
    put_number(frame, 1, 1);
    put_number(frame, frame_kind::more_credit, window_ - credit_);
    connection_.put(frame);
    connection_.flush();
    credit_ = window_;
  }

  ws_client& connection_;
  std::uint64_t window_;
  std::uint64_t credit_;
  std::uint64_t received_ = 0;
  std::string last_;
};

void run(const char* name, const target& to, std::string_view source, std::uint64_t window,
         bool (*fine)(const stream&)) {
  auto connection = to.websocket_tcp();
  caller api{*connection};
  auto session = api.create(to.environment);
  stream items{*connection, session, source, window};
  (void)items.read_for(to.seconds * 0.2);
  auto begin = now_ns();
  auto came = items.read_for(to.seconds);
  auto took = static_cast<double>(now_ns() - begin) / 1e9;
  if (!fine(items))
    die("the last item is not what it should be");
  figures{name}
      .add("per_second", static_cast<double>(came.items) / took)
      .add("mib_per_second", static_cast<double>(came.bytes) / took / (1 << 20))
      .print();
  items.end();
  api.close(session);
}

void small_items(const target& to) {
  // The items count themselves: none is lost or there twice.
  run("stream-items", to, "(n for n in range(10**12))", 100'000, [](const stream& all) {
    return number_in(all.last(), integer_kind) == 2 * (all.received() - 1); // In zigzag encoding.
  });
}

void chunks(const target& to) {
  run("stream-chunks", to, "chunk = bytes(65536)\n(chunk for _ in range(10**12))", 1'000,
      [](const stream& all) { return field_bytes(all.last(), blob_kind).size() == 65'536; });
}

constexpr std::array rows{row{"stream-items", small_items}, row{"stream-chunks", chunks}};

} // namespace

std::span<const row> stream_rows() {
  return rows;
}

} // namespace bench
