// SPDX-License-Identifier: Apache-2.0
#include "interp/decode_value.hpp"

#include "bridge/raw_memory.hpp"
#include "bridge/wire_reader.hpp"
#include "interp/decode_typed.hpp"
#include "interp/runtime.hpp"

#include <bit>
#include <cstring>

namespace vivarium::interp {

namespace {

using bridge::unzigzag;
using bridge::wire_field;
using bridge::wire_reader;

// Numbers of vivarium.v1.ValueOptions.
enum class blob_as : std::uint8_t { str = 2, bytearray = 3 };
enum class set_as : std::uint8_t { frozenset = 2 };
enum class symbol_as : std::uint8_t { distinct = 2, str = 3 };

constexpr const char* is_malformed = "its encoding is malformed";
constexpr const char* too_deep = "it nests too deeply";

// The wire type of a kind of value; anything else for what is no kind.
constexpr std::uint32_t type_of(std::uint32_t field) {
  switch (field) {
    case boolean_field:
    case integer_field: return wire_field::varint;
    case real_field: return wire_field::fixed64;
    default: return wire_field::bytes;
  }
}

// Bytes whose memory is told to be large before it is written to.
py_ref bytes_of(std::string_view content) {
  auto size = static_cast<Py_ssize_t>(content.size());
  if (content.size() < bridge::huge_page_bytes)
    return py_ref::steal(PyBytes_FromStringAndSize(content.data(), size));
  auto bytes = py_ref::steal(PyBytes_FromStringAndSize(nullptr, size));
  if (bytes) {
    auto* to = PyBytes_AsString(bytes.get());
    bridge::expect_large(to, content.size());
    std::memcpy(to, content.data(), content.size());
  }
  return bytes;
}

class value_decoder {
public:
  value_decoder(runtime& self, const bridge::value_options& values,
                const bridge::decode_bounds& bounds)
      : self_{self}, values_{values}, items_left_{bounds.max_items}, max_depth_{bounds.max_depth} {}

  // `depth` counts the messages around, as bridge/validate.cpp does.
  py_ref decode(std::string_view encoded, int depth);

private:
  py_ref decode_message(const wire_field& field, int depth);
  py_ref decode_list(std::string_view content, int depth);
  py_ref decode_tuple(std::string_view content, int depth);
  py_ref decode_dict(std::string_view content, int depth);
  py_ref decode_set(std::string_view content, int depth, bool frozen);
  py_ref decode_blob(std::string_view content) const;
  py_ref decode_big_integer(std::string_view content) const;
  py_ref decode_symbol(std::string_view content) const;
  py_ref decode_ref(std::string_view content) const;
  py_ref decode_function(std::string_view content) const;
  py_ref decode_construct(std::string_view content, int depth);
  bool add_entry(PyObject* dict, std::string_view content, int depth);
  bool spend();

