// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/show.hpp"
#include "clients/cli/terminal.hpp"
#include "clients/cli/top_view.hpp"

#include <vivarium/client.hpp>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <exception>
#include <iterator>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace vivarium::cli {

namespace {

// Of each list: more are on no screen, and reading them has its price at the daemon.
constexpr std::size_t most_rows = 5'000;
constexpr int ended_by_signal = 128;

top_snapshot look(const admin& on) {
  top_snapshot out;
  out.status = on.status();
  out.tenants = all_pages([&](const page_options& from) { return on.tenants(from); }, most_rows);
  out.sessions = all_pages([&](const page_options& from) { return on.sessions(from); }, most_rows);
  out.executions =
      all_pages([&](const page_options& from) { return on.executions(from); }, most_rows);
  out.at = std::chrono::steady_clock::now();
  return out;
}

/// Looks again and again on a thread of its own, so that keys are heard while the daemon is slow.
class watcher {
public:
  explicit watcher(client on)
      : on_{std::move(on)}, told_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)}, asked_{::eventfd(
                                                                                 0, EFD_CLOEXEC)} {
    thread_ = std::thread{[this, on = on_.admin()] { run(on); }};
  }
  watcher(const watcher&) = delete;
  watcher& operator=(const watcher&) = delete;
  ~watcher() {
    stopping_ = true;
    look_again();
    on_ = client{}; // What it waits for fails.
    thread_.join();
  }

  /// Readable when there is a snapshot to take.
  [[nodiscard]] int descriptor() const noexcept { return told_.get(); }
  /// Takes it, or throws why there is none.
  [[nodiscard]] std::optional<top_snapshot> take() {
    eventfd_t ignored = 0;
    ::eventfd_read(told_.get(), &ignored);
    const std::lock_guard hold{mutex_};
    if (failed_)
      std::rethrow_exception(failed_);
    return std::exchange(made_, std::nullopt);
  }
  void look_again() const { ::eventfd_write(asked_.get(), 1); }

private:
  void run(const admin& on) {
    for (;;) {
      std::optional<top_snapshot> made;
      std::exception_ptr why;
      try {
        made = look(on);
      } catch (...) {
        why = std::current_exception();
      }
      {
        const std::lock_guard hold{mutex_};
        made_ = std::move(made);
        failed_ = why;
      }
      ::eventfd_write(told_.get(), 1);
      eventfd_t ignored = 0;
      if (why || ::eventfd_read(asked_.get(), &ignored) != 0 || stopping_)
        return;
    }
  }

  client on_;
  unique_fd told_;
  unique_fd asked_;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_; // guards the two below
  std::optional<top_snapshot> made_;
  std::exception_ptr failed_;
  std::thread thread_;
};

int show_once(const std::string& server) {
  const auto on = client::connect(server);
  const auto now = look(on.admin());
  for (const auto& line : heading_of(now, nullptr))
    write_out(line + "\n");
  const top_choice usual;
  for (const auto what : {top_table::tenants, top_table::sessions, top_table::executions}) {
    auto rows = table_of(what, now, nullptr);
    rows.sort_by(usual.column[static_cast<std::size_t>(what)], true);
    write_out("\n");
    for (const auto& line : rows.lines())
      write_out(line + "\n");
  }
  return exit_ok;
}

/// Until a key or a signal ends it; returns the status.
int show_on(const full_screen& screen, watcher& source, const ending_signals& signals,
            std::chrono::milliseconds interval, std::optional<top_snapshot> now) {
  using clock = std::chrono::steady_clock;
  std::optional<top_snapshot> before;
  top_choice choice;
  auto next = clock::now() + interval; // when to look again
  for (;;) {
    if (now) {
      const auto [height, width] = screen.size();
      screen.draw(screen_of(*now, before ? &*before : nullptr, choice, height, width));
    }
    pollfd wait[] = {{STDIN_FILENO, POLLIN, 0},
                     {signals.descriptor(), POLLIN, 0},
                     {source.descriptor(), POLLIN, 0}};
    int timeout = -1;
    if (next != clock::time_point::max())
      timeout = static_cast<int>(std::max<std::chrono::milliseconds::rep>(
          0, std::chrono::ceil<std::chrono::milliseconds>(next - clock::now()).count()));
    ::poll(wait, std::size(wait), timeout);
    if (wait[1].revents != 0)
      if (const int signal = signals.take(); signal != 0 && signal != SIGWINCH)
        return ended_by_signal + signal;
    if (wait[0].revents != 0) {
      char key = 0;
      // A terminal that is gone ends it as well.
      if (::read(STDIN_FILENO, &key, 1) != 1 ? (wait[0].revents & POLLHUP) != 0 : !choice.take(key))
        return exit_ok;
    }
    if (wait[2].revents != 0)
      if (auto made = source.take()) {
        before = std::exchange(now, std::move(made));
        next = clock::now() + interval;
      }
    if (clock::now() >= next) {
      source.look_again();
      next = clock::time_point::max();
    }
  }
}

} // namespace

int top_command(const top_order& how) {
  if (how.once || !full_screen::possible())
    return show_once(how.server);
  const ending_signals signals; // before the connection's thread
  watcher source{client::connect(how.server)};
  // The first look tells whether this may be seen at all, before the screen is taken.
  pollfd first[] = {{source.descriptor(), POLLIN, 0}, {signals.descriptor(), POLLIN, 0}};
  ::poll(first, std::size(first), -1);
  if (first[1].revents != 0)
    return ended_by_signal + signals.take();
  auto made = source.take();
  const full_screen screen;
  return show_on(screen, source, signals, how.interval, std::move(made));
}

} // namespace vivarium::cli
