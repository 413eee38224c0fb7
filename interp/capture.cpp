// SPDX-License-Identifier: Apache-2.0
#include "interp/capture.hpp"

#include "interp/py_ref.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

namespace vivarium::interp {

namespace {

constexpr std::size_t kept_at_most = 64u << 10;
constexpr std::size_t unflushed_at_most = 8u << 10;
constexpr std::int64_t truncate_at = 64 << 10;

// The longest prefix of at most `limit` bytes that does not end inside a character.
std::string_view whole_prefix(std::string_view text, std::size_t limit) noexcept {
  if (text.size() <= limit)
    return text;
  while (limit > 0 && (text[limit] & 0xc0) == 0x80)
    --limit;
  return text.substr(0, limit);
}

void write_through(int fd, std::string_view text) noexcept {
  while (!text.empty()) {
    auto n = ::write(fd, text.data(), text.size());
    if (n > 0)
      text.remove_prefix(static_cast<std::size_t>(n));
    else if (errno != EINTR)
      return;
  }
}

} // namespace

void capture::start() noexcept {
  capturing_ = true;
  for (int fd = 1; fd <= 2; ++fd) {
    struct stat about = {};
    if (::fstat(fd, &about) != 0 || !S_ISREG(about.st_mode))
      continue;
    auto& mine = descriptors_[static_cast<std::size_t>(fd - 1)];
    mine.fd = ::fcntl(fd, F_DUPFD_CLOEXEC, 100);
    mine.read = about.st_size;
  }
}

bool capture::write(stream to, PyObject* text) {
  Py_ssize_t size = 0;
  if (const char* utf8 = PyUnicode_AsUTF8AndSize(text, &size)) {
    write_bytes(to, {utf8, static_cast<std::size_t>(size)});
    return true;
  }
  if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))
    return false;
  PyErr_Clear(); // Lone surrogates.
  auto escaped = py_ref::steal(PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace"));
  char* bytes = nullptr;
  if (!escaped || PyBytes_AsStringAndSize(escaped.get(), &bytes, &size) != 0)
    return false;
  write_bytes(to, {bytes, static_cast<std::size_t>(size)});
  return true;
}

void capture::write_bytes(stream to, std::string_view bytes) {
  if (bytes.empty())
    return;
  if (!capturing_)
    return write_through(to == stream::out ? 1 : 2, bytes);
  auto* execution = owner();
  auto& descriptor = descriptors_[static_cast<std::size_t>(to)];
  // Whoever mixes the two ways does so line by line; looking once per line is cheap enough.
  if (std::exchange(descriptor.at_line_start, bytes.back() == '\n'))
    drain(to, execution);
  deliver(execution, to, bytes);
  if (execution != nullptr
      && (bytes.size() >= unflushed_at_most || bytes.find('\n') != std::string_view::npos))
    channel_.send_soon();
}

void capture::flush() noexcept {
  if (capturing_)
    channel_.send();
}

execution* capture::owner() {
  if (executions_.waiting.empty())
    return executions_.on_main_thread();
  // A synchronous execution has the main thread to itself; other threads may belong to a task.
  static thread_local const bool on_main_thread = ::gettid() == ::getpid();
  if (executions_.current != nullptr && on_main_thread)
    return executions_.current;
  return owner_by_context();
}

execution* capture::owner_by_context() {
  if (context_ != nullptr) {
    auto number = py_ref::steal(PyObject_CallNoArgs(context_));
    if (number && PyLong_Check(number.get())) {
      auto found = executions_.waiting.find(PyLong_AsUnsignedLongLong(number.get()));
      if (found != executions_.waiting.end())
        return &found->second;
    }
    PyErr_Clear();
  }
  // Code of no execution, such as a thread or a task that outlived its own.
  return executions_.on_main_thread();
}

void capture::deliver(execution* to, stream from, std::string_view text) {
  if (to == nullptr)
    return keep(from, text);
  auto left = to->max_output_bytes - std::min(to->max_output_bytes, to->output_bytes);
  to->output_bytes += text.size();
  if (text.size() > left) {
    to->output_truncated = true;
    text = whole_prefix(text, left);
  }
  channel_.append_text(to->number, from == stream::err, text);
}

void capture::keep(stream from, std::string_view text) {
  text = whole_prefix(text, kept_at_most - kept_bytes_);
  kept_bytes_ += text.size();
  if (!kept_.empty() && kept_.back().first == from)
    kept_.back().second += text;
  else if (!text.empty())
    kept_.emplace_back(from, text);
}

void capture::begin(execution& next) {
  if (kept_.empty())
    return;
  for (const auto& [from, text] : std::exchange(kept_, {}))
    deliver(&next, from, text);
  kept_bytes_ = 0;
}

void capture::end(execution& last) {
  std::fflush(stdout); // The interpreter's C library: what native code printed.
  drain(stream::out, &last);
  drain(stream::err, &last);
}

void capture::drain(stream from, execution* to) {
  auto& source = descriptors_[static_cast<std::size_t>(from)];
  if (source.fd < 0)
    return;
  std::int64_t size = ::lseek(source.fd, 0, SEEK_END);
  if (size == source.read)
    return;
  source.read = std::min(source.read, size);
  std::array<char, 32u << 10> buffer;
  while (source.read < size) {
    // What nobody will see is counted, not read: the file may be sparse and huge.
    if (to == nullptr ? kept_bytes_ == kept_at_most : to->output_truncated) {
      if (to != nullptr)
        to->output_bytes += static_cast<std::uint64_t>(size - source.read);
      source.read = size;
      break;
    }
    auto n =
        ::pread(source.fd, buffer.data(),
                std::min<std::size_t>(buffer.size(), static_cast<std::size_t>(size - source.read)),
                source.read);
    if (n <= 0)
      break;
    std::string_view text{buffer.data(), static_cast<std::size_t>(n)};
    if (source.read + n < size)
      text = whole_prefix(text, text.size() - 4);
    deliver(to, from, text);
    source.read += static_cast<std::int64_t>(text.size());
  }
  // A child process may be writing: emptying the file can lose a line of its, so it is not done for
  // every little.
  if (source.read >= truncate_at && ::ftruncate(source.fd, 0) == 0)
    source.read = 0;
}

} // namespace vivarium::interp
