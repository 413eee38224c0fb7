// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/show.hpp"

#include <google/protobuf/util/json_util.h>

#include <cstdio>
#include <string>

namespace vivarium::cli {

namespace {

void write_to(std::FILE* where, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), where);
  std::fflush(where);
}

/// Tells what stopped the code, when something did.
std::string reason_of(const v1::Verdict& verdict) {
  if (!verdict.has_cause() || verdict.cause().cause().empty())
    return {};
  const auto& cause = verdict.cause();
  auto out = "vivarium: stopped by " + cause.cause();
  if (!cause.limit().empty())
    out += " (" + cause.limit()
           + (cause.configured() != 0 ? " = " + std::to_string(cause.configured()) : "") + ")";
  else if (cause.cause() == "exited")
    out += " with code " + std::to_string(cause.observed());
  if (verdict.session() == v1::SESSION_OUTCOME_LOST)
    out += "; the session's state is lost";
  return out + "\n";
}

int status_of(const v1::Verdict& verdict) {
  const auto kind = verdict.error().kind();
  if (kind == v1::ERROR_KIND_TIMEOUT || verdict.cause().cause() == "deadline")
    return exit_deadline;
  if (kind == v1::ERROR_KIND_SESSION_LOST || verdict.session() == v1::SESSION_OUTCOME_LOST)
    return exit_worker_died;
  return kind == v1::ERROR_KIND_CANCELLED ? exit_interrupted : exit_python_error;
}

} // namespace

void write_out(std::string_view text) {
  write_to(stdout, text);
}
void write_err(std::string_view text) {
  write_to(stderr, text);
}

int show_failure(const error& why) {
  write_err("vivarium: " + why.detail + "\n");
  switch (why.code) {
    case errc::unavailable:
    case errc::malformed:
    case errc::sandbox_unavailable:
    case errc::os_failure:
    case errc::internal: return exit_unreachable;
    case errc::deadline_exceeded: return exit_deadline;
    case errc::session_lost: return exit_worker_died;
    case errc::cancelled: return exit_interrupted;
    default: return exit_usage;
  }
}

int show_outcome(const v1::Verdict& verdict) {
  if (verdict.output_truncated())
    write_err("vivarium: the output was cut at its limit\n");
  if (!verdict.has_error()) {
    const auto& result = verdict.result();
    if (result.has_json()) {
      std::string text;
      if (!google::protobuf::util::MessageToJsonString(result.json(), &text).ok())
        return show_failure({errc::malformed, "the result is no JSON"});
      write_out(text + "\n");
    } else if (!result.repr().empty()) {
      write_out(result.repr() + "\n");
    }
    return exit_ok;
  }
  auto text = verdict.error().traceback();
  if (text.empty() && !verdict.error().message().empty())
    text = verdict.error().message();
  if (!text.empty() && text.back() != '\n')
    text += '\n';
  write_err(text + reason_of(verdict));
  return status_of(verdict);
}

void show_display(const v1::Display& what) {
  for (const auto& part : what.parts()) {
    if (part.type() == "text/plain") {
      write_out(part.text() + "\n");
      return;
    }
  }
  for (const auto& part : what.parts())
    write_out("<" + part.type() + ", "
              + std::to_string(part.data().empty() ? part.text().size() : part.data().size())
              + " bytes>\n");
}

} // namespace vivarium::cli
