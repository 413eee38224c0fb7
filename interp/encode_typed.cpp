// SPDX-License-Identifier: Apache-2.0
#include "interp/encode_typed.hpp"

#include "interp/message_writer.hpp"
#include "interp/runtime.hpp"
#include "interp/value_fields.hpp"

#include <array>
#include <bit>
#include <span>
#include <string_view>

namespace vivarium::interp {

namespace {

constexpr Py_ssize_t opaque_repr_at_most = 4096;
constexpr Py_ssize_t ref_repr_at_most = 500;

typed_encoding no_form() {
  return {encoded::ok, false, {}, 0};
}

typed_encoding written(std::size_t parts) {
  return {encoded::ok, true, {}, parts};
}

// An int of the Python half within bounds, which it would keep but for types that lie.
bool take_int(PyObject* tuple, Py_ssize_t at, std::int64_t least, std::int64_t most,
              std::int64_t& to) {
  auto* item = PyTuple_GetItem(tuple, at);
  to = item != nullptr && PyLong_Check(item) ? PyLong_AsLongLong(item) : least - 1;
  PyErr_Clear();
  return to >= least && to <= most;
}

struct bound {
  std::int64_t least, most;
};
constexpr bound date_bounds[] = {{1, 9999}, {1, 12}, {1, 31}};
constexpr bound clock_bounds[] = {{0, 23}, {0, 59}, {0, 59}, {0, 999'999}, {0, 1}};

// Appends ints as the fields 1, 2, ...; zeros are left out. False: they are not what they should
// be.
bool put_ints(std::string& out, PyObject* tuple, Py_ssize_t from, std::span<const bound> bounds) {
  std::uint32_t field = 0;
  for (const auto& each : bounds) {
    std::int64_t number = 0;
    if (!take_int(tuple, from + field, each.least, each.most, number))
      return false;
    ++field;
    if (number != 0)
      put_varint(out, field, static_cast<std::uint64_t>(number));
  }
  return true;
}

bool as_utf8(PyObject* text, std::string_view& to) {
  Py_ssize_t size = 0;
  const char* utf8 =
      text != nullptr && PyUnicode_Check(text) ? PyUnicode_AsUTF8AndSize(text, &size) : nullptr;
  if (utf8 != nullptr)
    to = {utf8, static_cast<std::size_t>(size)};
  else
    PyErr_Clear();
  return utf8 != nullptr;
}

bool put_zone(std::string& out, PyObject* tuple, Py_ssize_t from) {
  constexpr std::int64_t day_us = 86'400'000'000;
  auto* has_zone = PyTuple_GetItem(tuple, from);
  auto* offset = PyTuple_GetItem(tuple, from + 1);
  std::string_view name;
  std::int64_t offset_us = 0;
  if (has_zone != Py_True)
    return has_zone == Py_False;
  auto zone = begin_message(out, 6);
  if (offset != Py_None) {
    if (!take_int(tuple, from + 1, -day_us + 1, day_us - 1, offset_us))
      return false;
    put_varint(out, 1, protozero::encode_zigzag64(offset_us));
  }
  if (!as_utf8(PyTuple_GetItem(tuple, from + 2), name))
    return false;
  if (!name.empty())
    put_bytes(out, 2, name);
  end_message(out, zone);
  return true;
}

bool put_clock(std::string& out, PyObject* tuple, Py_ssize_t from) {
  return put_ints(out, tuple, from, clock_bounds) && put_zone(out, tuple, from + 5);
}

bool put_date(std::string& out, PyObject* parts) {
  return PyTuple_Check(parts) && PyTuple_Size(parts) == 3 && put_ints(out, parts, 0, date_bounds);
}

bool put_time(std::string& out, PyObject* parts) {
  return PyTuple_Check(parts) && PyTuple_Size(parts) == 8 && put_clock(out, parts, 0);
}

bool put_datetime(std::string& out, PyObject* parts) {
  if (!PyTuple_Check(parts) || PyTuple_Size(parts) != 11)
    return false;
  auto date = begin_message(out, 1);
  if (!put_ints(out, parts, 0, date_bounds))
    return false;
  end_message(out, date);
  auto time = begin_message(out, 2);
  if (!put_clock(out, parts, 3))
    return false;
  end_message(out, time);
  return true;
}

bool put_timedelta(std::string& out, PyObject* parts) {
  constexpr bound rest[] = {{0, 86'399}, {0, 999'999}};
  std::int64_t days = 0;
  if (!PyTuple_Check(parts) || PyTuple_Size(parts) != 3
      || !take_int(parts, 0, -999'999'999, 999'999'999, days))
    return false;
  if (days != 0)
    put_varint(out, 1, protozero::encode_zigzag64(days));
  std::uint32_t field = 2;
  for (const auto& each : rest) {
    std::int64_t number = 0;
    if (!take_int(parts, field - 1, each.least, each.most, number))
      return false;
    if (number != 0)
      put_varint(out, field, static_cast<std::uint64_t>(number));
    ++field;
  }
  return true;
}

using put_parts = bool (*)(std::string& out, PyObject* parts);

typed_encoding append_message(std::string& out, std::uint32_t field, PyObject* parts, put_parts put,
                              std::size_t messages) {
  auto before = out.size();
  auto start = begin_message(out, field);
  if (!put(out, parts)) {
    out.resize(before);
    return no_form();
  }
  end_message(out, start);
  return written(messages);
}

typed_encoding append_bytes(std::string& out, std::uint32_t field, std::string_view bytes,
                            std::size_t max_bytes) {
  if (bytes.size() > max_bytes)
    return {encoded::too_large, true, {}, 0};
  put_bytes(out, field, bytes);
  return {};
}

// A buffer for as long as it is looked at.
class held_buffer {
public:
  explicit held_buffer(PyObject* object, int flags)
      : held_{PyObject_GetBuffer(object, &view_, flags) == 0} {}
  held_buffer(const held_buffer&) = delete;
  held_buffer& operator=(const held_buffer&) = delete;
  ~held_buffer() {
    if (held_)
      PyBuffer_Release(&view_);
  }
  explicit operator bool() const noexcept { return held_; }
  Py_buffer* operator->() noexcept { return &view_; }
  Py_buffer* get() noexcept { return &view_; }
  [[nodiscard]] std::size_t size() const noexcept { return static_cast<std::size_t>(view_.len); }

private:
  Py_buffer view_{};
  bool held_;
};

bool put_shape(std::string& out, PyObject* shape) {
  std::string lengths;
  auto dimensions = PyTuple_Size(shape);
  for (Py_ssize_t i = 0; i < dimensions; ++i) {
    std::int64_t length = 0;
    if (!take_int(shape, i, 0, PY_SSIZE_T_MAX, length))
      return false;
    protozero::add_varint_to_buffer(&lengths, static_cast<std::uint64_t>(length));
  }
  if (!lengths.empty())
    put_bytes(out, 2, lengths);
  return true;
}

// The length of the message is known before its data is copied, once.
typed_encoding append_array(std::string& out, PyObject* parts, std::size_t max_bytes) {
  std::string_view dtype;
  std::string head;
  if (!PyTuple_Check(parts) || PyTuple_Size(parts) != 3
      || !as_utf8(PyTuple_GetItem(parts, 0), dtype) || !PyTuple_Check(PyTuple_GetItem(parts, 1)))
    return no_form();
  put_bytes(head, 1, dtype);
  auto* data = PyTuple_GetItem(parts, 2);
  if (data == Py_None)
    return {encoded::too_large, true, {}, 0};
  held_buffer buffer{data, PyBUF_SIMPLE};
  if (!buffer || !put_shape(head, PyTuple_GetItem(parts, 1)))
    return PyErr_Clear(), no_form();
  if (buffer.size() > max_bytes)
    return {encoded::too_large, true, {}, 0};
  if (buffer.size() != 0) {
    protozero::add_varint_to_buffer(&head, 3 << 3 | 2);
    protozero::add_varint_to_buffer(&head, buffer.size());
  }
  bridge::make_room(out, head.size() + buffer.size());
  protozero::add_varint_to_buffer(&out, array_field << 3 | 2);
  protozero::add_varint_to_buffer(&out, head.size() + buffer.size());
  out += head;
  out.append(static_cast<const char*>(buffer->buf), buffer.size());
  return written(1 + static_cast<std::size_t>(PyTuple_Size(PyTuple_GetItem(parts, 1))));
}

typed_encoding append_parts(std::string& out, base_type base, PyObject* parts,
                            std::size_t max_bytes) {
  std::string_view text;
  char* bytes = nullptr;
  Py_ssize_t size = 0;
  switch (base) {
    case base_type::datetime: return append_message(out, datetime_field, parts, put_datetime, 4);
    case base_type::date: return append_message(out, date_field, parts, put_date, 1);
    case base_type::time: return append_message(out, time_field, parts, put_time, 2);
    case base_type::timedelta: return append_message(out, timedelta_field, parts, put_timedelta, 1);
    case base_type::decimal:
      return as_utf8(parts, text) ? append_bytes(out, decimal_field, text, max_bytes) : no_form();
    case base_type::uuid:
      if (!PyBytes_Check(parts) || PyBytes_AsStringAndSize(parts, &bytes, &size) != 0 || size != 16)
        return PyErr_Clear(), no_form();
      return append_bytes(out, uuid_field, {bytes, 16}, max_bytes);
    case base_type::array: return append_array(out, parts, max_bytes);
    default: return {encoded::ok, true, py_ref::share(parts), 0};
  }
}

bool put_type_name(std::string& out, std::uint32_t field, PyObject* object) {
  auto type_name = begin_message(out, field);
  append_type_name(out, Py_TYPE(object));
  end_message(out, type_name);
  return true;
}

bool put_repr(std::string& out, std::uint32_t field, PyObject* object, Py_ssize_t at_most) {
  auto repr = safe_repr(object);
  if (!repr)
    return false;
  auto text = begin_message(out, field);
  if (!append_text(out, repr.get(), at_most))
    return false;
  end_message(out, text);
  return true;
}

} // namespace

typed_encoding append_typed(std::string& out, PyObject* object, std::size_t max_bytes) {
  auto& values = the_runtime().values;
  auto base = values.base_of(Py_TYPE(object));
  if (base == base_type::none)
    return PyErr_Occurred() == nullptr ? no_form() : typed_encoding{encoded::failed, true, {}, 0};
  auto parts = py_ref::steal(
      PyObject_CallFunctionObjArgs(values.parts_of(base), object, values.type_of(base), nullptr));
  if (!parts)
    return {encoded::failed, true, {}, 0};
  return parts.get() == Py_None ? no_form() : append_parts(out, base, parts.get(), max_bytes);
}

typed_encoding append_complex(std::string& out, PyObject* object) {
  auto start = begin_message(out, complex_field);
  put_fixed64(out, 1, std::bit_cast<std::uint64_t>(PyComplex_RealAsDouble(object)));
  put_fixed64(out, 2, std::bit_cast<std::uint64_t>(PyComplex_ImagAsDouble(object)));
  end_message(out, start);
  return written(1);
}

typed_encoding append_term(std::string& out, PyObject* object) {
  auto parts =
      py_ref::steal(PyObject_CallFunctionObjArgs(the_runtime().values.term_parts, object, nullptr));
  std::string_view type;
  char* data = nullptr;
  Py_ssize_t size = 0;
  // The attributes of one that was made without its constructor are not there.
  if (!parts || !PyTuple_Check(parts.get()) || !as_utf8(PyTuple_GetItem(parts.get(), 0), type)
      || PyBytes_AsStringAndSize(PyTuple_GetItem(parts.get(), 1), &data, &size) != 0)
    return PyErr_Clear(), no_form();
  auto start = begin_message(out, term_field);
  if (!type.empty())
    put_bytes(out, 1, type);
  if (size != 0)
    put_bytes(out, 2, {data, static_cast<std::size_t>(size)});
  end_message(out, start);
  return written(1);
}

typed_encoding append_memoryview(std::string& out, PyObject* object, std::size_t max_bytes) {
  held_buffer buffer{object, PyBUF_FULL_RO};
  if (!buffer)
    return PyErr_Clear(), no_form(); // It has been released.
  if (buffer.size() > max_bytes)
    return {encoded::too_large, true, {}, 0};
  bridge::make_room(out, buffer.size());
  protozero::add_varint_to_buffer(&out, blob_field << 3 | 2);
  protozero::add_varint_to_buffer(&out, buffer.size());
  if (PyBuffer_IsContiguous(buffer.get(), 'C') != 0) {
    out.append(static_cast<const char*>(buffer->buf), buffer.size());
    return {};
  }
  auto at = out.size();
  out.resize(at + buffer.size());
  if (PyBuffer_ToContiguous(out.data() + at, buffer.get(), buffer->len, 'C') != 0)
    return {encoded::failed, true, {}, 0};
  return {};
}

encoded append_opaque(std::string& out, PyObject* object) {
  auto start = begin_message(out, opaque_field);
  if (!put_type_name(out, 1, object) || !put_repr(out, 2, object, opaque_repr_at_most))
    return encoded::failed;
  end_message(out, start);
  return encoded::ok;
}

encoded append_ref(std::string& out, PyObject* object, ref_table& refs, std::uint64_t owner) {
  auto held = py_ref::share(object);
  auto start = begin_message(out, ref_field);
  put_bytes(out, 1, refs.keep(object, owner));
  if (!put_type_name(out, 2, object) || !put_repr(out, 3, object, ref_repr_at_most))
    return encoded::failed;
  bool interrupted = false;
  if (auto length = safe_length(object, interrupted))
    put_varint(out, 4, *length);
  end_message(out, start);
  return interrupted ? encoded::failed : encoded::ok;
}

} // namespace vivarium::interp
