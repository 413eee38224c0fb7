// SPDX-License-Identifier: Apache-2.0
#pragma once

// A session's state machine with a worker that the test plays itself, over real pipes.

#include "actors/mailboxes.hpp"
#include "actors/session_core.hpp"
#include "bridge/value_writer.hpp"
#include "bridge/worker_protocol.hpp"
#include "tests/actors/silent_observer.hpp"

#include <catch2/catch.hpp>
#include <protozero/pbf_writer.hpp>

#include <map>

#include <fcntl.h>
#include <unistd.h>

namespace vivarium::test {

using namespace std::chrono_literals;

struct session_fixture {
  boost::asio::io_context reactor{1};
  settings config;
  silent_observer watch;
  load_gauge load;
  mail_limits mail_bounds;
  mailboxes mail{mail_bounds, watch};
  unique_fd requests; // what the session sends
  unique_fd answers;  // what the worker says
  std::vector<std::uint64_t> killed;
  std::vector<std::uint64_t> interrupted;
  std::vector<session_info> ended;
  std::vector<std::uint64_t> resized;
  std::weak_ptr<watched_worker> watched;
  std::vector<sandbox::cgroup_limits> entered_groups;
  std::vector<std::string> left_groups;
  /// What its code asked of the application.
  struct placed_call {
    switchboard::caller who;
    function_call what;
    std::uint64_t number = 0;
  };
  std::vector<std::string> capability_calls; ///< Names of those for the daemon itself.
  std::vector<std::weak_ptr<void>> tickets;
  std::vector<placed_call> placed_calls;
  std::optional<error> refuse_calls; // how the application has no answer
  std::vector<std::string> dropped_calls;
  std::shared_ptr<pulse> beating;
  std::shared_ptr<session_starts> starts =
      std::make_shared<session_starts>(config.breaker, "local", watch);
  environment_ref where{"default", "default", nullptr};
  int left_pool = 0;
  bool stopped = false;
  std::optional<session_core> core;

  /// How sessions get control groups.
  enum class groups { none, some };

  explicit session_fixture(settings s = {}, session_request wish = {}, groups with = groups::none)
      : config{std::move(s)} {
    config.environments.try_emplace("default");
    session_plan plan;
    plan.info.id = "ses_0test";
    plan.info.environment = "default";
    plan.tenant = "local";
    plan.environment =
        std::make_shared<const environment_settings>(config.environments.at("default"));
    plan.label = "default";
    plan.wish = std::move(wish);
    plan.wish.idle_timeout = 1h;
    plan.info.limits = config.limits;
    session_ports ports{
        .ask_pool = [] {},
        .leave_pool = [this] { ++left_pool; },
        .kill = [this](std::uint64_t w) { killed.push_back(w); },
        .interrupt = [this](std::uint64_t, std::uint64_t n) { interrupted.push_back(n); },
        .watch_input = [] {},
        .watch_output = [] {},
        .wake_at = [](clock_type::time_point) {},
        .open_gate = {},
        .report_end = [this](session_info i) { ended.push_back(std::move(i)); },
        .report_large = [](const execution_ptr&) {},
        .stop = [this] { stopped = true; },
        .resize = [this](std::uint64_t, std::uint64_t bytes,
                         std::uint32_t) { resized.push_back(bytes); },
        .watch = [this](const resource_watch::ticket& one) { watched = one; },
        .share_cpu = nullptr,
        .enter_cgroup = nullptr,
        .leave_cgroup = [this](const std::string& folder) { left_groups.push_back(folder); },
        .call_host =
            [this](switchboard::caller who, function_call what, std::uint64_t number) {
              placed_calls.push_back({std::move(who), std::move(what), number});
              if (refuse_calls)
                return result<std::string>{*refuse_calls};
              return result<std::string>{number == 0 ? "" : "call_" + std::to_string(number)};
            },
        .drop_call = [this](const std::string& id) { dropped_calls.push_back(id); },
    };
    ports.use_capability = [this](std::string_view name, std::string_view, std::uint64_t,
                                  std::chrono::milliseconds) {
      auto ticket = std::make_shared<int>();
      capability_calls.emplace_back(name);
      tickets.push_back(ticket);
      return ticket;
    };
    ports.open_mailbox = [this](std::vector<std::string> names) {
      return mail.open("local", std::move(names), [this] { core->on_mail(); });
    };
    ports.beat = [this](const std::shared_ptr<pulse>& one) { beating = one; };
    if (auto entered = starts->enter(where, "default"))
      ports.start = *std::move(entered);
    ports.resume = [this](const session_step& step) { step(*core); };
    if (with == groups::some)
      ports.enter_cgroup = [this](const std::string&, const sandbox::cgroup_limits& limits, pid_t) {
        entered_groups.push_back(limits);
      };
    core.emplace(plan, config, watch, load, std::move(ports));
  }

  void grant() {
    int down[2];
    int up[2];
    REQUIRE(::pipe2(down, O_CLOEXEC | O_NONBLOCK) == 0);
    REQUIRE(::pipe2(up, O_CLOEXEC | O_NONBLOCK) == 0);
    requests.reset(down[0]);
    answers.reset(up[1]);
    sandbox::worker_ready ready{7,           ::getpid(), unique_fd{down[1]}, unique_fd{up[0]},
                                unique_fd{}, {}};
    core->on_granted(std::make_shared<worker>(reactor, std::move(ready), nullptr));
  }

