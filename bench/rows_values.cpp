// SPDX-License-Identifier: Apache-2.0
// Large values, in and out.
#include "bench/api.hpp"
#include "bench/net.hpp"
#include "bench/protobuf.hpp"
#include "bench/rows.hpp"

#include <array>
#include <memory>
#include <string>
#include <string_view>

namespace bench {

namespace {

constexpr unsigned text_kind = 6; // Fields of Value.
constexpr unsigned blob_kind = 7;
constexpr unsigned array_kind = 23;
constexpr std::size_t large = 16u << 20;

// A str of 1 MB as a literal, never the same twice, comes back as the value.
void megabyte(const target& to) {
  auto connection = to.websocket_unix();
  caller api{*connection};
  auto session = api.create(to.environment);
  constexpr std::size_t size = 1'000'000;
  std::string source = "'" + std::string(size, 'x') + "'";
  auto samples = sample(to.seconds, [&](std::uint64_t n) {
    auto digits = std::to_string(n);
    source.replace(1, digits.size(), digits);
    if (api.eval(session, source).size() < size)
      die("the text came back short");
  });
  figures{"megabyte"}.add_samples(samples).print();
  api.close(session);
}

void megabyte_out(const target& to) {
  auto connection = to.websocket_unix();
  caller api{*connection};
  auto session = api.create(to.environment);
  api.eval(session, "text = 'x' * 1_000_000");
  auto samples = sample(to.seconds, [&](std::uint64_t) { api.eval(session, "text"); });
  figures{"megabyte-out"}.add_samples(samples).print();
  api.close(session);
}

// A variable that comes with the request is the value that goes back.
void there_and_back(const char* name, const target& to, std::unique_ptr<ws_client> connection,
                    std::string_view source, std::string value) {
  caller api{*connection};
  auto session = api.create(to.environment);
  std::string entry;
  put_bytes(entry, 1, "v");
  put_bytes(entry, 2, value);
  auto request = eval_request(session, source);
  put_bytes(request, 14, entry);
  auto frame = client_frame(1, frame_kind::eval, request);
  auto samples = sample(to.seconds, [&](std::uint64_t) {
    if (api.exchange(frame).size() < value.size())
      die("the value came back short");
  });
  figures{name}.add_samples(samples).print();
  api.close(session);
}

std::string kind_of_value(unsigned kind, std::string_view content) {
  std::string value;
  put_bytes(value, kind, content);
  return value;
}

void text_both_ways(const target& to) {
  there_and_back("text-both-ways", to, to.websocket_unix(), "v",
                 kind_of_value(text_kind, std::string(1'000'000, 'x')));
}

void blob_both_ways(const target& to) {
  there_and_back("blob-both-ways", to, to.websocket_tcp(), "v",
                 kind_of_value(blob_kind, std::string(large, 'x')));
}

void array_both_ways(const target& to) {
  std::string shape;
  put_varint(shape, large / 8);
  std::string array;
  put_bytes(array, 1, "<f8");
  put_bytes(array, 2, shape);
  put_bytes(array, 3, std::string(large, '\1'));
  there_and_back("array-both-ways", to, to.websocket_tcp(), "v", kind_of_value(array_kind, array));
}

constexpr std::array rows{
    row{"megabyte", megabyte},
    row{"megabyte-out", megabyte_out},
    row{"text-both-ways", text_both_ways},
    row{"blob-both-ways", blob_both_ways},
    row{"array-both-ways", array_both_ways},
};

} // namespace

std::span<const row> value_rows() {
  return rows;
}

} // namespace bench
