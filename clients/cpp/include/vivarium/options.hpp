// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vivarium/capability.hpp>
#include <vivarium/value.hpp>

#include <chrono>
#include <map>
#include <optional>

namespace boost::asio {
class io_context;
}

namespace vivarium {
inline namespace client_v1 {

/// Names and what they are bound to: `{{"x", 6}, {"y", 7}}`, or any map of strings.
class variables {
public:
  variables() = default;
  variables(std::initializer_list<std::pair<std::string, value>> from)
      : content_{from.begin(), from.end()} {}
  template <class T>
  variables(const std::map<std::string, T>& from) : content_{from.begin(), from.end()} {}
  void set(std::string name, value to) { content_.emplace_back(std::move(name), std::move(to)); }
  [[nodiscard]] const std::vector<std::pair<std::string, value>>& content() const noexcept {
    return content_;
  }

private:
  std::vector<std::pair<std::string, value>> content_;
};

/// The form in which a result travels.
enum class result_format { unset, typed, json, repr, none };
/// What a disconnect of the waiting client does to an execution.
enum class on_disconnect { unset, detach, interrupt, kill };
/// What happens when the session is busy.
enum class queue_policy { unset, wait, fail };
/// How firmly a call of a session pool that has a key is bound to the session which had it last.
enum class affinity { unset, hint, strict_queue, strict_fail_fast };
/// How long something lives that a client makes.
enum class lifetime { unset, detached, connection };

/// How values are read and written; see ValueOptions in value.proto.
struct value_options {
  enum class unserializable { unset, error, ref, repr };
  enum class blob { unset, bytes, str, bytearray };
  enum class sets { unset, set, frozenset };
  enum class symbols { unset, symbol, distinct, str };
  enum class refs { unset, session, connection };
  unserializable on_unserializable = unserializable::unset;
  blob blob_as = blob::unset;
  sets set_as = sets::unset;
  symbols symbol_as = symbols::unset;
  refs ref_lifetime = refs::unset;
};

/// What a session is limited in; see Limits in session.proto. What is unset is the daemon's
/// default; beyond the daemon's maximum the session is refused.
struct session_limits {
  std::optional<std::uint64_t> memory_bytes = {};
  std::optional<std::chrono::milliseconds> cpu = {}; ///< CPU time in all.
  std::optional<std::uint64_t> workspace_bytes = {};
  std::optional<std::uint64_t> workspace_inodes = {};
  std::optional<std::uint64_t> threads = {};
  std::optional<std::uint64_t> descriptors = {};
  std::optional<std::uint64_t> file_bytes = {};
  std::optional<std::uint64_t> output_bytes = {};
  std::optional<std::uint64_t> display_bytes = {};
  std::optional<std::uint64_t> displays = {};
  std::optional<std::uint64_t> result_bytes = {};
  std::optional<std::uint64_t> event_log_bytes = {};
  std::optional<std::uint64_t> queue = {};
  std::optional<std::uint64_t> refs = {};
  std::optional<std::uint64_t> namespaces = {};
};

/// How something runs. What is unset is taken from the namespace, the session, the daemon.
struct run_options {
  std::chrono::milliseconds timeout{0}; ///< From submission on; 0 for the daemon's default.
  std::chrono::milliseconds cpu{0};     ///< Budget of CPU time; 0 for none.
  result_format format = result_format::unset;
  queue_policy queue = queue_policy::unset;
  enum on_disconnect on_disconnect = on_disconnect::unset;
  value_options values = {};
  std::string filename = {};     ///< That tracebacks show. Of source only.
  std::uint32_t first_line = 0;  ///< Of source only.
  bool scratch = false;          ///< In a fresh copy of what init left. Of source only.
  bool create_session = false;   ///< Makes the session of that name on first use.
  std::string environment = {};  ///< Of a one-shot or a session that is made.
  std::string namespace_id = {}; ///< Id or name; empty for that of the object it is called on.
  session_limits limits = {};    ///< Of a one-shot or a session that is made.
  /// Id of a call of the session's that this is part of answering; see `host_call::session`.
  std::string within_call = {};
  bool detach = false;      ///< Of `start`: nobody asks for the verdict, a failure is counted.
  bool track_files = false; ///< The verdict tells what became of the session's files.
  bool transaction = false; ///< The same, and it is undone when the code fails.
  std::map<std::string, std::string> files = {}; ///< Of a one-shot: path to content.
};

/// Options of a stream.
struct stream_options {
  run_options run = {};
  std::uint32_t window = 1'024;      ///< Items that may be under way; at least 1.
  std::chrono::milliseconds idle{0}; ///< Longest time an item may take; 0 for the daemon's default.
};

/// A volume that a session gets a copy of.
struct volume_mount {
  std::string volume = {};
  std::string path = {}; ///< Directory in the workspace; empty for the volume's name.
  bool write = false;    ///< The copy can be written back.
};

/// What a session runs before it is ready.
struct init_script {
  std::string source = {};
  class variables variables = {};
  std::chrono::milliseconds timeout{0};
  std::string filename = {};
  std::uint32_t first_line = 0;
};

/// Whether a session's code may have processes of its own; numbers equal vivarium.v1.Processes.
enum class process_mode : std::uint8_t { unset = 0, none = 1, children = 2 };

/// Severity of a log record; numbers equal vivarium.v1.LogLevel.
enum class log_level : std::uint8_t {
  unset = 0,
  debug,
  info,
  notice,
  warning,
  error,
  critical,
};

/// A module of the application's: Python imports it, and a call of one of its functions is a call
/// of "module.function" to whoever serves that.
struct host_module {
  std::string name;                        ///< Dots make it part of a package.
  std::vector<std::string> functions = {}; ///< Asynchronous ones after "async ".
  class variables constants = {};
  bool replace = false; ///< Takes the place of a module that could be imported otherwise.
};

/// What makes a session repeat itself; see Determinism in session.proto.
struct determinism {
  std::optional<std::uint64_t> seed = {};
  std::optional<std::chrono::system_clock::time_point> clock = {};
  bool clock_advances = false;
  std::optional<std::uint32_t> hash_seed = {};
};

/// How a session is made; see CreateSessionRequest in session.proto.
struct session_options {
  std::string name = {};
  std::string environment = {};
  std::chrono::milliseconds idle_timeout{0};
  bool attach = false; ///< Take the session of that name when there is one.
  std::optional<init_script> init = {};
  bool start_async = false;
  enum lifetime lifetime = lifetime::unset;
  std::string working_directory = {};
  std::map<std::string, std::string> environment_variables = {};
  value_options values = {};
  std::uint64_t max_refs = 0;
  std::chrono::milliseconds ref_ttl{0};
  std::vector<std::string> tags = {};
  session_limits limits = {};
  std::string egress = {}; ///< Policy that says what it may connect to; empty: nothing.
  process_mode processes = process_mode::unset; ///< Unset: what its environment says.
  std::vector<host_module> modules = {};
  /// What `vivarium.LoggingHandler` drops is below this; unset: info.
  enum log_level log_level = log_level::unset;
  std::map<std::string, std::string> files =
      {}; ///< In the workspace from the start: path to content.
  std::vector<volume_mount> volumes = {};
  struct determinism determinism = {};
  struct capabilities capabilities = {}; ///< A database, the store, web servers.
};

/// A namespace to copy names from.
struct namespace_source {
  std::string name = {};                             ///< Id or name; empty for the base one.
  std::optional<std::vector<std::string>> only = {}; ///< An empty list copies nothing.
  std::optional<std::vector<std::string>> except = {};
};

/// How a namespace is made.
struct namespace_options {
  std::string name = {};
  std::vector<namespace_source> from = {}; ///< Later ones override earlier ones.
  class variables variables = {};
  value_options values = {};
  enum lifetime lifetime = lifetime::unset;
};

/// What requests of a connection leave unset.
struct defaults {
  std::string session = {};
  std::string namespace_id = {};
  std::string environment = {};
  run_options run = {};
  std::string pool = {}; ///< Session pool, instead of a session.
  enum affinity affinity = affinity::unset;
  /// Makes a session that ends with the connection, and is what `session` would be.
  bool own_session = false;
};

/// How a connection is made.
struct connect_options {
  std::string api_key = {}; ///< Empty for VIVARIUM_API_KEY.
  std::string ca_file = {}; ///< Of https; empty for the system's.
  /// W3C Trace Context of the requests that name none; empty for TRACEPARENT of the environment.
  /// What is none is as if it were empty.
  std::string traceparent = {};
  std::chrono::milliseconds timeout{10'000}; ///< To be connected in.
  /// The connection breaks when the daemon is silent for so long, asked in between.
  std::chrono::seconds idle_timeout{300};
  std::size_t max_message = std::size_t{256} << 20; ///< Largest message that is taken, bytes.
  /// Where the connection runs; null for a thread of its own. Somebody must run it; the calls that
  /// block must not be made from there.
  boost::asio::io_context* context = nullptr;
  /// Threads for functions that Python calls, at most; each is made when all others are at work. A
  /// function that waits for an evaluation which calls again takes one for each level.
  std::size_t host_threads = 64;
};

/// What is done to an object; see Operation in execution.proto.
enum class operation {
  call = 1,
  get,
  set,
  del,
  get_item,
  set_item,
  del_item,
  repr,
  str,
  len,
  iter,
  contains,
  truth,
  hash,
  dir,
  take,
  enter,
  exit,
};

/// Keyword arguments of a call: `session.call("builtins", "int", "ff", kwargs{{"base", 16}})`.
class kwargs : public variables {
public:
  using variables::variables;
};

/// What a call passes.
struct arguments {
  std::vector<value> positional = {};
  class variables keywords = {};
  run_options options = {};

  /// Sorts arguments: `kwargs` and `run_options` are what they are, all else is positional.
  template <class... Args>
  [[nodiscard]] static arguments of(Args&&... args) {
    arguments out;
    out.positional.reserve(sizeof...(args));
    (out.add(std::forward<Args>(args)), ...);
    return out;
  }

private:
  void add(const class kwargs& more) {
    for (const auto& [name, held] : more.content())
      keywords.set(name, held);
  }
  void add(const run_options& how) { options = how; }
  template <class T>
  requires std::constructible_from<value, T>
  void add(T&& item) { positional.emplace_back(std::forward<T>(item)); }
};

} // namespace client_v1
} // namespace vivarium
