// SPDX-License-Identifier: Apache-2.0
#include "interp/host_calls.hpp"

#include "bridge/frame.hpp"
#include "bridge/wire_reader.hpp"
#include "interp/decode_value.hpp"
#include "interp/encode_value.hpp"
#include "interp/execute.hpp"
#include "interp/message_writer.hpp"
#include "interp/operation_error.hpp"
#include "interp/py_ref.hpp"
#include "interp/runtime.hpp"
#include "interp/worker_loop.hpp"

#include <algorithm>
#include <bit>
#include <string>
#include <string_view>

#include <unistd.h>

namespace vivarium::interp {

namespace {

using bridge::host_result;

constexpr std::uint8_t refs_for_what_has_no_form = 2; // vivarium.v1.ValueOptions

bool on_main_thread() noexcept {
  static thread_local const bool answer = ::gettid() == ::getpid();
  return answer;
}

// What is asked of the host, as Python gave it.
struct question {
  bridge::host_call message;
  const char* name = nullptr;
  Py_ssize_t name_size = 0;
  PyObject* args = nullptr;
  PyObject* kwargs = nullptr;
  unsigned long long timeout_ms = 0;
  unsigned long long host = 0;
  bridge::value_options values; ///< Of who asks.
};

bool refuse_here(const runtime& self) {
  if (self.serving && !self.forked)
    return false;
  PyErr_SetString(PyExc_RuntimeError,
                  self.forked
                      ? "a process that the session started reaches the application only after "
                        "vivarium.serve_children() in the session's own"
                      : "there is no host before the session has begun");
  return true;
}

// Puts the question on the channel. False: a Python error is set.
bool send(runtime& self, question& asked) {
  auto& message = asked.message;
  const auto* by = self.output.owner();
  message.execution = by != nullptr ? by->number : 0;
  message.name = {asked.name, static_cast<std::size_t>(asked.name_size)};
  message.timeout_ms = asked.timeout_ms;
  message.host = asked.host;
  auto operands = py_ref::steal(Py_BuildValue("(OO)", asked.args, asked.kwargs));
  if (!operands)
    return false;
  asked.values = by != nullptr ? by->values : bridge::plain_values;
  auto values = asked.values;
  // Told by its repr, an argument would be something else than was meant.
  if (values.unserializable != refs_for_what_has_no_form)
    values.unserializable = 1;
  auto owner = by != nullptr ? by->owner : 0;
  auto custom = py_ref::share(self.values.custom_encoder);
  std::string encoded;
  auto how = append_value(encoded, operands.get(),
                          {.max_bytes = bridge::max_operand_bytes,
                           .values = values,
                           .owner = owner,
                           .refs = &self.refs,
                           .custom = custom.get()});
  if (how == interp::encoded::failed)
    return false;
  if (how != interp::encoded::ok) {
    PyErr_Format(
        PyExc_ValueError, "the arguments of '%s' are too much for one call: %s", asked.name,
        how == interp::encoded::too_deep ? "they nest too deeply" : "at most 16 MiB travel");
    return false;
  }
  message.operands = encoded;
  std::string frame;
  if (auto ok = bridge::append_host_call(frame, message); !ok) {
    PyErr_SetString(PyExc_ValueError, ok.why().detail.c_str());
    return false;
  }
  self.out.append_frames(frame);
  return true;
}

// Python's exception for a failure; its arguments are those of `_host.failure`.
py_ref raise_host_error(runtime& self, const host_result& result) {
  std::string_view parts[4];
  py_ref data;
  if (result.kind == host_result::outcome::error) {
    bridge::wire_reader reader{result.content};
    for (bridge::wire_field field; reader.next(field);)
      if (field.type == bridge::wire_field::bytes && field.number >= 1 && field.number <= 4)
        parts[field.number - 1] = field.content;
    if (!parts[3].empty())
      data = decode_value(self, parts[3], bridge::plain_values);
    if (!parts[3].empty() && !data)
      return {};
  } else {
    parts[1] = result.content;
  }
  auto text = [&parts](int i) { return parts[i].empty() ? "" : parts[i].data(); };
  auto size = [&parts](int i) { return static_cast<Py_ssize_t>(parts[i].size()); };
  auto error = py_ref::steal(PyObject_CallFunction(
      self.python.host_failure, "is#s#s#O", static_cast<int>(result.kind), text(0), size(0),
      text(1), size(1), text(2), size(2), data ? data.get() : Py_None));
  if (error)
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error.get())), error.get());
  return {};
}

py_ref read_answer(runtime& self, const open_call& call) {
  auto result = bridge::decode_host_result(call.answer);
  if (!result) {
    PyErr_SetString(PyExc_RuntimeError, "the answer is malformed");
    return {};
  }
  if (result->kind != host_result::outcome::value)
    return raise_host_error(self, *result);
  self.functions_of = result->host;
  return decode_value(self, result->content, call.values);
}

