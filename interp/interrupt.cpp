// SPDX-License-Identifier: Apache-2.0
#include "interp/interrupt.hpp"

#include "interp/py_ref.hpp"
#include "sandbox/zygote_link.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>

#include <unistd.h>

namespace vivarium::interp {

namespace {

// The handler has no other way to its object; a process has at most one.
std::atomic<interrupts*> the_interrupts = nullptr;

constexpr long remind_after_ns = 5'000'000;

} // namespace

bool interrupts::note(std::uint64_t number) noexcept {
  auto head = head_.load(std::memory_order_relaxed);
  if (head - tail_.load(std::memory_order_acquire) == noted_at_most)
    return false; // Nobody listens; the daemon will not wait for ever.
  noted_[head % noted_at_most].store(number, std::memory_order_relaxed);
  head_.store(head + 1, std::memory_order_release);
  return true;
}

void interrupts::on_signal(std::uint64_t number) noexcept {
  if (note(number))
    remind();
}

void interrupts::remind() noexcept {
  if (tail_.load(std::memory_order_acquire) == head_.load(std::memory_order_relaxed))
    return;
  PyErr_SetInterruptEx(sandbox::interrupt_signal());
  remind_later();
}

void interrupts::remind_later() noexcept {
  struct itimerspec when = {};
  when.it_value.tv_nsec = remind_after_ns;
  if (has_reminder_)
    ::timer_settime(reminder_, 0, &when, nullptr);
}

void interrupts::install() noexcept {
  the_interrupts = this;
  struct sigaction action = {};
  action.sa_sigaction = [](int, siginfo_t* info, void*) {
    auto saved = errno;
    auto& self = *the_interrupts.load();
    if (info->si_code == SI_TIMER)
      self.remind();
    else
      self.on_signal(reinterpret_cast<std::uintptr_t>(info->si_value.sival_ptr));
    errno = saved;
  };
  // Without SA_RESTART: a blocking call of the tenant's must return for the handler to run.
  action.sa_flags = SA_SIGINFO;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(sandbox::interrupt_signal(), &action, nullptr);
  struct sigevent event = {};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = sandbox::interrupt_signal();
  event._sigev_un._tid = ::getpid(); // The main thread.
  has_reminder_ = ::timer_create(CLOCK_MONOTONIC, &event, &reminder_) == 0;
}

bool interrupts::deliver() {
  while (true) {
    auto tail = tail_.load(std::memory_order_relaxed);
    if (tail == head_.load(std::memory_order_acquire))
      return true;
    auto number = noted_[tail % noted_at_most].load(std::memory_order_relaxed);
    tail_.store(tail + 1, std::memory_order_release);
    if (!deliver_one(number))
      return false;
  }
}

bool interrupts::deliver_one(std::uint64_t number) {
  if (executions_.current != nullptr && executions_.current->number == number)
    return raise(*executions_.current);
  if (auto found = executions_.waiting.find(number); found != executions_.waiting.end()) {
    found->second.interrupt_raised = true;
    auto here = py_ref::steal(PyObject_CallFunction(cancel_, "K", number));
    if (!here)
      return false;
    return PyObject_IsTrue(here.get()) == 1 ? raise(found->second) : true;
  }
  if (auto found = executions_.streams.find(number); found != executions_.streams.end()) {
    // Nothing of it runs. The worker's loop closes it, woken when it runs the event loop.
    found->second.stop = true;
    executions_.ready.push_back(number);
    return static_cast<bool>(py_ref::steal(PyObject_CallFunction(cancel_, "K", number)));
  }
  for (auto* one : executions_.suspended) {
    if (one->number != number)
      continue;
    // Whoever runs meanwhile is not meant: it is raised when that has ended.
    one->stop_waiting = one->interrupt_raised = true;
    return static_cast<bool>(py_ref::steal(PyObject_CallFunction(cancel_, "K", number)));
  }
  if (number > executions_.last_started || in_.keeps(number)) {
    if (early_.size() == noted_at_most)
      early_.erase(early_.begin());
    early_.push_back(number);
  }
  return true;
}

bool interrupts::raise(execution& in) {
  in.interrupt_raised = true;
  PyErr_SetString(type_, "the execution was interrupted");
  return false;
}

void interrupts::again() noexcept {
  const auto* running = executions_.current;
  if (running == nullptr || !running->interrupt_raised)
    return;
  // The handler is the only one that notes; it must not come in between.
  sigset_t ours;
  sigset_t before;
  ::sigemptyset(&ours);
  ::sigaddset(&ours, sandbox::interrupt_signal());
  ::pthread_sigmask(SIG_BLOCK, &ours, &before);
  if (note(running->number))
    remind_later();
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

bool interrupts::expired(std::uint64_t number) {
  (void)deliver(); // Nothing runs, so nothing is raised.
  PyErr_Clear();
  auto found = std::find(early_.begin(), early_.end(), number);
  if (found == early_.end())
    return false;
  early_.erase(found);
  return true;
}

} // namespace vivarium::interp
