// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/interrupts.hpp"

#include <csignal>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace vivarium::cli {

interrupts::interrupts() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

bool interrupts::take() const {
  signalfd_siginfo info{};
  return ::read(signals_.get(), &info, sizeof(info)) == sizeof(info);
}

interrupt_watch::interrupt_watch(const interrupts& source, std::function<void()> on_interrupt)
    : stop_{::eventfd(0, EFD_CLOEXEC)} {
  thread_ = std::thread{[&source, stop = stop_.get(), act = std::move(on_interrupt)] {
    for (;;) {
      pollfd wait[] = {{source.descriptor(), POLLIN, 0}, {stop, POLLIN, 0}};
      if (::poll(wait, 2, -1) < 0)
        continue;
      if (wait[1].revents != 0)
        return;
      if (source.take())
        act();
    }
  }};
}

interrupt_watch::~interrupt_watch() {
  const eventfd_t one = 1;
  ::eventfd_write(stop_.get(), one);
  thread_.join();
}

} // namespace vivarium::cli