// While the main thread waits inside of an execution, others may run on it.
class suspension {
public:
  explicit suspension(execution_table& table) : table_{table}, suspended_{table.current} {
    if (suspended_ != nullptr)
      table_.suspended.push_back(suspended_);
    table_.current = nullptr;
  }
  suspension(const suspension&) = delete;
  suspension& operator=(const suspension&) = delete;
  ~suspension() {
    if (suspended_ != nullptr)
      table_.suspended.pop_back();
    table_.current = suspended_;
  }
  // The interrupt came while others ran.
  [[nodiscard]] bool interrupted() const noexcept {
    return suspended_ != nullptr && suspended_->stop_waiting;
  }

private:
  execution_table& table_;
  execution* suspended_;
};

// The main thread's wait: meanwhile it runs what is part of answering the call, and lets the event
// loop go on where it is not the loop that waits.
bool wait_on_main_thread(runtime& self, std::uint64_t number, open_call& call) {
  suspension outer{self.executions};
  while (true) {
    self.in.no_news();
    if (PyErr_CheckSignals() != 0)
      return false;
    if (outer.interrupted()) {
      PyErr_SetString(self.interrupt.type(), "the execution was interrupted");
      return false;
    }
    if (auto within = self.in.take_within(number)) {
      run_request(self, {within->type, within->body});
      continue;
    }
    if (call.done) // What came before the answer has been run.
      return true;
    if (may_turn(self)) {
      turn_loop(self);
      (void)self.in.take_in();
      continue;
    }
    self.out.send();
    self.out.rest();
    self.in.wait_step(call, true);
  }
}

bool wait_elsewhere(runtime& self, open_call& call) {
  while (!call.done) {
    self.in.wait_step(call, false);
    if (self.forked)
      return false;
  }
  return true;
}

} // namespace

PyObject* host_call(PyObject*, PyObject* arguments) {
  auto& self = the_runtime();
  question asked;
  if (!PyArg_ParseTuple(arguments, "s#O!O!KK", &asked.name, &asked.name_size, &PyTuple_Type,
                        &asked.args, &PyDict_Type, &asked.kwargs, &asked.timeout_ms, &asked.host)
      || refuse_here(self))
    return nullptr;
  bool main = on_main_thread();
  doorbell bell;
  auto number = asked.message.call = ++self.last_call;
  asked.message.blocking = main;
  if (!send(self, asked))
    return nullptr;
  auto& call =
      self.in.expect(number, {.values = asked.values, .bell = main ? &self.in.main_bell() : &bell});
  self.out.send();
  bool answered = main ? wait_on_main_thread(self, number, call) : wait_elsewhere(self, call);
  if (!self.forked)
    self.in.pass_on();
  if (!answered) {
    if (self.in.forget(number)) {
      std::string frame;
      (void)bridge::append_host_drop(frame, {number});
      self.out.append_frames(frame);
    }
    return nullptr;
  }
  auto answer = self.in.take(number);
  return answer ? read_answer(self, *answer).release() : nullptr;
}

PyObject* host_open(PyObject*, PyObject* arguments) {
  auto& self = the_runtime();
  question asked;
  PyObject* arrived = nullptr;
  if (!PyArg_ParseTuple(arguments, "s#O!O!KKO", &asked.name, &asked.name_size, &PyTuple_Type,
                        &asked.args, &PyDict_Type, &asked.kwargs, &asked.timeout_ms, &asked.host,
                        &arrived)
      || refuse_here(self))
    return nullptr;
  auto number = asked.message.call = ++self.last_call;
  if (!send(self, asked))
    return nullptr;
  (void)self.in.expect(number, {.values = asked.values, .arrived = Py_NewRef(arrived)});
  return PyLong_FromUnsignedLongLong(number);
}

PyObject* host_take(PyObject*, PyObject* arguments) {
  auto& self = the_runtime();
  unsigned long long number = 0;
  if (!PyArg_ParseTuple(arguments, "K", &number))
    return nullptr;
  auto answer = self.in.take(number);
  if (!answer)
    return PyErr_Format(PyExc_LookupError, "there is no answer to take");
  return read_answer(self, *answer).release();
}

PyObject* host_forget(PyObject*, PyObject* arguments) {
  auto& self = the_runtime();
  unsigned long long number = 0;
  if (!PyArg_ParseTuple(arguments, "K", &number))
    return nullptr;
  if (self.in.forget(number) && !self.forked) {
    std::string frame;
    (void)bridge::append_host_drop(frame, {number});
    self.out.append_frames(frame);
    self.out.send_soon();
  }
  Py_RETURN_NONE;
}