  execution_ptr submit(std::string source, std::chrono::milliseconds timeout = 1min) {
    submission what;
    what.source = std::move(source);
    what.timeout = timeout;
    return submit(std::move(what));
  }

  execution_ptr submit(submission what) {
    auto made = std::make_shared<execution>("exe_0test", "ses_0test", what, 1 << 20);
    core->run(made, reply<execution_ptr>{[this](result<execution_ptr> r) {
                accepted = bool{r};
                if (!r)
                  refusal = r.why();
              }});
    return made;
  }

  execution_ptr stream(std::uint64_t credit, std::chrono::milliseconds idle = 1min) {
    submission what;
    what.source = "items";
    what.timeout = 1min;
    what.idle_timeout = idle;
    what.stream_credit = credit;
    return submit(std::move(what));
  }

  /// What the session has sent since the last call, as "evaluate 1", "pull 1 5", "result 1 value".
  std::vector<std::string> sent() {
    core->flush();
    for (;;) {
      auto* to = reader.prepare(4096);
      auto n = ::read(requests.get(), to, reader.room());
      if (n <= 0)
        break;
      reader.commit(static_cast<std::size_t>(n));
    }
    std::vector<std::string> out;
    for (auto frame = reader.next(); frame && *frame; frame = reader.next()) {
      if ((*frame)->type == bridge::frame_type::evaluate) {
        auto order = bridge::decode_evaluate((*frame)->body);
        REQUIRE(order);
        out.push_back("evaluate " + std::to_string(order->execution));
        modes.push_back(order->mode);
        if (order->within != 0)
          out.back() += " within " + std::to_string(order->within);
      } else if ((*frame)->type == bridge::frame_type::host_result) {
        using outcome = bridge::host_result::outcome;
        static const std::map<outcome, std::string> names{{outcome::value, "value"},
                                                          {outcome::error, "error"},
                                                          {outcome::not_found, "not_found"},
                                                          {outcome::timeout, "timeout"},
                                                          {outcome::unavailable, "unavailable"},
                                                          {outcome::limit, "limit"}};
        auto answer = bridge::decode_host_result((*frame)->body);
        REQUIRE(answer);
        out.push_back("result " + std::to_string(answer->call) + " " + names.at(answer->kind));
        texts.emplace_back(answer->content);
      } else if ((*frame)->type == bridge::frame_type::app_input) {
        auto input = bridge::decode_app_input((*frame)->body);
        REQUIRE(input);
        out.push_back("input " + std::to_string(input->execution) + " "
                      + std::string{input->content});
      } else {
        auto order = bridge::decode_pull((*frame)->body);
        REQUIRE(order);
        out.push_back("pull " + std::to_string(order->execution) + " "
                      + std::to_string(order->credit));
      }
    }
    return out;
  }

  void say_items(std::uint64_t number, std::uint64_t count, std::size_t size = 1) {
    std::string content;
    for (std::uint64_t i = 0; i < count; ++i)
      protozero::pbf_writer{content}.add_message(1, bridge::text_value(std::string(size, 'x')));
    std::string out;
    REQUIRE(bridge::append_items(out, {number, count, content}));
    say(out);
  }

  void say_parked(std::uint64_t number) {
    std::string out;
    REQUIRE(bridge::append_parked(out, {number}));
    say(out);
  }

  void say_error(std::uint64_t number, error_kind kind, std::string_view message) {
    auto content = make_error(kind, message);
    std::string out;
    bridge::finished finished;
    finished.execution = number;
    finished.kind = bridge::finished::outcome::error;
    finished.content = content;
    REQUIRE(bridge::append_finished(out, finished));
    say(out);
  }

  void say(const std::string& bytes) {
    for (std::size_t at = 0; at < bytes.size();) {
      auto n = ::write(answers.get(), bytes.data() + at, bytes.size() - at);
      REQUIRE(n > 0);
      at += static_cast<std::size_t>(n);
      core->on_input();
    }
  }

  void say_result(std::uint64_t number) {
    std::string out;
    bridge::finished message;
    message.execution = number;
    REQUIRE(bridge::append_finished(out, message));
    say(out);
  }

  bool accepted = false;
  error refusal;
  /// A call of the worker's with one argument.
  static bridge::host_call call_of(std::uint64_t number, std::uint64_t execution,
                                   std::string_view operands = one_argument()) {
    return {.execution = execution,
            .call = number,
            .kind = number == 0 ? bridge::host_call::call_kind::cast
                                : bridge::host_call::call_kind::call,
            .blocking = true,
            .host = 0,
            .name = "f",
            .operands = operands,
            .timeout_ms = 0};
  }

  static const std::string& one_argument() {
    static const std::string made = [] {
      const std::string args[] = {bridge::int_value(1)};
      const std::string parts[] = {bridge::tuple_value(args), bridge::dict_value({})};
      return bridge::tuple_value(parts);
    }();
    return made;
  }

  void say_call(const bridge::host_call& call) {
    std::string out;
    REQUIRE(bridge::append_host_call(out, call));
    say(out);
  }

  void say_drop(std::uint64_t number) {
    std::string out;
    REQUIRE(bridge::append_host_drop(out, {number}));
    say(out);
  }

  std::vector<std::string> texts; // of answers to calls
  std::vector<bridge::run_mode> modes;
  bridge::frame_reader reader;
};

inline std::string kind_of(const execution_ptr& e) {
  return std::string{name_of(static_cast<error_kind>(e->end()->error_kind))};
}

} // namespace vivarium::test
