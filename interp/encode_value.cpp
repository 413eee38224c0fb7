// SPDX-License-Identifier: Apache-2.0
#include "interp/encode_value.hpp"

#include "bridge/validate.hpp"
#include "interp/message_writer.hpp"
#include "interp/py_ref.hpp"
#include "interp/runtime.hpp"

#include <bit>
#include <string_view>

namespace vivarium::interp {

namespace {

enum value_field : std::uint32_t {
  none = 1,
  boolean,
  integer,
  big_integer,
  real,
  text,
  blob,
  list,
  tuple,
  dict,
  set,
  opaque = 30,
};

constexpr Py_ssize_t repr_at_most = 4096;

class value_encoder {
public:
  value_encoder(std::string& out, std::size_t max_bytes)
      : out_{out}, start_{out.size()}, max_bytes_{max_bytes} {}

  encoded append(PyObject* object, int depth);

private:
  encoded append_int(PyObject* object);
  encoded append_big_int(PyObject* object);
  encoded append_str(PyObject* object);
  encoded append_opaque(PyObject* object);
  encoded append_list(PyObject* object, int depth);
  encoded append_tuple(PyObject* object, int depth);
  encoded append_set(PyObject* object, int depth);
  encoded append_dict(PyObject* object, int depth);
  encoded append_nested(std::uint32_t field, PyObject* object, int depth);
  encoded append_as_base(PyObject* object, int depth);
  encoded append_blob(PyObject* object);
  encoded append_raw(std::uint32_t field, std::string_view bytes);
  encoded enter(int depth);

  std::string& out_;
  std::size_t start_;
  std::size_t max_bytes_;
  std::size_t parts_left_ = bridge::decode_bounds{}.max_items - 16;
};

void put_fixed64(std::string& out, std::uint32_t field, std::uint64_t bits) {
  out += static_cast<char>(field << 3 | 1);
  for (int i = 0; i < 8; ++i)
    out += static_cast<char>(bits >> (8 * i) & 0xff);
}

encoded value_encoder::append(PyObject* object, int depth) {
  if (out_.size() - start_ > max_bytes_)
    return encoded::too_large;
  if (parts_left_ < 4)
    return encoded::too_many;
  --parts_left_;
  auto* type = Py_TYPE(object);
  if (object == Py_None)
    return --parts_left_, put_bytes(out_, none, {}), encoded::ok;
  if (type == &PyLong_Type)
    return append_int(object);
  if (type == &PyUnicode_Type)
    return append_str(object);
  if (type == &PyBool_Type)
    return put_varint(out_, boolean, object == Py_True), encoded::ok;
  if (type == &PyFloat_Type)
    return put_fixed64(out_, real, std::bit_cast<std::uint64_t>(PyFloat_AsDouble(object))),
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
  if (PyUnicode_Check(object))
    return append_str(object);
  if (PyFloat_Check(object))
    return put_fixed64(out_, real, std::bit_cast<std::uint64_t>(PyFloat_AsDouble(object))),
           encoded::ok;
  if (PyBytes_Check(object))
    return append_blob(object);
  if (PyList_Check(object))
    return append_list(object, depth);
  if (PyDict_Check(object))
    return append_dict(object, depth);
  if (PyTuple_Check(object))
    return append_tuple(object, depth);
  if (PyObject_TypeCheck(object, &PySet_Type))
    return append_set(object, depth);
  return append_opaque(object);
}

encoded value_encoder::append_int(PyObject* object) {
  int overflow = 0;
  auto value = PyLong_AsLongLongAndOverflow(object, &overflow);
  if (overflow != 0)
    return append_big_int(object);
  if (value == -1 && PyErr_Occurred() != nullptr)
    return encoded::failed;
  put_varint(out_, integer, protozero::encode_zigzag64(value));
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
  return append_raw(big_integer, {data, static_cast<std::size_t>(size)});
}

encoded value_encoder::append_raw(std::uint32_t field, std::string_view bytes) {
  if (bytes.size() > max_bytes_)
    return encoded::too_large;
  put_bytes(out_, field, bytes);
  return encoded::ok;
}

encoded value_encoder::append_str(PyObject* object) {
  Py_ssize_t size = 0;
  if (const char* utf8 = PyUnicode_AsUTF8AndSize(object, &size))
    return append_raw(text, {utf8, static_cast<std::size_t>(size)});
  if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))
    return encoded::failed;
  PyErr_Clear();
  return append_opaque(object);
}

encoded value_encoder::append_blob(PyObject* object) {
  char* data = nullptr;
  Py_ssize_t size = 0;
  if (PyBytes_AsStringAndSize(object, &data, &size) != 0)
    return encoded::failed;
  return append_raw(blob, {data, static_cast<std::size_t>(size)});
}

encoded value_encoder::enter(int depth) {
  --parts_left_;
  // Counted in nested messages, of which an entry of a dict costs one more than an item of a list.
  return depth + 3 > bridge::decode_bounds{}.max_depth ? encoded::too_deep : encoded::ok;
}

encoded value_encoder::append_nested(std::uint32_t field, PyObject* object, int depth) {
  auto start = begin_message(out_, field);
  auto how = append(object, depth);
  end_message(out_, start);
  return how;
}

