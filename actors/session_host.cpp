// SPDX-License-Identifier: Apache-2.0

// The part of a session through which its code reaches the application: calls and their answers,
// what runs inside of a call.

#include "actors/session_core.hpp"
#include "bridge/validate.hpp"
#include "bridge/value_view.hpp"

#include <algorithm>
#include <utility>

namespace vivarium {

using namespace std::chrono_literals;
using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using outcome = bridge::host_result::outcome;

namespace {

constexpr std::size_t most_open_calls = 16'384;
// What runs inside of calls, how deep and how many together.
constexpr std::size_t most_within = 64;
// What the worker has not taken yet, when another answer is refused, and when it is taken for one
// that never will.
constexpr std::size_t most_unsent = 16u << 20;
constexpr std::size_t hopeless_unsent = 64u << 20;
constexpr std::size_t most_name = 200;
// What may be wrapped around operands that are counted without it.
constexpr std::size_t operand_slack = 64;
// Not the application's, but the daemon's own.
constexpr std::string_view receive_name = "vivarium.receive";
constexpr std::string_view send_name = "vivarium.send";
constexpr std::string_view reserved_prefix = "vivarium.";
constexpr auto longest_wait = std::chrono::hours{24};

// A name reaches environments of processes, logs and terminals: nothing in it may end or forge
// anything there.
bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= most_name && bridge::is_utf8(text)
         && std::none_of(text.begin(), text.end(), [](char c) {
              auto byte = static_cast<unsigned char>(c);
              return byte < 0x20 || byte == 0x7f;
            });
}

// What the arguments of a call are: a tuple of a tuple and a dict whose keys are text.
bool are_arguments(std::string_view encoded) {
  auto all = bridge::value_view::open(encoded);
  if (all.kind != bridge::value_kind::tuple)
    return false;
  bridge::field_walk parts{all.content};
  if (!parts.next() || bridge::value_view::open(parts.content()).kind != bridge::value_kind::tuple
      || !parts.next())
    return false;
  auto named = bridge::value_view::open(parts.content());
  if (named.kind != bridge::value_kind::dict || parts.next())
    return false;
  for (bridge::field_walk entries{named.content}; entries.next();)
    if (bridge::value_view::open(bridge::open_entry(entries.content()).key).kind
        != bridge::value_kind::text)
      return false;
  return true;
}

const char* name_of(outcome how) noexcept {
  switch (how) {
    case outcome::value: return "ok";
    case outcome::error: return "error";
    case outcome::not_found: return "not_found";
    case outcome::timeout: return "timeout";
    case outcome::unavailable: return "unavailable";
    case outcome::limit: return "limit";
  }
  return "";
}

} // namespace

bool session_core::handle_host_call(std::string_view body) {
  using kind = bridge::host_call::call_kind;
  auto message = bridge::decode_host_call(body);
  auto fine = message ? bridge::validate_value(message->operands) : status{message.why()};
  if (!fine || !is_name(message->name)
      || message->operands.size() > bridge::max_operand_bytes + operand_slack
      || !are_arguments(message->operands)
      || (message->kind == kind::call) != (message->call > last_call_)) {
    violated(fine ? "a call to the application that is none" : fine.why().detail);
    return false;
  }
  auto* flight = message->execution == 0 ? nullptr : find(message->execution);
  if (message->kind == kind::send) {
    send_message(*message);
    return true;
  }
  function_call what;
  what.name = message->name;
  what.session_id = info_.id;
  if (flight != nullptr && !flight->what->request().internal)
    what.execution_id = flight->what->id();
  what.operands = message->operands;
  if (flight != nullptr) {
    what.request_id = flight->what->request().request_id;
    what.trace = flight->what->request().trace.child();
  }
  switchboard::caller who{tenant_, info_.id, info_.name,
                          flight != nullptr ? flight->what->request().connection : 0,
                          message->host};
  if (message->kind == kind::cast) {
    auto placed = what.name.starts_with(reserved_prefix)
                      ? error{errc::not_found, "nothing of the daemon's can be cast"}
                      : ports_.call_host(std::move(who), std::move(what), 0);
    watch_.host_called(tenant_, label_, placed ? "cast" : "cast_lost", {});
    return true;
  }
  place_call(*message, std::move(who), std::move(what));
  return true;
}

