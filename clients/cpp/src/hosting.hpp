// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "clients/cpp/src/core.hpp"
#include "clients/cpp/src/task_pool.hpp"

#include <vivarium/host.hpp>

#include <condition_variable>
#include <future>
#include <map>

namespace vivarium {
inline namespace client_v1 {
namespace detail {

/// What copies of a host_function share.
struct function_state {
  std::string name;
  host_handler handler; ///< Null for one that is served by its name.
};

/// A call that has come.
struct call_state {
  std::weak_ptr<serving_state> by;
  v1::HostCall call;
  std::vector<value> args;
  std::vector<std::pair<std::string, value>> kwargs;
  std::string json;
  std::atomic<bool> wanted = true;
  std::atomic<bool> deferred = false;
  std::atomic<bool> answered = false;

  /// Answers once; false when it has been answered.
  bool give(const value& what);
  bool fail(const std::exception_ptr& why);

private:
  bool answer(const std::function<void(v1::AnswerRequest&, const std::shared_ptr<core>&)>& fill);
};

/// One offer of functions. Any thread.
class serving_state : public std::enable_shared_from_this<serving_state> {
public:
  serving_state(const std::shared_ptr<core>& on, host_functions functions, serve_options how);

  /// Sends the offer, of `more` names too. What it returns is ready when the daemon has taken it,
  /// or holds the error.
  std::future<void> begin(const std::vector<std::string>& more = {});
  void stop() noexcept;
  void wait();
  [[nodiscard]] bool active();

  /// Sends an answer; when the daemon does not take it, `call` fails for that reason.
  void send(const std::shared_ptr<core>& on, v1::AnswerRequest answer, bool sure);
  /// One call less is under way.
  void ended(const std::string& id) noexcept;

  [[nodiscard]] std::shared_ptr<core> on() const noexcept { return core_.lock(); }

private:
  void on_frame(const std::exception_ptr& why, v1::ServerFrame* frame);
  void take(v1::HostCall& call);
  void run(const std::shared_ptr<call_state>& what) noexcept;
  void over(const std::exception_ptr& why);
  [[nodiscard]] host_handler handler_of(const std::string& name, core& on) const;

  const std::weak_ptr<core> core_;
  std::map<std::string, host_handler, std::less<>> exact_;
  std::map<std::string, host_handler, std::less<>> below_; ///< By prefix with its dot, "" for all.
  const serve_options how_;
  std::promise<void> begun_;
  std::atomic<std::uint64_t> id_ = 0;

  std::mutex mutex_; // guards the rest
  std::condition_variable changed_;
  std::unordered_map<std::string, std::weak_ptr<call_state>> open_;
  std::uint32_t taken_ = 0; ///< Calls ended since credit was given last.
  std::size_t running_ = 0; ///< Functions at work.
  bool serving_ = false;
  bool over_ = false;
  bool stopped_ = false;
};

/// What a connection has for functions: its threads, and those that were sent as values.
class host_core {
public:
  host_core(core& on, std::size_t threads) : core_{on}, pool_{threads} {}

  /// Makes a function that is sent known to the connection, and offers it.
  void know(const host_function& what);
  /// The function of that name that was sent as a value, or null.
  [[nodiscard]] host_handler sent(const std::string& name);
  [[nodiscard]] task_pool& pool() noexcept { return pool_; }

private:
  core& core_;
  task_pool pool_;
  std::mutex mutex_; // guards the rest
  std::unordered_map<std::string, std::shared_ptr<const function_state>> sent_;
  std::shared_ptr<serving_state> offered_;
};

/// What the names of functions that are sent as values begin with.
[[nodiscard]] const std::string& sent_prefix();

/// The call of that session that the function on this thread answers; empty when there is none.
[[nodiscard]] std::string call_here(const std::string& session);

} // namespace detail
} // namespace client_v1
} // namespace vivarium
