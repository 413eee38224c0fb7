// SPDX-License-Identifier: Apache-2.0
// The life of a session: made, used for the first time, ended.
#include "bench/api.hpp"
#include "bench/lifecycles.hpp"
#include "bench/net.hpp"
#include "bench/rows.hpp"

#include <array>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

namespace bench {

namespace {

constexpr const char* fizzbuzz = R"(
def fizzbuzz(n):
    lines = []
    for i in range(1, n + 1):
        if i % 15 == 0:
            lines.append("FizzBuzz")
        elif i % 3 == 0:
            lines.append("Fizz")
        elif i % 5 == 0:
            lines.append("Buzz")
        else:
            lines.append(str(i))
    return lines

fizzbuzz(100)
)";

double microseconds(std::int64_t begin, std::int64_t end) {
  return static_cast<double>(end - begin) / 1e3;
}

double microseconds_since(std::int64_t begin) {
  return microseconds(begin, now_ns());
}

void rest(int milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds{milliseconds});
}

constexpr int between_sessions = 8;

/// Another client's session, in use between the sessions that are measured: the pool refills
/// meanwhile, and what is measured is a daemon at work and not a core that was asleep.
class companion {
public:
  explicit companion(const target& to)
      : connection_{to.websocket_unix()}, api_{*connection_}, session_{
                                                                  api_.create(to.environment)} {}
  ~companion() { api_.close(session_); }
  companion(const companion&) = delete;
  companion& operator=(const companion&) = delete;

  void work(int milliseconds) {
    for (auto end = now_ns() + milliseconds * 1'000'000LL; now_ns() < end;)
      api_.eval(session_, "1+1");
  }

private:
  std::unique_ptr<ws_client> connection_;
  caller api_;
  std::string session_;
};

void create_first(const target& to) {
  companion other{to};
  auto connection = to.websocket_unix();
  caller api{*connection};
  std::vector<double> created;
  std::vector<double> both;
  for (std::size_t n = to.count_or(200); n > 0; --n) {
    auto begin = now_ns();
    auto session = api.create(to.environment);
    created.push_back(microseconds_since(begin));
    api.eval(session, fizzbuzz);
    both.push_back(microseconds_since(begin));
    api.close(session);
    other.work(between_sessions);
  }
  figures{"create-first"}.add_samples(both).add("create_p50", percentile(created, 0.5)).print();
}

void create_eval_close(const char* name, const target& to, int pause) {
  companion other{to};
  auto connection = to.websocket_unix();
  caller api{*connection};
  std::vector<double> creates;
  std::vector<double> evals;
  std::vector<double> closes;
  std::vector<double> samples;
  for (std::size_t n = to.count_or(200); n > 0; --n) {
    auto begin = now_ns();
    auto session = api.create(to.environment);
    auto created = now_ns();
    api.eval(session, "1+1");
    auto evaluated = now_ns();
    api.close(session);
    samples.push_back(microseconds_since(begin));
    closes.push_back(microseconds_since(evaluated));
    evals.push_back(samples.back() - closes.back() - microseconds(begin, created));
    creates.push_back(microseconds(begin, created));
    other.work(pause);
  }
  figures{name}
      .add_samples(samples)
      .add("create_p50", percentile(creates, 0.5))
      .add("eval_p50", percentile(evals, 0.5))
      .add("close_p50", percentile(closes, 0.5))
      .print();
}

void with_pool(const target& to) {
  create_eval_close("create-eval-close", to, between_sessions);
}

// What the rest alone does: an eval in a session that is warm, after the same pause as before a
// create. The caches are cold and the core may sleep; the rows above pay that too.
void rested(const target& to) {
  auto connection = to.websocket_unix();
  caller api{*connection};
  auto session = api.create(to.environment);
  std::vector<double> samples;
  for (std::size_t n = to.count_or(200); n > 0; --n) {
    rest(between_sessions);
    auto begin = now_ns();
    api.eval(session, "1+1");
    samples.push_back(microseconds_since(begin));
  }
  figures{"eval-rested"}.add_samples(samples).print();
  api.close(session);
}

