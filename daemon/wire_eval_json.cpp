// SPDX-License-Identifier: Apache-2.0
#include "daemon/wire_eval_json.hpp"

#include "daemon/json_scanner.hpp"

#include <array>
#include <string>
#include <utility>

namespace vivarium::wire {

namespace {

// The usual fields of EvalRequest, under both names that the JSON form allows. Requests with
// variables or options are libprotobuf's.
struct field_name {
  std::string_view json;
  std::string_view proto;
};
constexpr std::array<field_name, 15> eval_names{{
    {},
    {"session", "session"},
    {"source", "source"},
    {"filename", "filename"},
    {"firstLine", "first_line"},
    {"timeoutMs", "timeout_ms"},
    {"cpuMs", "cpu_ms"},
    {"resultFormat", "result_format"},
    {"createSession", "create_session"},
    {"code", "code"},
    {"queue", "queue"},
    {"onDisconnect", "on_disconnect"},
    {"environment", "environment"},
    {"namespace", "namespace"},
    {"scratch", "scratch"},
}};

unsigned number_of(std::string_view key) noexcept {
  for (unsigned i = 1; i < eval_names.size(); ++i)
    if (key == eval_names[i].json || key == eval_names[i].proto)
      return i;
  return 0;
}

constexpr std::array<std::string_view, 5> formats{"RESULT_FORMAT_UNSPECIFIED",
                                                  "RESULT_FORMAT_TYPED", "RESULT_FORMAT_JSON",
                                                  "RESULT_FORMAT_REPR", "RESULT_FORMAT_NONE"};
constexpr std::array<std::string_view, 3> queues{"QUEUE_POLICY_UNSPECIFIED", "QUEUE_POLICY_WAIT",
                                                 "QUEUE_POLICY_FAIL"};
constexpr std::array<std::string_view, 4> disconnects{
    "ON_DISCONNECT_UNSPECIFIED", "ON_DISCONNECT_DETACH", "ON_DISCONNECT_INTERRUPT",
    "ON_DISCONNECT_KILL"};

template <std::size_t N>
bool read_enum(scanner& in, const std::array<std::string_view, N>& names, std::int32_t& into) {
  std::string_view name;
  if (!in.simple(name))
    return false;
  for (std::size_t i = 0; i < N; ++i) {
    if (names[i] == name) {
      into = static_cast<std::int32_t>(i);
      return true;
    }
  }
  return false;
}

constexpr std::uint64_t most_ms = 1ull << 40;

bool read_ms(scanner& in, std::chrono::milliseconds& into) {
  std::uint64_t value = 0;
  if (!in.number(value, most_ms))
    return false;
  into = std::chrono::milliseconds{value};
  return true;
}

bool read_eval_field(scanner& in, unsigned field, eval_fields& into) {
  auto& what = into.what;
  std::uint64_t number = 0;
  switch (field) {
    case 1: return in.text(what.session);
    case 2: return in.text(what.source);
    case 3: return in.text(what.filename);
    case 4:
      if (!in.number(number, UINT32_MAX))
        return false;
      what.first_line = static_cast<std::uint32_t>(number);
      return true;
    case 5: return read_ms(in, what.timeout);
    case 6: return read_ms(in, what.cpu_budget);
    case 7: return read_enum(in, formats, into.format);
    case 8: return in.boolean(what.create_session);
    case 9: return in.text(what.code);
    case 10: return read_enum(in, queues, into.queue);
    case 11: return read_enum(in, disconnects, into.disconnect);
    case 12: return in.text(what.environment);
    case 13: return in.text(what.name_space);
    case 14: return in.boolean(what.scratch);
    default: return false;
  }
}

/// Walks an object; `each(key)` reads the value.
template <class Each>
bool read_object(scanner& in, Each each) {
  if (!in.take('{'))
    return false;
  if (in.take('}'))
    return in.at_end();
  do {
    std::string_view key;
    if (!in.simple(key) || !in.take(':') || !each(key))
      return false;
  } while (in.take(','));
  return in.take('}') && in.at_end();
}

} // namespace

std::optional<eval_fields> read_eval_json(std::string_view json) {
  scanner in{json};
  std::optional<eval_fields> out{std::in_place};
  out->what.first_line = 0;
  std::uint32_t seen = 0;
  bool plain = read_object(in, [&](std::string_view key) {
    auto field = number_of(key);
    auto bit = 1u << field;
    if (field == 0 || (seen & bit) != 0)
      return false;
    seen |= bit;
    return read_eval_field(in, field, *out);
  });
  if (!plain)
    out.reset();
  return out;
}

std::optional<client_frame_json> read_client_frame_json(std::string_view json) {
  scanner in{json};
  client_frame_json out;
  bool has_id = false;
  bool has_credit = false;
  bool plain = read_object(in, [&](std::string_view key) {
    std::uint64_t number = 0;
    if (key == "id")
      return !std::exchange(has_id, true) && in.number(out.id, UINT64_MAX);
    if (key == "credit") {
      bool ok = !std::exchange(has_credit, true) && in.number(number, UINT32_MAX);
      out.credit = static_cast<std::uint32_t>(number);
      return ok;
    }
    if (key == "traceparent")
      return out.traceparent.empty() && in.simple(out.traceparent);
    if (key == "requestId" || key == "request_id")
      return out.request_id.empty() && in.simple(out.request_id);
    // Only bodies that are objects are cut out; the rest is rare.
    if (!out.field.empty() || in.peek() != '{')
      return false;
    out.field = key;
    return in.extent(out.body);
  });
  if (!plain)
    return std::nullopt;
  return out;
}

} // namespace vivarium::wire
