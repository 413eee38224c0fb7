// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vivarium/runner.hpp>

#include <utility>

namespace vivarium {
inline namespace client_v1 {

enum class session_state { unspecified = 0, starting, ready, busy, interrupting, dead = 6 };

/// A session as it stands.
struct session_info {
  std::string id;
  std::string name;
  std::string environment;
  session_state state = session_state::unspecified;
  std::chrono::system_clock::time_point created;
  std::uint64_t executions = 0;
  std::string python_version;
  std::optional<stop_cause> cause; ///< Why it ended.
  std::vector<std::string> tags;
  struct usage usage;
  std::uint64_t namespaces = 0;
  std::string init_error;
  std::uint32_t worker_pid = 0; ///< On the daemon's host.
  session_limits limits;        ///< That hold for it.
  std::string egress;           ///< Policy that says what it may connect to; empty: nothing.
  process_mode processes = process_mode::unset;
};

/// A namespace as it stands.
struct namespace_info {
  std::string id;
  std::string name;
  std::chrono::system_clock::time_point created;
};

/// A variable of a namespace.
struct variable_info {
  std::string name;
  std::string type_name;
  std::string repr;
  std::optional<std::uint64_t> length;
  std::uint64_t size_bytes = 0;
};

/// An interpreter.
struct interpreter_info {
  std::string version;
  std::string implementation;
  std::string platform;
  std::vector<std::string> path;
  std::vector<std::pair<std::string, std::string>> packages; ///< Name and version.
};

/// What an interpreter knows of its memory; see GetMemoryStatsResponse.
struct memory_stats {
  struct generation {
    std::uint64_t count = 0;
    std::uint64_t threshold = 0;
    std::uint64_t collections = 0;
    std::uint64_t collected = 0;
    std::uint64_t uncollectable = 0;
  };
  std::vector<generation> generations;
  bool gc_enabled = false;
  bool tracing = false;
  std::uint64_t traced_bytes = 0;
  std::uint64_t traced_peak_bytes = 0;
  std::uint64_t refs = 0;
  std::uint64_t namespaces = 0;
  std::uint64_t streams = 0;
  std::uint64_t resident_bytes = 0;
  std::uint64_t peak_resident_bytes = 0;
};

namespace detail {

/// Ends a session, or the namespace of it that is named; waits for nothing.
void end_unheard(const std::shared_ptr<core>& on, const std::string& session,
                 const std::string& space) noexcept;

/// A handle that may own what it stands for, and ends it then when it is destroyed.
template <class Info>
class owner : public runner {
public:
  owner(owner&& other) noexcept
      : runner{std::move(other)}, info_{std::move(other.info_)}, owned_{std::exchange(other.owned_,
                                                                                      false)} {}
  owner& operator=(owner&& other) noexcept {
    if (this == &other)
      return *this;
    abandon();
    runner::operator=(std::move(other));
    info_ = std::move(other.info_);
    owned_ = std::exchange(other.owned_, false);
    return *this;
  }

protected:
  owner() = default;
  owner(std::shared_ptr<core> on, std::string session, std::string space, Info info, bool owned)
      : runner{std::move(on), std::move(session), std::move(space)}, info_{std::move(info)},
        owned_{owned} {}
  ~owner() { abandon(); }

  Info info_;
  bool owned_ = false;

private:
  void abandon() noexcept {
    if (std::exchange(owned_, false))
      end_unheard(core_, session_, space_);
  }
};

} // namespace detail

/// A namespace of a session. Ends it when it is destroyed, after what was sent before.
class name_space : public detail::owner<namespace_info> {
public:
  name_space() = default;
  name_space(std::shared_ptr<detail::core> on, std::string session, namespace_info info);

  [[nodiscard]] const std::string& id() const noexcept { return info_.id; }
  [[nodiscard]] const std::string& name() const noexcept { return info_.name; }
  /// Leaves it alive when this is destroyed.
  void detach() noexcept { owned_ = false; }
  /// Ends it and waits until it is.
  void destroy();
  /// Its variables; without modules and names that begin with two underscores.
  [[nodiscard]] std::vector<variable_info> list_variables() const;
};

class session_files;

/// A live interpreter. Closed when it is destroyed, unless it is detached; may outlive its client.
class session : public detail::owner<session_info> {
public:
  /// None: can only be assigned to.
  session() = default;
  session(std::shared_ptr<detail::core> on, session_info info, bool owned);

  [[nodiscard]] const std::string& id() const noexcept { return session_; }
  /// As it stood when this handle was made.
  [[nodiscard]] const session_info& info() const noexcept { return info_; }
  /// Lets it live when this is destroyed.
  session& detach() noexcept;
  /// Closes it and waits until it is.
  void close();

  /// Its files; include <vivarium/files.hpp>.
  [[nodiscard]] session_files files() const;

  /// How it stands now; that it is dead is an answer, with the reason.
  [[nodiscard]] session_info status() const { return prepare_status().get(); }
  /// Makes a namespace; without sources it begins with what the init script left.
  [[nodiscard]] name_space make_namespace(const namespace_options& how = {}) const {
    return prepare_namespace(how).get();
  }
  [[nodiscard]] std::vector<namespace_info> namespaces() const {
    return prepare_namespaces().get();
  }
  /// Handle of a namespace that exists already, by id or name; destroying it ends nothing.
  [[nodiscard]] name_space use_namespace(std::string id_or_name) const;
  /// Variables of its base namespace.
  [[nodiscard]] std::vector<variable_info> list_variables() const {
    return prepare_variables().get();
  }
  [[nodiscard]] interpreter_info interpreter() const { return prepare_interpreter().get(); }
  [[nodiscard]] memory_stats memory() const { return prepare_memory().get(); }
  /// Runs the garbage collector, up to that generation; returns what it found.
  std::uint64_t collect_garbage(std::optional<std::uint32_t> generation = {}) const {
    return prepare_collect(generation).get();
  }
  /// Starts or stops tracemalloc; returns whether it ran.
  bool set_tracemalloc(bool enabled, std::uint32_t frames = 0) const {
    return prepare_tracemalloc(enabled, frames).get();
  }

  [[nodiscard]] request<done> prepare_close() const;
  [[nodiscard]] request<session_info> prepare_status() const;
  [[nodiscard]] request<name_space> prepare_namespace(const namespace_options& how = {}) const;
  [[nodiscard]] request<std::vector<namespace_info>> prepare_namespaces() const;
  [[nodiscard]] request<std::vector<variable_info>> prepare_variables(std::string space = {}) const;
  [[nodiscard]] request<interpreter_info> prepare_interpreter() const;
  [[nodiscard]] request<memory_stats> prepare_memory() const;
  [[nodiscard]] request<std::uint64_t>
  prepare_collect(std::optional<std::uint32_t> generation) const;
  [[nodiscard]] request<bool> prepare_tracemalloc(bool enabled, std::uint32_t frames) const;
};

} // namespace client_v1
} // namespace vivarium
