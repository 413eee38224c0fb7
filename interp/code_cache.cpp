// SPDX-License-Identifier: Apache-2.0
#include "interp/code_cache.hpp"

#include <utility>

namespace vivarium::interp {

namespace {

constexpr std::size_t entries_at_most = 1024;
constexpr std::size_t bytes_at_most = 16u << 20;

} // namespace

std::string_view code_cache::key_of(std::string_view source, std::string_view filename,
                                    std::uint32_t first_line) {
  // Line and length first: so no two different cells have the same key.
  auto length = static_cast<std::uint32_t>(filename.size());
  scratch_.clear();
  scratch_.append(reinterpret_cast<const char*>(&first_line), sizeof(first_line));
  scratch_.append(reinterpret_cast<const char*>(&length), sizeof(length));
  scratch_.append(filename).append(source);
  return scratch_;
}

const cell* code_cache::find(std::string_view source, std::string_view filename,
                             std::uint32_t first_line) {
  auto found = index_.find(key_of(source, filename, first_line));
  if (found == index_.end())
    return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return &found->second->compiled;
}

const cell* code_cache::add(std::string_view source, std::string_view filename,
                            std::uint32_t first_line, cell compiled, PyObject* forget) {
  std::string key{key_of(source, filename, first_line)};
  bytes_ += key.size();
  entries_.push_front({std::move(key), std::move(compiled)});
  index_.emplace(entries_.front().key, entries_.begin());
  while (entries_.size() > 1 && (entries_.size() > entries_at_most || bytes_ > bytes_at_most))
    evict(forget);
  return &entries_.front().compiled;
}

void code_cache::evict(PyObject* forget) {
  index_.erase(entries_.back().key);
  bytes_ -= entries_.back().key.size();
  auto last = std::move(entries_.back());
  entries_.pop_back();
  auto* filename = last.compiled.filename.get();
  auto ignored = py_ref::steal(PyObject_CallFunctionObjArgs(forget, filename, nullptr));
  PyErr_Clear();
}

} // namespace vivarium::interp
