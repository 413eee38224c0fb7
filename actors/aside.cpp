// SPDX-License-Identifier: Apache-2.0
#include "actors/aside.hpp"

#include <csignal>

namespace vivarium {

aside::~aside() {
  if (threads_)
    threads_->join();
}

boost::asio::thread_pool& aside::threads() {
  if (!threads_) {
    // Signals are the reactor's: a new thread inherits the mask.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    threads_.emplace(1);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  return *threads_;
}

} // namespace vivarium
