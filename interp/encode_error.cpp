// SPDX-License-Identifier: Apache-2.0
#include "interp/encode_error.hpp"

#include "interp/encode_value.hpp"
#include "interp/message_writer.hpp"
#include "interp/py_ref.hpp"

namespace vivarium::interp {

namespace {

// Fields of vivarium.v1.ExecutionError, which are also the places in the tuple that `describe`
// makes: (kind, type, module, bases, message, frames, traceback, cause, context, group, syntax,
// code, args, details). The last is a pair of a field and what is in it.
enum error_field : std::uint32_t {
  kind = 1,
  type,
  module,
  bases,
  message,
  frames,
  traceback,
  cause,
  context,
  group,
  syntax,
  code,
  args,
  details,
};

constexpr Py_ssize_t text_at_most = 128 << 10;
constexpr int chain_at_most = 1000;
constexpr std::size_t args_bytes_at_most = 64 << 10; // Of an error and all that it is chained to.

PyObject* part(PyObject* tuple, std::uint32_t field) {
  return PyTuple_GetItem(tuple, static_cast<Py_ssize_t>(field) - 1);
}

bool put_text(std::string& out, std::uint32_t field, PyObject* text) {
  if (text == nullptr || !PyUnicode_Check(text))
    return false;
  auto start = begin_message(out, field);
  if (!append_text(out, text, text_at_most))
    return false;
  end_message(out, start);
  return true;
}

bool put_numbers(std::string& out, std::uint32_t field, PyObject* tuple) {
  auto start = begin_message(out, field);
  for (Py_ssize_t i = 0; i < PyTuple_Size(tuple); ++i)
    protozero::add_varint_to_buffer(&out, PyLong_AsUnsignedLongLong(PyTuple_GetItem(tuple, i)));
  end_message(out, start);
  return PyErr_Occurred() == nullptr;
}

// A message whose fields are the items of a tuple: ints, strs, and tuples of ints.
bool put_flat(std::string& out, std::uint32_t field, PyObject* tuple) {
  auto start = begin_message(out, field);
  auto size = PyTuple_Size(tuple);
  for (Py_ssize_t i = 0; i < size; ++i) {
    auto number = static_cast<std::uint32_t>(i + 1);
    auto* item = PyTuple_GetItem(tuple, i);
    if (PyLong_Check(item))
      put_varint(out, number, PyLong_AsUnsignedLongLong(item));
    else if (PyTuple_Check(item) && put_numbers(out, number, item))
      continue;
    else if (!put_text(out, number, item))
      return false;
  }
  end_message(out, start);
  return size >= 0 && PyErr_Occurred() == nullptr;
}

template <class Put>
bool put_each(PyObject* tuple, Put put) {
  auto size = PyTuple_Size(tuple);
  for (Py_ssize_t i = 0; i < size; ++i)
    if (!put(PyTuple_GetItem(tuple, i)))
      return false;
  return size >= 0;
}

// Writes what `describe` told. False: a Python error is set, or it told something else.
class description {
public:
  description(std::string& out, PyObject* interrupted) : out_{out}, interrupted_{interrupted} {}

  bool append(PyObject* told) {
    if (told == nullptr || PyTuple_Size(told) != details)
      return false;
    put_varint(out_, kind, PyLong_AsUnsignedLong(part(told, kind)));
    auto* where = part(told, syntax);
    return put_text(out_, type, part(told, type)) && put_text(out_, module, part(told, module))
           && put_each(part(told, bases), [&](PyObject* one) { return put_text(out_, bases, one); })
           && put_text(out_, message, part(told, message))
           && put_each(part(told, frames),
                       [&](PyObject* one) { return put_flat(out_, frames, one); })
           && put_text(out_, traceback, part(told, traceback)) && nest(cause, part(told, cause))
           && nest(context, part(told, context))
           && put_each(part(told, group), [&](PyObject* one) { return nest(group, one); })
           && (where == Py_None || put_flat(out_, syntax, where)) && put_code(part(told, code))
           && put_args(part(told, args)) && put_details(part(told, details));
  }

private:
  bool nest(std::uint32_t field, PyObject* told) {
    if (told == Py_None)
      return true;
    auto start = begin_message(out_, field);
    ++depth_;
    if (!append(told))
      return false;
    --depth_;
    end_message(out_, start);
    return true;
  }

