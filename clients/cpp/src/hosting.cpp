// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/src/hosting.hpp"

#include "clients/cpp/src/wire.hpp"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <typeinfo>

namespace vivarium {
inline namespace client_v1 {
namespace detail {

namespace {

// The daemon checks answers. What certainly passes is sent without asking for its word.
constexpr int certain_depth = 8;
constexpr std::size_t certain_bytes = std::size_t{64} << 10;

bool is_certain(const v1::Value& what, int depth);

template <class Items>
bool all_certain(const Items& items, int depth) {
  return depth < certain_depth && std::all_of(items.begin(), items.end(), [depth](const auto& one) {
           return is_certain(one, depth + 1);
         });
}

bool is_certain(const v1::Value& what, int depth) {
  using v1::Value;
  switch (what.kind_case()) {
    case Value::kNone:
    case Value::kBoolean:
    case Value::kInteger:
    case Value::kReal:
    case Value::kBlob: return true;
    case Value::kText:
      return std::all_of(what.text().begin(), what.text().end(),
                         [](char c) { return static_cast<signed char>(c) >= 0; });
    case Value::kList: return all_certain(what.list().items(), depth);
    case Value::kTuple: return all_certain(what.tuple().items(), depth);
    case Value::kDict:
      return depth < certain_depth
             && std::all_of(what.dict().entries().begin(), what.dict().entries().end(),
                            [depth](const v1::Entry& one) {
                              return one.key().has_text() && is_certain(one.key(), depth + 1)
                                     && is_certain(one.value(), depth + 1);
                            });
    default: return false;
  }
}

void put_error(const std::exception_ptr& why, v1::HostError& to, const std::shared_ptr<core>& on) {
  try {
    if (!why)
      throw host_error{"Error", "the function failed"};
    std::rethrow_exception(why);
  } catch (const host_error& given) {
    to.set_type(given.type());
    to.set_message(given.message());
    to.set_traceback(given.traceback());
    if (!given.data().is_none())
      encode(given.data(), *to.mutable_data(), on);
  } catch (const execution_error& nested) {
    // Code that the function ran: its traceback is that of the application.
    to.set_type(nested.type().empty() ? cpp_name(typeid(nested)) : nested.type());
    to.set_message(nested.exception().message.empty() ? nested.what() : nested.exception().message);
    to.set_traceback(nested.traceback());
  } catch (const std::exception& other) {
    to.set_type(cpp_name(typeid(other)));
    to.set_message(other.what());
  } catch (...) {
    to.set_type("unknown");
    to.set_message("the function threw something that is no std::exception");
  }
}

thread_local const call_state* here = nullptr;
thread_local const serving_state* served_here = nullptr;

void read_arguments(call_state& to, const std::shared_ptr<core>& on) {
  auto& call = to.call;
  const origin at{on, call.session_id()};
  if (call.has_json_args() || call.has_json_kwargs()) {
    std::string args;
    std::string kwargs;
    (void)google::protobuf::util::MessageToJsonString(call.json_args(), &args);
    (void)google::protobuf::util::MessageToJsonString(call.json_kwargs(), &kwargs);
    to.json = R"({"args":)" + args + R"(,"kwargs":)" + kwargs + "}";
    for (const auto& each : call.json_args().values())
      to.args.push_back(natural(each));
    for (const auto& [name, held] : call.json_kwargs().fields())
      to.kwargs.emplace_back(name, natural(held));
    return;
  }
  for (auto& each : *call.mutable_args())
    to.args.push_back(decode(each, at));
  for (auto& each : *call.mutable_kwargs())
    to.kwargs.emplace_back(each.key().text(), decode(*each.mutable_value(), at));
}

} // namespace

std::string call_here(const std::string& session) {
  return here != nullptr && here->call.session_id() == session && !here->answered
             ? here->call.call_id()
             : std::string{};
}

// -- call_state

bool call_state::answer(
    const std::function<void(v1::AnswerRequest&, const std::shared_ptr<core>&)>& fill) {
  if (answered.exchange(true))
    return false;
  auto served = by.lock();
  if (!served)
    return true;
  if (auto on = served->on(); on && wanted && !call.call_id().empty()) {
    v1::AnswerRequest out;
    out.set_call_id(call.call_id());
    try {
      fill(out, on);
    } catch (...) {
      out.clear_outcome();
      put_error(std::current_exception(), *out.mutable_error(), on);
    }
    const bool sure =
        out.has_value() && out.ByteSizeLong() <= certain_bytes && is_certain(out.value(), 0);
    served->send(on, std::move(out), sure);
  }
  served->ended(call.call_id());
  return true;
}

bool call_state::give(const value& what) {
  return answer([&what](v1::AnswerRequest& out, const std::shared_ptr<core>& on) {
    encode(what, *out.mutable_value(), on);
  });
}

bool call_state::fail(const std::exception_ptr& why) {
  return answer([&why](v1::AnswerRequest& out, const std::shared_ptr<core>& on) {
    put_error(why, *out.mutable_error(), on);
  });
}

// -- serving_state

serving_state::serving_state(const std::shared_ptr<core>& on, host_functions functions,
                             serve_options how)
    : core_{on}, how_{std::move(how)} {
  for (auto& [name, function] : functions) {
    if (!function)
      throw invalid_argument_error{"the function '" + name + "' is empty"};
    const bool all = name == "*";
    auto& among = all || name.ends_with(".*") ? below_ : exact_;
    auto key = all ? std::string{} : name.ends_with(".*") ? name.substr(0, name.size() - 1) : name;
    if (!among.emplace(std::move(key), std::move(function)).second)
      throw invalid_argument_error{"the function '" + name + "' is there twice"};
  }
}

std::future<void> serving_state::begin(const std::vector<std::string>& more) {
  auto begun = begun_.get_future();
  v1::ClientFrame frame;
  auto& request = *frame.mutable_serve();
  request.set_session(how_.session);
  request.set_format(static_cast<v1::ResultFormat>(how_.format));
  frame.set_credit(std::max<std::uint32_t>(how_.window, 1));
  // No names at all would mean all.
  if (!below_.contains("")) {
    for (const auto& each : more)
      request.add_names(each);
    for (const auto& [name, function] : exact_)
      request.add_names(name);
    for (const auto& [prefix, function] : below_)
      request.add_names(prefix + "*");
  }
  const auto on = core_.lock();
  const auto id = on->submit(
      frame, [weak = weak_from_this()](const std::exception_ptr& why, v1::ServerFrame* answer) {
        if (auto self = weak.lock())
          self->on_frame(why, answer);
      });
  if (id != 0)
    id_ = id;
  return begun;
}

void serving_state::on_frame(const std::exception_ptr& why, v1::ServerFrame* frame) {
  if (why)
    return over(why);
  if (frame->has_error())
    return over(error_of(frame->error()));
  if (frame->has_end())
    return over(nullptr);
  id_ = frame->id(); // `begin` may not have had the time.
  auto& what = *frame->mutable_serve();
  if (what.has_call())
    return take(*what.mutable_call());
  std::shared_ptr<call_state> dropped;
  const std::lock_guard lock{mutex_};
  if (what.has_serving() && !std::exchange(serving_, true))
    begun_.set_value();
  if (!what.has_dropped())
    return;
  if (auto found = open_.find(what.dropped().call_id()); found != open_.end())
    if ((dropped = found->second.lock()))
      dropped->wanted = false;
}

void serving_state::take(v1::HostCall& call) {
  auto what = std::make_shared<call_state>();
  what->by = weak_from_this();
  what->call.Swap(&call);
  if (const auto& id = what->call.call_id(); !id.empty()) {
    const std::lock_guard lock{mutex_};
    open_.emplace(id, what);
  }
  if (auto on = core_.lock())
    on->functions().pool().run([self = shared_from_this(), what] { self->run(what); });
}

void serving_state::run(const std::shared_ptr<call_state>& what) noexcept {
  {
    const std::lock_guard lock{mutex_};
    if (stopped_ || over_)
      return;
    ++running_;
  }
  here = what.get();
  served_here = this;
  try {
    if (!what->wanted) {
      what->answered = true;
      ended(what->call.call_id());
    } else {
      value out;
      try {
        const auto on = need(core_.lock());
        read_arguments(*what, on);
        host_call call{what};
        out = handler_of(what->call.name(), *on)(call);
        if (!what->deferred)
          what->give(out);
      } catch (...) {
        if (!what->deferred)
          what->fail(std::current_exception());
      }
    }
  } catch (...) { // No memory to answer: Python's own deadline ends the call.
  }
  here = nullptr;
  served_here = nullptr;
  {
    const std::lock_guard lock{mutex_};
    --running_;
  }
  changed_.notify_all();
}

/// The function of a name. The longest prefix that fits is the nearest.
host_handler serving_state::handler_of(const std::string& name, core& on) const {
  if (auto sent = on.functions().sent(name))
    return sent;
  if (auto found = exact_.find(name); found != exact_.end())
    return found->second;
  for (auto dot = name.rfind('.'); dot != std::string::npos && dot != 0;
       dot = name.rfind('.', dot - 1))
    if (auto found = below_.find(std::string_view{name}.substr(0, dot + 1)); found != below_.end())
      return found->second;
  if (auto found = below_.find(std::string_view{}); found != below_.end())
    return found->second;
  throw host_error{"LookupError", "there is no function '" + name + "'"};
}

void serving_state::over(const std::exception_ptr& why) {
  {
    const std::lock_guard lock{mutex_};
    if (std::exchange(over_, true))
      return;
    for (auto& [id, weak] : open_)
      if (auto call = weak.lock())
        call->wanted = false;
    open_.clear();
    if (!std::exchange(serving_, true)) {
      if (why)
        begun_.set_exception(why);
      else
        begun_.set_value();
    }
  }
  changed_.notify_all();
}

void serving_state::send(const std::shared_ptr<core>& on, v1::AnswerRequest answer, bool sure) {
  v1::ClientFrame frame;
  auto id = answer.call_id();
  frame.mutable_answer()->Swap(&answer);
  if (sure) {
    frame.set_id(id_);
    return on->tell(frame);
  }
  on->submit(frame, [weak = weak_from_this(), id = std::move(id)](const std::exception_ptr& gone,
                                                                  v1::ServerFrame* said) {
    auto self = weak.lock();
    auto from = self ? self->on() : nullptr;
    // Nobody waits any more; all else is wrong with the answer itself.
    if (gone || !said->has_error() || said->error().code() == "not_found" || !from)
      return;
    v1::AnswerRequest instead;
    instead.set_call_id(id);
    instead.mutable_error()->set_type("InvalidAnswer");
    instead.mutable_error()->set_message("the daemon does not take what the function answered: "
                                         + said->error().message());
    self->send(from, std::move(instead), true);
  });
}

void serving_state::ended(const std::string& id) noexcept {
  try {
    std::uint32_t credit = 0;
    {
      const std::lock_guard lock{mutex_};
      if (!id.empty())
        open_.erase(id);
      // Credit for each call alone would be a frame for each call.
      if (++taken_ >= (how_.window + 1) / 2)
        credit = std::exchange(taken_, 0);
      if (over_ || stopped_)
        return;
    }
    if (auto on = core_.lock(); on && credit != 0)
      on->more_credit(id_, credit);
  } catch (...) { // No memory: fewer calls may be under way.
  }
}

void serving_state::stop() noexcept {
  bool first = false;
  {
    const std::lock_guard lock{mutex_};
    first = !std::exchange(stopped_, true) && !over_;
    for (auto& [id, weak] : open_)
      if (auto call = weak.lock())
        call->wanted = false;
  }
  changed_.notify_all();
  const auto on = core_.lock();
  if (on && first)
    on->abandon(id_);
  // On the connection's thread it would wait for functions that may wait for that thread.
  if (served_here == this || (on && on->is_reader()))
    return;
  std::unique_lock lock{mutex_};
  changed_.wait(lock, [this] { return running_ == 0; });
}

void serving_state::wait() {
  std::unique_lock lock{mutex_};
  changed_.wait(lock, [this] { return over_ || stopped_; });
}

bool serving_state::active() {
  const std::lock_guard lock{mutex_};
  return serving_ && !over_ && !stopped_;
}

// -- host_core

void host_core::know(const host_function& what) {
  const auto& state = what.state();
  if (!state->handler)
    return;
  const std::lock_guard lock{mutex_};
  sent_.emplace(state->name, state);
  if (offered_)
    return;
  offered_ =
      std::make_shared<serving_state>(core_.shared_from_this(), host_functions{}, serve_options{});
  // What is sent next comes after it; if it fails, so does that.
  (void)offered_->begin({sent_prefix() + "*"});
}

host_handler host_core::sent(const std::string& name) {
  const std::lock_guard lock{mutex_};
  auto found = sent_.find(name);
  return found == sent_.end() ? nullptr : found->second->handler;
}

} // namespace detail
} // namespace client_v1
} // namespace vivarium
