// SPDX-License-Identifier: Apache-2.0
#include "daemon/wire_verdict.hpp"

#include "bridge/natural.hpp"
#include "bridge/raw_memory.hpp"
#include "daemon/wire_bytes.hpp"
#include "daemon/wire_file.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace vivarium::wire {

namespace {

std::uint64_t number_of(std::chrono::microseconds time) noexcept {
  return time.count() > 0 ? static_cast<std::uint64_t>(time.count()) : 0;
}

// What the log holds of one stream of output, joined.
class joined_output {
public:
  joined_output(const execution& source, event::kind stream) {
    for (const auto& e : source.log()) {
      if (e.what != stream)
        continue;
      if (first_ == nullptr) {
        first_ = &e.data;
      } else {
        if (owned_.empty())
          owned_ = *first_;
        owned_ += e.data;
      }
    }
  }
  [[nodiscard]] std::string_view text() const noexcept {
    if (!owned_.empty())
      return owned_;
    return first_ != nullptr ? std::string_view{*first_} : std::string_view{};
  }

private:
  const std::string* first_ = nullptr;
  std::string owned_;
};

// Whether some of the output is in the log no longer. Of a stream the log has let items go, which
// says nothing: there what is left is counted.
bool output_lost(const execution& source) {
  if (source.first_held() == 1)
    return false;
  if (source.request().stream_credit == 0)
    return true;
  std::uint64_t held = 0;
  for (const auto& e : source.log())
    if (e.what == event::kind::out || e.what == event::kind::err)
      held += e.data.size();
  return held < source.end()->usage.output_bytes;
}

bool truncated(const execution& source, fold output) {
  return source.end()->output_truncated || (output == fold::yes && output_lost(source));
}

/// Fields of a verdict that come after its outcome.
std::string rest_of_verdict(const execution& source, fold output) {
  const auto& end = *source.end();
  std::string out;
  if (output == fold::yes) {
    append_text(out, 3, joined_output{source, event::kind::out}.text());
    append_text(out, 4, joined_output{source, event::kind::err}.text());
    for (const auto& e : source.log())
      if (e.what == event::kind::display)
        append_bytes(out, 5, e.data);
  }
  append_usage(out, 6, end.usage);
  append_number(out, 7, static_cast<std::uint64_t>(end.session));
  if (end.cause)
    append_bytes(out, 8, encode_cause(*end.cause));
  append_number(out, 9, truncated(source, output) ? 1 : 0);
  append_number(out, 10, end.displays_dropped);
  if (end.files)
    append_bytes(out, 20, encode_changes(*end.files));
  return out;
}

void append_json_number(std::string& out, std::string_view name, std::uint64_t value, bool& first) {
  if (value == 0)
    return;
  char digits[20];
  auto stop = std::to_chars(digits, digits + sizeof(digits), value).ptr;
  out += first ? "\"" : ",\"";
  first = false;
  out += name;
  out += "\":\"";
  out.append(digits, stop);
  out += '"';
}

void append_usage_json(std::string& out, const usage& used) {
  bool first = true;
  out += R"(,"usage":{)";
  append_json_number(out, "wallUs", number_of(used.wall), first);
  append_json_number(out, "cpuUs", number_of(used.cpu), first);
  append_json_number(out, "queuedUs", number_of(used.queued), first);
  append_json_number(out, "peakMemoryBytes", used.peak_memory_bytes, first);
  append_json_number(out, "outputBytes", used.output_bytes, first);
  out += '}';
}

void append_stream_json(std::string& out, std::string_view name, std::string_view text) {
  if (text.empty())
    return;
  out += name;
  bridge::append_json_string(out, text);
}

bool plain_outcome(const execution& source, result_format format, fold output) {
  const auto& end = *source.end();
  if (end.outcome == verdict::kind::error || end.cause || end.displays_dropped > 0 || end.files)
    return false;
  if (end.outcome == verdict::kind::value && format != result_format::json)
    return false;
  return output == fold::no
         || std::none_of(source.log().begin(), source.log().end(),
                         [](const event& e) { return e.what == event::kind::display; });
}

std::string_view session_name(session_outcome what) noexcept {
  switch (what) {
    case session_outcome::kept: return R"(,"session":"SESSION_OUTCOME_KEPT")";
    case session_outcome::lost: return R"(,"session":"SESSION_OUTCOME_LOST")";
    case session_outcome::restored: return R"(,"session":"SESSION_OUTCOME_RESTORED")";
    case session_outcome::none: break;
  }
  return "";
}

} // namespace

