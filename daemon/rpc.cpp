// SPDX-License-Identifier: Apache-2.0
#include "daemon/rpc.hpp"

#include "daemon/rpc_calls.hpp"

#include <array>

namespace vivarium::rpc {

namespace {

#define EXECUTION "/vivarium.v1.ExecutionService/"
#define SESSION "/vivarium.v1.SessionService/"
constexpr std::array<method_info, method_count> methods{{
    {method::eval, "eval", EXECUTION "Eval", "eval", 2, 2, false, false},
    {method::start, "start", EXECUTION "Start", "start", 3, 3, false, false},
    {method::follow, "follow", EXECUTION "Follow", "follow", 4, 4, true, false},
    {method::wait, "wait", EXECUTION "Wait", "wait", 5, 5, false, false},
    {method::cancel, "cancel", EXECUTION "Cancel", "cancel", 6, 6, false, false},
    {method::list, "list", EXECUTION "List", "list", 7, 7, false, true},
    {method::compile, "compile", EXECUTION "Compile", "compile", 8, 8, false, true},
    {method::create_session, "create_session", SESSION "CreateSession", "createSession", 9, 9,
     false, false},
    {method::get_session, "get_session", SESSION "GetSession", "getSession", 10, 10, false, true},
    {method::list_sessions, "list_sessions", SESSION "ListSessions", "listSessions", 11, 11, false,
     true},
    {method::close_session, "close_session", SESSION "CloseSession", "closeSession", 12, 12, false,
     false},
}};
#undef EXECUTION
#undef SESSION

template <class Matches>
const method_info* find(Matches matches) noexcept {
  for (const auto& m : methods)
    if (matches(m))
      return &m;
  return nullptr;
}

std::shared_ptr<basic_call> begin_any(const context& with, const question& asked,
                                      std::shared_ptr<asker> who, std::uint64_t tag) {
  switch (asked.what) {
    case method::eval:
    case method::call: return begin_eval(with, asked, std::move(who), tag);
    case method::stream: return begin_stream(with, asked, std::move(who), tag);
    case method::batch: return begin_batch(with, asked, std::move(who), tag);
    case method::release_refs:
    case method::list_variables:
    case method::get_interpreter:
    case method::get_memory_stats:
    case method::collect_garbage:
    case method::set_tracemalloc: return begin_operation(with, asked, std::move(who), tag);
    case method::wait: return begin_wait(with, asked, std::move(who), tag);
    case method::follow: return begin_follow(with, asked, std::move(who), tag);
    default: return begin_simple(with, asked, std::move(who), tag);
  }
}

} // namespace

const method_info& info_of(method id) noexcept {
  return methods[static_cast<std::size_t>(id)];
}

const method_info* find_by_path(std::string_view path) noexcept {
  return find([path](const method_info& m) { return m.path == path; });
}

const method_info* find_by_frame_name(std::string_view name) noexcept {
  return find([name](const method_info& m) { return m.frame_name == name || m.name == name; });
}

const method_info* find_by_request_field(std::uint32_t field) noexcept {
  return find([field](const method_info& m) { return m.request_field == field; });
}

status settle_owner(std::uint64_t& owner, const question& asked) {
  if (owner != wire::owner_is_asker)
    return done{};
  if (asked.scope == nullptr)
    return error{errc::invalid_argument,
                 "a lifetime of CONNECTION is offered to WebSocket connections only"};
  owner = asked.scope->owner();
  return done{};
}

status settle(submission& what, const question& asked) {
  what.request_id = asked.request_id;
  auto format = static_cast<wire::result_format>(what.answer_format);
  what.as_json =
      format == wire::result_format::json
      || (format == wire::result_format::unspecified && asked.response == wire::codec::json);
  return settle_owner(what.owner, asked);
}

std::shared_ptr<call> begin(const context& with, const question& asked, std::shared_ptr<asker> who,
                            std::uint64_t tag) {
  auto begun = begin_any(with, asked, std::move(who), tag);
  if (begun && begun->over())
    begun.reset();
  return begun;
}

} // namespace vivarium::rpc
