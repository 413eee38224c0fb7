// SPDX-License-Identifier: Apache-2.0
#include "bridge/natural.hpp"
#include "daemon/wire.hpp"
#include "daemon/wire_bytes.hpp"
#include "daemon/wire_file.hpp"
#include "daemon/wire_limits.hpp"
#include "daemon/wire_verdict.hpp"

#include <string>
#include <utility>

namespace vivarium::wire {

namespace {

result<std::string> finish(codec as, message type, std::string binary) {
  if (as == codec::proto)
    return binary;
  return to_json(type, binary);
}

void append_time(std::string& out, std::uint32_t field,
                 std::chrono::system_clock::time_point when) {
  using namespace std::chrono;
  auto since = when.time_since_epoch();
  auto whole = floor<seconds>(since);
  std::string time;
  append_number(time, 1, static_cast<std::uint64_t>(whole.count()));
  append_number(time, 2,
                static_cast<std::uint64_t>(duration_cast<nanoseconds>(since - whole).count()));
  append_bytes(out, field, time);
}

std::string encode_info(const namespace_info& what) {
  std::string out;
  append_text(out, 1, what.id);
  append_text(out, 2, what.name);
  append_text(out, 3, what.session_id);
  append_time(out, 4, what.created);
  return out;
}

std::string encode_info(const execution_info& what) {
  std::string out;
  append_text(out, 1, what.id);
  append_text(out, 2, what.session_id);
  append_number(out, 3, static_cast<std::uint64_t>(what.state));
  append_number(out, 4, what.last_sequence);
  append_number(out, 5, static_cast<std::uint64_t>(what.session));
  return out;
}

void append_event_head_json(std::string& out, const event& what, std::uint64_t lost) {
  out += R"({"event":{"sequence":")";
  out += std::to_string(what.sequence);
  out += '"';
  if (what.time.count() > 0) {
    out += R"(,"timeUs":")";
    out += std::to_string(what.time.count());
    out += '"';
  }
  if (lost > 0) {
    out += R"(,"lostBefore":")";
    out += std::to_string(lost);
    out += '"';
  }
}

/// Appends the JSON form when that can be done by hand.
bool append_event_json(std::string& out, const execution& source, const event& what,
                       std::uint64_t lost) {
  append_event_head_json(out, what, lost);
  switch (what.what) {
    case event::kind::started: out += R"(,"started":{})"; break;
    case event::kind::out:
      out += R"(,"stdout":)";
      bridge::append_json_string(out, what.data);
      break;
    case event::kind::err:
      out += R"(,"stderr":)";
      bridge::append_json_string(out, what.data);
      break;
    case event::kind::display:
    case event::kind::log:
    case event::kind::progress:
    case event::kind::items: return false;
    case event::kind::verdict:
      out += R"(,"verdict":)";
      if (!append_verdict_json(out, source, format_of(codec::json, source), fold::no))
        return false;
      break;
  }
  out += "}}";
  return true;
}

std::string encode_event(codec as, const execution& source, const event& what, std::uint64_t lost) {
  std::string head;
  append_number(head, 1, what.sequence);
  append_number(head, 2, what.time.count() > 0 ? static_cast<std::uint64_t>(what.time.count()) : 0);
  append_number(head, 8, lost);
  std::uint32_t field = 0;
  std::string_view data = what.data;
  switch (what.what) {
    case event::kind::started:
      field = 3;
      data = {};
      break;
    case event::kind::out: field = 4; break;
    case event::kind::err: field = 5; break;
    case event::kind::display: field = 6; break;
    case event::kind::items: field = 9; break;
    case event::kind::log: field = 10; break;
    case event::kind::progress: field = 11; break;
    case event::kind::verdict: break;
  }
  std::string out;
  if (field == 0) {
    append_verdict(head, 7, source, format_of(as, source), fold::no);
    append_bytes(out, 1, head);
    return out;
  }
  auto size = head.size() + field_size(data.size());
  out.reserve(size + 8);
  append_head(out, 1, size);
  out += head;
  append_bytes(out, field, data);
  return out;
}

} // namespace

