// SPDX-License-Identifier: Apache-2.0
#include "actors/resolver.hpp"

#include <boost/asio/post.hpp>

#include <condition_variable>
#include <csignal>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include <netdb.h>

namespace vivarium {

using sandbox::ip_address;

namespace {

constexpr std::size_t most_threads = 4;
constexpr std::size_t most_waiting = 256;
constexpr std::size_t most_addresses = 16;

std::vector<ip_address> ask(const std::string& name) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(name.c_str(), nullptr, &hints, &found) != 0)
    return {};
  std::vector<ip_address> out;
  for (auto* one = found; one != nullptr && out.size() < most_addresses; one = one->ai_next) {
    sockaddr_storage raw{};
    if (one->ai_addrlen > sizeof(raw))
      continue;
    std::memcpy(&raw, one->ai_addr, one->ai_addrlen);
    if (auto read = sandbox::from_sockaddr(raw, one->ai_addrlen))
      out.push_back(read->address);
  }
  ::freeaddrinfo(found);
  return out;
}

} // namespace

struct resolver::shared {
  struct question {
    std::string name;
    answer to;
  };
  std::mutex lock;
  std::condition_variable changed;
  std::deque<question> waiting;
  std::size_t idle = 0;
  boost::asio::io_context* reactor; // Null once nobody wants answers any more.
};

resolver::resolver(boost::asio::io_context& reactor) : shared_{std::make_shared<shared>()} {
  shared_->reactor = &reactor;
}

resolver::~resolver() {
  std::lock_guard guard{shared_->lock};
  shared_->reactor = nullptr;
  shared_->waiting.clear();
  shared_->changed.notify_all();
}

void resolver::find(const std::string& name, answer to) {
  std::unique_lock guard{shared_->lock};
  if (shared_->waiting.size() >= most_waiting) {
    guard.unlock();
    return to({});
  }
  shared_->waiting.push_back({name, std::move(to)});
  if (shared_->idle >= shared_->waiting.size() || threads_ == most_threads) {
    shared_->changed.notify_one();
    return;
  }
  ++threads_;
  guard.unlock();
  // Signals are the reactor's: a new thread inherits the mask.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread{[own = shared_] {
    std::unique_lock guard{own->lock};
    for (;;) {
      ++own->idle;
      own->changed.wait(guard, [&] { return own->reactor == nullptr || !own->waiting.empty(); });
      --own->idle;
      if (own->reactor == nullptr)
        return;
      auto next = std::move(own->waiting.front());
      own->waiting.pop_front();
      guard.unlock();
      auto found = ask(next.name);
      guard.lock();
      if (own->reactor != nullptr)
        boost::asio::post(*own->reactor,
                          [to = std::move(next.to), found = std::move(found)] { to(found); });
    }
  }}.detach();
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

} // namespace vivarium