void session_core::place_call(const bridge::host_call& message, switchboard::caller who,
                              function_call what) {
  last_call_ = message.call;
  auto now = clock_type::now();
  auto wanted = milliseconds{static_cast<std::int64_t>(
      std::min<std::uint64_t>(message.timeout_ms, milliseconds{longest_wait}.count()))};
  what.timeout = wanted.count() > 0 ? wanted : config_.callback_timeout;
  open_call call{.id = {},
                 .execution = message.execution,
                 .since = now,
                 .deadline = now + what.timeout,
                 .blocking = message.blocking,
                 .trace = what.trace};
  if (what.trace.recorded)
    call.name = what.name;
  if (calls_.size() >= most_open_calls)
    return answer_call(message.call, call,
                       {outcome::limit, "more than " + std::to_string(most_open_calls)
                                            + " calls of this session wait for their answers"});
  if (message.name == send_name)
    return answer_call(message.call, call, send_confirmed(message.operands));
  if (message.name == receive_name)
    return receive(message.call, std::move(call));
  if (message.name.starts_with(reserved_prefix))
    return use_capability(message, std::move(call), what.timeout);
  auto placed = ports_.call_host(std::move(who), std::move(what), message.call);
  if (!placed)
    return answer_call(message.call, call, {outcome_of(placed.why()), placed.why().detail});
  call.id = *std::move(placed);
  call_numbers_.emplace(call.id, message.call);
  next_call_deadline_ = std::min(next_call_deadline_, call.deadline);
  wake_by(call.deadline);
  calls_.emplace(message.call, std::move(call));
}

void session_core::use_capability(const bridge::host_call& message, open_call call,
                                  milliseconds timeout) {
  if (!ports_.use_capability)
    return answer_call(message.call, call, {outcome::not_found, "there is no such function"});
  call.capability = ports_.use_capability(message.name, message.operands, message.call, timeout);
  next_call_deadline_ = std::min(next_call_deadline_, call.deadline);
  wake_by(call.deadline);
  calls_.emplace(message.call, std::move(call));
}

void session_core::answer_call(std::uint64_t number, const open_call& call,
                               const function_answer& with) {
  if (!call.mail && !call.capability)
    watch_.host_called(tenant_, label_, name_of(with.kind),
                       duration_cast<microseconds>(clock_type::now() - call.since));
  trace_call(call, with.kind == outcome::value ? "" : name_of(with.kind));
  if (!worker_)
    return;
  if (worker_->unsent() > hopeless_unsent)
    return violated("it asks and does not read the answers");
  if (auto ok = bridge::append_host_result(worker_->outgoing(),
                                           {number, with.kind, with.content, with.host});
      !ok)
    (void)bridge::append_host_result(
        worker_->outgoing(),
        {number, outcome::limit, "the answer is too large: " + ok.why().detail, 0});
  unflushed_ = true;
}

// A name that nobody offers is not told: code may have put anything there.
void session_core::trace_call(const open_call& call, std::string_view trouble) {
  if (!call.trace.recorded || call.mail)
    return;
  std::string_view name = trouble == "not_found" ? std::string_view{} : call.name;
  watch_.traced(call.trace,
                {.name = call.capability ? "capability" : "host call",
                 .kind = span_kind::client,
                 .from = call.since,
                 .to = clock_type::now(),
                 .trouble = trouble},
                {{"rpc.system", "vivarium"},
                 {"rpc.method", name},
                 {"vivarium.tenant", tenant_},
                 {"vivarium.session.id", info_.id}});
}

void session_core::on_answered(std::uint64_t number, const function_answer& with) {
  auto call = calls_.extract(number);
  if (!call)
    return;
  call_numbers_.erase(call.mapped().id);
  if (worker_ && worker_->unsent() > most_unsent)
    return answer_call(number, call.mapped(),
                       {outcome::limit, "the session does not take the answers that it gets"});
  answer_call(number, call.mapped(), with);
}

bool session_core::handle_host_drop(std::string_view body) {
  auto message = bridge::decode_host_drop(body);
  if (!message || message->call > last_call_) {
    violated(message ? "a call to the application that was never made" : message.why().detail);
    return false;
  }
  auto call = calls_.extract(message->call);
  if (call) // Else it crossed with its answer.
    drop_call(call.mapped());
  receiving_.erase(message->call);
  put_back(message->call);
  return true;
}

