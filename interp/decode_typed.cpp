// SPDX-License-Identifier: Apache-2.0
#include "interp/decode_typed.hpp"

#include "bridge/raw_memory.hpp"
#include "bridge/wire_reader.hpp"
#include "interp/operation_error.hpp"

#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

namespace vivarium::interp {

namespace {

// A bytearray whose memory is told to be large before it is written to.
py_ref bytearray_of(std::string_view content) {
  auto made = py_ref::steal(
      PyByteArray_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(content.size())));
  if (made && !content.empty()) {
    auto* to = PyByteArray_AsString(made.get());
    bridge::expect_large(to, content.size());
    std::memcpy(to, content.data(), content.size());
  }
  return made;
}

using bridge::unzigzag;
using bridge::wire_field;
using bridge::wire_reader;

constexpr const char* is_malformed = "a part of it is malformed";

// Reads a message of varints and texts: the field with number i goes to the i-th place. False: it
// is malformed, or has fields beyond these.
template <std::size_t Fields>
bool read_flat(std::string_view message, std::array<wire_field, Fields>& to) {
  wire_reader reader{message};
  wire_field field;
  while (reader.next(field)) {
    if (field.number > Fields || to[field.number - 1].number != 0)
      return false;
    to[field.number - 1] = field;
  }
  return !reader.failed();
}

// Whether what is there has the wire types that are wanted, one digit each.
template <std::size_t Fields>
bool has_types(const std::array<wire_field, Fields>& fields, std::string_view types) {
  for (std::size_t i = 0; i < Fields; ++i)
    if (fields[i].number != 0 && fields[i].type != static_cast<std::uint32_t>(types[i] - '0'))
      return false;
  return true;
}

// As an int that Python's constructors refuse when it is too large.
int small(const wire_field& field) {
  constexpr auto most = std::numeric_limits<int>::max();
  return field.bits > most ? most : static_cast<int>(field.bits);
}

py_ref made(PyObject* object) {
  return object != nullptr ? py_ref::steal(object) : refuse_value_because_of_error();
}

py_ref decode_complex(std::string_view content) {
  std::array<wire_field, 2> parts;
  if (!read_flat(content, parts) || !has_types(parts, "11"))
    return refuse_value(is_malformed);
  return made(PyComplex_FromDoubles(std::bit_cast<double>(parts[0].bits),
                                    std::bit_cast<double>(parts[1].bits)));
}

using date_fields = std::array<wire_field, 3>;

bool read_date(std::string_view content, date_fields& date) {
  return read_flat(content, date) && has_types(date, "000");
}

struct clock_fields {
  std::array<wire_field, 6> parts;
  std::array<wire_field, 2> zone;
  py_ref offset, zone_name;

  bool read(std::string_view content) {
    if (!read_flat(content, parts) || !has_types(parts, "000002")
        || !read_flat(parts[5].content, zone) || !has_types(zone, "02"))
      return false;
    offset = zone[0].number == 0 ? py_ref::share(Py_None)
                                 : py_ref::steal(PyLong_FromLongLong(unzigzag(zone[0].bits)));
    zone_name = decode_text(zone[1].content);
    return offset && zone_name;
  }
  [[nodiscard]] int has_zone() const noexcept { return parts[5].number != 0; }
};

py_ref decode_date(const value_parts& python, std::string_view content) {
  date_fields date;
  if (!read_date(content, date))
    return refuse_value(is_malformed);
  return made(PyObject_CallFunction(python.make_date, "iii", small(date[0]), small(date[1]),
                                    small(date[2])));
}

py_ref decode_time(const value_parts& python, std::string_view content) {
  clock_fields clock;
  if (!clock.read(content))
    return refuse_value(is_malformed);
  const auto& part = clock.parts;
  return made(PyObject_CallFunction(python.make_time, "iiiiiiOO", small(part[0]), small(part[1]),
                                    small(part[2]), small(part[3]), small(part[4]),
                                    clock.has_zone(), clock.offset.get(), clock.zone_name.get()));
}

py_ref decode_datetime(const value_parts& python, std::string_view content) {
  std::array<wire_field, 2> both;
  date_fields date;
  clock_fields clock;
  if (!read_flat(content, both) || !has_types(both, "22") || !read_date(both[0].content, date)
      || !clock.read(both[1].content))
    return refuse_value(is_malformed);
  const auto& part = clock.parts;
  return made(PyObject_CallFunction(python.make_datetime, "iiiiiiiiiOO", small(date[0]),
                                    small(date[1]), small(date[2]), small(part[0]), small(part[1]),
                                    small(part[2]), small(part[3]), small(part[4]),
                                    clock.has_zone(), clock.offset.get(), clock.zone_name.get()));
}

py_ref decode_timedelta(const value_parts& python, std::string_view content) {
  std::array<wire_field, 3> parts;
  if (!read_flat(content, parts) || !has_types(parts, "000"))
    return refuse_value(is_malformed);
  return made(PyObject_CallFunction(python.make_timedelta, "Lii",
                                    static_cast<long long>(unzigzag(parts[0].bits)),
                                    small(parts[1]), small(parts[2])));
}

py_ref decode_decimal(const value_parts& python, std::string_view content) {
  auto text = decode_text(content);
  return text ? made(PyObject_CallFunctionObjArgs(python.make_decimal, text.get(), nullptr))
              : py_ref{};
}

py_ref decode_uuid(const value_parts& python, std::string_view content) {
  if (content.size() != 16)
    return refuse_value("a UUID has 16 bytes");
  return made(PyObject_CallFunction(python.make_uuid, "y#", content.data(), Py_ssize_t{16}));
}

py_ref decode_term(const value_parts& python, std::string_view content) {
  std::array<wire_field, 2> parts;
  if (!read_flat(content, parts) || !has_types(parts, "22"))
    return refuse_value(is_malformed);
  auto type = decode_text(parts[0].content);
  if (!type)
    return {};
  const auto& data = parts[1].content;
  return made(PyObject_CallFunction(python.term, "Oy#", type.get(), data.empty() ? "" : data.data(),
                                    static_cast<Py_ssize_t>(data.size())));
}

// The lengths of an array's dimensions, packed or not.
struct array_fields {
  static constexpr std::size_t dimensions_at_most = 64; // numpy has 32, later 64.

