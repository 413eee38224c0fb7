// SPDX-License-Identifier: Apache-2.0
#include "daemon/json_scanner.hpp"

#include "bridge/validate.hpp"

#include <charconv>

namespace vivarium::wire {

namespace {

void append_code_point(std::string& into, std::uint32_t c) {
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

} // namespace

void scanner::space() {
  while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\t' || *at_ == '\r'))
    ++at_;
}

// Goes on to what a string cannot hold as it is: a quote, an escape, a control character.
void scanner::plain_run() {
  while (at_ != end_ && *at_ != '"' && *at_ != '\\' && static_cast<unsigned char>(*at_) >= 0x20)
    ++at_;
}

bool scanner::take(char c) {
  if (peek() != c || at_ == end_)
    return false;
  ++at_;
  return true;
}

bool scanner::at_end() {
  space();
  return at_ == end_;
}

char scanner::peek() {
  space();
  return at_ == end_ ? '\0' : *at_;
}

bool scanner::simple(std::string_view& into) {
  if (!take('"'))
    return false;
  const char* start = at_;
  plain_run();
  into = {start, static_cast<std::size_t>(at_ - start)};
  if (at_ == end_ || *at_ != '"')
    return false;
  ++at_;
  return true;
}

bool scanner::text(std::string& into) {
  if (!take('"'))
    return false;
  into.clear();
  for (;;) {
    const char* start = at_;
    plain_run();
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

bool scanner::number(std::uint64_t& into, std::uint64_t most) {
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

bool scanner::boolean(bool& into) {
  space();
  std::string_view rest{at_, static_cast<std::size_t>(end_ - at_)};
  into = rest.starts_with("true");
  if (!into && !rest.starts_with("false"))
    return false;
  at_ += into ? 4 : 5;
  return true;
}

bool scanner::extent(std::string_view& into) {
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

bool scanner::escape(std::string& into) {
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

bool scanner::hex(std::uint32_t& into) {
  if (end_ - at_ < 4)
    return false;
  auto [stop, why] = std::from_chars(at_, at_ + 4, into, 16);
  if (why != std::errc{} || stop != at_ + 4)
    return false;
  at_ += 4;
  return true;
}

bool scanner::unicode(std::string& into) {
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

} // namespace vivarium::wire
