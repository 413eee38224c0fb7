// SPDX-License-Identifier: Apache-2.0
#include "actors/administration.hpp"
#include "daemon/admin_desk.hpp"
#include "daemon/rpc_calls.hpp"
#include "daemon/wire_admin.hpp"

#include <utility>

namespace vivarium::rpc {

namespace {

using wire::message;

// Of an entry of a list in JSON, about.
constexpr std::size_t bytes_of_entry = 400;

/// A question or an order of an administrator. What is an order is told to the desk when it is
/// over, whatever came of it and whether or not anybody still waits for the answer.
class admin_call final : public basic_call, public std::enable_shared_from_this<admin_call> {
public:
  using basic_call::basic_call;

  void begin(const context& with, const question& asked) {
    desk_ = with.admin;
    admin_ = &with.core.admin();
    aside_ = &with.aside;
    who_ = {asked.tenant, std::string{asked.key}, asked.request_id};
    name_ = info_of(asked.what).name;
    // Before anything is read: a stranger learns nothing, not even what is wrong with a request.
    if (!asked.admin) {
      desk_->refused(who_, name_);
      return refuse(error{errc::permission_denied, "this needs a key with the role admin"});
    }
    auto as = asked.request;
    auto bytes = asked.bytes;
    switch (asked.what) {
      case method::drain: return drain(wire::decode_empty(message::drain_request, as, bytes));
      case method::undrain: return undrain(wire::decode_empty(message::undrain_request, as, bytes));
      case method::stop_execution:
        return stop_execution(wire::decode_stop(message::stop_execution_request, as, bytes));
      case method::end_session:
        return end_session(wire::decode_stop(message::end_session_request, as, bytes));
      case method::recycle_environment: return recycle(wire::decode_recycle(as, bytes));
      case method::set_log_level: return set_level(wire::decode_log_level(as, bytes));
      case method::reload_config:
        return reload(wire::decode_empty(message::reload_config_request, as, bytes));
      case method::get_status:
        if (auto ok = wire::decode_empty(message::get_status_request, as, bytes); check(ok))
          answer(wire::encode_status(response(), desk_->status()));
        return;
      default: break;
    }
    list(asked.what, wire::decode_overview(request_of(asked.what), as, bytes));
  }

private:
  static message request_of(method what) noexcept {
    switch (what) {
      case method::list_tenants: return message::list_tenants_request;
      case method::list_all_sessions: return message::list_all_sessions_request;
      case method::list_all_executions: return message::list_all_executions_request;
      case method::list_worker_pools: return message::list_worker_pools_request;
      case method::list_all_pools: return message::list_all_pools_request;
      default: return message::list_all_environments_request;
    }
  }

  void list(method what, result<overview_part> part) {
    if (!check(part))
      return;
    switch (what) {
      case method::list_tenants: return list_tenants(*part);
      case method::list_all_sessions:
        return admin_->sessions(*part, page(wire::encode_all_sessions));
      case method::list_all_executions:
        return admin_->executions(*part, page(wire::encode_all_executions));
      case method::list_worker_pools:
        return answer_page(admin_->worker_pools(*part), wire::encode_worker_pools);
      case method::list_all_pools:
        return admin_->session_pools(*part, page(wire::encode_all_pools));
      default: return answer_page(desk_->environments(*part), wire::encode_all_environments);
    }
  }

  template <class T>
  using page_encoder = result<std::string> (*)(wire::codec, const overview_page<T>&);

  /// Answers with a page; a long one becomes JSON beside the reactor.
  template <class T>
  void answer_page(overview_page<T> made, page_encoder<T> encode) {
    auto kept = std::make_shared<overview_page<T>>(std::move(made));
    answer_with(shared_from_this(), *aside_, size_of_page(kept->entries.size()),
                [kept, encode, as = response()] { return encode(as, *kept); });
  }
  template <class T>
  reply<overview_page<T>> page(page_encoder<T> encode) {
    return reply<overview_page<T>>{
        [self = shared_from_this(), encode](result<overview_page<T>> made) {
          if (!made)
            self->refuse(std::move(made).why());
          else if (!self->over())
            self->answer_page(*std::move(made), encode);
        }};
  }
  [[nodiscard]] std::size_t size_of_page(std::size_t entries) const noexcept {
    return response() == wire::codec::json ? entries * bytes_of_entry : 0;
  }

