// SPDX-License-Identifier: Apache-2.0

// What AppService answers.

#include "daemon/wire_app.hpp"
#include "daemon/wire_bytes.hpp"
#include "daemon/wire_verdict.hpp"

#include <utility>

namespace vivarium::wire {

namespace {

result<std::string> finish(message type, codec as, std::string binary) {
  return as == codec::json ? to_json(type, binary) : result<std::string>{std::move(binary)};
}

std::string from_latin1(std::string_view bytes) {
  std::string out;
  for (char c : bytes) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      out += c;
    } else {
      out += static_cast<char>(0xc0 | byte >> 6);
      out += static_cast<char>(0x80 | (byte & 0x3f));
    }
  }
  return out;
}

std::string encode_time(std::chrono::system_clock::time_point when) {
  using namespace std::chrono;
  auto whole = floor<seconds>(when);
  std::string out;
  append_number(out, 1, static_cast<std::uint64_t>(whole.time_since_epoch().count()));
  append_number(out, 2,
                static_cast<std::uint64_t>(duration_cast<nanoseconds>(when - whole).count()));
  return out;
}

std::string encode_app_limits(const app_limits& limits) {
  std::string out;
  append_number(out, 1, limits.concurrent);
  append_number(out, 2, limits.body_bytes);
  append_number(out, 3, static_cast<std::uint64_t>(limits.request_timeout.count()));
  append_number(out, 4, static_cast<std::uint64_t>(limits.idle_timeout.count()));
  return out;
}

std::string encode_info(const app_info& what) {
  std::string out;
  append_text(out, 1, what.id);
  append_text(out, 2, what.name);
  append_number(out, 3, static_cast<std::uint64_t>(what.kind));
  append_number(out, 4, static_cast<std::uint64_t>(what.access));
  append_number(out, 5, static_cast<std::uint64_t>(what.state));
  for (const auto& worker : what.workers) {
    std::string inner;
    append_text(inner, 1, worker.session);
    append_number(inner, 2, worker.in_flight);
    append_number(inner, 3, worker.ready ? 1 : 0);
    append_bytes(out, 6, inner);
  }
  append_text(out, 7, "/apps/" + what.id + "/");
  for (const auto& host : what.hosts)
    append_text(out, 8, host);
  append_bytes(out, 9, encode_time(what.created));
  append_number(out, 10, what.requests);
  append_number(out, 11, what.failures);
  append_bytes(out, 12, encode_app_limits(what.limits));
  append_told(out, 13, what.trouble);
  for (const auto& failure : what.recent) {
    std::string inner;
    append_text(inner, 1, failure.execution);
    append_text(inner, 2, from_latin1(failure.request));
    append_bytes(inner, 3, encode_time(failure.time));
    append_bytes(inner, 4, failure.error);
    append_bytes(out, 14, inner);
  }
  return out;
}

std::string encode_reply(const app_reply& what) {
  std::string out;
  append_number(out, 1, what.status);
  for (const auto& [name, value] : what.headers) {
    std::string header;
    append_text(header, 1, name);
    append_text(header, 2, from_latin1(value));
    append_bytes(out, 2, header);
  }
  append_text(out, 3, what.body);
  return out;
}

// The response is told apart from the verdict, which would hold it once more.
void append_verdict_alone(std::string& out, std::uint32_t field, const execution& source) {
  if (source.end())
    append_verdict(out, field, source, result_format::none, fold::yes);
}

} // namespace

result<std::string> encode_app(message type, codec as, const app_info& what) {
  std::string out;
  append_bytes(out, 1, encode_info(what));
  return finish(type, as, std::move(out));
}

result<std::string> encode_apps(codec as, const std::vector<app_info>& all) {
  std::string out;
  for (const auto& one : all)
    append_bytes(out, 1, encode_info(one));
  return finish(message::list_apps_response, as, std::move(out));
}

result<std::string> encode_handled(message type, codec as, const app_reply& what,
                                   std::string_view execution_id, const execution* ended) {
  std::string out;
  append_bytes(out, 1, encode_reply(what));
  if (ended != nullptr)
    append_verdict_alone(out, 2, *ended);
  append_text(out, 3, execution_id);
  return finish(type, as, std::move(out));
}

result<std::string> encode_app_head(codec as, const app_reply& head, std::string_view id) {
  std::string out;
  append_bytes(out, 1, encode_reply(head));
  append_text(out, 4, id);
  return finish(message::handle_stream_response, as, std::move(out));
}

result<std::string> encode_app_chunk(codec as, std::string_view bytes) {
  std::string out;
  append_bytes(out, 2, bytes);
  return finish(message::handle_stream_response, as, std::move(out));
}

result<std::string> encode_app_end(codec as, const execution& source) {
  std::string out;
  append_verdict_alone(out, 3, source);
  return finish(message::handle_stream_response, as, std::move(out));
}

app_reply failed_reply() {
  return {500, {{"content-type", "text/plain; charset=utf-8"}}, "Internal Server Error"};
}

} // namespace vivarium::wire
