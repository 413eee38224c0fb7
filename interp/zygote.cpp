// SPDX-License-Identifier: Apache-2.0
#include "interp/zygote.hpp"

#include "interp/py_ref.hpp"
#include "sandbox/zygote_link.hpp"

#include <cstdlib>
#include <memory>

#include <malloc.h>
#include <unistd.h>

namespace vivarium::interp {

namespace {

std::unique_ptr<sandbox::zygote_link> the_link;

constexpr int exit_no_worker = 71;

// What was freed during the imports lies about unsorted, and the first larger allocation of every
// worker would put it in order, touching, and so copying, a page for each piece. One here does it
// for all of them.
void tidy_heap() {
  ::malloc_trim(0);
  constexpr std::size_t larger_than_any_piece = 2u << 20;
  ::free(::malloc(larger_than_any_piece));
}

// Python's own handlers around fork run here as they do in os.fork; the sandbox only forks.
void fork_one(std::uint64_t worker, PyObject* child) {
  PyOS_BeforeFork();
  auto pid = the_link->fork_worker(worker, PyOS_AfterFork_Child);
  if (!pid || *pid != 0)
    return PyOS_AfterFork_Parent(); // What failed has been reported.
  auto* awaited = the_link->awaited() ? Py_True : Py_False;
  auto ended = py_ref::steal(PyObject_CallFunctionObjArgs(child, awaited, nullptr));
  PyErr_Print();
  ::_exit(exit_no_worker);
}

} // namespace

PyObject* zygote_adopt(PyObject*, PyObject*) {
  auto link = sandbox::zygote_link::adopt();
  if (!link)
    return PyErr_Format(PyExc_RuntimeError, "%s", link.why().detail.c_str());
  the_link = std::make_unique<sandbox::zygote_link>(std::move(*link));
  auto names = py_ref::steal(PyList_New(0));
  for (const auto& name : the_link->preload()) {
    auto item = py_ref::steal(PyUnicode_FromString(name.c_str()));
    if (!names || !item || PyList_Append(names.get(), item.get()) != 0)
      return nullptr;
  }
  return names.release();
}

PyObject* zygote_report_failure(PyObject*, PyObject* text) {
  const char* utf8 = PyUnicode_AsUTF8AndSize(text, nullptr);
  if (utf8 == nullptr || !the_link)
    return nullptr;
  the_link->report_failure(utf8);
  Py_RETURN_NONE;
}

PyObject* zygote_serve(PyObject*, PyObject* child) {
  if (!the_link)
    return PyErr_Format(PyExc_RuntimeError, "adopt() comes first");
  if (auto open = the_link->open_for_business(); !open) {
    the_link->report_failure(open.why().detail);
    return PyErr_Format(PyExc_RuntimeError, "%s", open.why().detail.c_str());
  }
  tidy_heap();
  while (auto worker = the_link->next_order())
    fork_one(*worker, child);
  Py_RETURN_NONE;
}

} // namespace vivarium::interp
