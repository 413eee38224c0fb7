// SPDX-License-Identifier: Apache-2.0
// What clients say of traces and of the ids of requests: whatever is taken is written again the same
// way, and could not end a line.
#include "proto/trace_context.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vivarium;
  std::string_view text{reinterpret_cast<const char*>(data), size};
  auto read = parse_traceparent(text);
  if (!read)
    return 0;
  auto written = traceparent_of(*read);
  auto again = parse_traceparent(written);
  if (written.size() != 55 || !again || again->trace != read->trace || again->span != read->span
      || again->sampled != read->sampled || !read->known())
    std::abort();
  // Version and flags are ours; the ids are the client's own.
  if (text.substr(2, 51) != std::string_view{written}.substr(2, 51))
    std::abort();
  return 0;
}
