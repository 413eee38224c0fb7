// SPDX-License-Identifier: Apache-2.0
// The native module `_vivarium`, loaded by the environment's own interpreter inside the jail.
#include "bridge/validate.hpp"
#include "interp/apps.hpp"
#include "interp/execute.hpp"
#include "interp/host_calls.hpp"
#include "interp/message_writer.hpp"
#include "interp/py_ref.hpp"
#include "interp/runtime.hpp"
#include "interp/stream_type.hpp"
#include "interp/streams.hpp"
#include "interp/worker_loop.hpp"
#include "interp/zygote.hpp"
#include "sandbox/zygote_link.hpp"

#include <new>
#include <utility>

#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <unistd.h>

namespace vivarium::interp {

runtime& the_runtime() noexcept {
  // Never destroyed: threads of tenant code may outlive everything.
  static auto* made = new runtime;
  return *made;
}

namespace {

constexpr int exit_lost_channel = 72;

void after_fork_in_child() noexcept {
  auto& self = the_runtime();
  if (!self.serving)
    return; // The zygote's own fork.
  self.forked = true;
  self.output.stop();
  self.out.mute(true); // What is held is the parent's to send.
  // What the child and its programs write or read must never be the parent's channel.
  if (int null = ::open("/dev/null", O_RDWR | O_CLOEXEC); null >= 0) {
    for (int fd : {self.in.fd(), self.out.fd()})
      if (fd >= 0 && ::dup3(null, fd, O_CLOEXEC) < 0)
        ::_exit(exit_lost_channel);
    ::close(null);
  }
}

// setup(...): binds the Python half, see python_parts.
PyObject* setup(PyObject*, PyObject*, PyObject* keywords) {
  auto& self = the_runtime();
  auto& python = self.python;
  PyObject *context = nullptr, *interrupted = nullptr, *cancel = nullptr, *globals = nullptr;
  const std::pair<const char*, PyObject**> parts[] = {
      {"compile_whole", &python.compiler.whole},
      {"remember", &python.compiler.remember},
      {"line_cache", &python.compiler.line_cache},
      {"builtin_compile", &python.compiler.builtin},
      {"compile_flags", &python.compiler.flags},
      {"forget", &python.forget},
      {"describe", &python.describe},
      {"rich", &python.rich},
      {"async_start", &python.async_start},
      {"async_await", &python.async_await},
      {"async_stream", &python.async_stream},
      {"async_resume", &python.async_resume},
      {"async_close", &python.async_close},
      {"async_turn", &python.async_turn},
      {"async_busy", &python.async_busy},
      {"async_may_turn", &python.async_may_turn},
      {"async_wake", &python.async_wake},
      {"host_failure", &python.host_failure},
      {"operation_error", &python.operation_error},
      {"app_request", &python.app_request},
      {"app_space", &python.app_space},
      {"app_input", &python.app_input},
      {"operate", &python.operate},
      {"pending", &python.pending},
      {"globals", &globals},
      {"context", &context},
      {"interrupted", &interrupted},
      {"cancel", &cancel},
  };
  for (auto [name, to] : parts) {
    *to = PyDict_GetItemString(keywords, name);
    if (*to == nullptr)
      return PyErr_Format(PyExc_TypeError, "setup() misses %s", name);
    Py_INCREF(*to); // For ever.
  }
  self.spaces.use_base(globals);
  self.output.ask_context(context);
  self.in.wake_loop_with(python.async_wake);
  self.interrupt.use(interrupted, cancel);
  auto* int_type = reinterpret_cast<PyObject*>(&PyLong_Type);
  python.int_bit_length = PyObject_GetAttrString(int_type, "bit_length");
  python.int_to_bytes = PyObject_GetAttrString(int_type, "to_bytes");
  python.is_signed = Py_BuildValue("{sO}", "signed", Py_True);
  // Values of a megabyte or so come and go: memory that each gives back would be faulted in again
  // for the next. Larger ones are mapped for themselves, as the C library would at first. Set here,
  // for all workers: setting it looks through the whole heap.
  ::mallopt(M_MMAP_THRESHOLD, 4 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 8 << 20);
  if (!python.compiler.make_constants() || PyErr_Occurred() != nullptr)
    return nullptr;
  Py_RETURN_NONE;
}

// bind_values(...): binds the Python half of the value codec, see value_parts.
PyObject* bind_values(PyObject*, PyObject*, PyObject* keywords) {
  if (!the_runtime().values.bind(keywords))
    return nullptr;
  Py_RETURN_NONE;
}

// set_custom_encoder(function or None): what is asked for objects without a form.
PyObject* set_custom_encoder(PyObject*, PyObject* encoder) {
  if (encoder != Py_None && PyCallable_Check(encoder) == 0)
    return PyErr_Format(PyExc_TypeError, "an encoder is a function of one argument, or None");
  auto* old = std::exchange(the_runtime().values.custom_encoder,
                            encoder == Py_None ? nullptr : Py_NewRef(encoder));
  return old != nullptr ? old : Py_NewRef(Py_None);
}

// warm(source, namespace): runs source as an execution whose answer nobody gets, so that what a
// first execution touches has been touched.
PyObject* warm(PyObject*, PyObject* arguments) {
  auto& self = the_runtime();
  bridge::evaluate request;
  const char* source = nullptr;
  Py_ssize_t size = 0;
  PyObject* globals = nullptr;
  if (!PyArg_ParseTuple(arguments, "s#O!", &source, &size, &PyDict_Type, &globals))
    return nullptr;
  request.execution = 1;
  request.source = {source, static_cast<std::size_t>(size)};
  auto* real = self.spaces.use_base(globals);
  self.out.mute(true);
  if (!self.serving)
    self.output.rehearse(true);
  execute(self, request);
  if (!self.serving)
    self.output.rehearse(false);
  self.spaces.use_base(real);
  self.executions.last_started = 0;
  self.out.discard();
  self.out.mute(false);
  Py_RETURN_NONE;
}

// compile_split(source, filename, first_line) -> (statements, value), or None when the long way is
// needed. For tests, which compare the two.
PyObject* split_and_compile(PyObject*, PyObject* arguments) {
  const char* source = nullptr;
  Py_ssize_t size = 0;
  PyObject* filename = nullptr;
  unsigned first_line = 1;
  if (!PyArg_ParseTuple(arguments, "s#UI", &source, &size, &filename, &first_line))
    return nullptr;
  cell made;
  if (!compile_split(the_runtime().python.compiler, {source, static_cast<std::size_t>(size)},
                     filename, first_line, made))
    return PyErr_Occurred() != nullptr ? nullptr : Py_NewRef(Py_None);
  auto or_none = [](const py_ref& part) { return part ? part.get() : Py_None; };
  return Py_BuildValue("OO", or_none(made.statements), or_none(made.value));
}

// open(answers_fd): from here on output is captured and interrupts are heard.
PyObject* open(PyObject*, PyObject* arguments) {
  auto& self = the_runtime();
  int fd = -1;
  if (!PyArg_ParseTuple(arguments, "i", &fd))
    return nullptr;
  static const bool registered = ::pthread_atfork(nullptr, nullptr, after_fork_in_child) == 0;
  if (!registered)
    return PyErr_NoMemory();
  self.serving = true;
  self.out.open(fd);
  self.output.start();
  self.interrupt.install();
  Py_RETURN_NONE;
}

// leave(status): os._exit, after what has been printed has left.
PyObject* leave(PyObject*, PyObject* arguments) {
  int status = 0;
  if (!PyArg_ParseTuple(arguments, "i", &status))
    return nullptr;
  the_runtime().out.send();
  ::_exit(status);
}

// serve(requests_fd, version): greets the daemon and serves it; does not return.
PyObject* serve_requests(PyObject*, PyObject* arguments) {
  auto& self = the_runtime();
  int fd = -1;
  const char* version = nullptr;
  if (!PyArg_ParseTuple(arguments, "is", &fd, &version))
    return nullptr;
  std::string frame;
  (void)bridge::append_hello(frame, {bridge::worker_protocol_version, version});
  self.out.append_frames(frame);
  serve(self, fd);
}

// finish(number, value, exception): the end of an asynchronous execution.
PyObject* finish(PyObject*, PyObject* arguments) {
  unsigned long long number = 0;
  PyObject *value = nullptr, *exception = nullptr;
  if (!PyArg_ParseTuple(arguments, "KOO", &number, &value, &exception))
    return nullptr;
  if (exception == Py_None) {
    finish_waiting(the_runtime(), number, value);
  } else {
    auto* type = reinterpret_cast<PyObject*>(Py_TYPE(exception));
    PyErr_Restore(Py_NewRef(type), Py_NewRef(exception), PyException_GetTraceback(exception));
    finish_waiting(the_runtime(), number, nullptr);
  }
  Py_RETURN_NONE;
}

// unraisable(exception, object): tells of an exception that nobody is there to catch.
PyObject* unraisable(PyObject*, PyObject* arguments) {
  PyObject *exception = nullptr, *object = nullptr;
  if (!PyArg_ParseTuple(arguments, "OO", &exception, &object))
    return nullptr;
  auto* type = reinterpret_cast<PyObject*>(Py_TYPE(exception));
  PyErr_Restore(Py_NewRef(type), Py_NewRef(exception), PyException_GetTraceback(exception));
  PyErr_WriteUnraisable(object);
  Py_RETURN_NONE;
}

// send_item(number, item) -> what comes next, see after_item.
PyObject* send_one(PyObject*, PyObject* arguments) {
  unsigned long long number = 0;
  PyObject* item = nullptr;
  auto next = after_item::go_on;
  if (!PyArg_ParseTuple(arguments, "KO", &number, &item)
      || !send_item(the_runtime(), number, item, next))
    return nullptr;
  return PyLong_FromLong(static_cast<int>(next));
}

// release_owner(number) -> how many refs were let go.
PyObject* release_owner(PyObject*, PyObject* number) {
  auto owner = PyLong_AsUnsignedLongLong(number);
  if (PyErr_Occurred() != nullptr)
    return nullptr;
  return PyLong_FromSize_t(the_runtime().refs.release_owner(owner));
}

// configure_refs(at most, ttl in ms).
PyObject* configure_refs(PyObject*, PyObject* arguments) {
  unsigned long long most = 0, ttl_ms = 0;
  if (!PyArg_ParseTuple(arguments, "KK", &most, &ttl_ms))
    return nullptr;
  the_runtime().refs.configure(most, ttl_ms);
  Py_RETURN_NONE;
}

// counts() -> (refs, namespaces, streams).
PyObject* counts(PyObject*, PyObject*) {
  auto& self = the_runtime();
  return Py_BuildValue("nnn", static_cast<Py_ssize_t>(self.refs.size()),
                       static_cast<Py_ssize_t>(self.spaces.size()),
                       static_cast<Py_ssize_t>(self.executions.streams.size()));
}

bool append_part(std::string& out, PyObject* type, PyObject* data) {
  Py_ssize_t size = 0;
  const char* name = PyUnicode_AsUTF8AndSize(type, &size);
  if (name == nullptr)
    return false;
  auto part = begin_message(out, 1);
  put_bytes(out, 1, {name, static_cast<std::size_t>(size)});
  bool is_text = PyUnicode_Check(data);
  char* bytes = nullptr;
  if (is_text)
    bytes = const_cast<char*>(PyUnicode_AsUTF8AndSize(data, &size));
  else if (PyBytes_AsStringAndSize(data, &bytes, &size) != 0)
    return false;
  if (bytes == nullptr)
    return false;
  put_bytes(out, is_text ? 2 : 3, {bytes, static_cast<std::size_t>(size)});
  end_message(out, part);
  return true;
}

// emit(parts): shows a list of (MIME type, str or bytes).
PyObject* emit(PyObject*, PyObject* parts) {
  auto& self = the_runtime();
  auto* shown_by = self.forked ? nullptr : self.output.owner();
  auto count = PyList_Size(parts);
  if (count < 0)
    return nullptr;
  if (shown_by == nullptr)
    Py_RETURN_NONE;
  std::string content;
  for (Py_ssize_t i = 0; i < count; ++i) {
    auto* pair = PyList_GetItem(parts, i);
    if (PyTuple_Size(pair) != 2
        || !append_part(content, PyTuple_GetItem(pair, 0), PyTuple_GetItem(pair, 1)))
      return nullptr;
  }
  if (content.size() > shown_by->max_result_bytes
      || content.size() > bridge::decode_bounds{}.max_bytes)
    return PyErr_Format(
        PyExc_ValueError,
        "what is displayed has %zu bytes, more than the limit of %llu (max_result_bytes)",
        content.size(), static_cast<unsigned long long>(shown_by->max_result_bytes));
  std::string frame;
  if (bridge::append_display(frame, {shown_by->number, content}))
    self.out.append_frames(frame);
  self.out.send_soon();
  Py_RETURN_NONE;
}

// current_request() -> (id, traceparent) of the execution that this is part of; None outside of
// any.
PyObject* current_request(PyObject*, PyObject*) {
  auto& self = the_runtime();
  const auto* by = self.forked ? nullptr : self.output.owner();
  if (by == nullptr)
    Py_RETURN_NONE;
  return Py_BuildValue("s#s#", by->request_id.data(),
                       static_cast<Py_ssize_t>(by->request_id.size()), by->traceparent.data(),
                       static_cast<Py_ssize_t>(by->traceparent.size()));
}

PyObject* on_interrupt(PyObject*, PyObject*) {
  if (!the_runtime().interrupt.deliver())
    return nullptr;
  Py_RETURN_NONE;
}

// interrupt_again(): the interrupt was dropped by CPython.
PyObject* interrupt_again(PyObject*, PyObject*) {
  the_runtime().interrupt.again();
  Py_RETURN_NONE;
}

// C++ exceptions end here: an allocation that failed is Python's MemoryError.
template <PyCFunction Function>
PyObject* guarded(PyObject* self, PyObject* arguments) {
  try {
    return Function(self, arguments);
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  }
}

PyMethodDef methods[] = {
    {"setup", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(setup)),
     METH_VARARGS | METH_KEYWORDS, nullptr},
    {"bind_values", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(bind_values)),
     METH_VARARGS | METH_KEYWORDS, nullptr},
    {"set_custom_encoder", guarded<set_custom_encoder>, METH_O,
     "Sets what turns objects that have no form outside of Python into others that have one: a\n"
     "function of such an object, or None. Returns the one before."},
    {"leave", guarded<leave>, METH_VARARGS, nullptr},
    {"compile_split", guarded<split_and_compile>, METH_VARARGS, nullptr},
    {"warm", guarded<warm>, METH_VARARGS, nullptr},
    {"open", guarded<open>, METH_VARARGS, nullptr},
    {"serve", guarded<serve_requests>, METH_VARARGS, nullptr},
    {"finish", guarded<finish>, METH_VARARGS, nullptr},
    {"unraisable", guarded<unraisable>, METH_VARARGS, nullptr},
    {"send_item", guarded<send_one>, METH_VARARGS, nullptr},
    {"release_owner", guarded<release_owner>, METH_O, nullptr},
    {"configure_refs", guarded<configure_refs>, METH_VARARGS, nullptr},
    {"counts", guarded<counts>, METH_NOARGS, nullptr},
    {"emit", guarded<emit>, METH_O, nullptr},
    {"current_request", guarded<current_request>, METH_NOARGS, nullptr},
    {"host_call", guarded<host_call>, METH_VARARGS, nullptr},
    {"host_open", guarded<host_open>, METH_VARARGS, nullptr},
    {"host_take", guarded<host_take>, METH_VARARGS, nullptr},
    {"host_forget", guarded<host_forget>, METH_VARARGS, nullptr},
    {"host_cast", guarded<host_cast>, METH_VARARGS, nullptr},
    {"host_flush", guarded<host_flush>, METH_NOARGS, nullptr},
    {"app_open", guarded<app_open>, METH_VARARGS, nullptr},
    {"app_finish", guarded<app_finish>, METH_VARARGS, nullptr},
    {"app_taken", guarded<app_taken>, METH_VARARGS, nullptr},
    {"take_in", guarded<take_in>, METH_NOARGS, nullptr},
    {"tell_log", guarded<tell_log>, METH_VARARGS, nullptr},
    {"tell_progress", guarded<tell_progress>, METH_VARARGS, nullptr},
    {"on_interrupt", guarded<on_interrupt>, METH_VARARGS, nullptr},
    {"interrupt_again", guarded<interrupt_again>, METH_NOARGS, nullptr},
    {"zygote_adopt", guarded<zygote_adopt>, METH_NOARGS, nullptr},
    {"zygote_report_failure", guarded<zygote_report_failure>, METH_O, nullptr},
    {"zygote_serve", guarded<zygote_serve>, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

int execute_module(PyObject* module) {
  auto stream = py_ref::steal(make_stream_type(module));
  if (!stream || PyModule_AddObjectRef(module, "Stream", stream.get()) != 0)
    return -1;
  return PyModule_AddIntConstant(module, "interrupt_signal", sandbox::interrupt_signal());
}

PyModuleDef_Slot slots[] = {
    {Py_mod_exec, reinterpret_cast<void*>(execute_module)},
    {0, nullptr},
};

PyModuleDef definition = {PyModuleDef_HEAD_INIT,
                          "_vivarium",
                          "The native half of vivarium.",
                          0,
                          methods,
                          slots,
                          nullptr,
                          nullptr,
                          nullptr};

} // namespace

} // namespace vivarium::interp

extern "C" __attribute__((visibility("default"))) PyObject* PyInit__vivarium();

PyObject* PyInit__vivarium() {
  return PyModuleDef_Init(&vivarium::interp::definition);
}
