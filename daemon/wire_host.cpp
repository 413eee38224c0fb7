// SPDX-License-Identifier: Apache-2.0
#include "bridge/natural.hpp"
#include "bridge/natural_in.hpp"
#include "bridge/validate.hpp"
#include "bridge/value_view.hpp"
#include "daemon/wire_fields.hpp"
#include "daemon/wire_value.hpp"

#include <utility>

// Functions of the application's: what it offers, the calls, their answers.
namespace vivarium::wire {

namespace {

using protozero::pbf_reader;
using outcome = bridge::host_result::outcome;

// Fields of ServeResponse.
constexpr std::uint32_t call_field = 2;
constexpr std::uint32_t dropped_field = 3;
// Fields of AnswerRequest.
constexpr std::uint32_t value_field = 2;
constexpr std::uint32_t json_field = 3;
constexpr std::uint32_t error_field = 4;

/// The two parts of the operands, each an encoded Value.
struct arguments {
  std::string_view args;   ///< The items of the tuple.
  std::string_view kwargs; ///< The entries of the dict.

  explicit arguments(std::string_view operands) {
    bridge::field_walk parts{bridge::value_view::open(operands).content};
    parts.next();
    args = bridge::value_view::open(parts.content()).content;
    parts.next();
    kwargs = bridge::value_view::open(parts.content()).content;
  }
};

// By hand: what every call takes.
std::string call_as_json(const function_call& what, std::uint64_t lost) {
  arguments parts{what.operands};
  std::string out{R"({"call":{)"};
  if (!what.id.empty()) {
    out += R"("callId":")";
    out += what.id;
    out += R"(",)";
  }
  out += R"("name":)";
  bridge::append_json_string(out, what.name);
  out += R"(,"sessionId":")";
  out += what.session_id;
  out += '"';
  if (!what.execution_id.empty()) {
    out += R"(,"executionId":")";
    out += what.execution_id;
    out += '"';
  }
  out += R"(,"jsonArgs":[)";
  bool first = true;
  for (bridge::field_walk items{parts.args}; items.next();) {
    if (!std::exchange(first, false))
      out += ',';
    bridge::append_json(out, items.content());
  }
  out += R"(],"jsonKwargs":{)";
  first = true;
  for (bridge::field_walk entries{parts.kwargs}; entries.next();) {
    auto entry = bridge::open_entry(entries.content());
    if (!std::exchange(first, false))
      out += ',';
    bridge::append_json_string(out, bridge::value_view::open(entry.key).content);
    out += ':';
    bridge::append_json(out, entry.value);
  }
  out += '}';
  if (what.timeout.count() > 0)
    out += R"(,"timeoutMs":")" + std::to_string(what.timeout.count()) + '"';
  if (lost > 0)
    out += R"(,"lostBefore":")" + std::to_string(lost) + '"';
  if (!what.request_id.empty()) // Nothing in it is to be escaped.
    out += R"(,"requestId":")" + what.request_id + '"';
  if (auto traceparent = traceparent_of(what.trace.self); !traceparent.empty())
    out += R"(,"traceparent":")" + traceparent + '"';
  out += "}}";
  return out;
}

void append_struct_args(std::string& out, const arguments& parts) {
  std::string list;
  std::string one;
  for (bridge::field_walk items{parts.args}; items.next();) {
    one.clear();
    bridge::append_struct_value(one, items.content());
    append_bytes(list, 1, one);
  }
  append_bytes(out, 7, list);
  std::string object;
  for (bridge::field_walk entries{parts.kwargs}; entries.next();) {
    auto entry = bridge::open_entry(entries.content());
    one.clear();
    bridge::append_struct_value(one, entry.value);
    std::string field;
    append_bytes(field, 1, bridge::value_view::open(entry.key).content);
    append_bytes(field, 2, one);
    append_bytes(object, 1, field);
  }
  append_bytes(out, 8, object);
}

