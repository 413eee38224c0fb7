// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/terminal.hpp"

#include "clients/cli/show.hpp"

#include <csignal>
#include <cstdlib>
#include <string_view>

#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace vivarium::cli {

ending_signals::ending_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int one : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH})
    ::sigaddset(&set, one);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

int ending_signals::take() const {
  signalfd_siginfo info{};
  return ::read(signals_.get(), &info, sizeof(info)) == sizeof(info)
             ? static_cast<int>(info.ssi_signo)
             : 0;
}

bool full_screen::possible() noexcept {
  const char* kind = std::getenv("TERM"); // NOLINT(concurrency-mt-unsafe)
  return kind != nullptr && *kind != '\0' && std::string_view{kind} != "dumb"
         && ::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0;
}

full_screen::full_screen() {
  ::tcgetattr(STDIN_FILENO, &before_);
  auto raw = before_;
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  raw.c_cc[VMIN] = 0;
  raw.c_cc[VTIME] = 0;
  // Stopped, it would leave the terminal like that.
  raw.c_cc[VSUSP] = _POSIX_VDISABLE;
  ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  write_out("\x1b[?1049h\x1b[?25l");
}

full_screen::~full_screen() {
  write_out("\x1b[?25h\x1b[?1049l");
  ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
}

std::pair<std::size_t, std::size_t> full_screen::size() const noexcept {
  winsize now{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &now) != 0 || now.ws_row == 0 || now.ws_col == 0)
    return {24, 80};
  return {now.ws_row, now.ws_col};
}

void full_screen::draw(const std::vector<std::string>& lines) const {
  std::string out = "\x1b[H";
  for (std::size_t n = 0; n < lines.size(); ++n)
    out += (n > 0 ? "\r\n" : "") + lines[n] + "\x1b[K";
  write_out(out + "\x1b[J");
}

} // namespace vivarium::cli
