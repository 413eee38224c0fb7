// SPDX-License-Identifier: Apache-2.0
// Many idle sessions at once. The caller looks at the machine's memory between the steps.
#include "bench/api.hpp"
#include "bench/lifecycles.hpp"
#include "bench/net.hpp"
#include "bench/rows.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

namespace bench {

namespace {

/// Waits for a line on stdin: the caller has looked.
void wait_for_caller() {
  for (int c = 0; c != '\n' && c != EOF;)
    c = std::getchar();
}

// Prints "held" and waits; then asks every session once, in random order, prints "probe" and waits;
// then closes them.
void hold(const target& to) {
  auto connection = to.websocket_unix();
  lifecycles sessions{*connection, to.environment};
  auto count = to.count_or(500);
  auto begin = now_ns();
  sessions.run({16, false, [count](std::size_t begun) { return begun < count; }}, "1+1");
  figures{"held"}
      .add("sessions", static_cast<double>(count))
      .add("seconds", static_cast<double>(now_ns() - begin) / 1e9)
      .print();
  wait_for_caller();

  auto order = sessions.sessions();
  std::shuffle(order.begin(), order.end(), std::mt19937{1});
  std::vector<double> samples;
  caller api{*connection};
  for (const auto& session : order) {
    auto frame = client_frame(1, frame_kind::eval, eval_request(session, "1+1"));
    auto asked = now_ns();
    auto answered = api.exchange(frame);
    samples.push_back(static_cast<double>(now_ns() - asked) / 1e3);
    if (!is_result(answered))
      die("an eval has no result");
  }
  figures{"probe"}.add_samples(samples).add("max", percentile(samples, 1)).print();
  wait_for_caller();
  begin = now_ns();
  sessions.close_all(16);
  figures{"closed"}.add("seconds", static_cast<double>(now_ns() - begin) / 1e9).print();
}

constexpr std::array rows{row{"hold", hold}};

} // namespace

std::span<const row> scale_rows() {
  return rows;
}

} // namespace bench
