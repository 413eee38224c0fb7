// SPDX-License-Identifier: Apache-2.0
#include "interp/answer.hpp"

#include "bridge/frame.hpp"
#include "bridge/validate.hpp"
#include "bridge/worker_fields.hpp"
#include "interp/encode_error.hpp"
#include "interp/encode_value.hpp"
#include "interp/message_writer.hpp"
#include "interp/py_ref.hpp"

#include <algorithm>
#include <new>
#include <string>
#include <utility>

namespace vivarium::interp {

namespace {

using outcome = bridge::finished::outcome;
using field = bridge::finished_field;

constexpr std::size_t spare_at_most = 1u << 20;
// What is around an item counts as well.
constexpr std::size_t item_bytes_at_most = bridge::decode_bounds{}.max_bytes - 64;

constexpr std::uint32_t number_of(field f) noexcept {
  return static_cast<std::uint32_t>(f);
}

// `exit()`, `exit(0)` and `raise SystemExit` are an ordinary end.
bool is_good_exit() {
  if (PyErr_Occurred() == nullptr || !PyErr_ExceptionMatches(PyExc_SystemExit))
    return false;
  PyObject *type = nullptr, *value = nullptr, *traceback = nullptr;
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  auto code = py_ref::steal(PyObject_GetAttrString(value, "code"));
  PyErr_Clear();
  bool good = code
              && (code.get() == Py_None
                  || (PyLong_CheckExact(code.get()) && PyObject_Not(code.get()) == 1));
  if (!good) {
    PyErr_Restore(type, value, traceback);
    return false;
  }
  (void)py_ref::steal(type);
  (void)py_ref::steal(value);
  (void)py_ref::steal(traceback);
  return true;
}

encoded append_repr(std::string& out, PyObject* value, std::size_t max_bytes) {
  auto repr = py_ref::steal(PyObject_Repr(value));
  if (!repr)
    return encoded::failed;
  if (static_cast<std::size_t>(PyUnicode_GetLength(repr.get())) > max_bytes)
    return encoded::too_large;
  auto start = out.size();
  if (!append_text(out, repr.get(), PY_SSIZE_T_MAX))
    return encoded::failed;
  return out.size() - start > max_bytes ? encoded::too_large : encoded::ok;
}

bool is_plain(PyObject* value) {
  auto* type = Py_TYPE(value);
  return value == Py_None || type == &PyLong_Type || type == &PyUnicode_Type || type == &PyList_Type
         || type == &PyDict_Type || type == &PyFloat_Type || type == &PyBool_Type
         || type == &PyTuple_Type || type == &PyBytes_Type || type == &PySet_Type;
}

encoded append_typed(std::string& out, runtime& self, const execution& ended, PyObject* value,
                     std::size_t max_bytes) {
  // An encoder may replace itself.
  auto custom = py_ref::share(self.values.custom_encoder);
  return append_value(out, value,
                      {.max_bytes = max_bytes,
                       .values = ended.values,
                       .owner = ended.owner,
                       .refs = &self.refs,
                       .custom = custom.get()});
}

encoded append_in_form(std::string& out, runtime& self, const execution& ended, PyObject* value) {
  if (ended.form == bridge::value_form::none)
    return encoded::ok;
  if (!is_plain(value)
      && !py_ref::steal(PyObject_CallFunctionObjArgs(self.python.rich, value, nullptr)))
    return encoded::failed;
  if (ended.form == bridge::value_form::repr)
    return value == Py_None ? encoded::ok : append_repr(out, value, ended.max_result_bytes);
  return append_typed(out, self, ended, value, ended.max_result_bytes);
}

outcome outcome_of(bridge::value_form form) noexcept {
  switch (form) {
    case bridge::value_form::typed: return outcome::value;
    case bridge::value_form::repr: return outcome::repr;
    case bridge::value_form::none: break;
  }
  return outcome::nothing;
}

outcome append_content(std::string& out, runtime& self, execution& ended, PyObject* value) {
  auto start = out.size();
  if (value == nullptr && is_good_exit())
    value = Py_None;
  auto how = value == nullptr ? encoded::failed : append_in_form(out, self, ended, value);
  if (how == encoded::ok)
    return outcome_of(ended.form);
  out.resize(start);
  if (how == encoded::failed)
    append_current_error(out, self, ended);
  else
    append_plain_error(out, error_kind::limit, {}, why_not(how, ended));
  return outcome::error;
}

// The length of the content has a fixed width: big results are not moved to make room for it.
std::size_t begin_content(std::string& frame) {
  frame += bridge::bytes_tag(field::content);
  frame.append(5, '\0');
  return frame.size();
}

void end_content(std::string& frame, std::size_t start) {
  auto size = frame.size() - start;
  for (std::size_t i = 0; i < 5; ++i, size >>= 7)
    frame[start - 5 + i] = static_cast<char>((size & 0x7f) | (i < 4 ? 0x80 : 0));
}

template <class Append>
outcome append_guarded(std::string& frame, Append append) {
  bridge::begin_frame(frame, bridge::frame_type::finished);
  auto content = begin_content(frame);
  auto kind = outcome::error;
  try {
    kind = append(frame);
  } catch (const std::bad_alloc&) {
    PyErr_Clear();
    frame.resize(content);
    append_plain_error(frame, error_kind::memory, "MemoryError", "no memory to encode the result");
  }
  end_content(frame, content);
  return kind;
}

status complete(std::string& frame, const execution& ended, outcome kind) {
  put_varint(frame, number_of(field::execution), ended.number);
  put_varint(frame, number_of(field::kind), static_cast<std::uint64_t>(kind));
  put_varint(frame, number_of(field::output_bytes), ended.output_bytes);
  put_varint(frame, number_of(field::output_truncated), ended.output_truncated);
  put_varint(frame, number_of(field::interrupted), ended.interrupted);
  return bridge::end_frame(frame, 0);
}

} // namespace

std::string why_not(encoded how, const execution& ended) {
  switch (how) {
    case encoded::too_large:
      return "the result is over the limit of " + std::to_string(ended.max_result_bytes)
             + " bytes (max_result_bytes): return less of it, write it to a file, or ask for it in "
               "parts";
    case encoded::too_many:
      return "the result has more than 4,000,000 parts: return it as bytes or as text, or in parts";
    default:
      return "the result nests more than " + std::to_string(bridge::max_value_depth)
             + " containers, or contains itself: return a flatter form of it";
  }
}

encoded append_item_form(std::string& out, runtime& self, const execution& about, PyObject* item) {
  auto most = std::min<std::size_t>(about.max_result_bytes, item_bytes_at_most);
  switch (about.form) {
    case bridge::value_form::repr: return append_repr(out, item, most);
    case bridge::value_form::none: item = Py_None; break;
    case bridge::value_form::typed: break;
  }
  return append_typed(out, self, about, item, most);
}

void append_answer(runtime& self, execution& ended, py_ref value) {
  // Encoding may run tenant code, which may end another execution: the buffer is this one's own.
  std::string frame = std::exchange(self.spare, {});
  frame.clear();
  auto kind = append_guarded(
      frame, [&](std::string& out) { return append_content(out, self, ended, value.get()); });
  value = {};
  if (ended.is_scratch && ended.space)
    self.spaces.let_go(std::move(ended.space));
  self.output.end(ended);
  self.executions.current = nullptr;
  if (!complete(frame, ended, kind)) {
    frame.clear();
    (void)append_guarded(frame, [&](std::string& out) {
      append_plain_error(out, error_kind::limit, {}, why_not(encoded::too_large, ended));
      return outcome::error;
    });
    (void)complete(frame, ended, outcome::error);
  }
  self.out.append_frames(frame);
  if (frame.capacity() <= spare_at_most)
    self.spare = std::move(frame);
}

void tell_parked(runtime& self, std::uint64_t number) {
  std::string frame;
  (void)bridge::append_parked(frame, {number});
  self.out.append_frames(frame);
}

void append_expired(runtime& self, const execution& skipped) {
  std::string frame;
  bridge::finished message;
  message.execution = skipped.number;
  message.kind = outcome::expired;
  (void)bridge::append_finished(frame, message);
  self.out.append_frames(frame);
}

} // namespace vivarium::interp
