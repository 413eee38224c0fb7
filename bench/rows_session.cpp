// SPDX-License-Identifier: Apache-2.0
// What a session can hold: namespaces and refs.
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

constexpr unsigned refs_field = 6; // Of GetMemoryStatsResponse.
constexpr unsigned namespaces_field = 7;
constexpr unsigned resident_field = 9;

std::string about(std::string_view session) {
  std::string body;
  put_bytes(body, 1, session);
  return body;
}

std::uint64_t memory(caller& api, std::string_view session, unsigned field) {
  return number_in(api.call(frame_kind::get_memory_stats, about(session)), field);
}

void make_namespaces(caller& api, std::string_view session, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i)
    api.call(frame_kind::create_namespace, about(session));
}

void namespaces(const target& to) {
  auto connection = to.websocket_unix();
  caller api{*connection};
  auto session = api.create(to.environment);
  constexpr std::size_t count = 1'000;
  // The first fill what the interpreter and its zygote have free already: those after them count.
  make_namespaces(api, session, count);
  auto before = memory(api, session, resident_field);
  make_namespaces(api, session, count);
  auto after = memory(api, session, resident_field);
  if (memory(api, session, namespaces_field) != 2 * count + 1)
    die("the namespaces are not all there");
  figures{"namespaces"}
      .add("bytes_each", (static_cast<double>(after) - static_cast<double>(before)) / count)
      .print();
  api.close(session);
}

// Two sessions in turn, so that the machine's mood is the same for both.
void refs(const target& to) {
  auto connection = to.websocket_unix();
  caller api{*connection};
  auto empty = api.create(to.environment);
  auto full = api.create(to.environment);
  constexpr std::size_t count = 100'000;
  constexpr std::size_t at_once = 1'000;
  std::string options;
  put_number(options, 1, 2); // UNSERIALIZABLE_REF
  auto request = eval_request(full, "[object() for _ in range(1000)]");
  put_bytes(request, 16, options);
  for (std::size_t i = 0; i < count / at_once; ++i)
    if (!is_result(api.call(frame_kind::eval, request)))
      die("no refs");
  if (memory(api, full, refs_field) != count)
    die("the refs are not all there");

  auto ask_empty = client_frame(1, frame_kind::eval, eval_request(empty, "1+1"));
  auto ask_full = client_frame(1, frame_kind::eval, eval_request(full, "1+1"));
  std::vector<double> without, with;
  constexpr int turns = 8;
  for (int turn = 0; turn < turns; ++turn) {
    auto add = [&](std::vector<double>& to_these, const std::string& frame) {
      auto more = sample(to.seconds / turns, [&](std::uint64_t) { api.exchange(frame); });
      to_these.insert(to_these.end(), more.begin(), more.end());
    };
    add(without, ask_empty);
    add(with, ask_full);
  }
  auto p50_without = percentile(without, 0.5);
  auto p50 = percentile(with, 0.5);
  figures{"refs"}
      .add("p50_without", p50_without)
      .add("p50", p50)
      .add("ratio", p50 / p50_without)
      .add("live", static_cast<double>(memory(api, full, refs_field)))
      .print();
  api.close(full);
  api.close(empty);
}

constexpr std::array rows{row{"namespaces", namespaces}, row{"refs", refs}};

} // namespace

std::span<const row> session_rows() {
  return rows;
}

} // namespace bench
