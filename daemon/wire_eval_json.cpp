// SPDX-License-Identifier: Apache-2.0
#include "daemon/wire_eval_json.hpp"

#include "bridge/validate.hpp"

#include <array>
#include <charconv>
#include <string>
#include <utility>

namespace vivarium::wire {

namespace {

// Reads JSON from left to right. Every function returns whether it met the plain form that it
// knows; after the first `false` the whole text goes to libprotobuf.
class scanner {
public:
  explicit scanner(std::string_view text) : at_{text.data()}, end_{text.data() + text.size()} {}

  bool take(char c) {
    space();
    if (at_ == end_ || *at_ != c)
      return false;
    ++at_;
    return true;
  }
  bool at_end() {
    space();
    return at_ == end_;
  }
  char peek() {
    space();
    return at_ == end_ ? '\0' : *at_;
  }

  /// A string without escapes, e.g. a key.
  bool simple(std::string_view& into) {
    if (!take('"'))
      return false;
    const char* start = at_;
    while (at_ != end_ && *at_ != '"' && *at_ != '\\' && static_cast<unsigned char>(*at_) >= 0x20)
      ++at_;
    into = {start, static_cast<std::size_t>(at_ - start)};
    if (at_ == end_ || *at_ != '"')
      return false;
    ++at_;
    return true;
  }

  bool text(std::string& into) {
    if (!take('"'))
      return false;
    into.clear();
    for (;;) {
      const char* start = at_;
      while (at_ != end_ && *at_ != '"' && *at_ != '\\' && static_cast<unsigned char>(*at_) >= 0x20)
        ++at_;
      into.append(start, at_);
      if (at_ == end_)
        return false;
      if (*at_ == '"') {
        ++at_;
        return bridge::is_utf8(into);
      }
      if (*at_ != '\\' || !escape(into))
        return false;
    }
  }

  /// An unsigned integer, plain or as a string.
  bool number(std::uint64_t& into, std::uint64_t most) {
    bool quoted = peek() == '"';
    if (quoted)
      ++at_;
    const char* start = at_;
    auto [stop, why] = std::from_chars(at_, end_, into);
    if (why != std::errc{} || into > most || (*start == '0' && stop - start > 1))
      return false;
    at_ = stop;
    if (quoted)
      return at_ != end_ && *at_++ == '"';
    return at_ == end_ || (*at_ != '.' && *at_ != 'e' && *at_ != 'E');
  }

  bool boolean(bool& into) {
    space();
    std::string_view rest{at_, static_cast<std::size_t>(end_ - at_)};
    into = rest.starts_with("true");
    if (!into && !rest.starts_with("false"))
      return false;
    at_ += into ? 4 : 5;
    return true;
  }

  /// Skips a value by its brackets and strings only; whoever reads it checks it.
  bool extent(std::string_view& into) {
    space();
    const char* start = at_;
    int depth = 0;
    do {
      if (at_ == end_)
        return false;
      char c = *at_++;
      if (c == '"') {
        while (at_ != end_ && *at_ != '"')
          at_ += *at_ == '\\' && end_ - at_ > 1 ? 2 : 1;
        if (at_ == end_)
          return false;
        ++at_;
      } else if (c == '{' || c == '[') {
        ++depth;
      } else if (c == '}' || c == ']') {
        --depth;
      }
    } while (depth > 0);
    into = {start, static_cast<std::size_t>(at_ - start)};
    return depth == 0;
  }

private:
  void space() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\t' || *at_ == '\r'))
      ++at_;
  }

  bool escape(std::string& into) {
    if (end_ - at_ < 2)
      return false;
    char c = at_[1];
    at_ += 2;
    switch (c) {
      case '"': into += '"'; return true;
      case '\\': into += '\\'; return true;
      case '/': into += '/'; return true;
      case 'b': into += '\b'; return true;
      case 'f': into += '\f'; return true;
      case 'n': into += '\n'; return true;
      case 'r': into += '\r'; return true;
      case 't': into += '\t'; return true;
      case 'u': return unicode(into);
      default: return false;
    }
  }

  bool hex(std::uint32_t& into) {
    if (end_ - at_ < 4)
      return false;
    auto [stop, why] = std::from_chars(at_, at_ + 4, into, 16);
    if (why != std::errc{} || stop != at_ + 4)
      return false;
    at_ += 4;
    return true;
  }

  bool unicode(std::string& into) {
    std::uint32_t c = 0;
    if (!hex(c))
      return false;
    if (c >= 0xD800 && c < 0xE000) {
      std::uint32_t low = 0;
      if (c >= 0xDC00 || end_ - at_ < 6 || at_[0] != '\\' || at_[1] != 'u')
        return false;
      at_ += 2;
      if (!hex(low) || low < 0xDC00 || low >= 0xE000)
        return false;
      c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
    }
    append_code_point(into, c);
    return true;
  }

  static void append_code_point(std::string& into, std::uint32_t c) {
    auto tail = [&into](std::uint32_t bits) { into += static_cast<char>(0x80 | (bits & 0x3F)); };
    if (c < 0x80) {
      into += static_cast<char>(c);
    } else if (c < 0x800) {
      into += static_cast<char>(0xC0 | c >> 6);
      tail(c);
    } else if (c < 0x10000) {
      into += static_cast<char>(0xE0 | c >> 12);
      tail(c >> 6);
      tail(c);
    } else {
      into += static_cast<char>(0xF0 | c >> 18);
      tail(c >> 12);
      tail(c >> 6);
      tail(c);
    }
  }

  const char* at_;
  const char* end_;
};

// Fields of EvalRequest by number, under both names that the JSON form allows.
struct field_name {
  std::string_view json;
  std::string_view proto;
};
constexpr std::array<field_name, 13> eval_names{{
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