encoded value_encoder::append_list(PyObject* object, int depth) {
  auto how = enter(depth);
  auto start = begin_message(out_, list);
  // The repr of an item may change the list.
  for (Py_ssize_t i = 0; how == encoded::ok && i < PyList_Size(object); ++i) {
    auto item = py_ref::share(PyList_GetItem(object, i));
    how = item ? append_nested(1, item.get(), depth + 2) : encoded::failed;
  }
  end_message(out_, start);
  return how;
}

encoded value_encoder::append_tuple(PyObject* object, int depth) {
  auto how = enter(depth);
  auto start = begin_message(out_, tuple);
  auto size = PyTuple_Size(object);
  for (Py_ssize_t i = 0; how == encoded::ok && i < size; ++i)
    how = append_nested(1, PyTuple_GetItem(object, i), depth + 2);
  end_message(out_, start);
  return how;
}

encoded value_encoder::append_set(PyObject* object, int depth) {
  auto how = enter(depth);
  auto start = begin_message(out_, set);
  // The iterator of set itself: a subclass may have one that never ends.
  auto iterate = reinterpret_cast<getiterfunc>(PyType_GetSlot(&PySet_Type, Py_tp_iter));
  auto items = py_ref::steal(iterate(object));
  if (!items)
    return encoded::failed;
  while (how == encoded::ok) {
    auto item = py_ref::steal(PyIter_Next(items.get()));
    if (!item)
      break;
    how = append_nested(1, item.get(), depth + 2);
  }
  if (how == encoded::ok && PyErr_Occurred() != nullptr)
    how = encoded::failed;
  end_message(out_, start);
  return how;
}

encoded value_encoder::append_dict(PyObject* object, int depth) {
  auto how = enter(depth);
  auto start = begin_message(out_, dict);
  auto size = PyDict_Size(object);
  Py_ssize_t position = 0;
  PyObject *key = nullptr, *value = nullptr;
  while (how == encoded::ok && PyDict_Next(object, &position, &key, &value)) {
    auto held_key = py_ref::share(key);
    auto held_value = py_ref::share(value);
    --parts_left_;
    auto entry = begin_message(out_, 1);
    how = append_nested(1, held_key.get(), depth + 3);
    if (how == encoded::ok)
      how = append_nested(2, held_value.get(), depth + 3);
    end_message(out_, entry);
    if (how == encoded::ok && PyDict_Size(object) != size) {
      PyErr_SetString(PyExc_RuntimeError,
                      "a dict in the result changed its size while it was encoded");
      how = encoded::failed;
    }
  }
  end_message(out_, start);
  return how;
}

// The repr of an object, or what stands for it when there is none to be had. Null only when the
// execution is being interrupted.
py_ref safe_repr(PyObject* object) {
  auto repr = py_ref::steal(PyObject_Repr(object));
  if (repr)
    return repr;
  if (PyErr_ExceptionMatches(the_runtime().interrupt.type()))
    return {};
  PyErr_Clear();
  auto name = py_ref::steal(PyType_GetName(Py_TYPE(object)));
  return py_ref::steal(PyUnicode_FromFormat("<%U object whose repr fails>", name.get()));
}

void append_type_name(std::string& out, PyTypeObject* type) {
  auto module =
      py_ref::steal(PyObject_GetAttrString(reinterpret_cast<PyObject*>(type), "__module__"));
  if (module && PyUnicode_Check(module.get())
      && PyUnicode_CompareWithASCIIString(module.get(), "builtins") != 0
      && append_text(out, module.get(), 256))
    out += '.';
  auto name = py_ref::steal(PyType_GetQualName(type));
  if (!name || !append_text(out, name.get(), 256))
    out += "object";
  PyErr_Clear();
}

encoded value_encoder::append_opaque(PyObject* object) {
  --parts_left_;
  auto start = begin_message(out_, opaque);
  auto type_name = begin_message(out_, 1);
  append_type_name(out_, Py_TYPE(object));
  end_message(out_, type_name);
  auto repr = safe_repr(object);
  if (!repr)
    return encoded::failed;
  auto text = begin_message(out_, 2);
  if (!append_text(out_, repr.get(), repr_at_most))
    return encoded::failed;
  end_message(out_, text);
  end_message(out_, start);
  return encoded::ok;
}

} // namespace

bool append_text(std::string& out, PyObject* text, Py_ssize_t max_characters) {
  auto whole = PyUnicode_GetLength(text) > max_characters
                   ? py_ref::steal(PyUnicode_Substring(text, 0, max_characters))
                   : py_ref::share(text);
  if (!whole)
    return false;
  auto bytes = py_ref::steal(PyUnicode_AsEncodedString(whole.get(), "utf-8", "backslashreplace"));
  char* data = nullptr;
  Py_ssize_t size = 0;
  if (!bytes || PyBytes_AsStringAndSize(bytes.get(), &data, &size) != 0)
    return false;
  out.append(data, static_cast<std::size_t>(size));
  return true;
}

encoded append_value(std::string& out, PyObject* object, std::size_t max_bytes) {
  auto start = out.size();
  auto how = value_encoder{out, max_bytes}.append(object, 0);
  return how == encoded::ok && out.size() - start > max_bytes ? encoded::too_large : how;
}

} // namespace vivarium::interp
