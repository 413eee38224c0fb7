// SPDX-License-Identifier: Apache-2.0
#include "interp/execute.hpp"

#include "bridge/frame.hpp"
#include "bridge/worker_fields.hpp"
#include "interp/answer.hpp"
#include "interp/apps.hpp"
#include "interp/compile.hpp"
#include "interp/decode_value.hpp"
#include "interp/operation_error.hpp"
#include "interp/operations.hpp"
#include "interp/py_ref.hpp"
#include "interp/streams.hpp"

#include <algorithm>
#include <new>
#include <utility>

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
  made.stream_credit = request.stream_credit;
  made.request_id = request.request_id;
  made.traceparent = request.traceparent;
  return made;
}

const cell* find_or_compile(runtime& self, const bridge::evaluate& request) {
  if (const auto* found = self.cells.find(request.source, request.filename, request.first_line))
    return found;
  cell made;
  if (!compile_cell(self.python.compiler, request.source, request.filename, request.first_line,
                    made))
    return nullptr;
  return self.cells.add(request.source, request.filename, request.first_line, std::move(made),
                        self.python.forget);
}

// Runs a cell to its end; null with a Python error set.
py_ref run(PyObject* space, py_ref statements, py_ref value) {
  if (statements && !py_ref::steal(PyEval_EvalCode(statements.get(), space, space)))
    return {};
  if (value)
    return py_ref::steal(PyEval_EvalCode(value.get(), space, space));
  return py_ref::share(Py_None);
}

// Moves an execution to the event loop: `start(number)` makes its task.
template <class Start>
void start_task(runtime& self, execution& begun, Start start) {
  auto number = begun.number;
  self.asynchronous = true;
  self.executions.current = nullptr;
  self.executions.waiting.emplace(number, std::move(begun));
  if (!py_ref::steal(start(number)))
    return finish_waiting(self, number, nullptr);
  if (self.executions.waiting.contains(number))
    tell_parked(self, number);
}

bool bind_operands(runtime& self, const bridge::evaluate& request, PyObject* space) {
  auto variables = decode_value(self, request.operands, request.values);
  return variables && bind_variables(space, variables.get());
}

} // namespace

void conclude(runtime& self, execution& ended, py_ref value, reached where) {
  if (self.forked)
    leave_forked_child();
  if (value && ended.of_app && PyTuple_CheckExact(value.get()))
    ended.stream_credit = 0; // It is whole: a value, and not what is iterated.
  if (value && ended.stream_credit > 0)
    begin_stream(self, ended, std::move(value), where);
  else
    finish(self, ended, std::move(value));
}

namespace {

void run_source(runtime& self, const bridge::evaluate& request, execution& begun) {
  const auto* code = find_or_compile(self, request);
  if (code == nullptr)
    return finish(self, begun, {});
  if (request.mode == bridge::run_mode::compile) {
    begun.form = bridge::value_form::none;
    return finish(self, begun, py_ref::share(Py_None));
  }
  auto statements = py_ref::share(code->statements.get());
  auto value = py_ref::share(code->value.get());
  bool is_async = code->is_async; // Decoding may evict it, if tenant code runs.
  if (!request.operands.empty() && !bind_operands(self, request, begun.space.get()))
    return finish(self, begun, {});
  if (!is_async)
    return conclude(self, begun, run(begun.space.get(), std::move(statements), std::move(value)),
                    reached::on_main_thread);
  auto space = py_ref::share(begun.space.get());
  auto or_none = [](const py_ref& part) { return part ? part.get() : Py_None; };
  start_task(self, begun, [&](std::uint64_t number) {
    return PyObject_CallFunction(self.python.async_start, "KOOO", number, or_none(statements),
                                 or_none(value), space.get());
  });
}

// Of an application that is booted from source: what it is found in.
bool run_app_source(runtime& self, const bridge::evaluate& request, execution& begun) {
  const auto* code = find_or_compile(self, request);
  if (code == nullptr)
    return false;
  if (code->is_async) {
    raise_failure(failure_kind::invalid_argument, "top_level_await",
                  "the source of an application has no `await` at its top level");
    return false;
  }
  return static_cast<bool>(run(begun.space.get(), py_ref::share(code->statements.get()),
                               py_ref::share(code->value.get())));
}

void run_operation(runtime& self, const bridge::evaluate& request, execution& begun) {
  if (!request.source.empty()) {
    begun.space =
        py_ref::steal(PyObject_CallFunction(self.python.app_space, "s#", request.filename.data(),
                                            static_cast<Py_ssize_t>(request.filename.size())));
    if (!begun.space || !run_app_source(self, request, begun))
      return finish(self, begun, {});
  }
  auto value = operate(self, request, begun.space.get());
  if (!value || reinterpret_cast<PyObject*>(Py_TYPE(value.get())) != self.python.pending)
    return conclude(self, begun, std::move(value), reached::on_main_thread);
  start_task(self, begun, [&](std::uint64_t number) {
    return PyObject_CallFunction(self.python.async_await, "KO", number, value.get());
  });
}

} // namespace

void leave_forked_child() {
  int status = PyErr_Occurred() != nullptr ? 1 : 0;
  if (status != 0 && !PyErr_ExceptionMatches(PyExc_SystemExit))
    PyErr_Print();
  ::_exit(status);
}

void finish(runtime& self, execution& ended, py_ref value) {
  if (self.forked)
    leave_forked_child();
  if (ended.stream_credit > 0)
    ended.form = bridge::value_form::none; // Its items were its result.
  append_answer(self, ended, std::move(value));
}

void execute(runtime& self, const bridge::evaluate& request) {
  auto begun = make_execution(request);
  if (self.interrupt.expired(request.execution)
      || (request.start_before_us != 0 && monotonic_us() > request.start_before_us))
    return append_expired(self, begun);
  // What is within a call overtakes others.
  self.executions.last_started = std::max(self.executions.last_started, request.execution);
  self.functions_of = request.host;
  self.executions.current = &begun;
  self.output.begin(begun);
  self.refs.tidy(); // What expires may have something to say.
  begun.space = self.spaces.enter(request.name_space);
  begun.is_scratch = request.name_space == bridge::scratch_namespace;
  if (!begun.space)
    return finish(self, begun, {});
  if (request.mode == bridge::run_mode::app_request)
    ask_app(self, request, begun);
  else if (request.mode <= bridge::run_mode::compile)
    run_source(self, request, begun);
  else
    run_operation(self, request, begun);
}

void finish_waiting(runtime& self, std::uint64_t number, PyObject* value) {
  auto found = self.executions.waiting.find(number);
  if (found == self.executions.waiting.end())
    return PyErr_Clear();
  auto ended = std::move(found->second);
  self.executions.waiting.erase(found);
  auto* outer = std::exchange(self.executions.current, &ended);
  // What goes with the iterator is still of this execution.
  if (self.executions.streams.erase(number) != 0)
    finish(self, ended, py_ref::share(value));
  else
    conclude(self, ended, py_ref::share(value), reached::in_event_loop);
  self.executions.current = outer;
}

} // namespace vivarium::interp
