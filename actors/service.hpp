// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/environment_book.hpp"
#include "actors/execution.hpp"
#include "actors/http_gate.hpp"
#include "actors/key_value_store.hpp"
#include "actors/mailboxes.hpp"
#include "actors/observer.hpp"
#include "actors/reply.hpp"
#include "actors/settings.hpp"
#include "actors/switchboard.hpp"
#include "actors/volume_info.hpp"
#include "sandbox/cgroup_tree.hpp"

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace vivarium {

class administration;
class session_files;
using session_files_ptr = std::shared_ptr<session_files>;

/// Numbers equal vivarium.v1.SessionState.
enum class session_state : std::uint8_t {
  starting = 1,
  ready = 2,
  busy = 3,
  interrupting = 4,
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
  std::vector<std::string> tags;
  vivarium::usage
      used; ///< By its executions in all; `wall` is the time that it spent running them.
  std::uint64_t namespaces = 0; ///< Beside the base one.
  std::int64_t worker_pid = 0;  ///< On the daemon's host; 0 when there is none.
  std::string init_error;       ///< Formatted traceback; only when that is why it is dead.
  session_limits limits;        ///< That hold for it.
  std::string egress;           ///< Name of its egress policy; empty: no way out.
  process_mode processes = process_mode::none;
  std::vector<volume_mount> volumes;
  std::chrono::microseconds worker_cpu{}; ///< Of its worker so far, also of what runs now.
};

/// Source to be run before a session is ready.
struct init_script {
  std::string source;
  std::string variables;                ///< Encoded and validated Value, a dict; may be empty.
  std::chrono::milliseconds timeout{0}; ///< 0: a minute.
  std::string filename;
  std::uint32_t first_line = 1;
};

/// A module whose functions are the application's.
struct host_module {
  std::string name;
  std::vector<std::string> functions; ///< Asynchronous ones after "async ".
  std::string constants;              ///< Encoded and validated Value, a dict; may be empty.
  bool overrides = false;             ///< May take the place of one that could be imported.
};

/// What a client asks of a new session.
struct session_request {
  std::string name;
  std::string environment;
  std::chrono::milliseconds idle_timeout{0};
  bool attach = false;
  std::optional<init_script> init;
  bool start_async = false; ///< Answer at once with a session that is starting.
  bool of_app = false;      ///< An application's own, which is ended with it.
  std::uint64_t owner = 0;  ///< Connection that it ends with; 0: none.
  std::string working_directory;
  std::vector<std::pair<std::string, std::string>> environment_variables;
  bridge::value_options values;
  limits_request limits;                ///< Of its own.
  std::chrono::milliseconds ref_ttl{0}; ///< 0: no limit.
  std::vector<std::string> tags;
  std::string egress; ///< Name of a policy; empty: no way out.
  std::optional<process_mode> processes;
  std::vector<host_module> modules;
  std::uint8_t log_level = 0; ///< vivarium.v1.LogLevel; 0: the usual one.
  determinism repeats;
  capability_request capabilities;
  std::string request_id;
  trace_place trace;                                      ///< Of its start.
  std::vector<std::pair<std::string, std::string>> files; ///< Path and content.
  std::vector<volume_mount> volumes;
  bool replaces = false; ///< One that has ended: also while the daemon takes no new ones.
};

/// What a session pool is made from.
struct session_pool_plan {
  std::string name;
  std::string host;        ///< Tenant that its sessions are of; a shared pool has one of its own.
  std::string trust_group; ///< Whose tenants share it; empty: it is one tenant's.
  std::size_t sessions = 4;
  std::size_t queue = 1'000; ///< Executions that may wait, of each tenant.
  session_request wish;      ///< What each session is like.
  /// When a session that is free is replaced; 0: never.
  std::chrono::milliseconds max_age{0};
  std::uint64_t max_executions = 0;
  bool configured = false;

  [[nodiscard]] bool shared() const noexcept { return !trust_group.empty(); }
};

/// A session pool as it stands.
struct session_pool_info {
  std::string name;
  std::string environment;
  std::uint64_t sessions = 0; ///< That it shall have.
  std::uint64_t ready = 0;    ///< Sessions that can run something, the busy ones among them.
  std::uint64_t busy = 0;
  std::uint64_t waiting = 0; ///< Executions; of all tenants when it is shared.
  std::uint64_t queue = 0;   ///< Most that may wait.
  std::uint64_t calls = 0;
  std::uint64_t replaced = 0; ///< Sessions that ended by themselves.
  std::string trouble;        ///< Why the latest session could not be made; empty when it could.
  bool configured = false;    ///< By the configuration; else by a client.
  bool shared = false;        ///< With other tenants of a trust group.
};

/// A namespace as it stands.
struct namespace_info {
  std::string id;
  std::string name;
  std::string session_id;
  std::chrono::system_clock::time_point created;
};

/// Where a new namespace copies names from.
struct namespace_source {
  std::string name; ///< Id or name; empty for the base one.
  std::optional<std::vector<std::string>> only;
  std::optional<std::vector<std::string>> except;
};

/// What a client asks of a new namespace.
struct namespace_request {
  std::string session;
  std::string name;
  std::vector<namespace_source> from;
  std::string variables; ///< Encoded and validated Value, a dict; may be empty.
  bridge::value_options values;
  std::uint64_t owner = 0; ///< Connection that it ends with; 0: none.
  std::string request_id;
};

/// Memory of a session's worker as the kernel tells it, bytes.
struct worker_memory {
  std::uint64_t resident = 0;
  std::uint64_t peak = 0;
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

class app_registry;

/// The door between the network side of the daemon and its actors. Every call names the tenant and
/// is answered through its `reply`, on the reactor thread, possibly before the call returns. All
/// methods are called on the reactor thread.
class service {
public:
  /// Starts the actor system on `reactor`. The first zygotes start at once.
  /// `cgroups`: where sessions get control groups of their own; null for none.
  service(boost::asio::io_context& reactor, settings config, observer& watch,
          std::unique_ptr<sandbox::cgroup_tree> cgroups = nullptr);
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

  /// Tells where the daemon itself listens: no session may connect there, whatever its policy.
  void keep_from_sessions(std::vector<sandbox::endpoint> listeners);
  /// Whether the configuration has a tenant of that name.
  [[nodiscard]] bool knows(const std::string& tenant) const noexcept;

  /// Takes over other tenants and quotas. What is in use beyond them is left alone; the sessions of
  /// a tenant that is not there any more end as idle ones do.
  void retune(settings fresh);
  /// So many requests of the tenant have come; refuses when that is too many.
  [[nodiscard]] status admit(const std::string& tenant, std::size_t count = 1,
                             std::string_view request_id = {});
  /// One more connection speaks for the tenant, for as long as the hold lives.
  [[nodiscard]] result<quota_hold> admit_connection(const std::string& tenant,
                                                    std::string_view request_id = {});

  /// Submits source. The execution is returned as soon as it has an id and a place in a session;
  /// subscribe to it to see its events and its verdict.
  void submit(const std::string& tenant, submission&& what, reply<execution_ptr> to);
  /// Finds an execution that runs or is still kept.
  void find_execution(const std::string& tenant, const std::string& id, reply<execution_ptr> to);
  /// Interrupts an execution; false when it had ended already.
  void cancel(const std::string& tenant, const std::string& id, reply<bool> to);
  /// Applies `on_disconnect` for a client that waited for `what` and went away.
  void abandon(const std::string& tenant, const execution_ptr& what);
  /// Orders another round of a stream, see bridge::pull; 0 ends it in order, so that its generator
  /// is closed.
  void pull(const std::string& tenant, const execution_ptr& what, std::uint64_t credit);
  /// Lists executions of one session, or of the tenant when `session` is empty.
  void list_executions(const std::string& tenant, const std::string& session,
                       reply<std::vector<execution_info>> to);
  void compile(const std::string& tenant, submission what, reply<compiled> to);

  void create_session(const std::string& tenant, session_request what, reply<session_info> to);
  void get_session(const std::string& tenant, const std::string& session, reply<session_info> to);
  void list_sessions(const std::string& tenant, reply<std::vector<session_info>> to);
  /// Answered at once, while the session's processes are killed; after its volumes have been
  /// written back where it has any to write, and unless they are to be discarded.
  void close_session(const std::string& tenant, const std::string& session, bool discard,
                     reply<done> to);

  /// The files of a session, once it has started.
  void files_of(const std::string& tenant, const std::string& session, reply<session_files_ptr> to);
  void create_volume(const std::string& tenant, const std::string& name, std::uint64_t max_bytes,
                     reply<volume_info> to);
  void list_volumes(const std::string& tenant, reply<std::vector<volume_info>> to);
  void remove_volume(const std::string& tenant, const std::string& name, reply<done> to);
  /// Writes a session's copy of a volume back; with `force` also over what others wrote since.
  void commit_volume(const std::string& tenant, const std::string& session,
                     const std::string& volume, bool force, reply<volume_info> to);

  /// Makes a session pool of the tenant's own. Its sessions count as the tenant's.
  void create_session_pool(const std::string& tenant, session_pool_plan what,
                           reply<session_pool_info> to);
  /// The tenant's session pools: its own and shared ones, by name.
  void list_session_pools(const std::string& tenant, reply<std::vector<session_pool_info>> to);
  /// Ends a session pool that a client has made.
  void close_session_pool(const std::string& tenant, const std::string& name, reply<done> to);
  /// Sets routes beside those of the configuration, in place of those set before. Each leads from a
  /// module, or the dotted name of a function, to a session pool.
  [[nodiscard]] status set_routes(const std::string& tenant,
                                  std::map<std::string, std::string> routes);
  /// All routes of the tenant.
  [[nodiscard]] std::map<std::string, std::string> routes(const std::string& tenant) const;

  void create_namespace(const std::string& tenant, namespace_request what,
                        reply<namespace_info> to);
  /// Ends a namespace after the executions already submitted; one that is not there is no error.
  void destroy_namespace(const std::string& tenant, const std::string& session,
                         const std::string& name_space, reply<done> to);
  void list_namespaces(const std::string& tenant, const std::string& session,
                       reply<std::vector<namespace_info>> to);
  void memory_of(const std::string& tenant, const std::string& session, reply<worker_memory> to);

  /// What administrators see and do, over all tenants.
  [[nodiscard]] administration& admin() noexcept;
  /// Whether new sessions are refused for now.
  [[nodiscard]] bool drained() const noexcept;

  /// Web applications that live in sessions.
  [[nodiscard]] app_registry& apps() noexcept;
  /// Where clients offer functions to the code of their sessions, and answer its calls.
  [[nodiscard]] switchboard& functions() noexcept;
  /// Sends a message of a client's; `value` is an encoded and validated Value. See `mailboxes`.
  [[nodiscard]] result<std::uint64_t> send_message(const std::string& tenant, const std::string& to,
                                                   std::string value);
  /// Opens a mailbox of the tenant, which must be gone before this is.
  [[nodiscard]] result<mailbox_ptr> open_mailbox(const std::string& tenant,
                                                 std::vector<std::string> names,
                                                 std::function<void()> on_message);

  /// Makes the name of an environment mean this, for one tenant or, when `owner` is empty, for all.
  /// Nobody finds what it meant before; `gone` is called when no session runs in that any more.
  void put_environment(const std::string& owner, const std::string& name, environment_settings what,
                       std::function<void()> gone);
  /// Says why there is nothing behind the name yet.
  void put_environment_trouble(const std::string& owner, const std::string& name, error why);
  /// Forgets the name; `gone` as above.
  void drop_environment(const std::string& owner, const std::string& name,
                        std::function<void()> gone);
  /// Which there are.
  [[nodiscard]] const environment_book& environments() const noexcept;
  /// Whether a tenant may use those of that name which are everybody's.
  [[nodiscard]] bool may_use_environment(const std::string& tenant,
                                         const std::string& name) const noexcept;
  /// Whether a tenant may register environments without being an administrator.
  [[nodiscard]] bool may_register_environments(const std::string& tenant) const noexcept;
  /// Why environments that were used could not start, by name: those that do not keep the daemon
  /// from being ready.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> environment_troubles() const;
  /// The tenants' key-value store.
  [[nodiscard]] key_value_store& store() noexcept;
  /// Who speaks HTTP for sessions that have rules for it; outlives the service.
  void speak_http_through(http_gate& gate) noexcept;

  /// A number for a connection that may own sessions, namespaces and refs; never 0.
  [[nodiscard]] std::uint64_t new_owner() noexcept;
  /// The connection is gone: what it owned ends.
  void release_owner(const std::string& tenant, std::uint64_t owner);

  /// Refuses new sessions and executions, lets running ones finish until `deadline`, then ends
  /// everything; `then` is called when nothing is left.
  void drain(clock_type::time_point deadline, std::function<void()> then);

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace vivarium