std::string call_as_message(const function_call& what, std::uint64_t lost, bool natural) {
  arguments parts{what.operands};
  std::string call;
  append_text(call, 1, what.id);
  append_text(call, 2, what.name);
  append_text(call, 3, what.session_id);
  append_text(call, 4, what.execution_id);
  if (natural) {
    append_struct_args(call, parts);
  } else {
    for (bridge::field_walk items{parts.args}; items.next();)
      append_bytes(call, 5, items.content());
    for (bridge::field_walk entries{parts.kwargs}; entries.next();)
      append_bytes(call, 6, entries.content());
  }
  append_number(call, 9, static_cast<std::uint64_t>(what.timeout.count()));
  append_number(call, 10, lost);
  append_text(call, 11, what.request_id);
  append_text(call, 12, traceparent_of(what.trace.self));
  std::string out;
  append_bytes(out, call_field, call);
  return out;
}

status check_name(const std::string& name) {
  if (name.empty() || name.size() > most_function_bytes)
    return wrong("each of `names` has 1 to " + std::to_string(most_function_bytes) + " bytes");
  return done{};
}

status take_value(answer_request& into, pbf_reader& r) {
  into.with.kind = outcome::value;
  into.with.content = view_of(r);
  return check_value(into.with.content, "value");
}

status take_json(answer_request& into, pbf_reader& r) {
  into.with.kind = outcome::value;
  auto value = bridge::value_of_struct(view_of(r));
  if (!value)
    return of_client(std::move(value).why(), "json");
  into.with.content = *std::move(value);
  return done{};
}

status take_error(answer_request& into, pbf_reader& r) {
  into.with.kind = outcome::error;
  into.with.content = view_of(r);
  if (auto ok = bridge::validate_host_error(into.with.content); !ok)
    return of_client(ok.why(), "error");
  return done{};
}

} // namespace

result<serve_request> decode_serve(codec as, std::string_view bytes) {
  serve_request out;
  std::int32_t format = 0;
  binary_form form{message::serve_request, as, bytes};
  auto ok = form.read([&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): return take_text(out.what.session, r, "session");
      case text_field(2):
        if (out.what.names.size() == most_functions)
          return wrong("more than " + std::to_string(most_functions) + " `names`");
        if (auto fine = take_text(out.what.names.emplace_back(), r, "names"); !fine)
          return fine;
        return check_name(out.what.names.back());
      case number_field(3): format = r.get_enum(); return check_enum(format, 2, "format");
      case number_field(4): out.window = r.get_uint32(); return done{};
      default: return skip(r);
    }
  });
  if (!ok)
    return std::move(ok).why();
  if (out.window > most_window)
    return wrong("`window` is over " + std::to_string(most_window));
  if (out.window == 0)
    out.window = default_window;
  out.format = static_cast<result_format>(format);
  if (out.format == result_format::unspecified)
    out.format = as == codec::json ? result_format::json : result_format::typed;
  return out;
}

result<answer_request> decode_answer(codec as, std::string_view bytes) {
  answer_request out;
  bool answered = false;
  binary_form form{message::answer_request, as, bytes};
  auto ok = form.read([&](pbf_reader& r) -> status {
    auto field = field_of(r);
    if (field == text_field(1))
      return take_text(out.call, r, "call_id");
    answered = answered || field == text_field(value_field) || field == text_field(json_field)
               || field == text_field(error_field);
    switch (field) {
      case text_field(value_field): return take_value(out, r);
      case text_field(json_field): return take_json(out, r);
      case text_field(error_field): return take_error(out, r);
      default: return skip(r);
    }
  });
  if (!ok)
    return std::move(ok).why();
  if (out.call.empty())
    return wrong("`call_id` is required; a cast has no answer");
  if (!answered)
    return wrong("`value`, `json` or `error` is required");
  return out;
}

std::string encode_serving(codec as) {
  if (as == codec::json)
    return R"({"serving":{}})";
  std::string out;
  append_bytes(out, 1, {});
  return out;
}

result<std::string> encode_function_call(codec as, result_format format, const function_call& what,
                                         std::uint64_t lost) {
  if (as == codec::json && format == result_format::json)
    return call_as_json(what, lost);
  auto out = call_as_message(what, lost, format == result_format::json);
  return as == codec::json ? to_json(message::serve_response, out) : out;
}

result<std::string> encode_call_dropped(codec as, std::string_view id) {
  std::string dropped;
  append_text(dropped, 1, id);
  std::string out;
  append_bytes(out, dropped_field, dropped);
  return as == codec::json ? to_json(message::serve_response, out) : out;
}

} // namespace vivarium::wire
