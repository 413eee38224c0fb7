// SPDX-License-Identifier: Apache-2.0
#include "actors/family_looks.hpp"

#include <boost/asio/post.hpp>

#include <csignal>
#include <utility>

namespace vivarium {

family_looks::~family_looks() {
  if (!thread_)
    return;
  thread_->stop();
  thread_->join();
}

void family_looks::look(std::shared_ptr<sandbox::family> at, answer to) {
  if (!thread_) {
    // Signals are the reactor's: a new thread inherits the mask.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_.emplace(1);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  boost::asio::post(*thread_, [&reactor = reactor_, at = std::move(at), to = std::move(to)] {
    auto begun = std::chrono::steady_clock::now();
    auto found = at->used();
    boost::asio::post(
        reactor, [to, found, took = std::chrono::steady_clock::now() - begun] { to(found, took); });
  });
}

} // namespace vivarium
