// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/execution.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

namespace vivarium {

/// What the executions of a tenant that have ended came to.
struct tenant_use {
  std::uint64_t executions = 0;
  std::uint64_t failed = 0;
  std::chrono::microseconds cpu{};
};

/// Adds that up by tenant. Tenants are those of the configuration and of shared pools: it does not
/// grow. Reactor thread.
class use_ledger {
public:
  void add(const std::string& tenant, bool failed, std::chrono::microseconds cpu) {
    auto& one = uses_[tenant];
    ++one.executions;
    one.failed += failed ? 1 : 0;
    one.cpu += cpu;
  }
  [[nodiscard]] tenant_use of(const std::string& tenant) const {
    auto found = uses_.find(tenant);
    return found == uses_.end() ? tenant_use{} : found->second;
  }

private:
  std::map<std::string, tenant_use> uses_;
};

} // namespace vivarium
