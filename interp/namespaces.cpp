// SPDX-License-Identifier: Apache-2.0
#include "interp/namespaces.hpp"

#include "bridge/worker_protocol.hpp"
#include "interp/operation_error.hpp"

#include <string>
#include <utility>

#include <time.h>

namespace vivarium::interp {

namespace {

bool refuse(const char* what) {
  raise_failure(failure_kind::invalid_argument, "operands", what);
  return false;
}

bool remove(PyObject* space, PyObject* name) {
  auto there = PyDict_Contains(space, name);
  return there == 0 || (there == 1 && PyDict_DelItem(space, name) == 0);
}

// A module's own attributes are no variables, as long as they are what the module began with.
bool remove_ours(PyObject* space) {
  for (const char* text : {"__builtins__", "__doc__", "__loader__", "__package__", "__spec__"}) {
    auto name = py_ref::steal(PyUnicode_FromString(text));
    if (!name)
      return false;
    auto* value = PyDict_GetItemWithError(space, name.get());
    if (value == nullptr && PyErr_Occurred() != nullptr)
      return false;
    bool ours = value == Py_None || text[2] == 'b';
    if (value != nullptr && ours && PyDict_DelItem(space, name.get()) != 0)
      return false;
  }
  return true;
}

// A copy to work on, because looking names up in a dict can run tenant code that changes it.
py_ref variables_of(PyObject* space) {
  auto copy = py_ref::steal(PyDict_Copy(space));
  return copy && remove_ours(copy.get()) ? std::move(copy) : py_ref{};
}

std::uint64_t monotonic_ns() noexcept {
  struct timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000
         + static_cast<std::uint64_t>(now.tv_nsec);
}

template <class Each>
bool for_each_name(PyObject* names, Each each) {
  if (!PyList_Check(names))
    return refuse("names are a list of str");
  for (Py_ssize_t i = 0; i < PyList_Size(names); ++i) {
    auto name = py_ref::share(PyList_GetItem(names, i));
    if (!PyUnicode_Check(name.get()))
      return refuse("names are a list of str");
    if (!each(name.get()))
      return false;
  }
  return true;
}

bool copy_some(PyObject* to, PyObject* from, PyObject* only) {
  return for_each_name(only, [&](PyObject* name) {
    auto value = py_ref::share(PyDict_GetItemWithError(from, name));
    if (value)
      return PyDict_SetItem(to, name, value.get()) == 0;
    if (PyErr_Occurred() == nullptr)
      raise_failure(failure_kind::not_found, "name_not_found",
                    std::string{"the namespace has no variable "}
                        + (PyUnicode_AsUTF8AndSize(name, nullptr) != nullptr
                               ? PyUnicode_AsUTF8AndSize(name, nullptr)
                               : "of that name"));
    return false;
  });
}

bool copy_into(PyObject* to, PyObject* from, PyObject* only, PyObject* except) {
  auto variables = variables_of(from);
  if (!variables)
    return false;
  if (only != Py_None && except != Py_None)
    return refuse("`only` and `except` exclude each other");
  if (only != Py_None)
    return copy_some(to, variables.get(), only);
  if (except != Py_None
      && !for_each_name(except, [&](PyObject* name) { return remove(variables.get(), name); }))
    return false;
  return PyDict_Update(to, variables.get()) == 0;
}

} // namespace

PyObject* namespaces::use_base(PyObject* globals) noexcept {
  return std::exchange(base_, globals);
}

py_ref namespaces::fresh() {
  auto made = py_ref::steal(PyDict_New());
  auto* builtins = PyDict_GetItemString(base_, "__builtins__");
  auto held = builtins != nullptr ? py_ref::share(builtins)
                                  : py_ref::steal(PyImport_ImportModule("builtins"));
  auto name = py_ref::steal(PyUnicode_FromString("__main__"));
  if (!made || !held || !name || PyDict_SetItemString(made.get(), "__builtins__", held.get()) != 0
      || PyDict_SetItemString(made.get(), "__name__", name.get()) != 0)
    return {};
  return made;
}

py_ref namespaces::enter(std::uint64_t number) {
  if (number == 0)
    return py_ref::share(base_);
  if (number == bridge::scratch_namespace)
    return initial_ ? py_ref::steal(PyDict_Copy(initial_.get())) : fresh();
  auto found = spaces_.find(number);
  if (found != spaces_.end())
    return py_ref::share(found->second.get());
  raise_failure(failure_kind::not_found, "namespace_not_found",
                "there is no such namespace: it was destroyed or never made");
  return {};
}

bool namespaces::make(std::uint64_t number, PyObject* sources, PyObject* variables) {
  if (number == 0 || number == bridge::scratch_namespace || spaces_.count(number) != 0)
    return refuse("the number of the namespace is taken");
  if (!PyList_Check(sources))
    return refuse("sources are a list");
  auto made = PyList_Size(sources) == 0 ? enter(bridge::scratch_namespace) : fresh();
  for (Py_ssize_t i = 0; made && i < PyList_Size(sources); ++i) {
    auto source = py_ref::share(PyList_GetItem(sources, i));
    if (!PyTuple_Check(source.get()) || PyTuple_Size(source.get()) != 3)
      return refuse("a source is a tuple (number, only, except)");
    auto from_number = PyLong_AsUnsignedLongLong(PyTuple_GetItem(source.get(), 0));
    if (PyErr_Occurred() != nullptr)
      return false;
    auto from = enter(from_number);
    if (!from
        || !copy_into(made.get(), from.get(), PyTuple_GetItem(source.get(), 1),
                      PyTuple_GetItem(source.get(), 2)))
      return false;
  }
  if (!made || (variables != Py_None && !bind_variables(made.get(), variables)))
    return false;
  // Tenant code that ran meanwhile cannot have made one: only requests do.
  spaces_.emplace(number, std::move(made));
  return true;
}

void namespaces::drop(std::uint64_t number) {
  auto gone = spaces_.extract(number);
  if (!gone.empty())
    let_go(std::move(gone.mapped()));
}

void namespaces::let_go(py_ref space) {
  bool has_others = Py_REFCNT(space.get()) > 1;
  space = {};
  auto begun = monotonic_ns();
  if (!has_others || begun < collect_after_ns_)
    return;
  PyGC_Collect();
  auto ended = monotonic_ns();
  collect_after_ns_ = ended + 9 * (ended - begun);
}

bool namespaces::keep_initial() {
  auto kept = fresh();
  if (!kept || !copy_into(kept.get(), base_, Py_None, Py_None))
    return false;
  initial_ = std::move(kept);
  return true;
}

bool bind_variables(PyObject* space, PyObject* variables) {
  if (!PyDict_Check(variables))
    return refuse("variables are a dict");
  Py_ssize_t position = 0;
  PyObject *key = nullptr, *value = nullptr;
  while (PyDict_Next(variables, &position, &key, &value))
    if (!PyUnicode_CheckExact(key))
      return refuse("the name of a variable is a str");
  return PyDict_Update(space, variables) == 0;
}

} // namespace vivarium::interp
