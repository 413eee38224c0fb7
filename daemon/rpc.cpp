// SPDX-License-Identifier: Apache-2.0
#include "daemon/rpc.hpp"

#include "daemon/rpc_calls.hpp"

namespace vivarium::rpc {

namespace {

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
    case method::serve: return begin_serve(with, asked, std::move(who), tag);
    case method::wait: return begin_wait(with, asked, std::move(who), tag);
    case method::follow: return begin_follow(with, asked, std::move(who), tag);
    case method::boot_app:
    case method::get_app:
    case method::list_apps:
    case method::close_app:
    case method::handle:
    case method::handle_stream:
    case method::invoke: return begin_app(with, asked, std::move(who), tag);
    case method::receive: return begin_receive(with, asked, std::move(who), tag);
    case method::get_file:
    case method::put_file:
    case method::stat_file:
    case method::list_files:
    case method::make_directory:
    case method::move_file:
    case method::remove_file:
    case method::read_file:
    case method::write_file:
    case method::create_volume:
    case method::list_volumes:
    case method::remove_volume:
    case method::commit_volume: return begin_file(with, asked, std::move(who), tag);
    case method::build_environment: return begin_build(with, asked, std::move(who), tag);
    case method::register_environment:
    case method::get_environment:
    case method::list_environments:
    case method::verify_environment:
    case method::remove_environment: return begin_environment(with, asked, std::move(who), tag);
    case method::get_status:
    case method::list_tenants:
    case method::list_all_sessions:
    case method::list_all_executions:
    case method::list_worker_pools:
    case method::list_all_pools:
    case method::list_all_environments:
    case method::drain:
    case method::undrain:
    case method::stop_execution:
    case method::end_session:
    case method::recycle_environment:
    case method::set_log_level:
    case method::reload_config: return begin_admin(with, asked, std::move(who), tag);
    default: return begin_simple(with, asked, std::move(who), tag);
  }
}

/// Whether a request may hold source, values or many ids.
bool may_be_long(method what) noexcept {
  switch (what) {
    case method::eval:
    case method::call:
    case method::start:
    case method::stream:
    case method::batch:
    case method::compile:
    case method::create_session:
    case method::create_pool:
    case method::send:
    case method::set_value:
    case method::create_namespace:
    case method::boot_app:
    case method::handle:
    case method::handle_stream:
    case method::invoke:
    case method::serve:
    case method::answer:
    case method::put_file:
    case method::write_file:
    case method::register_environment:
    case method::verify_environment:
    case method::release_refs: return true;
    default: return false;
  }
}

} // namespace

error too_long_for_short(std::size_t size) {
  return error{errc::too_large, "this request has " + std::to_string(size)
                                    + " bytes; the maximum is " + std::to_string(most_of_short)};
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
  what.trace = asked.trace.child();
  what.connection = asked.scope != nullptr ? asked.scope->known_owner() : 0;
  auto format = static_cast<wire::result_format>(what.answer_format);
  what.as_json =
      format == wire::result_format::json
      || (format == wire::result_format::unspecified && asked.response == wire::codec::json);
  return settle_owner(what.owner, asked);
}

std::shared_ptr<call> begin(const context& with, const question& asked, std::shared_ptr<asker> who,
                            std::uint64_t tag) {
  if (auto ok = with.core.admit(asked.tenant, 1, asked.request_id); !ok) {
    who->refuse(tag, std::move(ok).why());
    return nullptr;
  }
  if (asked.bytes.size() > most_of_short && !may_be_long(asked.what)) {
    who->refuse(tag, too_long_for_short(asked.bytes.size()));
    return nullptr;
  }
  auto begun = begin_any(with, asked, std::move(who), tag);
  if (begun && begun->over())
    begun.reset();
  return begun;
}

} // namespace vivarium::rpc