std::string bytes_of(const session_info& what) {
  std::string out;
  append_text(out, 1, what.id);
  append_text(out, 2, what.name);
  append_text(out, 3, what.environment);
  append_number(out, 4, static_cast<std::uint64_t>(what.state));
  append_time(out, 5, what.created);
  append_number(out, 6, what.executions);
  append_text(out, 7, what.python_version);
  if (what.cause)
    append_bytes(out, 8, encode_cause(*what.cause));
  for (const auto& tag : what.tags)
    append_bytes(out, 9, tag);
  append_usage(out, 10, what.used);
  append_number(out, 11, what.namespaces);
  append_text(out, 12, what.init_error);
  append_number(out, 13, static_cast<std::uint64_t>(what.worker_pid));
  append_limits(out, 14, what.limits);
  append_text(out, 20, what.egress);
  append_number(out, 21, static_cast<std::uint64_t>(what.processes) + 1);
  for (const auto& one : what.volumes)
    append_mount(out, 41, one);
  return out;
}

result<std::string> encode_eval(codec as, const execution& source) {
  auto format = format_of(as, source);
  std::string out;
  if (as == codec::json) {
    out.reserve(512);
    out += R"({"executionId":")";
    out += source.id();
    out += R"(","verdict":)";
    if (append_verdict_json(out, source, format, fold::yes)) {
      if (!source.session_id().empty()) {
        out += R"(,"sessionId":")";
        out += source.session_id();
        out += '"';
      }
      out += '}';
      return out;
    }
    out.clear();
  }
  append_text(out, 1, source.id());
  append_verdict(out, 2, source, format, fold::yes);
  append_text(out, 3, source.session_id());
  return finish(as, message::eval_response, std::move(out));
}

result<std::string> encode_start(codec as, const execution& source) {
  std::string out;
  append_text(out, 1, source.id());
  append_text(out, 2, source.session_id());
  return finish(as, message::start_response, std::move(out));
}

result<std::string> encode_follow(codec as, const execution& source, const event& what,
                                  std::uint64_t lost) {
  if (as == codec::json) {
    std::string out;
    if (append_event_json(out, source, what, lost))
      return out;
  }
  return finish(as, message::follow_response, encode_event(as, source, what, lost));
}

result<std::string> encode_wait(codec as, const execution& source) {
  std::string out;
  if (source.end()) {
    auto format = format_of(as, source);
    append_number(out, 1, 1);
    append_verdict(out, 2, source, format, fold::yes);
  }
  return finish(as, message::wait_response, std::move(out));
}

result<std::string> encode_cancel(codec as, bool cancelled) {
  std::string out;
  append_number(out, 1, cancelled ? 1 : 0);
  return finish(as, message::cancel_response, std::move(out));
}

result<std::string> encode_list(codec as, const std::vector<execution_info>& all) {
  std::string out;
  for (const auto& one : all)
    append_bytes(out, 1, encode_info(one));
  return finish(as, message::list_response, std::move(out));
}

result<std::string> encode_compile(codec as, const compiled& what) {
  std::string out;
  append_text(out, 1, what.code);
  if (!what.error.empty())
    append_bytes(out, 2, what.error);
  return finish(as, message::compile_response, std::move(out));
}

result<std::string> encode_session(message type, codec as, const session_info& what) {
  std::string out;
  append_bytes(out, 1, bytes_of(what));
  return finish(as, type, std::move(out));
}

result<std::string> encode_sessions(codec as, const std::vector<session_info>& all) {
  std::string out;
  for (const auto& one : all)
    append_bytes(out, 1, bytes_of(one));
  return finish(as, message::list_sessions_response, std::move(out));
}

result<std::string> encode_namespace(codec as, const namespace_info& what) {
  std::string out;
  append_bytes(out, 1, encode_info(what));
  return finish(as, message::create_namespace_response, std::move(out));
}

result<std::string> encode_namespaces(codec as, const std::vector<namespace_info>& all) {
  std::string out;
  for (const auto& one : all)
    append_bytes(out, 1, encode_info(one));
  return finish(as, message::list_namespaces_response, std::move(out));
}

} // namespace vivarium::wire
