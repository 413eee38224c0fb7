// SPDX-License-Identifier: Apache-2.0
#include "sandbox/launcher.hpp"
#include "sandbox/zygote_process.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <string>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

namespace vivarium::sandbox {

using control::kind;
using control::message;

namespace {

// The zygote gets only so many orders ahead: one that is killed meanwhile costs nothing.
constexpr std::uint32_t window = 8;
constexpr std::size_t words_kept = 4096;

} // namespace

launcher::zygote* launcher::current_zygote() {
  for (auto& [generation, zygote] : zygotes_)
    if (!zygote.retired && !zygote.reaped)
      return &zygote;
  return nullptr;
}

void launcher::start_zygote(std::uint32_t generation) {
  if (zygotes_.contains(generation))
    return;
  for (auto& [other, zygote] : zygotes_)
    retire(zygote);
  message ended{kind::zygote_ended};
  ended.generation = generation;
  int link[2];
  int words[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link) != 0
      || ::pipe2(words, O_CLOEXEC) != 0) {
    ended.say(os_error("socketpair", "for the zygote", errno).detail);
    return tell(ended);
  }
  pid_t pid = ::fork();
  if (pid == 0)
    become_zygote(plan_, {link[1], words[1]});
  ::close(link[1]);
  ::close(words[1]);
  unique_fd ours{link[0]};
  unique_fd said{words[0]};
  if (pid < 0) {
    ended.say(os_error("fork", "of the zygote", errno).detail);
    return tell(ended);
  }
  int yes = 1;
  ::setsockopt(ours.get(), SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes));
  // The launcher must never wait for a zygote.
  ::fcntl(ours.get(), F_SETFL, O_NONBLOCK);
  ::fcntl(said.get(), F_SETFL, O_NONBLOCK);
  auto& fresh = zygotes_[generation];
  fresh.generation = generation;
  fresh.pid = pid;
  fresh.link = std::move(ours);
  fresh.said = std::move(said);
}

void launcher::retire(zygote& old) {
  if (old.retired)
    return;
  old.retired = true;
  // It still serves what it was sent, then reads the end and exits. One that never got as far as
  // reading might import for ever.
  if (old.ready)
    ::shutdown(old.link.get(), SHUT_WR);
  else if (!old.reaped)
    ::kill(old.pid, SIGKILL);
  for (auto id : old.queue) {
    fail_worker(id, "the zygote was replaced", ECANCELED);
    workers_.erase(id);
  }
  old.queue.clear();
}

void launcher::feed(zygote& to) {
  while (to.ready && !to.retired && to.in_flight < window && !to.queue.empty()) {
    auto id = to.queue.front();
    to.queue.pop_front();
    auto at = workers_.find(id);
    if (at == workers_.end())
      continue;
    auto& one = at->second;
    auto space = plan_.has(layer::pid_namespace) ? pid_space::own : pid_space::shared;
    bool range = plan_.mode == uid_mode::range && plan_.has(layer::worker_uid);
    one.uid = range ? uids_.take() : 0;
    if (range && one.uid == 0)
      one.keeper = holder{};
    else
      one.keeper = start_holder(space);
    if (one.keeper.pid < 0) {
      fail_worker(id, range && one.uid == 0 ? "no free uid" : "clone of the holder", errno);
      uids_.give_back(one.uid);
      workers_.erase(at);
      continue;
    }
    by_holder_[one.keeper.pid] = id;
    message order{kind::spawn};
    order.worker = id;
    order.uid = one.uid;
    order.argument = one.awaited ? 1 : 0;
    int pidfd = one.keeper.pidfd.get();
    int problem = control::send(to.link.get(), order, &pidfd, 1);
    one.keeper.pidfd.reset();
    if (problem != 0) {
      one.settled = true;
      fail_worker(id, "the zygote takes no order", problem);
      end_holder(one);
      continue;
    }
    ++to.in_flight;
  }
}

void launcher::drain_link(zygote& from) {
  message note;
  control::extras beside;
  while (from.link) {
    auto got = control::receive(from.link.get(), note, beside);
    if (got == control::receipt::message) {
      hear(from, note, beside);
      for (int i = 0; i < beside.fd_count; ++i)
        ::close(beside.fds[i]);
    } else {
      if (got != control::receipt::nothing_now)
        from.link.reset();
      return;
    }
  }
}

