// SPDX-License-Identifier: Apache-2.0
#include "interp/apps.hpp"

#include "interp/answer.hpp"
#include "interp/decode_value.hpp"
#include "interp/execute.hpp"
#include "interp/operation_error.hpp"
#include "interp/streams.hpp"

#include <utility>

namespace vivarium::interp {

void ask_app(runtime& self, const bridge::evaluate& request, execution& begun) {
  auto number = begun.number;
  begun.of_app = true;
  auto operands = decode_value(self, request.operands, request.values);
  if (!operands)
    return finish(self, begun, {});
  self.asynchronous = true;
  self.executions.current = nullptr;
  self.executions.waiting.emplace(number, std::move(begun));
  auto rest = py_ref::steal(PyObject_CallFunction(
      self.python.app_request, "KO", static_cast<unsigned long long>(number), operands.get()));
  if (!rest)
    return finish_waiting(self, number, nullptr);
  auto found = self.executions.waiting.find(number);
  if (found == self.executions.waiting.end())
    return;
  if (rest.get() == Py_None)
    return tell_parked(self, number);
  // Of a synchronous application: it runs like any other code.
  auto sync = std::move(found->second);
  self.executions.waiting.erase(found);
  self.executions.current = &sync;
  conclude(self, sync, py_ref::steal(PyObject_CallNoArgs(rest.get())), reached::on_main_thread);
}

void take_app_input(runtime& self, const bridge::app_input& input) {
  if (!self.executions.waiting.contains(input.execution))
    return;
  (void)py_ref::steal(PyObject_CallFunction(
      self.python.app_input, "KiIy#", static_cast<unsigned long long>(input.execution),
      static_cast<int>(input.kind), static_cast<unsigned>(input.code), input.content.data(),
      static_cast<Py_ssize_t>(input.content.size())));
  PyErr_Clear();
}

PyObject* app_open(PyObject*, PyObject* arguments) {
  auto& self = the_runtime();
  unsigned long long number = 0;
  if (!PyArg_ParseTuple(arguments, "K", &number))
    return nullptr;
  auto about = self.executions.waiting.find(number);
  if (about == self.executions.waiting.end() || about->second.stream_credit == 0)
    return PyErr_Format(PyExc_RuntimeError, "no such request");
  if (self.executions.streams.size() >= streams_at_most) {
    raise_failure(failure_kind::limit, "stream_limit",
                  "the session has " + std::to_string(streams_at_most) + " open streams");
    return nullptr;
  }
  auto& stream = self.executions.streams[number];
  stream.is_async = stream.patient = true;
  stream.rounds.push_back(about->second.stream_credit);
  Py_RETURN_NONE;
}

PyObject* app_finish(PyObject*, PyObject* arguments) {
  auto& self = the_runtime();
  unsigned long long number = 0;
  PyObject* response = nullptr;
  if (!PyArg_ParseTuple(arguments, "KO", &number, &response))
    return nullptr;
  if (auto found = self.executions.waiting.find(number); found != self.executions.waiting.end()) {
    found->second.stream_credit = 0; // It is a value, and not what iterating came to.
    finish_waiting(self, number, response);
  }
  Py_RETURN_NONE;
}

PyObject* app_taken(PyObject*, PyObject* arguments) {
  auto& self = the_runtime();
  unsigned long long number = 0;
  unsigned long long bytes = 0;
  if (!PyArg_ParseTuple(arguments, "KK", &number, &bytes))
    return nullptr;
  if (self.forked || !self.executions.waiting.contains(number))
    Py_RETURN_NONE;
  std::string frame;
  if (bridge::append_app_taken(frame, {number, bytes}))
    self.out.append_frames(frame);
  Py_RETURN_NONE;
}

} // namespace vivarium::interp
