// SPDX-License-Identifier: Apache-2.0
#include "interp/split.hpp"

#include <algorithm>
#include <array>

namespace vivarium::interp {

namespace {

// What begins with one of these, in column 0, is a statement or belongs to one above it.
constexpr std::array<std::string_view, 19> statements{
    "@",      "assert", "async",  "break",    "class", "continue", "def", "del",   "for", "from",
    "global", "if",     "import", "nonlocal", "pass",  "raise",    "try", "while", "with"};
constexpr std::array<std::string_view, 4> continuations{"elif", "else", "except", "finally"};

// As Python's own; letters beyond ASCII only stand in names and in text.
bool is_word(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'
         || static_cast<unsigned char>(c) >= 0x80;
}

bool is_space(char c) noexcept {
  return c == ' ' || (c >= '\t' && c <= '\r') || (c >= '\x1c' && c <= '\x1f');
}

bool is_any_of(char c, std::string_view set) noexcept {
  return set.find(c) != std::string_view::npos;
}

// Neither a comment nor the end of a bracket.
std::size_t last_start(std::string_view source) noexcept {
  auto end = source.size();
  while (end > 0 && is_space(source[end - 1]))
    --end;
  while (end > 0) {
    auto newline = source.rfind('\n', end - 1);
    auto start = newline == std::string_view::npos ? 0 : newline + 1;
    if (start < end && !is_any_of(source[start], " \t\f#)]}"))
      return start;
    if (start == 0)
      return 0;
    end = start - 1;
  }
  return 0;
}

std::string_view first_word(std::string_view line) noexcept {
  if (line.empty())
    return {};
  if (line.front() == '@')
    return line.substr(0, 1);
  if (!is_word(line.front()) || (line.front() >= '0' && line.front() <= '9'))
    return {};
  auto end = std::find_if_not(line.begin(), line.end(), is_word);
  return line.substr(0, static_cast<std::size_t>(end - line.begin()));
}

// `name = `, `a.b[c], d += ` and the like.
bool is_assignment(std::string_view line) noexcept {
  auto end = std::find_if_not(line.begin(), line.end(),
                              [](char c) { return is_word(c) || is_any_of(c, ".[], "); });
  auto rest = line.substr(static_cast<std::size_t>(end - line.begin()));
  if (rest.size() == line.size())
    return false;
  std::size_t sign = 0;
  if (rest.starts_with("//=") || rest.starts_with("**=") || rest.starts_with(">>=")
      || rest.starts_with("<<="))
    sign = 2;
  else if (!rest.empty() && is_any_of(rest.front(), "-+*/%@&|^"))
    sign = 1;
  rest.remove_prefix(sign);
  return rest.starts_with('=') && !rest.starts_with("==");
}

template <class Set>
bool contains(const Set& set, std::string_view word) noexcept {
  return std::find(set.begin(), set.end(), word) != set.end();
}

} // namespace

std::optional<cut> find_cut(std::string_view source) noexcept {
  if (source.find('\r') != std::string_view::npos
      || source.find("__future__") != std::string_view::npos)
    return std::nullopt;
  auto at = last_start(source);
  auto rest = source.substr(at);
  auto word = first_word(rest);
  if (rest.empty() || rest.find(';') != std::string_view::npos || contains(continuations, word))
    return std::nullopt;
  return cut{at, contains(statements, word) || (word != "lambda" && is_assignment(rest))};
}

} // namespace vivarium::interp
