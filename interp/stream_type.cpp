// SPDX-License-Identifier: Apache-2.0
#include "interp/stream_type.hpp"

#include "interp/capture.hpp"
#include "interp/py_ref.hpp"
#include "interp/runtime.hpp"

#include <cstddef>
#include <new>

namespace vivarium::interp {

namespace {

struct stream_object {
  PyObject_HEAD stream which;
};

stream which_of(PyObject* self) noexcept {
  return reinterpret_cast<stream_object*>(self)->which;
}

int init(PyObject* self, PyObject* arguments, PyObject*) {
  int which = 0;
  if (!PyArg_ParseTuple(arguments, "i", &which))
    return -1;
  reinterpret_cast<stream_object*>(self)->which = which == 2 ? stream::err : stream::out;
  return 0;
}

PyObject* write(PyObject* self, PyObject* text) {
  if (!PyUnicode_Check(text)) {
    auto name = py_ref::steal(PyType_GetName(Py_TYPE(text)));
    return PyErr_Format(PyExc_TypeError, "write() argument must be str, not %U", name.get());
  }
  try {
    if (!the_runtime().output.write(which_of(self), text))
      return nullptr;
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  }
  return PyLong_FromSsize_t(PyUnicode_GetLength(text));
}

PyObject* write_bytes(PyObject* self, PyObject* data) {
  Py_buffer view;
  if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) != 0)
    return nullptr;
  auto size = view.len;
  bool memory = true;
  try {
    the_runtime().output.write_bytes(
        which_of(self), {static_cast<const char*>(view.buf), static_cast<std::size_t>(size)});
  } catch (const std::bad_alloc&) {
    memory = false;
  }
  PyBuffer_Release(&view);
  return memory ? PyLong_FromSsize_t(size) : PyErr_NoMemory();
}

PyObject* flush(PyObject*, PyObject*) {
  the_runtime().output.flush();
  Py_RETURN_NONE;
}

void dealloc(PyObject* self) {
  auto* type = Py_TYPE(self);
  auto release = reinterpret_cast<freefunc>(PyType_GetSlot(type, Py_tp_free));
  release(self);
  Py_DECREF(reinterpret_cast<PyObject*>(type));
}

PyMethodDef methods[] = {
    {"write", write, METH_O, "Write text."},
    {"write_bytes", write_bytes, METH_O, "Write bytes."},
    {"flush", flush, METH_NOARGS, "Make what was written visible."},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_methods, methods},
    {Py_tp_init, reinterpret_cast<void*>(init)},
    {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
    {0, nullptr},
};

PyType_Spec spec = {"_vivarium.Stream", sizeof(stream_object), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};

} // namespace

PyObject* make_stream_type(PyObject* module) {
  return PyType_FromModuleAndSpec(module, &spec, nullptr);
}

} // namespace vivarium::interp
