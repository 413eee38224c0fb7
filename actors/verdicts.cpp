// SPDX-License-Identifier: Apache-2.0
#include "actors/verdicts.hpp"

#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>

#include <csignal>
#include <cstring>
#include <iterator>

#include <sys/wait.h>

namespace vivarium {

namespace {

// Field numbers of vivarium.v1.ExecutionError.
constexpr protozero::pbf_tag_type field_kind = 1;
constexpr protozero::pbf_tag_type field_message = 5;
constexpr protozero::pbf_tag_type field_code = 12;

constexpr std::string_view kind_names[] = {
    "none",         "syntax",          "python",   "timeout",          "import",    "io",
    "memory",       "limit",           "busy",     "cancelled",        "not_found", "permission",
    "session_lost", "route_not_found", "internal", "invalid_argument", "value"};

std::string signal_name(int number) {
  const char* abbreviation = ::sigabbrev_np(number);
  if (abbreviation != nullptr)
    return std::string{"SIG"} + abbreviation;
  return "signal " + std::to_string(number);
}

} // namespace

std::string_view name_of(error_kind kind) noexcept {
  auto n = static_cast<std::size_t>(kind);
  return n < std::size(kind_names) ? kind_names[n] : "unknown";
}

std::string make_error(error_kind kind, std::string_view message, std::string_view code) {
  std::string out;
  override_error(out, kind, message);
  if (!code.empty())
    protozero::pbf_writer{out}.add_string(field_code, code.data(), code.size());
  return out;
}

void override_error(std::string& encoded, error_kind kind, std::string_view message) {
  std::string out;
  protozero::pbf_writer writer{out};
  writer.add_enum(field_kind, static_cast<std::int32_t>(kind));
  writer.add_string(field_message, message.data(), message.size());
  try {
    protozero::pbf_reader reader{encoded};
    const char* field = encoded.data();
    while (reader.next()) {
      auto tag = reader.tag();
      reader.skip();
      const char* next = reader.data().data();
      if (tag != field_kind && tag != field_message)
        out.append(field, next);
      field = next;
    }
  } catch (const protozero::exception&) {
    // What cannot be read is not kept; the caller has validated it, so this is not reached.
    return encoded.swap(out);
  }
  encoded.swap(out);
}

error_kind kind_of_error(std::string_view encoded) {
  auto kind = error_kind::none;
  try {
    protozero::pbf_reader reader{encoded.data(), encoded.size()};
    while (reader.next()) {
      if (reader.tag_and_type()
          != protozero::tag_and_type(field_kind, protozero::pbf_wire_type::varint)) {
        reader.skip();
        continue;
      }
      auto number = reader.get_enum();
      if (number >= 0 && number < static_cast<int>(std::size(kind_names)))
        kind = static_cast<error_kind>(number);
    }
  } catch (const protozero::exception&) {
    // The caller has validated it; an undecodable error simply has no kind.
    return error_kind::none;
  }
  return kind;
}

std::string text_of_error(std::string_view encoded, std::uint32_t field) {
  std::string text;
  try {
    protozero::pbf_reader reader{encoded.data(), encoded.size()};
    while (reader.next(field, protozero::pbf_wire_type::length_delimited))
      text = reader.get_string();
  } catch (const protozero::exception&) {
    return {};
  }
  return text;
}

cause cause_of(const worker_end& end) {
  cause out;
  out.enforced_by = enforcer::kernel;
  if (!end.known) {
    out.what = "jail";
    return out;
  }
  if (WIFSIGNALED(end.wait_status)) {
    auto number = WTERMSIG(end.wait_status);
    out.what = number == SIGSYS ? "seccomp" : "signal";
    out.limit = signal_name(number);
    out.observed = static_cast<std::uint64_t>(number);
    return out;
  }
  out.what = "exited";
  out.observed = static_cast<std::uint64_t>(WEXITSTATUS(end.wait_status));
  return out;
}

std::string describe(const cause& why) {
  if (why.what == "signal")
    return "its worker was killed by " + why.limit;
  if (why.what == "seccomp")
    return "its worker made a system call that the sandbox answers with death (" + why.limit + ")";
  if (why.what == "exited")
    return "its worker exited with code " + std::to_string(why.observed);
  if (why.what == "jail")
    return "the jail of its environment ended";
  if (why.what == "unresponsive")
    return "its worker did nothing for " + std::to_string(why.observed)
           + " ms and did not answer when it was asked whether it lives: it was stopped or frozen, "
             "or its main thread is gone or blocks all signals (heartbeats.timeout, "
             "heartbeats.missed)";
  if (why.what == "protocol")
    return "its worker broke the protocol: " + why.limit;
  if (why.what == "unavailable")
    return why.limit;
  if (why.what == "internal")
    return "the part of the daemon that served it failed";
  if (why.what == "deadline")
    return "an execution did not stop within the grace period after its deadline";
  if (why.what == "memory" && why.limit == "machine_memory")
    return "the machine ran out of memory (" + std::to_string(why.observed >> 20)
           + " MiB were available, sandbox.memory_reserve is "
           + std::to_string(why.configured >> 20)
           + " MiB) and the session that took the most was ended";
  if (why.what == "memory")
    return "its worker took " + std::to_string(why.observed)
           + " bytes of memory, over its limit of " + std::to_string(why.configured)
           + " (limits.memory)";
  if (why.what == "cpu" && why.limit == "session_cpu_ms")
    return "it used up its CPU time, " + std::to_string(why.configured) + " ms in all (limits.cpu)";
  if (why.what == "cpu")
    return "an execution did not stop within the grace period after its CPU budget was used up";
  if (why.what == "cancelled")
    return "an execution was cancelled and did not stop softly, or was not asked to";
  if (why.what == "closed")
    return "it was closed";
  if (why.what == "administrator")
    return "an administrator ended it";
  if (why.what == "init")
    return "its init script or settings failed";
  if (why.what == "disconnected")
    return "the connection that it belonged to ended";
  if (why.what == "idle")
    return "it was idle for too long";
  if (why.what == "drain")
    return "the daemon is stopping";
  return why.what;
}

} // namespace vivarium
