// SPDX-License-Identifier: Apache-2.0

// The daemon's own business with a worker: the settings and the init script of its session, its
// namespaces, what belongs to connections. All of it travels as internal executions, in the order
// of the queue, with deadlines like any other: each of them may run a tenant's code.

#include "actors/session_core.hpp"
#include "bridge/value_view.hpp"
#include "bridge/value_writer.hpp"
#include "proto/ids.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

namespace vivarium {

namespace {

using bridge::int_value;
using bridge::text_value;

// OPERATION_ENTER of vivarium.v1.
constexpr std::int64_t operation_enter = 17;

/// Waits for the end of an internal execution.
class ending final : public follower {
public:
  explicit ending(std::function<void(const verdict&)> then) : then_{std::move(then)} {}
  void on_progress(execution& source) override {
    if (source.end())
      std::exchange(then_, nullptr)(*source.end());
  }

private:
  std::function<void(const verdict&)> then_;
};

std::string list_of(std::initializer_list<std::string> items) {
  return bridge::list_value(std::span{items.begin(), items.size()});
}

std::string names_value(const std::optional<std::vector<std::string>>& names) {
  if (!names)
    return bridge::none_value();
  std::vector<std::string> items;
  for (const auto& name : *names)
    items.push_back(text_value(name));
  return bridge::list_value(items);
}

/// What the worker is told of a session that repeats itself; empty when it does not.
std::string repeats_wish(const determinism& what) {
  std::vector<std::pair<std::string, std::string>> out;
  // An unsigned number may be more than an int_value holds.
  if (what.seed)
    out.emplace_back("seed", text_value(std::to_string(*what.seed)));
  if (what.clock_ns) {
    out.emplace_back("clock", int_value(*what.clock_ns));
    out.emplace_back("advances", int_value(what.clock_advances ? 1 : 0));
  }
  return out.empty() ? std::string{} : bridge::dict_value(out);
}

bool enters_context(const submission& request) {
  if (request.mode != bridge::run_mode::call || request.operands.empty())
    return false;
  auto operands = bridge::value_view::open(request.operands);
  bridge::field_walk items{operands.content};
  if (operands.kind != bridge::value_kind::list || !items.next())
    return false;
  auto operation = bridge::value_view::open(items.content());
  return operation.kind == bridge::value_kind::integer && operation.bits == operation_enter;
}

} // namespace

status session_core::complete(execution& what) {
  const auto& request = what.request();
  auto values = request.values;
  if (request.scratch)
    what.name_space = bridge::scratch_namespace;
  if (!request.name_space.empty()) {
    const auto* found = namespaces_.find(request.name_space);
    if (found == nullptr)
      return error{errc::not_found,
                   "there is no namespace '" + request.name_space + "' in this session"};
    what.name_space = found->number;
    values.fill_from(found->values);
  }
  values.fill_from(wish_.values);
  if (values.unserializable == 0 && !one_shot_ && !request.as_json)
    values.unserializable = 2; // a ref
  values.fill_from(bridge::plain_values);
  what.values = values;
  if (request.owner != 0)
    owners_.insert(request.owner);
  entered_ = entered_ || enters_context(request);
  return done{};
}

// -- the start
// --------------------------------------------------------------------------------------

void session_core::begin_setup() {
  // Whether it fails for every session of the environment, or only for this one.
  enum class concerns : std::uint8_t { session, environment };
  auto failing = [this](concerns whom) -> verdict_function {
    return [this, whom](const verdict& how) {
      if (how.outcome != verdict::kind::error)
        return step_setup();
      environment_failed_ = whom == concerns::environment;
      setup_failed(how);
    };
  };
  auto add = [&](bridge::run_mode mode, std::string operands, std::chrono::milliseconds timeout) {
    submission what;
    what.mode = mode;
    what.form = bridge::value_form::none;
    what.operands = std::move(operands);
    what.timeout = timeout;
    setup_.push_back(
        order(std::move(what),
              failing(environment_->entered.empty() ? concerns::session : concerns::environment)));
  };
  std::vector<std::pair<std::string, std::string>> wishes;
  if (!wish_.working_directory.empty())
    wishes.emplace_back("cwd", text_value(wish_.working_directory));
  std::map<std::string, std::string> own{environment_->variables.begin(),
                                         environment_->variables.end()};
  std::vector<std::pair<std::string, std::string>> variables;
  for (const auto& [name, value] : own)
    variables.emplace_back(name, text_value(value));
  for (auto& granted : variables_of_grants())
    variables.push_back(std::move(granted));
  for (const auto& [name, value] : wish_.environment_variables)
    variables.emplace_back(name, text_value(value));
  if (!variables.empty())
    wishes.emplace_back("env", bridge::dict_value(variables));
  if (const auto& aws = wish_.capabilities.aws)
    wishes.emplace_back("aws", text_value(aws->endpoint));
  if (!http_certificate_.empty())
    wishes.emplace_back("trust", text_value(http_certificate_));
  if (limits_[limit::refs] != facts_of(limit::refs).usual)
    wishes.emplace_back("max_refs", int_value(static_cast<std::int64_t>(limits_[limit::refs])));
  if (wish_.ref_ttl.count() > 0)
    wishes.emplace_back("ref_ttl_ms", int_value(wish_.ref_ttl.count()));
  if (egress_) {
    std::vector<std::string> rules;
    for (const auto& rule : config_.egress.at(info_.egress).allow)
      rules.push_back(text_value(rule.text));
    wishes.emplace_back("egress", list_of({text_value(info_.egress), bridge::list_value(rules)}));
  }
  if (!environment_->entered.empty()) {
    std::vector<std::string> preload;
    for (const auto& name : environment_->imports)
      preload.push_back(text_value(name));
    wishes.emplace_back("enter",
                        list_of({text_value(environment_->entered), bridge::list_value(preload)}));
  }
  if (auto wish = repeats_wish(wish_.repeats); !wish.empty())
    wishes.emplace_back("repeats", std::move(wish));
  if (const auto& dirs = environment_->dirs; !dirs.empty() && environment_->entered.empty()) {
    std::vector<std::string> shown;
    for (const auto& dir : dirs)
      shown.push_back(list_of({text_value(dir.path), int_value(dir.writable ? 1 : 0)}));
    wishes.emplace_back("dirs",
                        list_of({text_value(info_.environment), bridge::list_value(shown)}));
  }
  if (info_.processes == process_mode::children)
    wishes.emplace_back("children", int_value(1));
  if (!wish_.modules.empty()) {
    std::vector<std::string> modules;
    for (auto& one : std::exchange(wish_.modules, {})) {
      std::vector<std::string> functions;
      for (const auto& name : one.functions)
        functions.push_back(text_value(name));
      if (one.constants.empty())
        one.constants = bridge::dict_value({});
      modules.push_back(list_of({text_value(one.name), bridge::list_value(functions),
                                 std::move(one.constants), int_value(one.overrides ? 1 : 0)}));
    }
    wishes.emplace_back("modules", bridge::list_value(modules));
  }
  if (wish_.log_level != 0)
    wishes.emplace_back("log_level", int_value(wish_.log_level));
  if (!wishes.empty())
    add(bridge::run_mode::configure, list_of({bridge::dict_value(wishes)}), config_.init_timeout);
  if (!environment_->init.empty()) {
    submission what;
    what.source = environment_->init;
    what.filename = "<init of " + info_.environment + ">";
    what.form = bridge::value_form::none;
    what.timeout = config_.init_timeout;
    setup_.push_back(order(std::move(what), failing(concerns::environment)));
    if (!wish_.init)
      add(bridge::run_mode::keep_initial, list_of({}), 2 * config_.init_timeout);
  }
  if (auto init = std::exchange(wish_.init, std::nullopt)) {
    submission what;
    what.source = std::move(init->source);
    what.filename = init->filename.empty() ? "<init>" : init->filename;
    what.first_line = std::max<std::uint32_t>(init->first_line, 1);
    what.operands = std::move(init->variables);
    what.form = bridge::value_form::none;
    what.timeout = init->timeout.count() > 0 ? init->timeout : config_.init_timeout;
    auto timeout = what.timeout + config_.init_timeout;
    setup_.push_back(order(std::move(what), failing(concerns::session)));
    add(bridge::run_mode::keep_initial, list_of({}), timeout);
  }
  step_setup();
}

// What clients of services find in their environment. What the session's own variables say goes
// before.
std::vector<std::pair<std::string, std::string>> session_core::variables_of_grants() const {
  std::vector<std::pair<std::string, std::string>> out;
  auto add = [&](const char* name, const std::string& value) {
    if (!value.empty())
      out.emplace_back(name, text_value(value));
  };
  if (const auto& aws = wish_.capabilities.aws) {
    add("AWS_ACCESS_KEY_ID", aws->key_id);
    add("AWS_SECRET_ACCESS_KEY", aws->secret);
    add("AWS_SESSION_TOKEN", aws->token);
    add("AWS_DEFAULT_REGION", aws->region);
    add("AWS_REGION", aws->region);
    add("AWS_ENDPOINT_URL", aws->endpoint);
    add("AWS_EC2_METADATA_DISABLED", "true"); // There is none, and looking for it takes seconds.
  }
  return out;
}

void session_core::step_setup() {
  if (info_.state != session_state::starting)
    return;
  if (setup_.empty())
    return become_ready();
  auto next = std::move(setup_.front());
  setup_.erase(setup_.begin());
  send(next, clock_type::now());
  update_wake();
}

void session_core::setup_failed(const verdict& how) {
  auto kind = static_cast<error_kind>(how.error_kind);
  auto message = text_of_error(how.content, 5);
  if (auto type = text_of_error(how.content, 2); !type.empty())
    message = type + ": " + message;
  info_.init_error = text_of_error(how.content, 7);
  if (info_.init_error.empty())
    info_.init_error = message;
  auto code = kind == error_kind::timeout ? errc::deadline_exceeded : errc::failed_precondition;
  start_error_ = error{code, "the session could not be started: " + message, how.content};
  if (info_.state != session_state::dead)
    kill_for(cause{.what = "init", .limit = {}, .enforced_by = enforcer::daemon});
}

execution_ptr session_core::order(submission what, verdict_function then) {
  what.internal = true;
  auto made = std::make_shared<execution>(std::string{}, info_.id, std::move(what),
                                          limits_[limit::event_log]);
  made->values = bridge::plain_values;
  made->subscribe(std::make_shared<ending>(std::move(then)));
  return made;
}

void session_core::order_now(bridge::run_mode mode, std::string operands, verdict_function then) {
  submission what;
  what.mode = mode;
  what.form = bridge::value_form::none;
  what.operands = std::move(operands);
  what.timeout = config_.timeout;
  auto made = order(std::move(what), std::move(then));
  waiting_.push_back(made);
  dispatch();
  wake_by(made->submitted() + made->request().timeout);
}

// -- namespaces
// -------------------------------------------------------------------------------------

result<std::string> session_core::operands_for(const namespace_request& what,
                                               std::uint64_t number) const {
  std::vector<std::string> sources;
  for (const auto& from : what.from) {
    std::uint64_t source = 0;
    if (!from.name.empty()) {
      const auto* found = namespaces_.find(from.name);
      if (found == nullptr)
        return error{errc::not_found,
                     "there is no namespace '" + from.name + "' in this session to copy from"};
      source = found->number;
    }
    sources.push_back(
        bridge::tuple_value(std::array{int_value(static_cast<std::int64_t>(source)),
                                       names_value(from.only), names_value(from.except)}));
  }
  return list_of({int_value(static_cast<std::int64_t>(number)), bridge::list_value(sources),
                  what.variables.empty() ? bridge::dict_value({}) : what.variables});
}

void session_core::create_namespace(const namespace_request& what,
                                    const reply<namespace_info>& to) {
  if (info_.state == session_state::dead || !closing_.empty())
    return to.refuse(error{errc::session_lost, "the session has ended"});
  if (!what.name.empty()) {
    if (auto ok = check_name(what.name); !ok)
      return to.refuse(ok.why());
    if (namespaces_.find(what.name) != nullptr)
      return to.refuse(
          error{errc::already_exists, "the session has a namespace '" + what.name + "' already"});
  }
  if (namespaces_.size() >= limits_[limit::namespaces]) {
    watch_.limit_reached(tenant_, label_, "namespaces");
    return to.refuse(error{errc::limit_exceeded, "the session has "
                                                     + std::to_string(namespaces_.size())
                                                     + " namespaces, which is the maximum "
                                                       "(limits.namespaces)"});
  }
  // Sources are looked up first: it cannot be its own.
  auto checked = operands_for(what, 0);
  if (!checked)
    return to.refuse(checked.why());
  const auto& made = namespaces_.add(what, info_.id);
  auto number = made.number;
  auto operands = operands_for(what, number);
  submission order_for;
  order_for.mode = bridge::run_mode::make_namespace;
  order_for.form = bridge::value_form::none;
  order_for.operands = *std::move(operands);
  order_for.timeout = config_.timeout;
  auto done = order(std::move(order_for), [this, number, info = made.info, to](const verdict& how) {
    if (how.outcome != verdict::kind::error)
      return to.give(info);
    namespaces_.remove(number);
    auto kind = static_cast<error_kind>(how.error_kind);
    auto code = kind == error_kind::not_found      ? errc::not_found
                : kind == error_kind::session_lost ? errc::session_lost
                : kind == error_kind::timeout      ? errc::deadline_exceeded
                                                   : errc::failed_precondition;
    to.refuse(error{code, text_of_error(how.content, 5), how.content});
  });
  auto values = what.values;
  values.fill_from(wish_.values);
  values.fill_from(bridge::plain_values);
  done->values = values;
  waiting_.push_back(done);
  dispatch();
  wake_by(done->submitted() + done->request().timeout);
}

void session_core::destroy_namespace(const std::string& id_or_name, const reply<done>& to) {
  if (id_or_name.empty())
    return to.refuse(
        error{errc::invalid_argument, "the base namespace ends with its session only"});
  to.give(done{});
  if (const auto* found = namespaces_.find(id_or_name))
    drop_namespace(found->number);
}

void session_core::drop_namespace(std::uint64_t number) {
  // Nobody finds it from here on; what was submitted before runs before it is dropped.
  namespaces_.remove(number);
  if (info_.state != session_state::dead && closing_.empty())
    order_now(bridge::run_mode::drop_namespace,
              list_of({int_value(static_cast<std::int64_t>(number))}), [](const verdict&) {});
}

void session_core::list_namespaces(const reply<std::vector<namespace_info>>& to) {
  if (info_.state == session_state::dead)
    return to.refuse(error{errc::session_lost, "the session has ended"});
  to.give(namespaces_.list());
}

// -- what belongs to connections
// --------------------------------------------------------------------

void session_core::release_owner(std::uint64_t owner) {
  if (info_.state == session_state::dead || !closing_.empty())
    return;
  if (wish_.owner == owner)
    return close(reply<done>{}, "disconnected");
  for (auto number : namespaces_.owned_by(owner))
    drop_namespace(number);
  if (owners_.erase(owner) == 0)
    return;
  order_release(owner);
  if (works_for(owner))
    gone_.insert(owner);
}

void session_core::order_release(std::uint64_t owner) {
  order_now(bridge::run_mode::release_owner, list_of({int_value(static_cast<std::int64_t>(owner))}),
            [](const verdict&) {});
}

bool session_core::works_for(std::uint64_t owner) const {
  auto of_owner = [owner](const execution_ptr& what) { return what->request().owner == owner; };
  return std::any_of(waiting_.begin(), waiting_.end(), of_owner)
         || std::any_of(sent_.begin(), sent_.end(),
                        [&](const in_flight& one) { return of_owner(one.what); })
         || std::any_of(parked_.begin(), parked_.end(),
                        [&](const auto& one) { return of_owner(one.second.what); });
}

void session_core::leave_contexts_and_close() {
  auto why = cause{.what = closing_, .limit = {}, .enforced_by = enforcer::daemon};
  auto text = "the session ended before the execution did: " + vivarium::describe(why);
  for (auto& what : std::exchange(waiting_, {})) {
    verdict how;
    how.outcome = verdict::kind::error;
    how.error_kind = static_cast<std::uint32_t>(error_kind::session_lost);
    how.content = make_error(error_kind::session_lost, text);
    how.session = session_outcome::lost;
    how.cause = why;
    complete_queued(what, std::move(how));
  }
  for (auto& flight : sent_)
    if (flight.stop == stop_reason::none)
      interrupt(flight, stop_reason::cancelled);
  for (auto& [number, flight] : parked_)
    if (flight.stop == stop_reason::none)
      interrupt(flight, stop_reason::cancelled);
  submission what;
  what.mode = bridge::run_mode::leave_contexts;
  what.form = bridge::value_form::none;
  what.operands = list_of({});
  // Counted from now on, although what was interrupted comes first: nobody waits longer than that.
  what.timeout = 2 * config_.grace;
  auto last = order(std::move(what), [this](const verdict&) { close(reply<done>{}, closing_); });
  waiting_.push_back(last);
  dispatch();
  wake_by(last->submitted() + last->request().timeout);
}

} // namespace vivarium
