// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vivarium/app.hpp>
#include <vivarium/environment.hpp>
#include <vivarium/host.hpp>
#include <vivarium/message.hpp>
#include <vivarium/pool.hpp>

namespace vivarium {
inline namespace client_v1 {

/// An execution that is running or still kept.
struct execution_info {
  enum class progress { unspecified, queued, running, done };
  std::string id;
  std::string session_id;
  progress state = progress::unspecified;
  std::uint64_t last_sequence = 0;
};

/// A compiled source, or why it does not compile.
struct compiled {
  std::string code; ///< A handle for `run_options`-less requests; see CompileResponse.
  std::shared_ptr<const exception_info> error;
};

class admin;

/// One connection to a daemon. Any thread may use it, many at once: requests are told apart and
/// overlap. When the connection breaks, every request under way and every later one fails with
/// `connection_error`; make another client then. Sessions, streams and refs may outlive it.
///
/// Called directly, `eval`, `call` and `stream` run in a session of their own that ends with them.
class client : public runner {
public:
  /// Connects to `http://host[:port]`, `https://host[:port]` or `unix:///path`. An empty url stands
  /// for VIVARIUM_URL, else the default socket when one is there that nobody but root or the caller
  /// can have made, else http://127.0.0.1:7717. Throws `connection_error`, and
  /// `invalid_argument_error` when the url is none.
  [[nodiscard]] static client connect(std::string_view url = {}, const connect_options& how = {});

  /// None: can only be assigned to.
  client() = default;
  client(client&&) noexcept = default;
  client& operator=(client&& other) noexcept;
  /// Sends what is still to be sent and closes the connection. What waits fails. Functions that are
  /// at work are waited for, unless it is one of them that destroys this.
  ~client();

  /// Makes a session, or takes the one of that name with `.attach`.
  [[nodiscard]] class session session(const session_options& how = {}) const {
    return prepare_session(how).get();
  }
  /// Handle of a session that exists, by id or name, without asking for it. Detached.
  [[nodiscard]] class session use_session(std::string id_or_name) const;
  [[nodiscard]] std::vector<session_info> sessions() const { return prepare_sessions().get(); }
  void close_session(std::string_view id_or_name) const {
    (void)prepare_close_session(id_or_name).get();
  }
  /// Handle of a session pool, without asking for it.
  [[nodiscard]] session_pool use_pool(std::string name) const { return {core_, std::move(name)}; }
  /// Makes a session pool, which stays until it is closed.
  /// Starts a web application; it lives until it is closed. See docs/apps.md.
  app_info boot_app(const app_options& how) const { return prepare_boot_app(how).get(); }
  [[nodiscard]] app_info app(std::string_view id_or_name) const {
    return prepare_app(id_or_name).get();
  }
  [[nodiscard]] std::vector<app_info> apps() const { return prepare_apps().get(); }
  void close_app(std::string_view id_or_name) const { (void)prepare_close_app(id_or_name).get(); }

  [[nodiscard]] session_pool pool(const pool_options& how) const { return prepare_pool(how).get(); }
  [[nodiscard]] std::vector<pool_info> pools() const { return prepare_pools().get(); }
  void close_pool(std::string_view name) const { (void)prepare_close_pool(name).get(); }
  /// Sets where calls of functions go that name neither session nor pool: from modules, or dotted
  /// names of functions, to pools. Replaces what was set before.
  void set_routes(const std::map<std::string, std::string>& to) const {
    (void)prepare_set_routes(to).get();
  }
  /// All routes that hold, those of the daemon's configuration among them.
  [[nodiscard]] std::map<std::string, std::string> routes() const { return prepare_routes().get(); }

  /// Declares an environment; one that is an interpreter or a virtual environment is ready then.
  environment_info register_environment(const environment_options& how) const {
    return prepare_register_environment(how).get();
  }
  /// Builds an environment that is declared; see `build_stream`.
  [[nodiscard]] build_stream build_environment(std::string_view name, bool force = false) const;
  [[nodiscard]] environment_info environment(std::string_view name) const {
    return prepare_environment(name).get();
  }
  /// Those that can be used, without packages and locks.
  [[nodiscard]] std::vector<environment_info> environments() const {
    return prepare_environments().get();
  }
  /// Tells whether an environment has what is required, by default what it was declared with.
  [[nodiscard]] environment_verification
  verify_environment(std::string_view name, const std::vector<std::string>& requirements = {},
                     const std::vector<std::string>& stdlib = {}) const {
    return prepare_verify_environment(name, requirements, stdlib).get();
  }
  void remove_environment(std::string_view name) const {
    (void)prepare_remove_environment(name).get();
  }

  /// Sends a message to a session or to clients that receive, by id or name; returns how many will
  /// receive it, or throws `not_found_error`.
  std::uint64_t send(std::string_view to, const value& content) const {
    return prepare_send(to, content).get();
  }

  /// Returns a value of the tenant's key-value store, as JSON text; nothing when it is not there.
  [[nodiscard]] std::optional<std::string> get_value(std::string_view key) const {
    return prepare_get_value(key).get();
  }
  /// Sets one; with a time to live it goes by itself.
  void set_value(std::string_view key, std::string_view json,
                 std::chrono::milliseconds ttl = {}) const {
    (void)prepare_set_value(key, json, ttl).get();
  }
  /// Removes one; returns whether it was there.
  bool delete_value(std::string_view key) const { return prepare_delete_value(key).get(); }
  /// Some of the keys that begin so, from a cursor on.
  [[nodiscard]] key_page list_keys(std::string_view prefix, std::string_view cursor = {}) const {
    return prepare_list_keys(prefix, cursor).get();
  }
  /// Receives messages under a name; see `message_stream`. With the format json the content is a
  /// str of JSON.
  [[nodiscard]] message_stream receive(std::string_view name,
                                       result_format format = result_format::typed) const;

  /// Executions of a session, or of all; oldest first.
  [[nodiscard]] std::vector<execution_info> executions(std::string_view session = {}) const {
    return prepare_executions(session).get();
  }
  /// Handle of an execution that was submitted before, perhaps by another client.
  [[nodiscard]] execution use_execution(std::string id) const { return {core_, std::move(id), {}}; }
  /// Checks source without running it.
  [[nodiscard]] compiled compile(std::string_view source, std::string_view filename = {}) const {
    return prepare_compile(source, filename).get();
  }
  /// Sets what later requests of this connection leave unset; replaces all set before.
  void set_defaults(const defaults& what) const { (void)prepare_defaults(what).get(); }
  /// Offers functions that Python calls, until what this returns is gone; waits until the daemon
  /// has taken the offer. Calls of what this connection submits come here first, others as
  /// HostService in host.proto says. Throws `invalid_argument_error` for a name that is there
  /// twice, without a callable, or that the daemon does not take, and `connection_error`.
  [[nodiscard]] serving serve(host_functions functions, serve_options how = {}) const;
  /// What operators see and do; include <vivarium/admin.hpp> for it.
  [[nodiscard]] class admin admin() const;
  /// Whether the daemon has said that it is about to stop.
  [[nodiscard]] bool draining() const noexcept;
  /// Whether requests can still be made.
  [[nodiscard]] bool connected() const noexcept;

  [[nodiscard]] request<class session> prepare_session(const session_options& how = {}) const;
  [[nodiscard]] request<std::vector<session_info>> prepare_sessions() const;
  [[nodiscard]] request<done> prepare_close_session(std::string_view id_or_name) const;
  [[nodiscard]] request<std::vector<execution_info>>
  prepare_executions(std::string_view session) const;
  [[nodiscard]] request<compiled> prepare_compile(std::string_view source,
                                                  std::string_view filename) const;
  [[nodiscard]] request<app_info> prepare_boot_app(const app_options& how) const;
  [[nodiscard]] request<app_info> prepare_app(std::string_view id_or_name) const;
  [[nodiscard]] request<std::vector<app_info>> prepare_apps() const;
  [[nodiscard]] request<done> prepare_close_app(std::string_view id_or_name) const;
  [[nodiscard]] request<session_pool> prepare_pool(const pool_options& how) const;
  [[nodiscard]] request<std::vector<pool_info>> prepare_pools() const;
  [[nodiscard]] request<std::map<std::string, std::string>> prepare_routes() const;
  [[nodiscard]] request<done> prepare_close_pool(std::string_view name) const;
  [[nodiscard]] request<done>
  prepare_set_routes(const std::map<std::string, std::string>& to) const;
  [[nodiscard]] request<std::optional<std::string>> prepare_get_value(std::string_view key) const;
  [[nodiscard]] request<done> prepare_set_value(std::string_view key, std::string_view json,
                                                std::chrono::milliseconds ttl) const;
  [[nodiscard]] request<bool> prepare_delete_value(std::string_view key) const;
  [[nodiscard]] request<key_page> prepare_list_keys(std::string_view prefix,
                                                    std::string_view cursor) const;
  [[nodiscard]] request<std::uint64_t> prepare_send(std::string_view to,
                                                    const value& content) const;
  [[nodiscard]] request<environment_info>
  prepare_register_environment(const environment_options& how) const;
  [[nodiscard]] request<environment_info> prepare_environment(std::string_view name) const;
  [[nodiscard]] request<std::vector<environment_info>> prepare_environments() const;
  [[nodiscard]] request<environment_verification>
  prepare_verify_environment(std::string_view name, const std::vector<std::string>& requirements,
                             const std::vector<std::string>& stdlib) const;
  [[nodiscard]] request<done> prepare_remove_environment(std::string_view name) const;
  [[nodiscard]] request<done> prepare_defaults(const defaults& what) const;

  /// Used by the library.
  explicit client(std::shared_ptr<detail::core> on) : runner{std::move(on), {}, {}} {}

private:
  friend void connect_then(std::string_view, const connect_options&, callback<client>);
};

/// The same as `client::connect` without waiting; needs `connect_options::context`, or a thread is
/// started.
void connect_then(std::string_view url, const connect_options& how, callback<client> tell);

/// Asks whether the daemon at `url` is ready; returns why it is not, or nothing. Throws
/// `connection_error` when nobody answers.
[[nodiscard]] std::optional<std::string> why_not_ready(std::string_view url = {},
                                                       const connect_options& how = {});

} // namespace client_v1
} // namespace vivarium
