// SPDX-License-Identifier: Apache-2.0
#include "interp/compile.hpp"

#include "interp/split.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>

namespace vivarium::interp {

namespace {

constexpr std::uint32_t padding_at_most = 10'000;
constexpr long async_flags = 0x0080 | 0x0200; // CO_COROUTINE, CO_ASYNC_GENERATOR

py_ref text_of(std::string_view utf8) {
  return py_ref::steal(
      PyUnicode_DecodeUTF8(utf8.data(), static_cast<Py_ssize_t>(utf8.size()), nullptr));
}

// FNV-1a: enough to tell the cells of a session apart.
py_ref name_of(std::string_view source) {
  std::uint32_t hash = 0x811c9dc5;
  for (unsigned char c : source)
    hash = (hash ^ c) * 0x0100'0193;
  std::array<char, 24> name{};
  auto size = std::snprintf(name.data(), name.size(), "<cell %08x>", hash);
  return text_of({name.data(), static_cast<std::size_t>(size)});
}

// Lines before the text shift its positions to where they belong.
py_ref compile_text(const compiler_parts& python, std::string_view text, PyObject* filename,
                    std::size_t lines, PyObject* mode) {
  auto source = lines == 0 ? text_of(text) : text_of(std::string(lines, '\n').append(text));
  if (!source)
    return {};
  return py_ref::steal(PyObject_CallFunctionObjArgs(python.builtin, source.get(), filename, mode,
                                                    python.flags, Py_True, nullptr));
}

bool is_async(PyObject* code) {
  auto flags = py_ref::steal(PyObject_GetAttrString(code, "co_flags"));
  return flags && (PyLong_AsLong(flags.get()) & async_flags) != 0;
}

bool is_blank(std::string_view text) noexcept {
  return text.find_first_not_of(" \t\n\f\v") == std::string_view::npos;
}

// What is wrong with it, and where, is for the long way to find out.
bool is_for_the_long_way() {
  if (!PyErr_ExceptionMatches(PyExc_SyntaxError) && !PyErr_ExceptionMatches(PyExc_ValueError))
    return false;
  PyErr_Clear();
  return true;
}

py_ref lines_of(std::string_view source) {
  auto lines = py_ref::steal(PyList_New(0));
  for (std::string line; lines;) {
    auto end = source.find('\n');
    line.assign(source.substr(0, end)).push_back('\n');
    auto item = text_of(line);
    if (!item || PyList_Append(lines.get(), item.get()) != 0)
      return {};
    if (end == std::string_view::npos)
      return lines;
    source.remove_prefix(end + 1);
  }
  return {};
}

// As linecache itself would: (size, no time, lines, name).
bool remember(const compiler_parts& python, std::string_view source, PyObject* filename,
              std::uint32_t first_line) {
  if (first_line > 1) {
    auto text = text_of(source);
    return text
           && py_ref::steal(
               PyObject_CallFunction(python.remember, "OOI", text.get(), filename, first_line));
  }
  auto lines = lines_of(source);
  if (!lines)
    return false;
  auto entry = py_ref::steal(Py_BuildValue("nOOO", static_cast<Py_ssize_t>(source.size()), Py_None,
                                           lines.get(), filename));
  return entry && PyDict_SetItem(python.line_cache, filename, entry.get()) == 0;
}

bool compile_whole(const compiler_parts& python, std::string_view source, PyObject* filename,
                   std::uint32_t first_line, cell& made) {
  auto text = text_of(source);
  auto parts = text ? py_ref::steal(
                   PyObject_CallFunction(python.whole, "OOI", text.get(), filename, first_line))
                    : py_ref{};
  if (!parts)
    return false;
  auto at = [&](Py_ssize_t i) {
    auto* part = PyTuple_GetItem(parts.get(), i);
    return part == Py_None ? py_ref{} : py_ref::share(part);
  };
  made.statements = at(0);
  made.value = at(1);
  return true;
}

} // namespace

bool compiler_parts::make_constants() {
  exec_mode = PyUnicode_InternFromString("exec");
  eval_mode = PyUnicode_InternFromString("eval");
  return exec_mode != nullptr && eval_mode != nullptr;
}

bool compile_split(const compiler_parts& python, std::string_view source, PyObject* filename,
                   std::uint32_t first_line, cell& made) {
  auto cut = first_line <= padding_at_most ? find_cut(source) : std::nullopt;
  if (!cut)
    return false;
  auto before = source.substr(0, cut->at);
  auto lines = static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n'));
  auto skipped = first_line > 0 ? first_line - 1 : 0;
  // Code compiled as statements has the value None, which is what the value of the cell then is.
  auto rest = compile_text(python, source.substr(cut->at), filename, skipped + lines,
                           cut->is_statement ? python.exec_mode : python.eval_mode);
  auto first = py_ref{};
  if (rest && !is_blank(before)) {
    first = compile_text(python, before, filename, skipped, python.exec_mode);
    if (!first)
      rest = {};
  }
  if (!rest) {
    (void)is_for_the_long_way();
    return false;
  }
  made.statements = std::move(first);
  made.value = std::move(rest);
  return true;
}

bool compile_cell(const compiler_parts& python, std::string_view source, std::string_view filename,
                  std::uint32_t first_line, cell& made) {
  made.filename = filename.empty() ? name_of(source) : text_of(filename);
  if (!made.filename || !remember(python, source, made.filename.get(), first_line))
    return false;
  if (!compile_split(python, source, made.filename.get(), first_line, made)
      && (PyErr_Occurred() != nullptr
          || !compile_whole(python, source, made.filename.get(), first_line, made)))
    return false;
  made.is_async = (made.statements && is_async(made.statements.get()))
                  || (made.value && is_async(made.value.get()));
  return PyErr_Occurred() == nullptr;
}

} // namespace vivarium::interp
