// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vivarium/session.hpp>

namespace vivarium {
inline namespace client_v1 {

/// How a session pool is made; see CreatePoolRequest in pool.proto.
struct pool_options {
  std::string name = {};
  std::uint32_t sessions = 4;
  std::optional<std::uint64_t> queue =
      {};                       ///< Calls that may wait; absent for the daemon's default.
  session_options session = {}; ///< What each is like; its name stays empty.
};

/// A session pool as it stands.
struct pool_info {
  std::string name;
  std::string environment;
  std::uint32_t sessions = 0; ///< That it shall have.
  std::uint32_t ready = 0;
  std::uint32_t busy = 0;
  std::uint64_t waiting = 0; ///< Calls.
  std::uint64_t queue = 0;   ///< Most that may wait.
  std::uint64_t calls = 0;
  std::uint64_t replaced = 0; ///< Sessions that ended by themselves.
  std::string trouble;        ///< Why the latest session could not be made.
  bool configured = false;    ///< By the daemon's configuration.
  bool shared = false;        ///< With other tenants.
};

/// Equal sessions for calls that need no state: what is run here runs in one of them that is free.
/// A handle; destroying it ends nothing.
class session_pool : public runner {
public:
  /// None: can only be assigned to.
  session_pool() = default;
  session_pool(std::shared_ptr<detail::core> on, std::string name) : runner{std::move(on), {}, {}} {
    pool_ = std::move(name);
  }

  [[nodiscard]] const std::string& name() const noexcept { return pool_; }
  /// The same pool for calls that belong together: they go to the session that had the key last.
  /// Throws what has the code "session_worker_unavailable" once when that session has ended.
  [[nodiscard]] session_pool with_key(std::string key,
                                      affinity how = affinity::strict_queue) const {
    auto out = *this;
    out.affinity_key_ = std::move(key);
    out.affinity_ = how;
    return out;
  }
  /// The same pool for calls that fail instead of waiting: with the code "worker_busy".
  [[nodiscard]] session_pool without_waiting() const {
    return with_key(affinity_key_, affinity::strict_fail_fast);
  }
};

} // namespace client_v1
} // namespace vivarium
