// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/commands.hpp"

#include "clients/cli/api.hpp"
#include "clients/cli/show.hpp"
#include "proto/ids.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <system_error>

namespace vivarium::cli {

namespace {

std::string read_stdin() {
  return {std::istreambuf_iterator<char>{std::cin}, std::istreambuf_iterator<char>{}};
}

result<std::string> read_file(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  std::string text{std::istreambuf_iterator<char>{in}, std::istreambuf_iterator<char>{}};
  if (!in || in.bad())
    return error{errc::invalid_argument,
                 "cannot read " + path + ": " + std::generic_category().message(errno)};
  return text;
}

v1::EvalRequest request_for(const run_options& how, std::string source) {
  v1::EvalRequest out;
  out.set_source(std::move(source));
  out.set_session(how.session);
  // An id stands for a session that exists; only a name can be made on first use.
  out.set_create_session(!how.session.empty() && !looks_like_id(id_kind::session, how.session));
  out.set_environment(how.environment);
  out.set_timeout_ms(static_cast<std::uint64_t>(how.timeout.count()));
  out.set_cpu_ms(static_cast<std::uint64_t>(how.cpu.count()));
  return out;
}

} // namespace

int eval_command(const server& to, const run_options& how, const std::string& source) {
  auto request = request_for(how, source == "-" ? read_stdin() : source);
  request.set_result_format(how.json ? v1::RESULT_FORMAT_JSON : v1::RESULT_FORMAT_REPR);
  auto answer = api{to.where, to.api_key}.eval(request);
  if (!answer)
    return show_failure(answer.why());
  const auto& verdict = answer->verdict();
  write_out(verdict.stdout());
  write_err(verdict.stderr());
  std::for_each(verdict.displays().begin(), verdict.displays().end(), show_display);
  return show_outcome(verdict);
}

int run_command(const server& to, const run_options& how, const std::string& file) {
  auto source = file == "-" ? result<std::string>{read_stdin()} : read_file(file);
  if (!source)
    return show_failure(source.why());
  const interrupts keyboard;
  api calls{to.where, to.api_key};
  auto request = request_for(how, *std::move(source));
  request.set_filename(file == "-" ? "<stdin>" : file);
  request.set_result_format(v1::RESULT_FORMAT_NONE);
  std::string own;
  if (how.session.empty()) {
    v1::CreateSessionRequest create;
    create.set_environment(how.environment);
    auto made = calls.create_session(create);
    if (!made)
      return show_failure(made.why());
    own = made->id();
    request.set_session(own);
  }
  auto verdict = run_live(to, calls, request, keyboard);
  const int status = verdict ? show_outcome(*verdict) : show_failure(verdict.why());
  if (!own.empty())
    (void)calls.close_session(own); // It may be gone already.
  return status;
}

int sessions_command(const server& to) {
  auto answer = api{to.where, to.api_key}.list_sessions();
  if (!answer)
    return show_failure(answer.why());
  std::printf("%-32s  %-20s  %-12s  %-12s  %s\n", "ID", "NAME", "STATE", "ENVIRONMENT",
              "EXECUTIONS");
  for (const auto& session : answer->sessions()) {
    auto state = v1::SessionState_Name(session.state()).substr(sizeof("SESSION_STATE_") - 1);
    std::transform(state.begin(), state.end(), state.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    std::printf("%-32s  %-20s  %-12s  %-12s  %llu\n", session.id().c_str(),
                session.name().empty() ? "-" : session.name().c_str(), state.c_str(),
                session.environment().c_str(),
                static_cast<unsigned long long>(session.executions()));
  }
  return exit_ok;
}

int close_command(const server& to, const std::string& session) {
  auto answer = api{to.where, to.api_key}.close_session(session);
  return answer ? exit_ok : show_failure(answer.why());
}

int health_command(const server& to) {
  auto answer = api{to.where, to.api_key}.ready();
  if (!answer) {
    show_failure(answer.why());
    return exit_unreachable;
  }
  write_out("ready\n");
  return exit_ok;
}

} // namespace vivarium::cli
