// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/execution.hpp"
#include "actors/observer.hpp"
#include "actors/reply.hpp"
#include "actors/settings.hpp"

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace vivarium {

/// Numbers equal vivarium.v1.SessionState.
enum class session_state : std::uint8_t {
  starting = 1,
  ready = 2,
  busy = 3,
  interrupting = 4,
  closing = 5,
  dead = 6,
};

/// A session as it stands.
struct session_info {
  std::string id;
  std::string name;
  std::string environment;
  session_state state = session_state::starting;
  std::chrono::system_clock::time_point created;
  std::uint64_t executions = 0;
  std::string python_version;
  std::optional<vivarium::cause> cause;
};

/// What a client asks of a new session.
struct session_request {
  std::string name;
  std::string environment;
  std::chrono::milliseconds idle_timeout{0};
  bool attach = false;
  std::string request_id;
};

/// An execution as it stands.
struct execution_info {
  std::string id;
  std::string session_id;
  execution::state state = execution::state::queued;
  std::uint64_t last_sequence = 0;
  session_state session = session_state::ready;
};

/// Answer to a compilation: the handle, or an encoded vivarium.v1.ExecutionError.
struct compiled {
  std::string code;
  std::string error;
};

/// The door between the network side of the daemon and its actors. Every call names the tenant and
/// is answered through its `reply`, on the reactor thread, possibly before the call returns. All
/// methods are called on the reactor thread.
class service {
public:
  /// Starts the actor system on `reactor`. The first zygotes start at once.
  service(boost::asio::io_context& reactor, settings config, observer& watch);
  service(const service&) = delete;
  service& operator=(const service&) = delete;
  ~service();

  /// Runs the reactor on the calling thread until it is stopped or has nothing to do.
  void run();

  /// Whether every eagerly started environment can serve.
  [[nodiscard]] bool ready() const noexcept;

  /// Says what keeps an eagerly started environment from serving; empty when nothing does as far
  /// as is known.
  [[nodiscard]] std::string trouble() const;
  /// Whether such an environment has never served and enough attempts were made to tell that it
  /// will not: a matter for whoever wrote the configuration.
  [[nodiscard]] bool hopeless() const noexcept;

  /// Submits source. The execution is returned as soon as it has an id and a place in a session;
  /// subscribe to it to see its events and its verdict.
  void submit(const std::string& tenant, submission what, reply<execution_ptr> to);
  /// Finds an execution that runs or is still kept.
  void find_execution(const std::string& tenant, const std::string& id, reply<execution_ptr> to);
  /// Interrupts an execution; false when it had ended already.
  void cancel(const std::string& tenant, const std::string& id, reply<bool> to);
  /// Applies `on_disconnect` for a client that waited for `what` and went away.
  void abandon(const std::string& tenant, const execution_ptr& what);
  /// Lists executions of one session, or of the tenant when `session` is empty.
  void list_executions(const std::string& tenant, const std::string& session,
                       reply<std::vector<execution_info>> to);
  void compile(const std::string& tenant, submission what, reply<compiled> to);

  void create_session(const std::string& tenant, session_request what, reply<session_info> to);
  void get_session(const std::string& tenant, const std::string& session, reply<session_info> to);
  void list_sessions(const std::string& tenant, reply<std::vector<session_info>> to);
  /// Answered at once; the session's processes are killed meanwhile.
  void close_session(const std::string& tenant, const std::string& session, reply<done> to);

  /// Refuses new sessions and executions, lets running ones finish until `deadline`, then ends
  /// everything; `then` is called when nothing is left.
  void drain(clock_type::time_point deadline, std::function<void()> then);

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace vivarium