  bool put_code(PyObject* text) {
    return PyUnicode_GetLength(text) == 0 || put_text(out_, code, text);
  }

  // All of them or none.
  bool put_args(PyObject* tuple) {
    auto before = out_.size();
    for (Py_ssize_t i = 0; i < PyTuple_Size(tuple); ++i) {
      auto start = begin_message(out_, args);
      auto how = append_value(out_, PyTuple_GetItem(tuple, i),
                              {.max_bytes = args_bytes_left_, .depth = depth_ + 1});
      end_message(out_, start);
      if (how == encoded::ok && out_.size() - before <= args_bytes_left_)
        continue;
      out_.resize(before);
      if (how == encoded::failed && PyErr_ExceptionMatches(interrupted_))
        return false;
      PyErr_Clear();
      return true;
    }
    args_bytes_left_ -= out_.size() - before;
    return true;
  }

  bool put_details(PyObject* pair) {
    if (pair == Py_None)
      return true;
    auto before = out_.size();
    if (PyTuple_Check(pair) && PyTuple_Size(pair) == 2
        && put_flat(out_,
                    static_cast<std::uint32_t>(PyLong_AsUnsignedLong(PyTuple_GetItem(pair, 0))),
                    PyTuple_GetItem(pair, 1)))
      return true;
    PyErr_Clear(); // An error without details is better than none.
    out_.resize(before);
    return true;
  }

  std::string& out_;
  PyObject* interrupted_;
  std::size_t args_bytes_left_ = args_bytes_at_most;
  int depth_ = 0;
};

// Whether the interrupt is this exception or one that it came from.
bool came_from_interrupt(PyObject* exception, PyObject* interrupted) {
  auto next = py_ref::share(exception);
  for (int i = 0; next && i < chain_at_most; ++i) {
    if (PyErr_GivenExceptionMatches(next.get(), interrupted))
      return true;
    auto cause = py_ref::steal(PyException_GetCause(next.get()));
    next = cause ? std::move(cause) : py_ref::steal(PyException_GetContext(next.get()));
  }
  return false;
}

struct taken_error {
  py_ref type, value, traceback;
};

taken_error take_error() {
  PyObject *type = nullptr, *value = nullptr, *traceback = nullptr;
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  if (value != nullptr && traceback != nullptr)
    PyException_SetTraceback(value, traceback);
  return {py_ref::steal(type), py_ref::steal(value), py_ref::steal(traceback)};
}

void append_bare(std::string& out, PyObject* exception) {
  auto name = exception != nullptr ? py_ref::steal(PyType_GetName(Py_TYPE(exception))) : py_ref{};
  std::string text;
  // There may be no memory for its very name, and then that is what is the matter.
  bool named = name && append_text(text, name.get(), 256);
  bool memory = exception != nullptr && PyErr_GivenExceptionMatches(exception, PyExc_MemoryError);
  if (!named) {
    memory = memory || (PyErr_Occurred() != nullptr && PyErr_ExceptionMatches(PyExc_MemoryError));
    text = memory ? "MemoryError" : "BaseException";
  }
  PyErr_Clear();
  append_plain_error(out, memory ? error_kind::memory : error_kind::python, text,
                     "the exception could not be described");
}

} // namespace

void append_plain_error(std::string& out, error_kind what, std::string_view type_name,
                        std::string_view text) {
  put_varint(out, kind, static_cast<std::uint32_t>(what));
  if (!type_name.empty()) {
    put_bytes(out, type, type_name);
    put_bytes(out, module, "builtins");
  }
  put_bytes(out, message, text);
}

void append_current_error(std::string& out, runtime& self, execution& ended) {
  auto error = take_error();
  auto start = out.size();
  if (ended.interrupt_raised && error.value)
    ended.interrupted = came_from_interrupt(error.value.get(), self.interrupt.type());
  auto told = error.value ? py_ref::steal(
                  PyObject_CallFunctionObjArgs(self.python.describe, error.value.get(), nullptr))
                          : py_ref{};
  if (told && description{out, self.interrupt.type()}.append(told.get()))
    return;
  // Describing it failed, or was itself interrupted.
  auto second = take_error();
  if (ended.interrupt_raised && second.value)
    ended.interrupted =
        ended.interrupted || came_from_interrupt(second.value.get(), self.interrupt.type());
  out.resize(start);
  append_bare(out, error.value.get());
}

} // namespace vivarium::interp
