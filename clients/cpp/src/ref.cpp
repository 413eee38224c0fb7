// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/src/hosting.hpp"
#include "clients/cpp/src/wire.hpp"

namespace vivarium {
inline namespace client_v1 {

using detail::encode;
using detail::verdict_of;

namespace {

const std::string nothing;

} // namespace

const std::string& ref::id() const noexcept {
  return state_ ? state_->id : nothing;
}
const std::string& ref::type_name() const noexcept {
  return state_ ? state_->type_name : nothing;
}
const std::string& ref::short_repr() const noexcept {
  return state_ ? state_->repr : nothing;
}
std::optional<std::uint64_t> ref::length() const noexcept {
  return state_ ? state_->length : std::nullopt;
}

void ref::forget() noexcept {
  if (auto state = std::exchange(state_, nullptr))
    state->owned = false;
}

request<value> ref::prepare(operation what, std::string_view name, arguments with) const {
  if (!state_)
    throw std::logic_error{"vivarium: an empty ref was used"};
  auto on = detail::need(state_->from.lock());
  auto frame = detail::new_frame();
  encode(task::call{*this, std::string{name}, what, std::move(with)},
         {on, state_->session, {}, detail::call_here(state_->session)}, *frame->mutable_call());
  return {{std::move(on), std::move(frame)}, [](detail::reply& answer) {
            auto out = verdict_of(*answer.frame.mutable_call(), answer);
            out.check();
            return std::move(out.result);
          }};
}

value ref::attr(std::string_view name) const {
  return prepare(operation::get, name, {}).get();
}
void ref::set_attr(std::string_view name, const value& to) const {
  (void)prepare(operation::set, name, {{to}}).get();
}
void ref::del_attr(std::string_view name) const {
  (void)prepare(operation::del, name, {}).get();
}
value ref::item(const value& key) const {
  return prepare(operation::get_item, {}, {{key}}).get();
}
void ref::set_item(const value& key, const value& to) const {
  (void)prepare(operation::set_item, {}, {{key, to}}).get();
}
void ref::del_item(const value& key) const {
  (void)prepare(operation::del_item, {}, {{key}}).get();
}
std::string ref::repr() const {
  return prepare(operation::repr, {}, {}).get().as<std::string>();
}
std::string ref::str() const {
  return prepare(operation::str, {}, {}).get().as<std::string>();
}
std::uint64_t ref::len() const {
  return prepare(operation::len, {}, {}).get().as<std::uint64_t>();
}
ref ref::iter() const {
  return prepare(operation::iter, {}, {}).get().as<ref>();
}
std::vector<value> ref::take(std::uint64_t count) const {
  return prepare(operation::take, {}, {{count}}).get().as<std::vector<value>>();
}
bool ref::contains(const value& what) const {
  return prepare(operation::contains, {}, {{what}}).get().as<bool>();
}
bool ref::truth() const {
  return prepare(operation::truth, {}, {}).get().as<bool>();
}
std::int64_t ref::hash() const {
  return prepare(operation::hash, {}, {}).get().as<std::int64_t>();
}
std::vector<std::string> ref::dir() const {
  return prepare(operation::dir, {}, {}).get().as<std::vector<std::string>>();
}
entered ref::enter() const {
  return {*this, prepare(operation::enter, {}, {}).get()};
}

entered::~entered() {
  if (!manager_)
    return;
  try {
    std::move(manager_.prepare(operation::exit, {}, {})).then([](std::exception_ptr, const value&) {
    });
  } catch (...) { // The connection is gone, and with it who would have been told.
  }
}

void entered::exit() {
  (void)std::exchange(manager_, ref{}).prepare(operation::exit, {}, {}).get();
}

} // namespace client_v1
} // namespace vivarium
