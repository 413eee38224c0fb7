// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/service.hpp"
#include "daemon/side_thread.hpp"
#include "daemon/wire.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

/// The methods of the public API, whatever protocol carries them. A call is begun with an encoded
/// request and answered with an encoded response; Connect and the WebSocket only differ in how they
/// wrap the two.
namespace vivarium {
class admin_desk;
class environment_desk;
} // namespace vivarium

namespace vivarium::rpc {

enum class method : std::uint8_t {
  eval,
  start,
  follow,
  wait,
  cancel,
  list,
  compile,
  create_session,
  get_session,
  list_sessions,
  close_session,
  call,
  stream,
  batch,
  create_namespace,
  destroy_namespace,
  list_namespaces,
  release_refs,
  list_variables,
  get_interpreter,
  get_memory_stats,
  collect_garbage,
  set_tracemalloc,
  serve,
  answer,
  create_pool,
  list_pools,
  close_pool,
  set_routes,
  send,
  receive,
  get_file,
  put_file,
  stat_file,
  list_files,
  make_directory,
  move_file,
  remove_file,
  read_file,
  write_file,
  create_volume,
  list_volumes,
  remove_volume,
  commit_volume,
  register_environment,
  build_environment,
  get_environment,
  list_environments,
  verify_environment,
  remove_environment,
  get_value,
  set_value,
  delete_value,
  list_keys,
  boot_app,
  get_app,
  list_apps,
  close_app,
  handle,
  handle_stream,
  invoke,
  get_status,
  list_tenants,
  list_all_sessions,
  list_all_executions,
  list_worker_pools,
  list_all_pools,
  list_all_environments,
  drain,
  undrain,
  stop_execution,
  end_session,
  recycle_environment,
  set_log_level,
  reload_config,
};

/// What is known of a method.
struct method_info {
  method id;
  std::string_view name;       ///< For metrics and logs, e.g. "eval".
  std::string_view path;       ///< Of Connect.
  std::string_view frame_name; ///< Field of ClientFrame and ServerFrame in JSON.
  std::uint32_t request_field; ///< Its number in ClientFrame.
  std::uint32_t answer_field;  ///< Its number in ServerFrame.
  bool stream;                 ///< Answers with a stream.
  bool safe;                   ///< Has no side effects: Connect allows GET.
};

inline constexpr std::size_t method_count = 75;
[[nodiscard]] const method_info& info_of(method id) noexcept;
/// Each returns nothing when there is no such method.
[[nodiscard]] const method_info* find_by_path(std::string_view path) noexcept;
[[nodiscard]] const method_info* find_by_frame_name(std::string_view name) noexcept;
[[nodiscard]] const method_info* find_by_request_field(std::uint32_t field) noexcept;

/// Who began a call and is told of its outcome, under the tag given when it began. Called on the
/// reactor thread, possibly before `begin` has returned.
class asker {
public:
  virtual ~asker() = default;
  virtual void answer(std::uint64_t tag, std::string body) = 0;
  virtual void refuse(std::uint64_t tag, error why) = 0;
  /// A stream has items, or has ended: pull them with `next`.
  virtual void ready(std::uint64_t tag) = 0;
  /// The request of a call that was `preparing()` has been read, whatever it came to.
  virtual void prepared(std::uint64_t tag) = 0;
};

/// A message of a stream.
struct piece {
  std::string body;
  std::uint64_t used = 1; ///< How much of the client's credit it takes.
};

/// A call that was begun. It and the asker let go of each other when the outcome has been told.
class call {
public:
  virtual ~call() = default;
  /// The client is gone: nothing more is told, and what it waited for meets its fate.
  virtual void abandon() = 0;
  /// The client wants it over, and an answer.
  virtual void give_up() = 0;
  /// Next message of a stream, which takes at most `credit`; nothing when none is there now. To be
  /// called until then: what a stream goes on with is ordered when all that is there has been
  /// taken.
  virtual std::optional<result<piece>> next(std::uint64_t) { return std::nullopt; }
  /// Whether the stream has given its last item.
  [[nodiscard]] virtual bool ended() const noexcept { return false; }
  /// Whether its request is still being read beside the reactor; `asker::prepared` tells the end of
  /// that. What came after it from the same client has to wait, to keep its place.
  [[nodiscard]] virtual bool preparing() const noexcept { return false; }
};

/// A connection that things may belong to.
class connection_scope {
public:
  virtual ~connection_scope() = default;
  /// Its number, see `service::new_owner`.
  virtual std::uint64_t owner() = 0;
  /// The same when it has one already, else 0.
  [[nodiscard]] virtual std::uint64_t known_owner() const noexcept = 0;
};

/// What every call needs.
struct context {
  service& core;
  boost::asio::any_io_executor executor;
  side_thread& aside;
  environment_desk* environments = nullptr; ///< Null in tests that have none.
  admin_desk* admin = nullptr;              ///< Likewise.
};

/// What a client asks.
struct question {
  method what;
  wire::codec request;  ///< Encoding of the request's bytes.
  wire::codec response; ///< Encoding that the client wants.
  const std::string& tenant;
  const std::string& request_id;
  std::string_view bytes;
  bool admin;                               ///< The asker's role.
  connection_scope* scope = nullptr;        ///< Absent over plain HTTP.
  const wire::defaults* defaults = nullptr; ///< What the connection has set, if anything.
  std::uint64_t credit = 0;                 ///< Of a stream; 0 where the protocol knows none.
  std::string_view key = {};                ///< Id of the asker's key, for the audit log.
  trace_place trace = {};                   ///< Of the request.
};

/// Requests that hold no more than some names are refused from here on; no honest one comes near.
inline constexpr std::size_t most_of_short = 64u << 10;
[[nodiscard]] error too_long_for_short(std::size_t size);

/// Begins a call; its outcome goes to `who`. Returns nothing when the outcome has been told
/// already.
std::shared_ptr<call> begin(const context& with, const question& asked, std::shared_ptr<asker> who,
                            std::uint64_t tag);

} // namespace vivarium::rpc
