// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/src/hosting.hpp"
#include "clients/cpp/src/wire.hpp"

#include <vivarium/host.hpp>

#include <array>
#include <cstdio>
#include <random>

namespace vivarium {
inline namespace client_v1 {

namespace detail {

const std::string& sent_prefix() {
  // Not to be mistaken for a function of another process of the tenant's.
  static const std::string made = [] {
    std::random_device random;
    std::array<char, 17> text{};
    (void)std::snprintf(text.data(), text.size(), "%08x%08x", random(), random());
    return "function." + std::string{text.data()} + '.';
  }();
  return made;
}

} // namespace detail

namespace {

std::string next_name() {
  static std::atomic<std::uint64_t> last = 0;
  return detail::sent_prefix() + std::to_string(++last);
}

const std::string nothing;

} // namespace

host_function::host_function(host_handler handler) {
  if (!handler)
    throw invalid_argument_error{"a function without a callable"};
  state_ = std::make_shared<const detail::function_state>(
      detail::function_state{next_name(), std::move(handler)});
}

host_function host_function::named(std::string name) {
  host_function out;
  out.state_ = std::make_shared<const detail::function_state>(
      detail::function_state{std::move(name), nullptr});
  return out;
}

const std::string& host_function::name() const noexcept {
  return state_ ? state_->name : nothing;
}

host_error::host_error(std::string type, std::string message, std::string traceback, value data)
    : error{type.empty() ? message : type + ": " + message}, type_{std::move(type)},
      message_{std::move(message)}, traceback_{std::move(traceback)}, data_{std::move(data)} {}

// -- host_call

const std::string& host_call::id() const noexcept {
  return state_->call.call_id();
}
const std::string& host_call::name() const noexcept {
  return state_->call.name();
}
const std::string& host_call::session_id() const noexcept {
  return state_->call.session_id();
}
const std::string& host_call::execution_id() const noexcept {
  return state_->call.execution_id();
}
std::chrono::milliseconds host_call::timeout() const noexcept {
  return std::chrono::milliseconds{static_cast<std::int64_t>(state_->call.timeout_ms())};
}
const std::string& host_call::request_id() const noexcept {
  return state_->call.request_id();
}
const std::string& host_call::traceparent() const noexcept {
  return state_->call.traceparent();
}
std::uint64_t host_call::lost_before() const noexcept {
  return state_->call.lost_before();
}
const std::vector<value>& host_call::args() const noexcept {
  return state_->args;
}
const std::vector<std::pair<std::string, value>>& host_call::kwargs() const noexcept {
  return state_->kwargs;
}
const std::string& host_call::json() const noexcept {
  return state_->json;
}

const value* host_call::find(std::string_view name) const noexcept {
  for (const auto& [each, held] : state_->kwargs)
    if (each == name)
      return &held;
  return nullptr;
}

const value& host_call::need(std::size_t at) const {
  if (at >= state_->args.size())
    throw host_error{"TypeError", name() + "() takes at least " + std::to_string(at + 1)
                                      + " arguments, " + std::to_string(state_->args.size())
                                      + " were given"};
  return state_->args[at];
}

void host_call::refuse(const std::string& which, const std::string& why) const {
  throw host_error{"TypeError", name() + "(): " + which + ": " + why};
}

bool host_call::wanted() const noexcept {
  return state_->wanted;
}

session host_call::session() const {
  auto served = state_->by.lock();
  session_info info;
  info.id = session_id();
  vivarium::session out{detail::need(served ? served->on() : nullptr), std::move(info), false};
  out.set_within(id());
  return out;
}

host_answer host_call::defer() {
  if (state_->deferred.exchange(true))
    throw std::logic_error{"vivarium: the answer to this call was taken already"};
  return host_answer{state_};
}

// -- host_answer

host_answer& host_answer::operator=(host_answer&& other) noexcept {
  // What this held ends with `left`.
  host_answer left{std::exchange(state_, std::exchange(other.state_, nullptr))};
  return *this;
}

host_answer::~host_answer() {
  if (!state_)
    return;
  try {
    (void)state_->fail(std::make_exception_ptr(
        host_error{"Unanswered", "the function let go of the call without an answer"}));
  } catch (...) { // No memory to say so: Python's own deadline ends the call.
  }
}

void host_answer::give(value what) {
  if (!state_ || !state_->give(what))
    throw std::logic_error{"vivarium: this call was answered already"};
}

void host_answer::fail(std::exception_ptr why) {
  if (!state_ || !state_->fail(why))
    throw std::logic_error{"vivarium: this call was answered already"};
}

bool host_answer::wanted() const noexcept {
  return state_ && state_->wanted && !state_->answered;
}

// -- serving

serving& serving::operator=(serving&& other) noexcept {
  if (this == &other)
    return *this;
  stop();
  state_ = std::move(other.state_);
  return *this;
}

serving::~serving() {
  stop();
}

void serving::stop() noexcept {
  if (state_)
    state_->stop();
}

bool serving::active() const noexcept {
  return state_ && state_->active();
}

void serving::wait() const {
  if (state_)
    state_->wait();
}

serving client::serve(host_functions functions, serve_options how) const {
  const auto on = detail::need(core_);
  if (functions.empty())
    throw invalid_argument_error{"no functions to serve"};
  auto state = std::make_shared<detail::serving_state>(on, std::move(functions), std::move(how));
  if (on->is_reader())
    throw std::logic_error{"vivarium: a call that blocks was made on the connection's own thread"};
  state->begin().get();
  return serving{std::move(state)};
}

} // namespace client_v1
} // namespace vivarium