// The same against a daemon that was configured without ready workers.
void without_pool(const target& to) {
  create_eval_close("create-eval-close-no-pool", to, 1);
}

void agent(const target& to) {
  companion other{to};
  auto connection = to.websocket_unix();
  caller api{*connection};
  std::vector<double> evals;
  std::vector<double> total;
  auto count = to.count_or(200);
  for (std::size_t n = 0; n < count; ++n) {
    const std::array<std::string, 10> steps{
        "import math",
        "prices = [3.5, 1.25, " + std::to_string(n) + "]",
        "prices.append(5)",
        "total = sum(prices)",
        "def mean(values):\n    return sum(values) / len(values)\n",
        "mean(prices)",
        "squares = {p: math.sqrt(p) for p in prices}",
        "sorted(squares.items())",
        "text = ', '.join(map(str, prices))",
        "print(text)\nlen(text)",
    };
    auto begin = now_ns();
    auto session = api.create(to.environment);
    auto created = now_ns();
    for (const auto& step : steps)
      api.eval(session, step);
    evals.push_back(microseconds_since(created));
    total.push_back(microseconds_since(begin));
    api.close(session);
    other.work(between_sessions);
  }
  figures{"agent"}.add_samples(total).add("evals_p50", percentile(evals, 0.5)).print();
}

void burst(const target& to) {
  auto connection = to.websocket_unix();
  lifecycles sessions{*connection, to.environment};
  std::vector<double> samples;
  for (std::size_t n = to.count_or(20); n > 0; --n) {
    auto begin = now_ns();
    sessions.run({100, false, [](std::size_t begun) { return begun < 100; }}, "1+1");
    samples.push_back(microseconds_since(begin) / 1e3);
    sessions.close_all(100);
    rest(400);
  }
  figures{"burst-100"}
      .add("p95", percentile(samples, 0.95))
      .add("p50", percentile(samples, 0.5))
      .add("samples", static_cast<double>(samples.size()))
      .print();
}

void sustained(const target& to) {
  auto connection = to.websocket_unix();
  lifecycles sessions{*connection, to.environment};
  auto begin = now_ns();
  auto end = begin + static_cast<std::int64_t>(to.seconds * 1e9);
  auto ended = sessions.run({8, true, [end](std::size_t) { return now_ns() < end; }}, "1+1");
  auto rate = static_cast<double>(ended) * 1e6 / microseconds_since(begin);
  figures{"sustained"}.add("per_second", rate).print();
}

// For bench/soak: a fixed number of cycles, with progress on stderr.
void cycles(const target& to) {
  auto connection = to.websocket_unix();
  lifecycles sessions{*connection, to.environment};
  auto wanted = to.count_or(1'000);
  auto begin = now_ns();
  std::size_t reported = 0;
  auto more = [&](std::size_t begun) {
    if (begun >= reported + 5'000) {
      reported = begun;
      std::fprintf(stderr, "%zu cycles begun, %.0f per second\n", begun,
                   static_cast<double>(begun) * 1e6 / microseconds_since(begin));
    }
    return begun < wanted;
  };
  auto ended = sessions.run({8, true, more}, "1+1");
  auto rate = static_cast<double>(ended) * 1e6 / microseconds_since(begin);
  figures{"cycles"}.add("count", static_cast<double>(ended)).add("per_second", rate).print();
}

constexpr std::array rows{
    row{"create-first", create_first},
    row{"create-eval-close", with_pool},
    row{"create-eval-close-no-pool", without_pool},
    row{"eval-rested", rested},
    row{"agent", agent},
    row{"burst-100", burst},
    row{"sustained", sustained},
    row{"cycles", cycles},
};

} // namespace

std::span<const row> create_rows() {
  return rows;
}

} // namespace bench
