// SPDX-License-Identifier: Apache-2.0
// A configuration file: read, or refused with lines that say where.
#include "daemon/config.hpp"

#include <cstdint>
#include <cstdlib>

using namespace vivarium;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  config into;
  auto problems = parse_config(into, {reinterpret_cast<const char*>(data), size}, "file.toml");
  for (const auto& line : problems.lines)
    if (line.empty())
      std::abort();
  // What is accepted holds its own bounds.
  if (problems.lines.empty()
      && (into.network.marks.write_low > into.network.marks.write_high
          || into.network.http.body_bytes < 1024 || !into.core.environments.contains("default")))
    std::abort();
  return 0;
}
