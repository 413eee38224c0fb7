// SPDX-License-Identifier: Apache-2.0
#include "interp/encode_value.hpp"

#include "interp/message_writer.hpp"
#include "interp/operation_error.hpp"
#include "interp/py_ref.hpp"
#include "interp/runtime.hpp"
#include "interp/value_encoder.hpp"

#include <algorithm>
#include <bit>

namespace vivarium::interp {

namespace {

// Of vivarium.v1.ValueOptions.
enum class unserializable : std::uint8_t { error = 1, ref = 2, repr = 3 };

} // namespace

encoded value_encoder::append(PyObject* object, int depth) {
  if (out_.size() - start_ > max_bytes_)
    return encoded::too_large;
  if (parts_left_ < 4)
    return encoded::too_many;
  --parts_left_;
  auto* type = Py_TYPE(object);
  if (object == Py_None)
    return --parts_left_, put_bytes(out_, none_field, {}), encoded::ok;
  if (type == &PyLong_Type)
    return append_int(object);
  if (type == &PyUnicode_Type)
    return append_str(object);
  if (type == &PyBool_Type)
    return put_varint(out_, boolean_field, object == Py_True), encoded::ok;
  if (type == &PyFloat_Type)
    return put_fixed64(out_, real_field, std::bit_cast<std::uint64_t>(PyFloat_AsDouble(object))),
           encoded::ok;
  if (type == &PyList_Type)
    return append_list(object, depth);
  if (type == &PyDict_Type)
    return append_dict(object, depth);
  if (type == &PyTuple_Type)
    return append_tuple(object, depth);
  return append_as_base(object, depth);
}

encoded value_encoder::append_as_base(PyObject* object, int depth) {
  if (PyLong_Check(object))
    return append_int(object);
  if (PyUnicode_Check(object)) {
    auto* symbol = reinterpret_cast<PyTypeObject*>(the_runtime().values.symbol);
    return PyObject_TypeCheck(object, symbol) ? append_symbol(object, object) : append_str(object);
  }
  if (PyFloat_Check(object))
    return put_fixed64(out_, real_field, std::bit_cast<std::uint64_t>(PyFloat_AsDouble(object))),
           encoded::ok;
  if (PyBytes_Check(object))
    return append_blob(object);
  if (PyObject_TypeCheck(object, &PyByteArray_Type))
    return append_bytearray(object);
  if (PyList_Check(object))
    return append_list(object, depth);
  if (PyDict_Check(object))
    return append_dict(object, depth);
  if (PyTuple_Check(object))
    return append_tuple(object, depth);
  if (PyObject_TypeCheck(object, &PySet_Type))
    return append_set(object, depth, &PySet_Type, set_field);
  if (PyObject_TypeCheck(object, &PyFrozenSet_Type))
    return append_set(object, depth, &PyFrozenSet_Type, frozenset_field);
  return append_rare(object, depth);
}

encoded value_encoder::append_rare(PyObject* object, int depth) {
  const auto& values = the_runtime().values;
  auto is = [&](PyObject* type) {
    return type != nullptr && PyObject_TypeCheck(object, reinterpret_cast<PyTypeObject*>(type));
  };
  if (PyObject_TypeCheck(object, &PyComplex_Type))
    return settle(append_complex(out_, object), object, depth);
  if (PyObject_TypeCheck(object, &PyMemoryView_Type))
    return settle(append_memoryview(out_, object, max_bytes_), object, depth);
  if (is(values.term))
    return settle(append_term(out_, object), object, depth);
  if (is(values.function)) {
    auto name = py_ref::steal(PyObject_CallFunctionObjArgs(values.function_name, object, nullptr));
    Py_ssize_t size = 0;
    const char* utf8 = name ? PyUnicode_AsUTF8AndSize(name.get(), &size) : nullptr;
    // One that was made without its constructor has none.
    if (utf8 == nullptr)
      return PyErr_Clear(), append_without_form(object, problem::has_no_form);
    auto start = begin_message(out_, function_field);
    put_bytes(out_, 1, {utf8, static_cast<std::size_t>(size)});
    end_message(out_, start);
    --parts_left_;
    return encoded::ok;
  }
  if (is(values.distinct_symbol)) {
    auto name = py_ref::steal(PyObject_CallFunctionObjArgs(values.symbol_name, object, nullptr));
    if (name && PyUnicode_Check(name.get()))
      return append_symbol(object, name.get());
    PyErr_Clear();
    return append_without_form(object, problem::has_no_form);
  }
  return settle(append_typed(out_, object, max_bytes_), object, depth);
}

encoded value_encoder::settle(typed_encoding&& typed, PyObject* object, int depth) {
  if (typed.parts + 4 > parts_left_)
    return encoded::too_many;
  parts_left_ -= typed.parts;
  if (typed.instead)
    return append(typed.instead.get(), depth);
  return typed.has_form ? typed.how : append_custom(object, depth);
}

encoded value_encoder::append_custom(PyObject* object, int depth) {
  if (options_.custom == nullptr || custom_.size() == custom_at_most
      || std::ranges::find(custom_, object) != custom_.end())
    return append_without_form(object, problem::has_no_form);
  auto result = py_ref::steal(PyObject_CallFunctionObjArgs(options_.custom, object, nullptr));
  if (!result)
    return encoded::failed;
  custom_.push_back(object);
  auto how = append(result.get(), depth);
  custom_.pop_back();
  return how;
}

encoded value_encoder::append_without_form(PyObject* object, problem why) {
  if (parts_left_ < 4)
    return encoded::too_many;
  --parts_left_;
  auto mode = unserializable{options_.values.unserializable};
  if (mode == unserializable::ref && options_.refs != nullptr)
    return append_ref(out_, object, *options_.refs, options_.owner);
  if (mode != unserializable::error)
    return append_opaque(out_, object);
  problem_ = why;
  append_type_name(problem_type_, Py_TYPE(object));
  return encoded::failed;
}

void value_encoder::raise_problem() const {
  auto place = "result" + problem_place_;
  if (problem_ == problem::contains_itself)
    return raise_failure(failure_kind::value, "cycle",
                         place + ", a " + problem_type_
                             + ", contains itself: return a form of it that does not, or ask for a "
                               "ref or for its repr (unserializable)");
  raise_failure(failure_kind::value, "unserializable",
                place + " is a " + problem_type_
                    + ", which has no form outside of Python: convert it, set an encoder "
                      "(vivarium.set_custom_encoder), or ask for a ref or for its repr "
                      "(unserializable)");
}

encoded value_encoder::append_int(PyObject* object) {
  int overflow = 0;
  auto value = PyLong_AsLongLongAndOverflow(object, &overflow);
  if (overflow != 0)
    return append_big_int(object);
  if (value == -1 && PyErr_Occurred() != nullptr)
    return encoded::failed;
  put_varint(out_, integer_field, protozero::encode_zigzag64(value));
  return encoded::ok;
}

encoded value_encoder::append_big_int(PyObject* object) {
  const auto& python = the_runtime().python;
  // The methods of int itself: a subclass may have others.
  auto bits = py_ref::steal(PyObject_CallFunctionObjArgs(python.int_bit_length, object, nullptr));
  auto length = bits ? PyLong_AsSize_t(bits.get()) / 8 + 1 : 0;
  if (!bits || PyErr_Occurred() != nullptr)
    return encoded::failed;
  if (length > max_bytes_)
    return encoded::too_large;
  auto arguments =
      py_ref::steal(Py_BuildValue("(Ons)", object, static_cast<Py_ssize_t>(length), "little"));
  auto bytes =
      arguments
          ? py_ref::steal(PyObject_Call(python.int_to_bytes, arguments.get(), python.is_signed))
          : py_ref{};
  char* data = nullptr;
  Py_ssize_t size = 0;
  if (!bytes || PyBytes_AsStringAndSize(bytes.get(), &data, &size) != 0)
    return encoded::failed;
  // -2**(8n-1) needs a byte less than its bit length says.
  while (size > 1 && static_cast<unsigned char>(data[size - 1]) == 0xff
         && (data[size - 2] & 0x80) != 0)
    --size;
  return append_raw(big_integer_field, {data, static_cast<std::size_t>(size)});
}

encoded value_encoder::append_str(PyObject* object) {
  Py_ssize_t size = 0;
  if (const char* utf8 = PyUnicode_AsUTF8AndSize(object, &size))
    return append_raw(text_field, {utf8, static_cast<std::size_t>(size)});
  if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))
    return encoded::failed;
  PyErr_Clear();
  return append_without_form(object, problem::has_no_form);
}

