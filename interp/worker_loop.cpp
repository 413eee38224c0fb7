// SPDX-License-Identifier: Apache-2.0
#include "interp/worker_loop.hpp"

#include "bridge/frame.hpp"
#include "interp/execute.hpp"
#include "interp/py_ref.hpp"
#include "interp/streams.hpp"

#include <algorithm>
#include <cerrno>

#include <unistd.h>

namespace vivarium::interp {

namespace {

constexpr std::size_t read_at_least = 64u << 10;
constexpr std::size_t read_at_most = 1u << 20;
constexpr int exit_protocol = 70;

void run_request(runtime& self, const bridge::frame& frame) {
  if (frame.type == bridge::frame_type::evaluate) {
    auto request = bridge::decode_evaluate(frame.body);
    if (request)
      return execute(self, *request);
  } else if (frame.type == bridge::frame_type::pull) {
    auto request = bridge::decode_pull(frame.body);
    if (request)
      return pull_stream(self, *request);
  }
  ::_exit(exit_protocol);
}

void run_requests(runtime& self, bridge::frame_reader& in) {
  while (true) {
    auto next = in.next();
    if (!next)
      ::_exit(exit_protocol);
    if (!*next)
      return;
    run_request(self, **next);
  }
}

void read_requests(runtime& self, bridge::frame_reader& in) {
  auto* to = in.prepare(std::clamp(in.missing(), read_at_least, read_at_most));
  auto* thread = PyEval_SaveThread();
  auto n = ::read(self.requests_fd, to, in.room());
  auto why = errno;
  PyEval_RestoreThread(thread);
  if (n > 0) {
    in.commit(static_cast<std::size_t>(n));
  } else if (n < 0 && why == EINTR) {
    // Handlers that tenant code installed run now; there is nobody to tell what they raise.
    if (PyErr_CheckSignals() != 0)
      PyErr_Clear();
  } else {
    ::_exit(0);
  }
}

// Runs the event loop if it has work. True: read now, the descriptor is ready or nothing is to do.
bool turn(runtime& self) {
  if (!self.asynchronous)
    return true;
  auto busy = py_ref::steal(PyObject_CallNoArgs(self.python.async_busy));
  if (!busy || PyObject_IsTrue(busy.get()) != 1) {
    PyErr_Clear();
    return true;
  }
  self.out.send();
  auto readable = py_ref::steal(PyObject_CallNoArgs(self.python.async_turn));
  // A loop that tenant code broke must not make this one spin.
  bool read = !readable || PyObject_IsTrue(readable.get()) == 1;
  PyErr_Clear();
  return read;
}

} // namespace

void serve(runtime& self, int requests_fd) {
  self.requests_fd = requests_fd;
  bridge::frame_reader in;
  while (true) {
    run_requests(self, in);
    if (self.forked)
      ::_exit(0);
    // While a stream can go on, nothing waits; requests that have arrived come first.
    if (serve_streams(self) ? !requests_waiting(self) : !turn(self))
      continue;
    self.out.send();
    self.out.rest();
    read_requests(self, in);
  }
}

} // namespace vivarium::interp