  std::string_view dtype, data;
  std::vector<std::uint64_t> shape;

  bool read(std::string_view content) {
    wire_reader reader{content};
    wire_field field;
    while (reader.next(field)) {
      bool is_message = field.type == wire_field::bytes;
      if (field.number == 2 ? !(is_message ? read_packed(field.content) : read_length(field))
                            : !is_message || field.number > 3)
        return false;
      if (field.number != 2)
        (field.number == 1 ? dtype : data) = field.content;
    }
    return !reader.failed();
  }

private:
  bool read_length(const wire_field& field) {
    if (field.type != wire_field::varint || shape.size() == dimensions_at_most)
      return false;
    shape.push_back(field.bits);
    return true;
  }

  bool read_packed(std::string_view lengths) {
    return bridge::each_packed(lengths, [&](std::uint64_t length) {
      wire_field field;
      field.bits = length;
      return read_length(field);
    });
  }
};

py_ref decode_array(const value_parts& python, std::string_view content) {
  array_fields array;
  if (!array.read(content))
    return refuse_value(is_malformed);
  auto shape = py_ref::steal(PyTuple_New(static_cast<Py_ssize_t>(array.shape.size())));
  for (std::size_t i = 0; shape && i < array.shape.size(); ++i) {
    auto* length = PyLong_FromUnsignedLongLong(array.shape[i]);
    if (length == nullptr || PyTuple_SetItem(shape.get(), static_cast<Py_ssize_t>(i), length) != 0)
      return {};
  }
  auto dtype = decode_text(array.dtype);
  // The array's memory for good: numpy takes the bytearray as its buffer.
  auto data = bytearray_of(array.data);
  if (!shape || !dtype || !data)
    return {};
  return made(PyObject_CallFunctionObjArgs(python.make_array, dtype.get(), shape.get(), data.get(),
                                           nullptr));
}

} // namespace

py_ref refuse_value(const char* why) {
  if (PyErr_Occurred() == nullptr)
    raise_failure(failure_kind::value, "decode", std::string{"a value cannot be read: "} + why);
  return {};
}

py_ref refuse_value_because_of_error() {
  if (!PyErr_ExceptionMatches(PyExc_Exception) || PyErr_ExceptionMatches(PyExc_MemoryError)
      || PyErr_ExceptionMatches(the_runtime().python.operation_error))
    return {};
  PyObject *type = nullptr, *value = nullptr, *traceback = nullptr;
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  auto held_type = py_ref::steal(type);
  auto held_value = py_ref::steal(value);
  auto held_traceback = py_ref::steal(traceback);
  auto text = py_ref::steal(PyObject_Str(value));
  if (!text && !PyErr_ExceptionMatches(PyExc_Exception))
    return {};
  PyErr_Clear();
  Py_ssize_t size = 0;
  const char* utf8 = text ? PyUnicode_AsUTF8AndSize(text.get(), &size) : nullptr;
  PyErr_Clear();
  std::string why{utf8 != nullptr ? utf8 : "it is not what it says"};
  return refuse_value(why.c_str());
}

py_ref decode_text(std::string_view utf8) {
  auto* text = PyUnicode_DecodeUTF8(utf8.data(), static_cast<Py_ssize_t>(utf8.size()), nullptr);
  return made(text);
}

py_ref decode_typed(runtime& self, std::uint32_t field, std::string_view content) {
  const auto& python = self.values;
  switch (field) {
    case complex_field: return decode_complex(content);
    case datetime_field: return decode_datetime(python, content);
    case date_field: return decode_date(python, content);
    case time_field: return decode_time(python, content);
    case timedelta_field: return decode_timedelta(python, content);
    case decimal_field: return decode_decimal(python, content);
    case uuid_field: return decode_uuid(python, content);
    case term_field: return decode_term(python, content);
    case array_field: return decode_array(python, content);
    default: return refuse_value("its kind is unknown");
  }
}

} // namespace vivarium::interp
