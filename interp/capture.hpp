// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "interp/channel.hpp"
#include "interp/execution.hpp"
#include "interp/python.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vivarium::interp {

enum class stream : std::uint8_t { out = 0, err = 1 };

/// Where what tenant code prints goes. Text written through sys.stdout and sys.stderr, and bytes
/// that native code and child processes write to descriptors 1 and 2 (files, drained here), are
/// attributed to the execution that wrote them, counted against its limit, and put on the channel
/// in the order of each stream. What is written while nothing runs waits, within bounds, for the
/// next execution.
///
/// Before `start`, and in a process that tenant code forked, text goes to the descriptors
/// themselves: a child must not touch the channel, and the worker finds the text in the files.
/// Needs the GIL.
class capture {
public:
  capture(channel& out, execution_table& executions) noexcept
      : channel_{out}, executions_{executions} {}

  /// Begins to capture. Descriptors that are not regular files are left alone.
  void start() noexcept;
  /// Captures without descriptors while the zygote warms up; `on` false: no longer.
  void rehearse(bool on) noexcept { capturing_ = on; }
  /// In a forked child.
  void stop() noexcept { capturing_ = false; }

  /// Writes a str. False: a Python error is set.
  bool write(stream to, PyObject* text);
  /// Writes bytes, e.g. those given to sys.stdout.buffer.
  void write_bytes(stream to, std::string_view bytes);
  /// Makes what was written visible without waiting for the end of the line.
  void flush() noexcept;

  /// Hands out what was written while nothing ran.
  void begin(execution& next);
  /// Collects what is left on the descriptors.
  void end(execution& last);

  /// Returns the execution that the calling code belongs to, if there is one.
  execution* owner();

  /// A callable that returns the number of the execution whose context this is, or None; used once
  /// there are asynchronous executions.
  void ask_context(PyObject* callable) noexcept { context_ = callable; }

private:
  struct descriptor {
    int fd = -1; // A duplicate of ours: code may point 1 and 2 elsewhere.
    std::int64_t read = 0;
    bool at_line_start = true;
  };

  execution* owner_by_context();
  void deliver(execution* to, stream from, std::string_view text);
  void keep(stream from, std::string_view text);
  void drain(stream from, execution* to);

  channel& channel_;
  execution_table& executions_;
  std::array<descriptor, 2> descriptors_;
  std::vector<std::pair<stream, std::string>> kept_;
  std::size_t kept_bytes_ = 0;
  PyObject* context_ = nullptr;
  bool capturing_ = false;
};

} // namespace vivarium::interp
