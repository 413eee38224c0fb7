// SPDX-License-Identifier: Apache-2.0
// Python that calls the client: how long a call takes, and how many a session makes.
#include "bench/api.hpp"
#include "bench/net.hpp"
#include "bench/protobuf.hpp"
#include "bench/rows.hpp"

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

namespace {

// Of ServeResponse and HostCall.
constexpr unsigned call_field = 2;
constexpr unsigned call_id_field = 1;

constexpr std::uint64_t serve_id = 1;
constexpr std::uint64_t eval_id = 2;

/// A client that offers all functions to its own session and answers every call with None.
class host {
public:
  explicit host(const target& to)
      : connection_{to.websocket_unix()}, api_{*connection_}, session_{
                                                                  api_.create(to.environment)} {
    auto frame = client_frame(serve_id, frame_kind::serve, {});
    put_number(frame, frame_kind::credit, 1);
    connection_->put(frame);
    connection_->flush();
    static_cast<void>(connection_->receive()); // It is served.
  }
  host(const host&) = delete;
  host& operator=(const host&) = delete;
  ~host() { api_.close(session_); }

  void begin(std::string_view source) {
    auto credit = std::string{};
    put_number(credit, 1, serve_id);
    put_number(credit, frame_kind::more_credit, 20'000); // More than an evaluation here calls.
    connection_->put(credit);
    connection_->put(client_frame(eval_id, frame_kind::eval, eval_request(session_, source)));
    connection_->flush();
  }

  /// Takes a message of a call; false: it was the end of the evaluation, which must be a good one.
  bool take(std::string_view message) {
    auto got = open_answer(message);
    if (got.kind == frame_kind::serve) {
      id_ = field_bytes(field_bytes(got.body, call_field), call_id_field);
      return true;
    }
    if (got.kind != frame_kind::eval || !is_result(got.body))
      die("an evaluation that calls has no result");
    return false;
  }

  /// Queues the answer of the call that was taken last, and room for another.
  void answer() {
    std::string none;
    put_bytes(none, 1, {});
    std::string body;
    put_bytes(body, 1, id_);
    put_bytes(body, 2, none);
    connection_->put(client_frame(serve_id, frame_kind::answer, body));
  }

  ws_client& connection() { return *connection_; }

private:
  std::unique_ptr<ws_client> connection_;
  caller api_;
  std::string session_;
  std::string id_;
};

// From the answer of one call to the arrival of the next: the same two hops there and back.
void one_by_one(const target& to) {
  host served{to};
  std::vector<double> samples;
  auto end = now_ns() + static_cast<std::int64_t>(to.seconds * 1e9);
  bool warm = false;
  while (now_ns() < end) {
    served.begin("import vivarium\nfor i in range(2000): vivarium.call('f', i)");
    std::int64_t sent = 0;
    while (served.take(served.connection().receive())) {
      auto now = now_ns();
      if (sent != 0 && warm)
        samples.push_back(static_cast<double>(now - sent) / 1e3);
      served.answer();
      sent = now_ns();
      served.connection().flush();
    }
    warm = true;
  }
  figures{"callback"}.add_samples(samples).print();
}

// Ten thousand under way at once.
void many_at_once(const target& to) {
  host served{to};
  constexpr std::size_t each = 10'000;
  std::size_t answered = 0;
  auto begun = now_ns();
  auto end = begun + static_cast<std::int64_t>(to.seconds * 1e9);
  auto now = begun;
  for (; now < end; now = now_ns()) {
    served.begin(
        "import asyncio, vivarium\nlen(await asyncio.gather(*(vivarium.acall('f', i) for i in "
        "range(10000))))");
    for (bool more = true; more;) {
      served.connection().read();
      while (auto message = served.connection().take()) {
        more = served.take(*message);
        if (!more)
          break;
        served.answer();
      }
      served.connection().flush();
    }
    answered += each;
  }
  figures{"callbacks-at-once"}
      .add("per_second", static_cast<double>(answered) * 1e9 / static_cast<double>(now - begun))
      .print();
}

constexpr std::array rows{
    row{"callback", one_by_one},
    row{"callbacks-at-once", many_at_once},
};

} // namespace

std::span<const row> callback_rows() {
  return rows;
}

} // namespace bench
