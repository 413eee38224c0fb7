// SPDX-License-Identifier: Apache-2.0
#include "interp/worker_loop.hpp"

#include "bridge/frame.hpp"
#include "interp/apps.hpp"
#include "interp/execute.hpp"
#include "interp/py_ref.hpp"
#include "interp/streams.hpp"

#include <unistd.h>

namespace vivarium::interp {

namespace {

constexpr int exit_protocol = 70;

} // namespace

void run_request(runtime& self, const bridge::frame& frame) {
  if (frame.type == bridge::frame_type::evaluate) {
    auto request = bridge::decode_evaluate(frame.body);
    if (request)
      return execute(self, *request);
  } else if (frame.type == bridge::frame_type::pull) {
    auto request = bridge::decode_pull(frame.body);
    if (request)
      return pull_stream(self, *request);
  } else if (frame.type == bridge::frame_type::app_input) {
    auto input = bridge::decode_app_input(frame.body);
    if (input)
      return take_app_input(self, *input);
  }
  ::_exit(exit_protocol);
}

bool may_turn(runtime& self) {
  if (!self.asynchronous)
    return false;
  auto may = py_ref::steal(PyObject_CallNoArgs(self.python.async_may_turn));
  // A loop that tenant code broke must not make this one spin.
  bool turns = may && PyObject_IsTrue(may.get()) == 1;
  PyErr_Clear();
  return turns;
}

bool turn_loop(runtime& self) {
  self.out.send();
  self.in.loop_runs(true);
  if (self.in.news()) { // Another thread took it in after this one had looked.
    self.in.loop_runs(false);
    return true;
  }
  auto turned = py_ref::steal(PyObject_CallNoArgs(self.python.async_turn));
  self.in.loop_runs(false);
  PyErr_Clear();
  return static_cast<bool>(turned);
}

void serve(runtime& self, int requests_fd) {
  self.in.open(requests_fd);
  while (true) {
    self.in.no_news();
    self.in.run_all([&self](const bridge::frame& frame) { run_request(self, frame); });
    if (self.forked)
      ::_exit(0);
    if (serve_streams(self)) {
      // While a stream can go on, nothing waits; requests that have arrived come first.
      if (requests_waiting(self)) {
        self.out.send();
        (void)self.in.take_in();
      }
      continue;
    }
    if (may_turn(self) && turn_loop(self))
      continue;
    self.out.send();
    self.out.rest();
    self.in.await_requests();
  }
}

} // namespace vivarium::interp
