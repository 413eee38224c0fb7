// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <sys/types.h>

namespace vivarium {

/// What a run of the tool beside the daemon shall do.
struct tool_order {
  std::string python; ///< Absolute path.
  std::string tool;   ///< Path of the program in Python.
  std::string line;   ///< The order, a line of JSON.
  std::chrono::milliseconds timeout{60'000};
};

/// One process of the tool, in a process group of its own, with an environment of its own. Whatever
/// the group has started ends with it: on its deadline, when it is stopped, and when the daemon is
/// gone. Reactor thread; nothing blocks.
class tool_run : public std::enable_shared_from_this<tool_run> {
public:
  /// Told what it writes, in pieces as they come.
  using output_function = std::function<void(std::string_view)>;
  /// Told the answer, or why there is none; once, and never before `start` has returned.
  using end_function = std::function<void(result<std::string>)>;

  explicit tool_run(boost::asio::io_context& reactor);
  tool_run(const tool_run&) = delete;
  tool_run& operator=(const tool_run&) = delete;
  /// Kills and reaps what still runs.
  ~tool_run();

  status start(const tool_order& what, output_function on_output, end_function on_end);
  /// Ends it: the end is told as `why`.
  void stop(error why);

private:
  using descriptor = boost::asio::posix::stream_descriptor;
  using buffer = std::array<char, 16'384>;

  status spawn(const tool_order& what, int in, int out, int answer);
  void send_order();
  void read_output();
  void read_answer();
  void await_end();
  void ended();
  void kill_group() const;
  template <class Take>
  void drain(descriptor& from, Take take);

  descriptor in_;
  descriptor out_;
  descriptor answer_;
  descriptor process_;
  boost::asio::steady_timer deadline_;
  std::string order_;
  std::string told_;
  std::unique_ptr<buffer> out_room_ = std::make_unique<buffer>();
  std::unique_ptr<buffer> answer_room_ = std::make_unique<buffer>();
  output_function on_output_;
  end_function on_end_;
  error stopped_;
  pid_t pid_ = 0;
};

} // namespace vivarium
