// SPDX-License-Identifier: Apache-2.0
// The plan of a jail: what can be read is written as the same bytes again.
#include "sandbox/plan_codec.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>

using namespace vivarium::sandbox;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string bytes{reinterpret_cast<const char*>(data), size};
  auto plan = plan_of(bytes);
  if (plan && plan_of(plan_bytes(*plan))->plan.preload != plan->plan.preload)
    std::abort();
  return 0;
}