result_format format_of(codec as, const execution& source) {
  auto wanted = static_cast<result_format>(source.request().answer_format);
  if (wanted != result_format::unspecified)
    return wanted;
  return as == codec::json ? result_format::json : result_format::typed;
}

void append_usage(std::string& out, std::uint32_t field, const usage& used) {
  std::string inner;
  append_number(inner, 1, number_of(used.wall));
  append_number(inner, 2, number_of(used.cpu));
  append_number(inner, 3, number_of(used.queued));
  append_number(inner, 4, used.peak_memory_bytes);
  append_number(inner, 5, used.output_bytes);
  append_bytes(out, field, inner);
}

std::string encode_cause(const cause& what) {
  std::string out;
  append_text(out, 1, what.what);
  append_text(out, 2, what.limit);
  append_number(out, 3, what.configured);
  append_number(out, 4, what.observed);
  append_number(out, 5, static_cast<std::uint64_t>(what.enforced_by));
  return out;
}

void append_verdict(std::string& out, std::uint32_t field, const execution& source,
                    result_format format, fold output) {
  const auto& end = *source.end();
  auto rest = rest_of_verdict(source, output);
  // Sizes first: the lengths of the enclosing messages come before a content that may be large,
  // and moving it to make room for them would be a copy.
  std::string converted;
  std::string_view content = end.content;
  std::uint32_t form = 0; // field of Result; 0: Result is empty, or it is an error
  if (end.outcome == verdict::kind::value && format != result_format::none) {
    form = 1;
    if (format == result_format::json) {
      bridge::append_struct_value(converted, content);
      content = converted;
      form = 2;
    }
  } else if (end.outcome == verdict::kind::repr && !content.empty()) {
    form = 3;
  }
  bool failed = end.outcome == verdict::kind::error;
  auto outcome_size = failed ? content.size() : form != 0 ? field_size(content.size()) : 0;
  // What callers append after it has room too: a full string would double, and copy all of it.
  out.reserve(out.size() + outcome_size + rest.size() + 128);
  bridge::expect_large(out.data() + out.size(), outcome_size);
  append_head(out, field, field_size(outcome_size) + rest.size());
  append_head(out, failed ? 2 : 1, outcome_size);
  if (failed)
    out += content;
  else if (form != 0)
    append_bytes(out, form, content);
  out += rest;
}

bool append_verdict_json(std::string& out, const execution& source, result_format format,
                         fold output) {
  if (!plain_outcome(source, format, output))
    return false;
  const auto& end = *source.end();
  out += R"({"result":{)";
  if (end.outcome == verdict::kind::value) {
    out += R"("json":)";
    bridge::append_json(out, end.content);
  } else if (end.outcome == verdict::kind::repr && !end.content.empty()) {
    out += R"("repr":)";
    bridge::append_json_string(out, end.content);
  }
  out += '}';
  if (output == fold::yes) {
    append_stream_json(out, R"(,"stdout":)", joined_output{source, event::kind::out}.text());
    append_stream_json(out, R"(,"stderr":)", joined_output{source, event::kind::err}.text());
  }
  append_usage_json(out, end.usage);
  out += session_name(end.session);
  if (truncated(source, output))
    out += R"(,"outputTruncated":true)";
  out += '}';
  return true;
}

} // namespace vivarium::wire
