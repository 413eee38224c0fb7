// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/show.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>

namespace vivarium::cli {

namespace {

void write_to(std::FILE* where, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), where);
  std::fflush(where);
}

/// By which the operator finds it in the daemon's log.
std::string request_of(const std::string& id) {
  return id.empty() ? std::string{} : " (request " + id + ")";
}

/// Tells what stopped the code, when something did.
std::string reason_of(const verdict& of) {
  if (!of.cause)
    return {};
  const auto& cause = *of.cause;
  auto out = "vivarium: stopped by " + cause.cause;
  if (!cause.limit.empty())
    out += " (" + cause.limit
           + (cause.configured != 0 ? " = " + std::to_string(cause.configured) : "") + ")";
  else if (cause.cause == "exited")
    out += " with code " + std::to_string(cause.observed);
  if (of.session == session_outcome::lost)
    out += "; the session's state is lost";
  return out + request_of(of.request_id) + "\n";
}

int status_of(const verdict& of) {
  const auto kind = of.exception->kind;
  if (kind == error_kind::timeout || (of.cause && of.cause->cause == "deadline"))
    return exit_deadline;
  if (kind == error_kind::session_lost || of.session == session_outcome::lost)
    return exit_worker_died;
  return kind == error_kind::cancelled ? exit_interrupted : exit_python_error;
}

/// Whether the daemon has said that it cannot serve, whatever is asked of it.
bool cannot_serve(const error& why) {
  static constexpr std::array<std::string_view, 5> codes{"unavailable", "malformed", "internal",
                                                         "sandbox_unavailable", "os_failure"};
  return std::find(codes.begin(), codes.end(), why.code()) != codes.end();
}

} // namespace

void write_out(std::string_view text) {
  write_to(stdout, text);
}
void write_err(std::string_view text) {
  write_to(stderr, text);
}

int show_failure(const std::exception& why) {
  const auto* known = dynamic_cast<const error*>(&why);
  write_err("vivarium: " + std::string{why.what()}
            + (known != nullptr ? request_of(known->request_id()) : "") + "\n");
  if (known == nullptr || dynamic_cast<const connection_error*>(known) != nullptr
      || cannot_serve(*known))
    return exit_unreachable;
  if (dynamic_cast<const timeout_error*>(known) != nullptr)
    return exit_deadline;
  if (dynamic_cast<const session_lost_error*>(known) != nullptr)
    return exit_worker_died;
  if (dynamic_cast<const cancelled_error*>(known) != nullptr)
    return exit_interrupted;
  return dynamic_cast<const python_error*>(known) != nullptr ? exit_python_error : exit_usage;
}

int show_outcome(const verdict& of) {
  if (of.output_truncated)
    write_err("vivarium: the output was cut at its limit\n");
  if (of.ok()) {
    if (const auto* text = of.result.get_if<std::string>())
      write_out(*text + "\n");
    return exit_ok;
  }
  auto text = of.exception->traceback;
  if (text.empty() && !of.exception->message.empty())
    text = of.exception->message;
  if (!text.empty() && text.back() != '\n')
    text += '\n';
  write_err(text + reason_of(of));
  return status_of(of);
}

void show_record(const event::log_record& what) {
  static constexpr std::array<const char*, 7> names{"",        "DEBUG", "INFO",    "NOTICE",
                                                    "WARNING", "ERROR", "CRITICAL"};
  const auto level = static_cast<std::size_t>(what.level);
  auto text = std::string{level < names.size() ? names[level] : ""} + " " + what.logger + ": "
              + what.message + "\n";
  if (!what.traceback.empty())
    text += what.traceback + "\n";
  write_err(text);
}

void show_display(const display& what) {
  for (const auto& part : what.parts) {
    if (part.type == "text/plain") {
      write_out(part.text + "\n");
      return;
    }
  }
  for (const auto& part : what.parts)
    write_out("<" + part.type + ", "
              + std::to_string(part.data.empty() ? part.text.size() : part.data.size())
              + " bytes>\n");
}

int show_whole(const verdict& of) {
  write_out(of.output);
  write_err(of.error_output);
  for (const auto& each : of.displays)
    show_display(each);
  return show_outcome(of);
}

} // namespace vivarium::cli
