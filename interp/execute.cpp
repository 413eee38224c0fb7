// SPDX-License-Identifier: Apache-2.0
#include "interp/execute.hpp"

#include "bridge/frame.hpp"
#include "bridge/worker_fields.hpp"
#include "interp/answer.hpp"
#include "interp/py_ref.hpp"

#include <time.h>
#include <unistd.h>

namespace vivarium::interp {

namespace {

constexpr std::uint64_t default_result_bytes = 32u << 20;
constexpr std::uint64_t default_output_bytes = 1u << 20;

std::uint64_t monotonic_us() noexcept {
  struct timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000
         + static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

execution make_execution(const bridge::evaluate& request) {
  execution made;
  made.number = request.execution;
  made.form = request.form;
  made.values = request.values;
  made.owner = request.owner;
  made.max_result_bytes =
      request.max_result_bytes != 0 ? request.max_result_bytes : default_result_bytes;
  made.max_output_bytes =
      request.max_output_bytes != 0 ? request.max_output_bytes : default_output_bytes;
  return made;
}

const cell* find_or_compile(runtime& self, const bridge::evaluate& request) {
  if (const auto* found = self.cells.find(request.source, request.filename, request.first_line))
    return found;
  auto parts = py_ref::steal(
      PyObject_CallFunction(self.python.compile, "s#s#I", request.source.data(),
                            static_cast<Py_ssize_t>(request.source.size()), request.filename.data(),
                            static_cast<Py_ssize_t>(request.filename.size()), request.first_line));
  if (!parts)
    return nullptr;
  auto at = [&](Py_ssize_t i) {
    auto* part = PyTuple_GetItem(parts.get(), i);
    return part == Py_None ? py_ref{} : py_ref::share(part);
  };
  cell made{at(0), at(1), at(2), PyObject_IsTrue(PyTuple_GetItem(parts.get(), 3)) == 1};
  return self.cells.add(request.source, request.filename, request.first_line, std::move(made),
                        self.python.forget);
}

// Runs a cell to its end; null with a Python error set.
py_ref run(runtime& self, py_ref statements, py_ref value) {
  auto* globals = self.python.globals;
  if (statements && !py_ref::steal(PyEval_EvalCode(statements.get(), globals, globals)))
    return {};
  if (value)
    return py_ref::steal(PyEval_EvalCode(value.get(), globals, globals));
  return py_ref::share(Py_None);
}

// A child that tenant code forked has come to the end of the code: nobody waits for its answer.
[[noreturn]] void leave_forked_child() {
  int status = PyErr_Occurred() != nullptr ? 1 : 0;
  if (status != 0 && !PyErr_ExceptionMatches(PyExc_SystemExit))
    PyErr_Print();
  ::_exit(status);
}

void finish(runtime& self, execution& ended, PyObject* value) {
  if (self.forked)
    leave_forked_child();
  append_answer(self, ended, value);
}

// Makes a task of an asynchronous cell. False: it could not be made, a Python error is set.
bool start_task(runtime& self, const cell& code, const execution& begun) {
  self.asynchronous = true;
  self.executions.current = nullptr;
  self.executions.waiting.emplace(begun.number, begun);
  auto or_none = [](const py_ref& part) { return part ? part.get() : Py_None; };
  auto started = py_ref::steal(PyObject_CallFunction(
      self.python.async_start, "KOO", begun.number, or_none(code.statements), or_none(code.value)));
  if (started || self.executions.waiting.erase(begun.number) == 0)
    return PyErr_Clear(), true;
  return false;
}

} // namespace

void execute(runtime& self, const bridge::evaluate& request) {
  auto begun = make_execution(request);
  if (self.interrupt.expired(request.execution)
      || (request.start_before_us != 0 && monotonic_us() > request.start_before_us))
    return append_expired(self, begun);
  self.executions.last_started = request.execution;
  self.executions.current = &begun;
  self.output.begin(begun);
  const auto* code = find_or_compile(self, request);
  if (code == nullptr)
    return finish(self, begun, nullptr);
  if (request.mode == bridge::run_mode::compile) {
    begun.form = bridge::value_form::none;
    return finish(self, begun, Py_None);
  }
  if (code->is_async) {
    if (start_task(self, *code, begun))
      return;
    self.executions.current = &begun;
    return finish(self, begun, nullptr);
  }
  auto value = run(self, py_ref::share(code->statements.get()), py_ref::share(code->value.get()));
  finish(self, begun, value.get());
}

void finish_waiting(runtime& self, std::uint64_t number, PyObject* value) {
  auto found = self.executions.waiting.find(number);
  if (found == self.executions.waiting.end())
    return PyErr_Clear();
  auto ended = found->second;
  self.executions.waiting.erase(found);
  auto* outer = std::exchange(self.executions.current, &ended);
  finish(self, ended, value);
  self.executions.current = outer;
}

} // namespace vivarium::interp
