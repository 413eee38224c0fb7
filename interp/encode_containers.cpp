// SPDX-License-Identifier: Apache-2.0
#include "interp/message_writer.hpp"
#include "interp/py_ref.hpp"
#include "interp/value_encoder.hpp"

#include <algorithm>

namespace vivarium::interp {

bool value_encoder::contains_itself(PyObject* container) const {
  const auto* end = around_.data() + around_count_;
  return std::find(around_.data(), end, container) != end;
}

// Begins a container. What it returns goes to `leave` at its end.
encoded value_encoder::enter(PyObject* container, int depth) {
  --parts_left_;
  around_[around_count_++] = container;
  return depth + 3 > container_depth_at_most ? encoded::too_deep : encoded::ok;
}

encoded value_encoder::leave(encoded how) {
  --around_count_;
  return how;
}

encoded value_encoder::append_nested(std::uint32_t field, PyObject* object, int depth) {
  auto start = begin_message(out_, field);
  auto how = append(object, depth);
  end_message(out_, start);
  return how;
}

encoded value_encoder::append_list(PyObject* object, int depth) {
  if (contains_itself(object))
    return append_without_form(object, problem::contains_itself);
  auto how = enter(object, depth);
  auto start = begin_message(out_, list_field);
  Py_ssize_t i = 0;
  // The repr of an item may change the list.
  for (; how == encoded::ok && i < PyList_Size(object); ++i) {
    auto item = py_ref::share(PyList_GetItem(object, i));
    how = item ? append_nested(1, item.get(), depth + 2) : encoded::failed;
  }
  end_message(out_, start);
  if (how != encoded::ok && has_problem())
    add_place("[" + std::to_string(i - 1) + "]");
  return leave(how);
}

encoded value_encoder::append_tuple(PyObject* object, int depth) {
  if (contains_itself(object))
    return append_without_form(object, problem::contains_itself);
  auto how = enter(object, depth);
  auto start = begin_message(out_, tuple_field);
  auto size = PyTuple_Size(object);
  Py_ssize_t i = 0;
  for (; how == encoded::ok && i < size; ++i)
    how = append_nested(1, PyTuple_GetItem(object, i), depth + 2);
  end_message(out_, start);
  if (how != encoded::ok && has_problem())
    add_place("[" + std::to_string(i - 1) + "]");
  return leave(how);
}

encoded value_encoder::append_set(PyObject* object, int depth, PyTypeObject* base,
                                  value_field field) {
  if (contains_itself(object))
    return append_without_form(object, problem::contains_itself);
  auto how = enter(object, depth);
  auto start = begin_message(out_, field);
  // The iterator of set itself: a subclass may have one that never ends.
  auto iterate = reinterpret_cast<getiterfunc>(PyType_GetSlot(base, Py_tp_iter));
  auto items = py_ref::steal(iterate(object));
  if (!items)
    how = encoded::failed;
  while (how == encoded::ok) {
    auto item = py_ref::steal(PyIter_Next(items.get()));
    if (!item)
      break;
    how = append_nested(1, item.get(), depth + 2);
  }
  if (how == encoded::ok && PyErr_Occurred() != nullptr)
    how = encoded::failed;
  end_message(out_, start);
  if (how != encoded::ok && has_problem())
    add_place("{...}");
  return leave(how);
}

encoded value_encoder::append_entry(PyObject* key, PyObject* value, int depth) {
  --parts_left_;
  auto entry = begin_message(out_, 1);
  auto how = append_nested(1, key, depth + 3);
  if (how != encoded::ok && has_problem())
    add_place(".keys()");
  if (how == encoded::ok) {
    how = append_nested(2, value, depth + 3);
    if (how != encoded::ok && has_problem())
      add_key(key);
  }
  end_message(out_, entry);
  return how;
}

encoded value_encoder::append_dict(PyObject* object, int depth) {
  if (contains_itself(object))
    return append_without_form(object, problem::contains_itself);
  auto how = enter(object, depth);
  auto start = begin_message(out_, dict_field);
  auto size = PyDict_Size(object);
  Py_ssize_t position = 0;
  PyObject *key = nullptr, *value = nullptr;
  while (how == encoded::ok && PyDict_Next(object, &position, &key, &value)) {
    auto held_key = py_ref::share(key);
    auto held_value = py_ref::share(value);
    how = append_entry(held_key.get(), held_value.get(), depth);
    if (how == encoded::ok && PyDict_Size(object) != size) {
      PyErr_SetString(PyExc_RuntimeError,
                      "a dict in the result changed its size while it was encoded");
      how = encoded::failed;
    }
  }
  end_message(out_, start);
  return leave(how);
}

void value_encoder::add_place(std::string_view place) {
  problem_place_.insert(0, place);
}

// Only what is exactly a str or an int is asked for its repr.
void value_encoder::add_key(PyObject* key) {
  constexpr Py_ssize_t characters_at_most = 60;
  auto* type = Py_TYPE(key);
  std::string text;
  py_ref repr;
  if (type == &PyUnicode_Type || type == &PyLong_Type)
    repr = py_ref::steal(PyObject_Repr(key));
  bool is_short = repr && PyUnicode_GetLength(repr.get()) <= characters_at_most
                  && append_text(text, repr.get(), characters_at_most);
  PyErr_Clear();
  add_place("[" + (is_short ? text : "...") + "]");
}

} // namespace vivarium::interp
