// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/execution.hpp"
#include "actors/mailboxes.hpp"
#include "actors/service.hpp"
#include "daemon/wire_value.hpp"
#include "proto/result.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The border between messages of vivarium.v1 and the vocabulary. Requests are decoded and checked
/// (UTF-8, enums, sizes) on the way in, answers are encoded on the way out, in binary or JSON. What
/// every evaluation needs is coded by hand and tested against libprotobuf; all other JSON is
/// transcoded by libprotobuf, which is used nowhere else.
namespace vivarium::wire {

enum class codec : std::uint8_t { proto, json };

/// Numbers equal vivarium.v1.ResultFormat.
enum class result_format : std::uint8_t { unspecified, typed, json, repr, none };

/// Messages that can be transcoded.
enum class message : std::uint8_t {
  eval_request,
  eval_response,
  call_request,
  stream_request,
  stream_response,
  batch_request,
  start_request,
  start_response,
  follow_request,
  follow_response,
  wait_request,
  wait_response,
  cancel_request,
  cancel_response,
  list_request,
  list_response,
  compile_request,
  compile_response,
  create_session_request,
  create_session_response,
  get_session_request,
  get_session_response,
  list_sessions_request,
  list_sessions_response,
  close_session_request,
  close_session_response,
  create_namespace_request,
  create_namespace_response,
  destroy_namespace_request,
  list_namespaces_request,
  list_namespaces_response,
  release_refs_request,
  release_refs_response,
  list_variables_request,
  list_variables_response,
  get_interpreter_request,
  get_interpreter_response,
  get_memory_stats_request,
  get_memory_stats_response,
  collect_garbage_request,
  collect_garbage_response,
  set_tracemalloc_request,
  set_tracemalloc_response,
  serve_request,
  serve_response,
  answer_request,
  answer_response,
  create_pool_request,
  create_pool_response,
  list_pools_request,
  list_pools_response,
  close_pool_request,
  set_routes_request,
  send_request,
  send_response,
  receive_request,
  receive_response,
  get_file_request,
  get_file_response,
  put_file_request,
  put_file_response,
  stat_file_request,
  stat_file_response,
  list_files_request,
  list_files_response,
  make_directory_request,
  make_directory_response,
  move_file_request,
  move_file_response,
  remove_file_request,
  remove_file_response,
  read_file_request,
  read_file_response,
  write_file_request,
  write_file_response,
  create_volume_request,
  create_volume_response,
  list_volumes_request,
  list_volumes_response,
  remove_volume_request,
  commit_volume_request,
  commit_volume_response,
  register_environment_request,
  register_environment_response,
  build_environment_request,
  build_environment_response,
  get_environment_request,
  get_environment_response,
  list_environments_request,
  list_environments_response,
  verify_environment_request,
  verify_environment_response,
  remove_environment_request,
  get_value_request,
  get_value_response,
  set_value_request,
  delete_value_request,
  delete_value_response,
  list_keys_request,
  list_keys_response,
  boot_app_request,
  boot_app_response,
  get_app_request,
  get_app_response,
  list_apps_request,
  list_apps_response,
  get_status_request,
  get_status_response,
  list_tenants_request,
  list_tenants_response,
  list_all_sessions_request,
  list_all_sessions_response,
  list_all_executions_request,
  list_all_executions_response,
  list_worker_pools_request,
  list_worker_pools_response,
  list_all_pools_request,
  list_all_pools_response,
  list_all_environments_request,
  list_all_environments_response,
  drain_request,
  drain_response,
  undrain_request,
  stop_execution_request,
  stop_execution_response,
  end_session_request,
  end_session_response,
  recycle_environment_request,
  recycle_environment_response,
  set_log_level_request,
  set_log_level_response,
  reload_config_request,
  reload_config_response,
  handle_request,
  handle_response,
  handle_stream_request,
  handle_stream_response,
  invoke_request,
  invoke_response,
  close_app_request,
  client_frame,
  defaults,
  execution_error,
};

/// Translates JSON to the binary encoding. An unknown field is an error that names it.
[[nodiscard]] result<std::string> to_binary(message type, std::string_view json);
/// Translates the binary encoding to JSON.
[[nodiscard]] result<std::string> to_json(message type, std::string_view binary);

// Requests.

/// Stands in what is decoded for the connection that asks, when something shall live as long as it:
/// whoever submits puts the connection's number there, or refuses.
inline constexpr std::uint64_t owner_is_asker = ~std::uint64_t{0};

/// What requests of a connection leave unset is taken from here.
struct defaults {
  std::string session;
  std::string name_space;
  std::string environment;
  std::chrono::milliseconds timeout{0};
  std::chrono::milliseconds cpu_budget{0};
  std::int32_t format = 0;
  std::int32_t queue = 0;
  std::int32_t disconnect = 0;
  std::string pool;
  std::int32_t affinity = 0;
  value_fields values;
  bool own_session = false; ///< To be made by whoever sets them.
};

struct follow_request {
  std::string execution;
  std::uint64_t from = 1;
};
struct wait_request {
  std::string execution;
  std::chrono::milliseconds timeout{0};
};
struct stream_request {
  submission what;
  std::uint32_t window = 0; ///< Items that may be under way over plain HTTP.
};
/// A value for the store.
struct set_value_request {
  std::string key;
  std::string json;
  std::chrono::milliseconds ttl{0};
};

struct send_request {
  std::string to;
  std::string value; ///< Encoded and checked Value.
};
struct receive_request {
  std::string name; ///< May be empty.
  result_format format = result_format::unspecified;
};
struct session_and_namespace {
  std::string session;
  std::string name_space;
};

inline constexpr std::uint32_t default_window = 1'024;
inline constexpr std::uint32_t most_window = 1'000'000;
inline constexpr std::size_t most_batch_items = 1'000;
inline constexpr std::size_t most_refs = 100'000; ///< Of one ReleaseRefs.
inline constexpr std::size_t most_modules = 100;
inline constexpr std::size_t most_functions = 1'000; ///< Of a module, and of names of a Serve.
inline constexpr std::size_t most_function_bytes = 200;
inline constexpr std::size_t most_tags = 16;
inline constexpr std::size_t most_tag_bytes = 64;
inline constexpr std::size_t most_environment_variables = 256;
inline constexpr std::size_t most_environment_bytes = 64u << 10; ///< Names and values together.
inline constexpr std::size_t most_sources = 1'000;               ///< Of a new namespace.
inline constexpr std::uint32_t most_frames = 100;                ///< Of tracemalloc.

// `base` is what the connection has set for requests that leave something unset.

[[nodiscard]] result<submission> decode_eval(codec as, std::string_view bytes,
                                             const defaults* base = nullptr);
[[nodiscard]] result<submission> decode_call(codec as, std::string_view bytes,
                                             const defaults* base = nullptr);
[[nodiscard]] result<submission> decode_start(codec as, std::string_view bytes,
                                              const defaults* base = nullptr);
[[nodiscard]] result<stream_request> decode_stream(codec as, std::string_view bytes,
                                                   const defaults* base = nullptr);
/// Each item is right or wrong by itself.
[[nodiscard]] result<std::vector<result<submission>>> decode_batch(codec as, std::string_view bytes,
                                                                   const defaults* base = nullptr);
[[nodiscard]] result<defaults> decode_defaults(codec as, std::string_view bytes);
[[nodiscard]] std::string encode_defaults_set(codec as, std::string_view session);
[[nodiscard]] result<submission> decode_compile(codec as, std::string_view bytes);
[[nodiscard]] result<follow_request> decode_follow(codec as, std::string_view bytes);
[[nodiscard]] result<wait_request> decode_wait(codec as, std::string_view bytes);
/// Cancel: the execution's id.
[[nodiscard]] result<std::string> decode_cancel(codec as, std::string_view bytes);
/// List: the session; may be empty.
[[nodiscard]] result<std::string> decode_list(codec as, std::string_view bytes);
[[nodiscard]] result<session_request> decode_create_session(codec as, std::string_view bytes);
/// The same in binary, wherever it is embedded.
[[nodiscard]] result<session_request> read_create_session(std::string_view bytes);
struct close_request {
  std::string session;
  bool discard_volumes = false;
};
[[nodiscard]] result<close_request> decode_close_session(codec as, std::string_view bytes);
/// GetSession, ListNamespaces: the session.
[[nodiscard]] result<std::string> decode_session(message type, codec as, std::string_view bytes);
[[nodiscard]] result<namespace_request> decode_create_namespace(codec as, std::string_view bytes);
[[nodiscard]] result<session_and_namespace> decode_destroy_namespace(codec as,
                                                                     std::string_view bytes);
/// What is asked of a session's interpreter beside running code, see bridge::run_mode.
[[nodiscard]] result<submission> decode_release_refs(codec as, std::string_view bytes);
[[nodiscard]] result<submission> decode_list_variables(codec as, std::string_view bytes);
[[nodiscard]] result<submission> decode_get_interpreter(codec as, std::string_view bytes);
[[nodiscard]] result<submission> decode_get_memory_stats(codec as, std::string_view bytes);
[[nodiscard]] result<submission> decode_collect_garbage(codec as, std::string_view bytes);
[[nodiscard]] result<submission> decode_set_tracemalloc(codec as, std::string_view bytes);
struct serve_request {
  function_offer what;
  result_format format = result_format::unspecified;
  std::uint32_t window = 0; ///< Calls that may be under way over plain HTTP.
};
struct answer_request {
  std::string call;
  function_answer with;
};
[[nodiscard]] result<serve_request> decode_serve(codec as, std::string_view bytes);
[[nodiscard]] result<answer_request> decode_answer(codec as, std::string_view bytes);
[[nodiscard]] result<session_pool_plan> decode_create_pool(codec as, std::string_view bytes);
[[nodiscard]] result<send_request> decode_send(codec as, std::string_view bytes);
[[nodiscard]] result<receive_request> decode_receive(codec as, std::string_view bytes);
/// A request that holds nothing but a key of the store.
[[nodiscard]] result<std::string> decode_key(message type, codec as, std::string_view bytes);
[[nodiscard]] result<set_value_request> decode_set_value(codec as, std::string_view bytes);
[[nodiscard]] result<store_query> decode_list_keys(codec as, std::string_view bytes);
/// ClosePool: the pool's name.
[[nodiscard]] result<std::string> decode_close_pool(codec as, std::string_view bytes);
[[nodiscard]] result<std::map<std::string, std::string>> decode_set_routes(codec as,
                                                                           std::string_view bytes);
/// A request without fields.
[[nodiscard]] status decode_empty(message type, codec as, std::string_view bytes);

// Answers. The execution has ended where a verdict is part of the answer.

/// The answer of Eval or Call, which are the same but for their names.
[[nodiscard]] result<std::string> encode_eval(codec as, const execution& source);
/// Fields of Items as messages of a stream, in the form that `format` says. `id` is that of the
/// execution, empty but in the first message.
[[nodiscard]] result<std::string> encode_stream_items(codec as, result_format format,
                                                      std::string_view items, std::string_view id);
/// The last message of a stream.
[[nodiscard]] result<std::string> encode_stream_end(codec as, const execution& source,
                                                    std::string_view id);
/// Cuts the fields of the first `most` items off the front of `items`.
[[nodiscard]] std::string_view take_items(std::string_view& items, std::uint64_t most);
/// One BatchResult: of an execution that ended, or of what could not be run.
[[nodiscard]] result<std::string> encode_batch_result(codec as, const execution& source);
[[nodiscard]] result<std::string> encode_batch_result(codec as, const error& why,
                                                      std::string_view request_id);
/// Puts encoded results together.
[[nodiscard]] std::string encode_batch(codec as, const std::vector<std::string>& results);
[[nodiscard]] result<std::string> encode_start(codec as, const execution& source);
/// An event of `source`, which follows `lost` events that the log no longer holds.
[[nodiscard]] result<std::string> encode_follow(codec as, const execution& source,
                                                const event& what, std::uint64_t lost);
[[nodiscard]] result<std::string> encode_wait(codec as, const execution& source);
[[nodiscard]] result<std::string> encode_cancel(codec as, bool cancelled);
[[nodiscard]] result<std::string> encode_list(codec as, const std::vector<execution_info>& all);
[[nodiscard]] result<std::string> encode_compile(codec as, const compiled& what);
/// A Session, a Pool, for messages that have one.
[[nodiscard]] std::string bytes_of(const session_info& what);
[[nodiscard]] std::string bytes_of(const session_pool_info& what);
/// The answer of CreateSession or GetSession.
[[nodiscard]] result<std::string> encode_session(message type, codec as, const session_info& what);
[[nodiscard]] result<std::string> encode_sessions(codec as, const std::vector<session_info>& all);
[[nodiscard]] result<std::string> encode_namespace(codec as, const namespace_info& what);
[[nodiscard]] result<std::string> encode_namespaces(codec as,
                                                    const std::vector<namespace_info>& all);
[[nodiscard]] result<std::string> encode_pool(codec as, const session_pool_info& what);
[[nodiscard]] result<std::string> encode_pools(codec as, const std::vector<session_pool_info>& all,
                                               const std::map<std::string, std::string>& routes);
[[nodiscard]] result<std::string> encode_sent(codec as, std::uint64_t receivers);
/// The first response of Receive, and those that follow.
[[nodiscard]] std::string encode_receiving(codec as, std::string_view id);
[[nodiscard]] result<std::string> encode_value_found(codec as,
                                                     const std::optional<std::string>& json);
[[nodiscard]] result<std::string> encode_value_deleted(codec as, bool found);
[[nodiscard]] result<std::string> encode_keys(codec as, const store_page& page);
[[nodiscard]] result<std::string> encode_message(codec as, result_format format,
                                                 const mailbox::delivery& what);
// The answers of a worker, whose words are checked: `value` is an encoded, validated Value.
[[nodiscard]] result<std::string> encode_released(codec as, std::string_view value);
[[nodiscard]] result<std::string> encode_variables(codec as, std::string_view value);
[[nodiscard]] result<std::string> encode_interpreter(codec as, std::string_view value);
[[nodiscard]] result<std::string> encode_memory_stats(codec as, std::string_view value,
                                                      const worker_memory& seen);
[[nodiscard]] result<std::string> encode_collected(codec as, std::string_view value);
[[nodiscard]] result<std::string> encode_tracemalloc(codec as, std::string_view value);

// The messages of Serve: the functions are offered; a call, after so many casts were lost; nobody
// waits for that call any more.
[[nodiscard]] std::string encode_serving(codec as);
[[nodiscard]] result<std::string>
encode_function_call(codec as, result_format format, const function_call& what, std::uint64_t lost);
[[nodiscard]] result<std::string> encode_call_dropped(codec as, std::string_view id);

// Errors.

/// An error of the protocol for an operation that ended with an encoded ExecutionError.
[[nodiscard]] error error_of(const verdict& how);

/// The error of a client whose message is over a limit: what it is, its size, the option that
/// bounds it.
[[nodiscard]] error too_many_bytes(std::string_view what, std::uint64_t size, std::size_t limit,
                                   std::string_view option);

/// How the protocols show an error.
struct failure_face {
  std::string_view code; ///< Connect's, e.g. "not_found".
  int status;            ///< HTTP's.
  std::uint32_t kind;    ///< vivarium.v1.ErrorKind
};
[[nodiscard]] failure_face face_of(errc code) noexcept;
/// What a client may read of an error: what the daemon met inside itself stays in its log.
[[nodiscard]] std::string public_message(const error& why);
/// An encoded vivarium.v1.ErrorDetail.
[[nodiscard]] std::string encode_detail(const error& why, std::string_view request_id);
/// Appends the JSON form of that ErrorDetail.
void append_detail_json(std::string& out, const error& why, std::string_view request_id);
/// Appends Connect's JSON form of an error.
void append_error_json(std::string& out, const error& why, std::string_view request_id);

} // namespace vivarium::wire
