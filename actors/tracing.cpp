// SPDX-License-Identifier: Apache-2.0
#include "actors/tracing.hpp"

#include "actors/observer.hpp"
#include "actors/verdicts.hpp"

namespace vivarium {

namespace {

std::string_view span_name(const submission& of) noexcept {
  using bridge::run_mode;
  switch (of.mode) {
    case run_mode::execute: return of.stream_credit > 0 ? "stream" : "execute";
    case run_mode::compile: return "compile";
    case run_mode::call: return of.stream_credit > 0 ? "stream" : "call";
    case run_mode::boot_app: return "boot application";
    case run_mode::app_request: return "application request";
    case run_mode::invoke_app: return "invoke application";
    default: return "operation";
  }
}

} // namespace

void trace_execution(observer& to, const std::string& tenant, const std::string& environment,
                     const execution& what, const verdict& how) {
  const auto& at = what.request().trace;
  if (!at.recorded)
    return;
  auto ended = what.submitted() + how.usage.wall;
  bool ran = what.started() != clock_type::time_point{};
  auto began = ran ? what.started() : ended;
  std::string_view trouble;
  if (how.outcome == verdict::kind::error)
    trouble = name_of(static_cast<error_kind>(how.error_kind));
  to.traced(at.sibling(),
            {.name = "queue",
             .from = what.submitted(),
             .to = began,
             .trouble = ran ? std::string_view{} : trouble},
            {{"vivarium.tenant", tenant}, {"vivarium.execution.id", what.id()}});
  if (!ran)
    return;
  to.traced(at, {.name = span_name(what.request()), .from = began, .to = ended, .trouble = trouble},
            {{"vivarium.tenant", tenant},
             {"vivarium.environment", environment},
             {"vivarium.execution.id", what.id()},
             {"vivarium.session.id", what.session_id()},
             {"vivarium.request.id", what.request().request_id},
             {"vivarium.cause", how.cause ? std::string_view{how.cause->what} : ""},
             {"vivarium.cpu_us", std::int64_t{how.usage.cpu.count()}},
             {"vivarium.output_bytes", static_cast<std::int64_t>(how.usage.output_bytes)}});
}

} // namespace vivarium