void session_core::drop_call(const open_call& call) {
  if (call.mail || call.capability)
    return;
  call_numbers_.erase(call.id);
  ports_.drop_call(call.id);
  watch_.host_called(tenant_, label_, "dropped",
                     duration_cast<microseconds>(clock_type::now() - call.since));
  trace_call(call, "dropped");
}

void session_core::drop_calls() {
  for (const auto& [number, call] : std::exchange(calls_, {}))
    drop_call(call);
  receiving_.clear();
}

void session_core::check_calls(clock_type::time_point now) {
  if (now < next_call_deadline_)
    return;
  next_call_deadline_ = clock_type::time_point::max();
  std::vector<std::uint64_t> late;
  for (const auto& [number, call] : calls_) {
    if (call.deadline <= now)
      late.push_back(number);
    else
      next_call_deadline_ = std::min(next_call_deadline_, call.deadline);
  }
  for (auto number : late) {
    auto call = calls_.extract(number);
    if (!call)
      return; // The session has ended meanwhile.
    receiving_.erase(number);
    if (!call.mapped().mail && !call.mapped().capability) {
      call_numbers_.erase(call.mapped().id);
      ports_.drop_call(call.mapped().id);
    }
    auto waited = duration_cast<milliseconds>(call.mapped().deadline - call.mapped().since);
    std::string text = call.mapped().mail ? "no message" : "no answer";
    text += " came within " + std::to_string(waited.count()) + " ms";
    if (call.mapped().blocking && !waiting_.empty())
      text += "; meanwhile requests wait for the session, and one that is part of answering has to "
              "name the call in `within_call`";
    answer_call(number, call.mapped(), {outcome::timeout, std::move(text)});
  }
}

// -- what runs inside of a call

result<std::uint64_t> session_core::call_of(const std::string& id) const {
  auto found = call_numbers_.find(id);
  if (found == call_numbers_.end())
    return error{errc::not_found,
                 "`within_call`: no call '" + id + "' of this session waits for an answer"};
  auto within = std::count_if(sent_.begin(), sent_.end(),
                              [](const auto& one) { return one.what->within != 0; })
                + std::count_if(waiting_.begin(), waiting_.end(),
                                [](const auto& what) { return what->within != 0; });
  if (static_cast<std::size_t>(within) >= most_within)
    return error{errc::busy, "more than " + std::to_string(most_within)
                                 + " executions run within calls of this session"};
  return found->second;
}

bool session_core::blocks(std::uint64_t call) const {
  auto found = calls_.find(call);
  return found != calls_.end() && found->second.blocking;
}

// Where the worker takes up what is part of answering a call: behind what else is part of it,
// before who waits.
std::deque<session_core::in_flight>::iterator session_core::place_within(std::uint64_t call) {
  auto same = std::find_if(sent_.rbegin(), sent_.rend(),
                           [call](const auto& one) { return one.what->within == call; });
  if (same != sent_.rend())
    return same.base();
  auto waits = std::find_if(
      sent_.begin(), sent_.end(),
      [number = calls_.at(call).execution](const auto& one) { return one.what->number == number; });
  return waits == sent_.end() ? sent_.begin() : waits;
}

session_core::in_flight& session_core::send_within(const execution_ptr& what, std::uint64_t place,
                                                   clock_type::time_point now) {
  auto at = place_within(what->within);
  if (at == sent_.begin() && !sent_.empty()) // It waits; what is used from here on is not its own.
    sent_.front().cpu_used += cpu_of(sent_.front(), now);
  return *sent_.insert(at, in_flight{.what = what,
                                     .deadline = what->submitted() + what->request().timeout,
                                     .place = place});
}

// The call that they are within is over before its time: they have not begun, or they would have
// been waited for, and are taken up in the order in which they were sent.
void session_core::put_back(std::uint64_t call) {
  bool front_moves = !sent_.empty() && sent_.front().what->within == call;
  if (front_moves) // It has begun, whatever the worker says; what it used stays its own.
    sent_.front().cpu_used += cpu_of(sent_.front(), clock_type::now());
  auto rest = std::stable_partition(sent_.begin(), sent_.end(),
                                    [call](const auto& one) { return one.what->within != call; });
  for (auto it = rest; it != sent_.end(); ++it)
    it->what->within = 0;
  if (front_moves)
    start_front();
}

} // namespace vivarium