  void list_tenants(const overview_part& part) {
    auto made = std::make_shared<overview_page<tenant_overview>>(admin_->tenants(part));
    std::vector<tenant_use> uses;
    uses.reserve(made->entries.size());
    for (const auto& one : made->entries)
      uses.push_back(desk_->use_of(one.name));
    answer_with(shared_from_this(), *aside_, size_of_page(made->entries.size()),
                [made, uses = std::move(uses), as = response()] {
                  return wire::encode_tenants(as, *made, uses);
                });
  }

  void drain(const status& asked) {
    if (!carry_out(asked))
      return;
    desk_->drain(true);
    tell({}, nullptr);
    answer(wire::encode_drained(response(), admin_->figures()));
  }

  void undrain(const status& asked) {
    if (!carry_out(asked))
      return;
    desk_->drain(false);
    tell({}, nullptr);
    answer(std::string{response() == wire::codec::json ? "{}" : ""});
  }

  void reload(const status& asked) {
    if (!carry_out(asked))
      return;
    auto came = desk_->reload();
    tell({}, came ? nullptr : &std::as_const(came).why());
    if (came)
      answer(wire::encode_reloaded(response(), *came));
    else
      refuse(std::move(came).why());
  }

  void stop_execution(const result<stop_request>& what) {
    if (!carry_out(what))
      return;
    admin_->stop_execution(what->tenant, what->subject, what->how,
                           ordered<stop_outcome>(*what, wire::encode_stopped));
  }

  void end_session(const result<stop_request>& what) {
    if (!carry_out(what))
      return;
    admin_->end_session(what->tenant, what->subject, what->how,
                        ordered<std::string>(*what, wire::encode_ended));
  }

  void recycle(const result<recycle_request>& what) {
    if (!carry_out(what))
      return;
    admin_->recycle(
        what->tenant, what->environment,
        ordered<recycle_outcome>(of_what{what->environment, what->tenant}, wire::encode_recycled));
  }

  void set_level(const result<log_level>& to) {
    if (!carry_out(to))
      return;
    auto before = desk_->set_level(*to);
    tell({.subject = std::string{name_of(*to)}}, nullptr);
    answer(wire::encode_log_level(response(), before));
  }

  template <class T>
  bool check(const T& what) {
    if (!what)
      refuse(what.why());
    return bool{what};
  }

  /// The same for an order: one that cannot be read is told as well.
  template <class T>
  bool carry_out(const T& what) {
    if (what)
      return true;
    auto why = what.why();
    tell({}, &why);
    refuse(std::move(why));
    return false;
  }

  struct of_what {
    std::string subject = {};
    std::string tenant = {};
  };
  void tell(const of_what& what, const error* why) {
    desk_->acted(who_, {name_, what.tenant, what.subject}, why);
  }

  static const std::string& tenant_of(const std::string& outcome) { return outcome; }
  static const std::string& tenant_of(const stop_outcome& outcome) { return outcome.tenant; }
  static std::string tenant_of(const recycle_outcome&) { return {}; }

  /// Answers with what came of an order; the desk is told.
  template <class T, class Encode>
  reply<T> ordered(const stop_request& what, Encode encode) {
    of_what told{what.subject, what.tenant};
    if (what.how == stop_mode::kill)
      name_ = name_ == "end_session" ? "kill_session" : "kill_execution";
    return ordered<T>(std::move(told), encode);
  }
  template <class T, class Encode>
  reply<T> ordered(of_what what, Encode encode) {
    return reply<T>{
        [self = shared_from_this(), what = std::move(what), encode](result<T> outcome) mutable {
          if (!outcome) {
            auto why = std::move(outcome).why();
            self->tell(what, &why);
            return self->refuse(std::move(why));
          }
          if (what.tenant.empty())
            what.tenant = tenant_of(*outcome);
          self->tell(what, nullptr);
          if (!self->over())
            self->answer(encode(self->response(), *outcome));
        }};
  }

  admin_desk* desk_ = nullptr;
  administration* admin_ = nullptr;
  side_thread* aside_ = nullptr;
  admin_asker who_;
  std::string_view name_; // of the order
};

} // namespace

std::shared_ptr<basic_call> begin_admin(const context& with, const question& asked,
                                        std::shared_ptr<asker> who, std::uint64_t tag) {
  if (with.admin == nullptr) {
    who->refuse(tag, error{errc::unimplemented, "this daemon has no administration"});
    return nullptr;
  }
  auto made = std::make_shared<admin_call>(std::move(who), tag, asked.response);
  made->begin(with, asked);
  return made;
}

} // namespace vivarium::rpc