encoded value_encoder::append_blob(PyObject* object) {
  char* data = nullptr;
  Py_ssize_t size = 0;
  if (PyBytes_AsStringAndSize(object, &data, &size) != 0)
    return encoded::failed;
  return append_raw(blob_field, {data, static_cast<std::size_t>(size)});
}

encoded value_encoder::append_bytearray(PyObject* object) {
  return append_raw(bytearray_field, {PyByteArray_AsString(object),
                                      static_cast<std::size_t>(PyByteArray_Size(object))});
}

encoded value_encoder::append_symbol(PyObject* object, PyObject* name) {
  Py_ssize_t size = 0;
  const char* utf8 = PyUnicode_AsUTF8AndSize(name, &size);
  if (utf8 == nullptr) {
    if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))
      return encoded::failed;
    PyErr_Clear();
    return append_without_form(object, problem::has_no_form);
  }
  std::string text{utf8, static_cast<std::size_t>(size)};
  auto& known = the_runtime().values.symbols;
  if (!known.contains(text)) {
    if (known.size() >= value_parts::symbols_at_most) {
      raise_failure(failure_kind::value, "symbol_limit",
                    "the session has sent 10,000 different symbols, which hosts may never be able "
                    "to free: send str instead");
      return encoded::failed;
    }
    known.insert(text);
  }
  return append_raw(symbol_field, text);
}

encoded value_encoder::append_raw(std::uint32_t field, std::string_view bytes) {
  if (bytes.size() > max_bytes_)
    return encoded::too_large;
  put_bytes(out_, field, bytes);
  return encoded::ok;
}

encoded append_value(std::string& out, PyObject* object, const encode_options& options) {
  auto start = out.size();
  value_encoder encoder{out, options};
  auto how = encoder.append(object, options.depth);
  if (how == encoded::failed && encoder.has_problem())
    encoder.raise_problem();
  return how == encoded::ok && out.size() - start > options.max_bytes ? encoded::too_large : how;
}

} // namespace vivarium::interp
