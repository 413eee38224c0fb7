// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/circuit.hpp"
#include "actors/environment.hpp"
#include "actors/observer.hpp"

#include <map>
#include <memory>
#include <string>

namespace vivarium {

class start_watch;
using start_watch_ptr = std::shared_ptr<start_watch>;

/// How the starts of a tenant's sessions go, by environment: a circuit for each in which some have
/// failed. Reactor thread.
class session_starts : public std::enable_shared_from_this<session_starts> {
public:
  session_starts(const circuit_settings& how, std::string tenant, observer& told)
      : how_{how}, tenant_{std::move(tenant)}, told_{told} {}

  /// Lets a session be started in `where`, which its tenant calls `name`, or refuses. What is
  /// returned is to be told how it went; null when nobody counts.
  [[nodiscard]] result<start_watch_ptr> enter(const environment_ref& where,
                                              const std::string& name);

private:
  friend class start_watch;
  struct entry {
    circuit state;
    std::string label; // of the environment, in metrics
  };
  void failed(const std::string& key, const std::string& label, std::string_view kind,
              std::string why);
  void started(const std::string& key);
  void proven(const std::string& key);
  void tell_closed(const entry& one);
  void make_room();

  [[nodiscard]] bool may_log();

  const circuit_settings& how_;
  std::string tenant_;
  observer& told_;
  std::map<std::string, entry> entries_; // by the key of the environment
  circuit::clock::time_point log_after_{};
};

/// The start of one session.
class start_watch {
public:
  start_watch(std::shared_ptr<session_starts> all, const environment_ref& where, circuit::pass own)
      : all_{std::move(all)}, key_{where.key}, label_{where.label}, own_{std::move(own)} {}

  /// Also makes it one of the few that a pool's circuit lets through.
  void holds(circuit::pass of_pool) { of_pool_ = std::move(of_pool); }

  /// It could not be started, or ended before it had done anything, by no fault of its client.
  /// `kind`: Cause.cause, for the log; `why` is for the tenant.
  void failed(std::string_view kind, std::string why) {
    all_->failed(key_, label_, kind, std::move(why));
  }
  void started() {
    all_->started(key_);
    own_.reset();
    of_pool_.reset();
  }
  /// It has run something.
  void proven() { all_->proven(key_); }

private:
  std::shared_ptr<session_starts> all_;
  std::string key_;
  std::string label_;
  circuit::pass own_;
  circuit::pass of_pool_;
};

} // namespace vivarium
