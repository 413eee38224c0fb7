// SPDX-License-Identifier: Apache-2.0
#include "interp/streams.hpp"

#include "interp/answer.hpp"
#include "interp/execute.hpp"
#include "interp/operation_error.hpp"

#include <protozero/varint.hpp>

#include <new>
#include <string>
#include <utility>

#include <poll.h>

namespace vivarium::interp {

namespace {

constexpr std::size_t spare_at_most = 1u << 20;
constexpr std::uint32_t items_field = 1; // Of vivarium.v1.Items.
constexpr std::uint32_t repr_items_field = 3;

bool has_slot(PyObject* object, int slot) {
  return PyType_GetSlot(Py_TYPE(object), slot) != nullptr;
}

// What is iterated: an asynchronous iterator as it is, else what `aiter` or `iter` gives.
py_ref iterator_of(PyObject* value) {
  if (has_slot(value, Py_am_anext))
    return py_ref::share(value);
  if (has_slot(value, Py_am_aiter)) {
    auto iterate = reinterpret_cast<unaryfunc>(PyType_GetSlot(Py_TYPE(value), Py_am_aiter));
    auto made = py_ref::steal(iterate(value));
    if (made && !has_slot(made.get(), Py_am_anext))
      return PyErr_SetString(PyExc_TypeError, "__aiter__() returned no asynchronous iterator"),
             py_ref{};
    return made;
  }
  if (has_slot(value, Py_tp_iter) || PySequence_Check(value) != 0)
    return py_ref::steal(PyObject_GetIter(value));
  auto name = py_ref::steal(PyType_GetName(Py_TYPE(value)));
  const char* text = name ? PyUnicode_AsUTF8AndSize(name.get(), nullptr) : nullptr;
  PyErr_Clear();
  raise_failure(failure_kind::value, "not_iterable",
                std::string{"the result cannot be iterated: it is of type "}
                    + (text != nullptr ? text : "object"));
  return {};
}

// Appends an item in the form that was asked for. False: a Python error is set.
bool append_item(runtime& self, const execution& about, PyObject* item, std::string& buffer) {
  buffer.clear();
  try {
    auto how = append_item_form(buffer, self, about, item);
    bool as_repr = about.form == bridge::value_form::repr;
    if (how == encoded::ok
        && !self.out.append_item(about.number, as_repr ? repr_items_field : items_field, buffer))
      how = encoded::too_large;
    if (how != encoded::ok && how != encoded::failed)
      raise_failure(failure_kind::limit, "", why_not(how, about));
    return how == encoded::ok;
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory(), false;
  }
}

// What an item of this encoded size adds to the content of a frame.
std::uint64_t content_bytes(std::size_t item) {
  return 1 + static_cast<std::uint64_t>(protozero::length_of_varint(item)) + item;
}

// Sends at once or soon. True: it is time to look whether others wait.
bool hand_out(runtime& self, open_stream& stream, std::size_t item) {
  bool first = std::exchange(stream.is_first, false);
  stream.round_bytes += content_bytes(item);
  if (--stream.rounds.front() == 0 || stream.round_bytes >= bridge::stream_round_bytes) {
    stream.rounds.erase(stream.rounds.begin());
    stream.round_bytes = 0;
    stream.is_first = true;
    self.out.close_items(); // The daemon counts by frames: none is of two rounds.
  }
  if (!first || stream.patient)
    return self.out.send_soon();
  self.out.send();
  return false;
}

void keep_spare(std::string& spare, std::string& used) {
  if (used.capacity() <= spare_at_most)
    spare = std::move(used);
}

// Calls what closes the iterator, if it has that. What it raises is told and forgotten, but for the
// interrupt, which is left set.
void close_iterator(runtime& self, PyObject* iterator) {
  auto close = py_ref::steal(PyObject_GetAttrString(iterator, "close"));
  if (!close && PyErr_ExceptionMatches(PyExc_AttributeError))
    return PyErr_Clear();
  if (close && py_ref::steal(PyObject_CallNoArgs(close.get())))
    return;
  if (self.forked)
    leave_forked_child();
  if (!PyErr_ExceptionMatches(self.interrupt.type()))
    PyErr_WriteUnraisable(iterator);
}

enum class closing { leave_alone, close };

// Ends a synchronous stream with the Python error that is set, or with nothing.
void end_stream(runtime& self, std::uint64_t number, closing how) {
  auto node = self.executions.streams.extract(number);
  auto& stream = node.mapped();
  self.executions.current = &stream.about;
  PyObject *type = nullptr, *value = nullptr, *traceback = nullptr;
  PyErr_Fetch(&type, &value, &traceback);
  if (how == closing::close)
    close_iterator(self, stream.iterator.get());
  stream.iterator = {};
  if (type != nullptr) {
    PyErr_Clear();
    PyErr_Restore(type, value, traceback);
  }
  stream.about.form = bridge::value_form::none;
  bool failed = PyErr_Occurred() != nullptr;
  finish(self, stream.about, failed ? py_ref{} : py_ref::share(Py_None));
}

void suspend(runtime& self, open_stream& stream) {
  self.output.end(stream.about);
  self.executions.current = nullptr;
}

// Computes items while there is credit.
void advance(runtime& self, std::uint64_t number) {
  auto& stream = self.executions.streams.at(number);
  self.executions.current = &stream.about;
  self.output.begin(stream.about);
  auto buffer = std::exchange(self.item_spare, {});
  while (!stream.rounds.empty()) {
    auto item = py_ref::steal(PyIter_Next(stream.iterator.get()));
    if (self.forked)
      leave_forked_child();
    if (!item)
      return end_stream(self, number,
                        PyErr_Occurred() != nullptr ? closing::close : closing::leave_alone);
    // Iterators in C give the interrupt no other chance.
    if (!append_item(self, stream.about, item.get(), buffer) || PyErr_CheckSignals() != 0)
      return end_stream(self, number, closing::close);
    if (hand_out(self, stream, buffer.size()) && !stream.rounds.empty() && requests_waiting(self)) {
      self.executions.ready.push_back(number);
      if (!std::exchange(stream.told, true))
        tell_parked(self, number);
      break;
    }
  }
  keep_spare(self.item_spare, buffer);
  suspend(self, stream);
}

void close_interrupted(runtime& self, std::uint64_t number) {
  auto& about = self.executions.streams.at(number).about;
  self.output.begin(about);
  about.interrupt_raised = true;
  PyErr_SetString(self.interrupt.type(), "the execution was interrupted");
  end_stream(self, number, closing::close);
}

void begin_async(runtime& self, execution& begun, open_stream stream, reached where) {
  auto number = begun.number;
  auto iterator = py_ref::share(stream.iterator.get());
  stream.is_async = true;
  self.asynchronous = true;
  self.executions.current = nullptr;
  self.executions.streams.emplace(number, std::move(stream));
  self.executions.waiting.emplace(number, std::move(begun));
  auto started =
      py_ref::steal(PyObject_CallFunction(self.python.async_stream, "KO", number, iterator.get()));
  if (!started)
    finish_waiting(self, number, nullptr);
  else if (where == reached::on_main_thread && self.executions.waiting.contains(number))
    tell_parked(self, number);
}

} // namespace

bool requests_waiting(const runtime& self) noexcept {
  struct pollfd one = {self.in.fd(), POLLIN, 0};
  return self.in.has_requests() || ::poll(&one, 1, 0) > 0;
}

void begin_stream(runtime& self, execution& begun, py_ref value, reached where) {
  open_stream stream;
  stream.rounds.push_back(begun.stream_credit);
  if (self.executions.streams.size() >= streams_at_most)
    raise_failure(failure_kind::limit, "stream_limit",
                  "the session has " + std::to_string(streams_at_most)
                      + " open streams: end some of them");
  else
    stream.iterator = iterator_of(value.get());
  value = {};
  if (!stream.iterator)
    return finish(self, begun, {});
  if (has_slot(stream.iterator.get(), Py_am_anext))
    return begin_async(self, begun, std::move(stream), where);
  auto number = begun.number;
  stream.about = std::move(begun);
  stream.told = where == reached::in_event_loop;
  self.executions.streams.emplace(number, std::move(stream));
  if (where == reached::in_event_loop)
    self.executions.ready.push_back(number);
  else
    advance(self, number);
}

void pull_stream(runtime& self, const bridge::pull& request) {
  auto found = self.executions.streams.find(request.execution);
  if (found == self.executions.streams.end()) {
    if (request.credit == 0 && self.executions.waiting.contains(request.execution)) {
      (void)py_ref::steal(PyObject_CallFunction(self.python.async_close, "K", request.execution));
      PyErr_Clear();
    }
    return;
  }
  auto& stream = found->second;
  if (request.credit > 0)
    stream.rounds.push_back(request.credit);
  if (stream.is_async) {
    auto* tell = request.credit == 0 ? self.python.async_close : self.python.async_resume;
    (void)py_ref::steal(PyObject_CallFunction(tell, "K", request.execution));
    return PyErr_Clear();
  }
  if (stream.stop)
    return; // It is about to be closed.
  if (request.credit > 0)
    return advance(self, request.execution);
  self.output.begin(stream.about);
  end_stream(self, request.execution, closing::close);
}

bool serve_streams(runtime& self) {
  auto& ready = self.executions.ready;
  if (ready.empty())
    return false;
  auto number = ready.front();
  ready.pop_front();
  auto found = self.executions.streams.find(number);
  if (found != self.executions.streams.end() && !found->second.is_async) {
    if (found->second.stop)
      close_interrupted(self, number);
    else if (!found->second.rounds.empty())
      advance(self, number);
  }
  return !ready.empty();
}

bool send_item(runtime& self, std::uint64_t number, PyObject* item, after_item& next) {
  if (self.forked)
    leave_forked_child();
  auto found = self.executions.streams.find(number);
  auto about = self.executions.waiting.find(number);
  if (found == self.executions.streams.end() || about == self.executions.waiting.end()
      || found->second.rounds.empty()) {
    PyErr_SetString(PyExc_RuntimeError, "no such stream");
    return false;
  }
  auto buffer = std::exchange(self.item_spare, {});
  bool sent = append_item(self, about->second, item, buffer);
  auto item_bytes = buffer.size();
  keep_spare(self.item_spare, buffer);
  if (!sent)
    return false;
  bool look = hand_out(self, found->second, item_bytes);
  next = found->second.rounds.empty()     ? after_item::wait_for_credit
         : look && requests_waiting(self) ? after_item::let_others_run
                                          : after_item::go_on;
  return true;
}

} // namespace vivarium::interp