  runtime& self_;
  bridge::value_options values_;
  std::size_t items_left_;
  int max_depth_;
};

bool value_decoder::spend() {
  if (items_left_-- != 0)
    return true;
  items_left_ = 0;
  refuse_value("it has too many parts");
  return false;
}

py_ref value_decoder::decode(std::string_view encoded, int depth) {
  wire_reader reader{encoded};
  wire_field field;
  wire_field more;
  if (!reader.next(field) || reader.next(more) || reader.failed()
      || field.type != type_of(field.number))
    return refuse_value(is_malformed);
  switch (field.number) {
    case none_field:
      return field.content.empty() ? py_ref::share(Py_None) : refuse_value(is_malformed);
    case boolean_field: return py_ref::share(field.bits != 0 ? Py_True : Py_False);
    case integer_field: return py_ref::steal(PyLong_FromLongLong(unzigzag(field.bits)));
    case real_field: return py_ref::steal(PyFloat_FromDouble(std::bit_cast<double>(field.bits)));
    case text_field: return decode_text(field.content);
    case blob_field: return decode_blob(field.content);
    case bytearray_field:
      return py_ref::steal(PyByteArray_FromStringAndSize(
          field.content.data(), static_cast<Py_ssize_t>(field.content.size())));
    case big_integer_field: return decode_big_integer(field.content);
    case symbol_field: return decode_symbol(field.content);
    case decimal_field:
    case uuid_field: return decode_typed(self_, field.number, field.content);
    default: return decode_message(field, depth);
  }
}

py_ref value_decoder::decode_message(const wire_field& field, int depth) {
  if (depth >= max_depth_)
    return refuse_value(too_deep);
  if (!spend())
    return {};
  switch (field.number) {
    case list_field: return decode_list(field.content, depth + 1);
    case tuple_field: return decode_tuple(field.content, depth + 1);
    case dict_field: return decode_dict(field.content, depth + 1);
    case set_field:
      return decode_set(field.content, depth + 1,
                        values_.set_as == static_cast<std::uint8_t>(set_as::frozenset));
    case frozenset_field: return decode_set(field.content, depth + 1, true);
    case construct_field: return decode_construct(field.content, depth + 1);
    case ref_field: return decode_ref(field.content);
    case function_field: return decode_function(field.content);
    case opaque_field: return refuse_value("what is opaque comes from Python only");
    default: return decode_typed(self_, field.number, field.content);
  }
}

py_ref value_decoder::decode_list(std::string_view content, int depth) {
  // Grows as it is filled: nobody who walks all objects may find one with empty places.
  auto list = py_ref::steal(PyList_New(0));
  wire_reader reader{content};
  wire_field field;
  while (list && reader.next(field)) {
    if (field.number != 1 || field.type != wire_field::bytes)
      return refuse_value(is_malformed);
    if (depth >= max_depth_)
      return refuse_value(too_deep);
    auto item = spend() ? decode(field.content, depth + 1) : py_ref{};
    if (!item || PyList_Append(list.get(), item.get()) != 0)
      return {};
  }
  return reader.failed() ? refuse_value(is_malformed) : std::move(list);
}

py_ref value_decoder::decode_tuple(std::string_view content, int depth) {
  auto list = decode_list(content, depth);
  return list ? py_ref::steal(PyList_AsTuple(list.get())) : py_ref{};
}

py_ref value_decoder::decode_set(std::string_view content, int depth, bool frozen) {
  auto list = decode_list(content, depth);
  if (!list)
    return {};
  auto set = py_ref::steal(frozen ? PyFrozenSet_New(list.get()) : PySet_New(list.get()));
  if (!set && PyErr_ExceptionMatches(PyExc_TypeError))
    return refuse_value_because_of_error(); // It cannot be hashed.
  return set;
}

bool value_decoder::add_entry(PyObject* dict, std::string_view content, int depth) {
  wire_reader reader{content};
  wire_field field;
  std::string_view parts[2];
  bool seen[2] = {};
  if (depth >= max_depth_)
    return refuse_value(too_deep), false;
  while (reader.next(field)) {
    auto i = field.number - 1;
    if (i > 1 || field.type != wire_field::bytes || seen[i])
      return refuse_value(is_malformed), false;
    parts[i] = field.content;
    seen[i] = true;
  }
  if (reader.failed() || !seen[0] || !seen[1])
    return refuse_value(is_malformed), false;
  auto key = spend() ? decode(parts[0], depth + 1) : py_ref{};
  auto value = key && spend() ? decode(parts[1], depth + 1) : py_ref{};
  if (!value)
    return false;
  if (PyDict_SetItem(dict, key.get(), value.get()) == 0)
    return true;
  if (PyErr_ExceptionMatches(PyExc_TypeError))
    refuse_value_because_of_error();
  return false;
}

py_ref value_decoder::decode_dict(std::string_view content, int depth) {
  auto dict = py_ref::steal(PyDict_New());
  wire_reader reader{content};
  wire_field field;
  while (dict && reader.next(field)) {
    if (field.number != 1 || field.type != wire_field::bytes)
      return refuse_value(is_malformed);
    if (depth >= max_depth_)
      return refuse_value(too_deep);
    if (!spend() || !add_entry(dict.get(), field.content, depth + 1))
      return {};
  }
  return reader.failed() ? refuse_value(is_malformed) : std::move(dict);
}

py_ref value_decoder::decode_blob(std::string_view content) const {
  auto size = static_cast<Py_ssize_t>(content.size());
  switch (blob_as{values_.blob_as}) {
    case blob_as::str: return decode_text(content);
    case blob_as::bytearray:
      return py_ref::steal(PyByteArray_FromStringAndSize(content.data(), size));
    default: return bytes_of(content);
  }
}

py_ref value_decoder::decode_big_integer(std::string_view content) const {
  auto arguments = py_ref::steal(Py_BuildValue("(y#s)", content.empty() ? "" : content.data(),
                                               static_cast<Py_ssize_t>(content.size()), "little"));
  return arguments ? py_ref::steal(
             PyObject_Call(self_.values.int_from_bytes, arguments.get(), self_.python.is_signed))
                   : py_ref{};
}

py_ref value_decoder::decode_symbol(std::string_view content) const {
  auto text = decode_text(content);
  if (!text || values_.symbol_as == static_cast<std::uint8_t>(symbol_as::str))
    return text;
  auto* type = values_.symbol_as == static_cast<std::uint8_t>(symbol_as::distinct)
                   ? self_.values.distinct_symbol
                   : self_.values.symbol;
  return py_ref::steal(PyObject_CallFunctionObjArgs(type, text.get(), nullptr));
}

py_ref value_decoder::decode_ref(std::string_view content) const {
  wire_reader reader{content};
  wire_field field;
  std::string_view id;
  while (reader.next(field)) {
    if (field.number > 4
        || field.type != (field.number == 4 ? wire_field::varint : wire_field::bytes))
      return refuse_value(is_malformed);
    if (field.number == 1)
      id = field.content;
  }
  return reader.failed() ? refuse_value(is_malformed) : py_ref::share(self_.refs.find(id));
}

py_ref value_decoder::decode_function(std::string_view content) const {
  wire_reader reader{content};
  wire_field field;
  std::string_view name;
  while (reader.next(field)) {
    if (field.number != 1 || field.type != wire_field::bytes)
      return refuse_value(is_malformed);
    name = field.content;
  }
  auto text = reader.failed() ? refuse_value(is_malformed) : decode_text(name);
  return text ? py_ref::steal(
             PyObject_CallFunction(self_.values.function, "OK", text.get(),
                                   static_cast<unsigned long long>(self_.functions_of)))
              : py_ref{};
}

py_ref value_decoder::decode_construct(std::string_view content, int depth) {
  wire_reader reader{content};
  wire_field field;
  std::string_view module, name;
  auto args = py_ref::steal(PyList_New(0));
  auto kwargs = py_ref::steal(PyDict_New());
  if (!args || !kwargs)
    return {};
  while (reader.next(field)) {
    if (field.number > 4 || field.type != wire_field::bytes)
      return refuse_value(is_malformed);
    if (field.number <= 2) {
      (field.number == 1 ? module : name) = field.content;
      continue;
    }
    if (depth >= max_depth_)
      return refuse_value(too_deep);
    if (!spend())
      return {};
    if (field.number == 4) {
      if (!add_entry(kwargs.get(), field.content, depth + 1))
        return {};
      continue;
    }
    auto item = decode(field.content, depth + 1);
    if (!item || PyList_Append(args.get(), item.get()) != 0)
      return {};
  }
  if (reader.failed() || name.empty())
    return refuse_value(is_malformed);
  auto module_name = decode_text(module);
  auto dotted = module_name ? decode_text(name) : py_ref{};
  return dotted ? py_ref::steal(PyObject_CallFunctionObjArgs(self_.values.construct,
                                                             module_name.get(), dotted.get(),
                                                             args.get(), kwargs.get(), nullptr))
                : py_ref{};
}

} // namespace

py_ref decode_value(runtime& self, std::string_view encoded, const bridge::value_options& values,
                    const bridge::decode_bounds& bounds) {
  if (encoded.size() > bounds.max_bytes)
    return refuse_value("it has too many bytes");
  return value_decoder{self, values, bounds}.decode(encoded, 0);
}

} // namespace vivarium::interp
