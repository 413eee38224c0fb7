// SPDX-License-Identifier: Apache-2.0
#include "actors/key_value_store.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

namespace vivarium {

namespace {

// Of one tenant, so that one that asks without end is refused and no other waits behind it for
// long.
constexpr std::size_t most_waiting = 256;
constexpr std::size_t most_waiting_bytes = 64u << 20;
constexpr auto open_again_after = std::chrono::seconds{1};

} // namespace

struct key_value_store::shared {
  struct request {
    std::string tenant;
    std::size_t bytes;
    /// Told why there is no file, or given the file.
    std::function<void(result<store_file*>)> what;
  };
  struct load {
    std::deque<request> requests;
    std::size_t bytes = 0;
  };

  shared(boost::asio::io_context& r, store_settings h) : reactor{r}, how{std::move(h)} {}

  boost::asio::io_context& reactor;
  const store_settings how;
  std::mutex lock;
  std::condition_variable changed;
  std::map<std::string, load> waiting; // By tenant: they have turns.
  std::string last;                    // Whose turn it was.
  bool ended = false;
  std::thread thread;

  void run();
  bool take(std::unique_lock<std::mutex>& guard, request& into);
};

bool key_value_store::shared::take(std::unique_lock<std::mutex>& guard, request& into) {
  changed.wait(guard, [&] { return ended || !waiting.empty(); });
  if (ended)
    return false;
  auto next = waiting.upper_bound(last);
  if (next == waiting.end())
    next = waiting.begin();
  last = next->first;
  into = std::move(next->second.requests.front());
  next->second.requests.pop_front();
  next->second.bytes -= into.bytes;
  if (next->second.requests.empty())
    waiting.erase(next);
  return true;
}

void key_value_store::shared::run() {
  std::unique_ptr<store_file> file;
  error why;
  std::chrono::steady_clock::time_point again{};
  std::unique_lock guard{lock};
  for (request next; take(guard, next); guard.lock()) {
    guard.unlock();
    if (!file && std::chrono::steady_clock::now() >= again) {
      auto opened = store_file::open(how);
      if (opened)
        file = *std::move(opened);
      else
        why = std::move(opened).why();
      again = std::chrono::steady_clock::now() + open_again_after;
    }
    next.what(file ? result<store_file*>{file.get()} : result<store_file*>{why});
    next.what = nullptr;
  }
}

key_value_store::key_value_store(boost::asio::io_context& reactor, const store_settings& how,
                                 quota_function quota_of)
    : how_{how}, quota_of_{std::move(quota_of)}, shared_{std::make_shared<shared>(reactor, how)} {}

key_value_store::~key_value_store() {
  {
    std::lock_guard guard{shared_->lock};
    shared_->ended = true;
    shared_->changed.notify_all();
  }
  if (shared_->thread.joinable())
    shared_->thread.join();
}

template <class T>
void key_value_store::ask(const std::string& tenant, std::size_t bytes, reply<T> to,
                          std::function<result<T>(store_file&)> what) {
  if (!how_.enabled || how_.path.empty())
    return to.refuse(error{errc::unavailable, "this daemon keeps no store: store.enabled of its "
                                              "configuration is off, or it has no place for one "
                                              "(store.path)"});
  std::unique_lock guard{shared_->lock};
  auto& load = shared_->waiting[tenant];
  if (!load.requests.empty()
      && (load.requests.size() >= most_waiting || load.bytes + bytes > most_waiting_bytes)) {
    guard.unlock();
    return to.refuse(error{errc::limit_exceeded, "too much waits for the store of this tenant"});
  }
  load.bytes += bytes;
  // The answer is given on the reactor's thread, and so is what it holds let go of.
  load.requests.push_back(
      {tenant, bytes,
       [&reactor = shared_->reactor, to = std::move(to),
        what = std::move(what)](result<store_file*> file) mutable {
         auto answer = file ? what(**file) : result<T>{std::move(file).why()};
         boost::asio::post(reactor, [to = std::move(to), answer = std::move(answer)]() mutable {
           to.deliver(std::move(answer));
         });
       }});
  shared_->changed.notify_one();
  if (shared_->thread.joinable())
    return;
  // Signals are the reactor's: a new thread inherits the mask.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  shared_->thread = std::thread{[own = shared_] { own->run(); }};
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void key_value_store::get(const std::string& tenant, std::string key,
                          reply<std::optional<std::string>> to) {
  if (auto ok = check_key(key); !ok)
    return to.refuse(std::move(ok).why());
  ask<std::optional<std::string>>(
      tenant, key.size(), std::move(to),
      [tenant, key](store_file& file) { return file.get(tenant, key, store_file::clock::now()); });
}

void key_value_store::set(const std::string& tenant, std::string key, std::string json,
                          std::chrono::milliseconds ttl, reply<done> to) {
  if (auto ok = check_key(key); !ok)
    return to.refuse(std::move(ok).why());
  if (json.size() > how_.value_bytes)
    return to.refuse(error{errc::too_large, "the value has " + std::to_string(json.size())
                                                + " bytes as JSON; the maximum is "
                                                + std::to_string(how_.value_bytes)
                                                + " (store.value_bytes)"});
  auto bytes = key.size() + json.size();
  ask<done>(tenant, bytes, std::move(to),
            [tenant, key = std::move(key), json = std::move(json), ttl,
             quota = quota_of_(tenant)](store_file& file) -> status {
              if (auto ok = check_json(json); !ok)
                return ok;
              auto now = store_file::clock::now();
              auto expires = ttl.count() > 0 ? now + ttl : store_file::clock::time_point{};
              return file.set(tenant, key, json, expires, quota, now);
            });
}

void key_value_store::remove(const std::string& tenant, std::string key, reply<bool> to) {
  if (auto ok = check_key(key); !ok)
    return to.refuse(std::move(ok).why());
  ask<bool>(tenant, key.size(), std::move(to), [tenant, key](store_file& file) {
    return file.remove(tenant, key, store_file::clock::now());
  });
}

void key_value_store::list(const std::string& tenant, store_query what, reply<store_page> to) {
  if (what.prefix.size() > most_key_bytes || what.after.size() > most_key_bytes)
    return to.refuse(
        error{errc::invalid_argument,
              "a prefix or cursor has more than " + std::to_string(most_key_bytes) + " bytes"});
  what.limit = what.limit == 0 ? most_page_entries : std::min(what.limit, most_page_entries);
  auto bytes = what.prefix.size() + what.after.size();
  ask<store_page>(tenant, bytes, std::move(to), [tenant, what = std::move(what)](store_file& file) {
    return file.list(tenant, what, store_file::clock::now());
  });
}

} // namespace vivarium
