// SPDX-License-Identifier: Apache-2.0
#include "sandbox/priority.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>

#include <sys/resource.h>

namespace vivarium::sandbox {

namespace {

constexpr double usual_weight = 100;
constexpr int usual_niceness = 5;
constexpr double step = 1.25; // between one niceness and the next, in the kernel's table

} // namespace

int niceness_of(unsigned weight) noexcept {
  auto steps = std::lround(std::log(std::max(weight, 1u) / usual_weight) / std::log(step));
  return static_cast<int>(std::clamp(usual_niceness - steps, 1L, 19L));
}

status make_nicer(pid_t worker, int by) {
  auto niceness = std::min(::getpriority(PRIO_PROCESS, 0) + by, 19);
  if (::setpriority(PRIO_PROCESS, static_cast<id_t>(worker), niceness) != 0)
    return os_error("setpriority", std::to_string(worker), errno);
  return done{};
}

} // namespace vivarium::sandbox