void launcher::hear(zygote& from, const message& note, control::extras& beside) {
  if (note.what == kind::zygote_ready) {
    from.ready = true;
    message ready{kind::zygote_ready};
    ready.generation = from.generation;
    tell(ready);
    if (from.retired)
      ::shutdown(from.link.get(), SHUT_WR);
    return feed(from);
  }
  if (note.what == kind::preload_failed) {
    from.failure = note.view();
    return;
  }
  auto at = workers_.find(note.worker);
  if (at == workers_.end())
    return;
  auto& one = at->second;
  switch (note.what) {
    case kind::worker_forked:
      one.settled = true;
      one.pid = note.pid;
      by_worker_[note.pid] = note.worker;
      if (beside.fd_count > 0)
        one.pidfd.reset(std::exchange(beside.fds[--beside.fd_count], -1));
      --from.in_flight;
      if (one.killed) // Matters only where the pid namespace is shared.
        end_holder(one);
      feed(from);
      break;
    case kind::worker_ready:
      one.answered = true;
      one.said_pid = beside.sender;
      if (beside.fd_count > 0)
        one.files.reset(std::exchange(beside.fds[--beside.fd_count], -1));
      break;
    case kind::worker_failed:
      fail_worker(note.worker, note.view(), note.errno_value);
      if (note.pid < 0) { // Not even forked: the zygote said it, not the child.
        one.settled = true;
        --from.in_flight;
        end_holder(one);
        feed(from);
      }
      break;
    case kind::worker_exited: report_exit(note.worker, one, note); break;
    default: break;
  }
  finish_if_over(note.worker);
}

void launcher::drain_words(zygote& from) {
  char part[1024];
  while (from.said) {
    auto n = ::read(from.said.get(), part, sizeof(part));
    if (n < 0 && errno == EAGAIN)
      return;
    if (n <= 0) {
      from.said.reset();
      return;
    }
    from.last_words.append(part, static_cast<std::size_t>(n));
    if (from.last_words.size() > words_kept)
      from.last_words.erase(0, from.last_words.size() - words_kept);
  }
}

void launcher::zygote_died(zygote& dead) {
  drain_link(dead);
  dead.retired = true;
  dead.in_flight = 0;
  std::vector<std::uint64_t> queued{dead.queue.begin(), dead.queue.end()};
  dead.queue.clear();
  for (auto id : queued) {
    fail_worker(id, "the zygote ended", ESRCH);
    workers_.erase(id);
  }
  std::vector<std::uint64_t> unsettled;
  for (auto& [id, one] : workers_)
    if (one.generation == dead.generation && !one.settled)
      unsettled.push_back(id);
  for (auto id : unsettled) {
    auto& one = workers_.at(id);
    one.settled = true;
    if (one.said_pid > 0)
      adopt_orphan(id, one);
    else // Nobody knows whether it was forked. One that was is in the holder's namespace.
      end_holder(one);
    finish_if_over(id);
  }
}

// Sealed, but its zygote died before it could say so: process 1 is its parent now.
void launcher::adopt_orphan(std::uint64_t id, worker& of) {
  of.pid = of.said_pid;
  if (of.exited)
    return;
  by_worker_[of.pid] = id;
  of.pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, of.pid, 0)));
}

// A zygote's end is told when nobody can become ready through it any more: after its children that
// are still sealing themselves did so or failed.
void launcher::bury_zygotes() {
  for (auto at = zygotes_.begin(); at != zygotes_.end();) {
    auto& dead = at->second;
    auto unanswered = [&](const auto& entry) {
      return entry.second.generation == dead.generation && !entry.second.answered;
    };
    if (!dead.reaped || std::any_of(workers_.begin(), workers_.end(), unanswered)) {
      ++at;
      continue;
    }
    drain_words(dead);
    message ended{kind::zygote_ended};
    ended.generation = dead.generation;
    ended.wait_status = dead.wait_status;
    std::string_view words = dead.failure.empty() ? dead.last_words : dead.failure;
    if (words.size() > control::max_text)
      words.remove_prefix(words.size() - control::max_text);
    ended.say(words);
    tell(ended);
    at = zygotes_.erase(at);
  }
}

} // namespace vivarium::sandbox
