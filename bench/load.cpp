// SPDX-License-Identifier: Apache-2.0
// The load generator: runs rows against a daemon through its public API and prints their figures,
// one line of JSON each.
#include "bench/net.hpp"
#include "bench/rows.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace bench {

std::unique_ptr<ws_client> target::websocket_unix() const {
  return std::make_unique<ws_client>(connect_unix(unix_path));
}

std::unique_ptr<ws_client> target::websocket_tcp() const {
  return std::make_unique<ws_client>(connect_tcp(tcp_port));
}

namespace {

void run_row(std::string_view name, const target& to) {
  for (auto group : {eval_rows(), throughput_rows(), create_rows(), scale_rows(), stream_rows(),
                     callback_rows(), value_rows(), session_rows()})
    for (const auto& candidate : group)
      if (name == candidate.name)
        return candidate.run(to);
  die("no such row: " + std::string{name});
}

} // namespace

} // namespace bench

int main(int argc, char** argv) {
  bench::target to;
  std::vector<std::string_view> names;
  for (int i = 1; i < argc; ++i) {
    std::string_view word = argv[i];
    if (!word.starts_with("--")) {
      names.push_back(word);
      continue;
    }
    if (i + 1 == argc)
      bench::die(std::string{word} + " needs a value");
    std::string value = argv[++i];
    if (word == "--unix")
      to.unix_path = value;
    else if (word == "--tcp")
      to.tcp_port = static_cast<std::uint16_t>(std::stoul(value));
    else if (word == "--seconds")
      to.seconds = std::stod(value);
    else if (word == "--count")
      to.count = std::stoul(value);
    else if (word == "--environment")
      to.environment = value;
    else
      bench::die("unknown option " + std::string{word});
  }
  if (names.empty())
    bench::die("usage: vivarium-bench-load --unix PATH --tcp PORT [--seconds S] [--count N] "
               "[--environment NAME] ROW...");
  for (auto name : names)
    bench::run_row(name, to);
}