PyObject* host_cast(PyObject*, PyObject* arguments) {
  auto& self = the_runtime();
  question asked;
  int kind = 0;
  if (!PyArg_ParseTuple(arguments, "is#O!O!K", &kind, &asked.name, &asked.name_size, &PyTuple_Type,
                        &asked.args, &PyDict_Type, &asked.kwargs, &asked.host)
      || refuse_here(self))
    return nullptr;
  asked.message.kind = static_cast<bridge::host_call::call_kind>(kind);
  if (!send(self, asked))
    return nullptr;
  self.out.send_soon();
  Py_RETURN_NONE;
}

PyObject* host_flush(PyObject*, PyObject*) {
  the_runtime().out.send();
  Py_RETURN_NONE;
}

PyObject* take_in(PyObject*, PyObject*) {
  auto& self = the_runtime();
  return PyBool_FromLong(!self.forked && self.in.take_in() ? 1 : 0);
}

namespace {

bool put_str(std::string& out, std::uint32_t field, PyObject* text) {
  Py_ssize_t size = 0;
  const char* utf8 = PyUnicode_AsUTF8AndSize(text, &size);
  if (utf8 == nullptr)
    return false;
  if (size > 0)
    put_bytes(out, field, {utf8, static_cast<std::size_t>(size)});
  return true;
}

bool put_metadata(std::string& out, PyObject* metadata) {
  PyObject *key = nullptr, *value = nullptr;
  Py_ssize_t at = 0;
  while (PyDict_Next(metadata, &at, &key, &value) != 0) {
    auto held_key = py_ref::share(key);
    auto held = py_ref::share(value);
    auto entry = begin_message(out, 10);
    auto part = begin_message(out, 1);
    if (!put_str(out, 6, key))
      return false;
    end_message(out, part);
    part = begin_message(out, 2);
    encode_options how{.max_bytes = bridge::max_note_bytes};
    how.depth = 2;
    auto encoded = append_value(out, value, how);
    if (encoded == encoded::failed)
      return false;
    if (encoded != encoded::ok) {
      PyErr_SetString(PyExc_ValueError, "the metadata of a log record is too large");
      return false;
    }
    end_message(out, part);
    end_message(out, entry);
  }
  return true;
}

PyObject* tell(runtime& self, bridge::note::note_kind kind, std::string_view content) {
  const auto* by = self.output.owner();
  std::string frame;
  if (!bridge::append_note(frame, {by != nullptr ? by->number : 0, kind, content}))
    return PyErr_NoMemory();
  self.out.append_frames(frame);
  self.out.send_soon();
  Py_RETURN_NONE;
}

} // namespace

PyObject* tell_log(PyObject*, PyObject* arguments) {
  auto& self = the_runtime();
  int level = 0;
  unsigned line = 0;
  unsigned long long time_us = 0;
  PyObject *logger = nullptr, *message = nullptr, *file = nullptr, *function = nullptr,
           *thread = nullptr, *traceback = nullptr, *metadata = nullptr;
  if (!PyArg_ParseTuple(arguments, "iUUUIUKUUO!", &level, &logger, &message, &file, &line,
                        &function, &time_us, &thread, &traceback, &PyDict_Type, &metadata)
      || refuse_here(self))
    return nullptr;
  std::string content;
  put_varint(content, 1, static_cast<std::uint64_t>(std::clamp(level, 1, 6)));
  if (!put_str(content, 2, logger) || !put_str(content, 3, message) || !put_str(content, 4, file)
      || !put_str(content, 6, function) || !put_str(content, 8, thread)
      || !put_str(content, 9, traceback) || !put_metadata(content, metadata))
    return nullptr;
  put_varint(content, 5, line);
  put_varint(content, 7, time_us);
  if (content.size() > bridge::max_note_bytes)
    return PyErr_Format(PyExc_ValueError, "a log record has at most %zu bytes",
                        bridge::max_note_bytes);
  return tell(self, bridge::note::note_kind::log, content);
}

PyObject* tell_progress(PyObject*, PyObject* arguments) {
  auto& self = the_runtime();
  double done = 0, total = 0;
  PyObject* text = nullptr;
  if (!PyArg_ParseTuple(arguments, "ddU", &done, &total, &text) || refuse_here(self))
    return nullptr;
  std::string content;
  put_fixed64(content, 1, std::bit_cast<std::uint64_t>(done));
  put_fixed64(content, 2, std::bit_cast<std::uint64_t>(total));
  if (!put_str(content, 3, text))
    return nullptr;
  if (content.size() > bridge::max_note_bytes)
    return PyErr_Format(PyExc_ValueError, "the text of a progress has at most %zu bytes",
                        bridge::max_note_bytes);
  return tell(self, bridge::note::note_kind::progress, content);
}

} // namespace vivarium::interp
