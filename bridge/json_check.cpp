// SPDX-License-Identifier: Apache-2.0
#include "bridge/json_check.hpp"

#include "bridge/validate.hpp"

#include <vector>

namespace vivarium::bridge {

namespace {

class checker {
public:
  explicit checker(std::string_view text) noexcept : rest_{text} {}

  // Without recursion: how deep it may go is the caller's to say, not the stack's.
  bool document(std::size_t max_depth) {
    std::vector<char> open; // The bracket that ends each.
    for (;;) {
      space();
      if (char c = peek(); c == '{' || c == '[') {
        if (open.size() == max_depth)
          return false;
        open.push_back(c == '{' ? '}' : ']');
        rest_.remove_prefix(1);
        space();
        if (peek() != open.back()) {
          if (c == '{' && !key())
            return false;
          continue;
        }
        rest_.remove_prefix(1);
        open.pop_back();
      } else if (!scalar()) {
        return false;
      }
      for (space(); !open.empty() && peek() == open.back(); space()) {
        rest_.remove_prefix(1);
        open.pop_back();
      }
      if (open.empty())
        return rest_.empty();
      if (!skip(',') || (open.back() == '}' && !key()))
        return false;
    }
  }

private:
  [[nodiscard]] char peek() const noexcept { return rest_.empty() ? '\0' : rest_.front(); }
  bool skip(char c) noexcept {
    if (peek() != c || rest_.empty())
      return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool skip(std::string_view word) noexcept {
    if (!rest_.starts_with(word))
      return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  void space() noexcept {
    auto end = rest_.find_first_not_of(" \t\r\n");
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end);
  }
  bool key() noexcept {
    space();
    if (!string())
      return false;
    space();
    return skip(':');
  }
  bool scalar() noexcept {
    switch (peek()) {
      case '"': return string();
      case 't': return skip(std::string_view{"true"});
      case 'f': return skip(std::string_view{"false"});
      case 'n': return skip(std::string_view{"null"});
      default: return number();
    }
  }
  static bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
  static bool is_hex(char c) noexcept {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  }
  bool digits() noexcept {
    if (!is_digit(peek()))
      return false;
    while (is_digit(peek()))
      rest_.remove_prefix(1);
    return true;
  }
  bool number() noexcept {
    skip('-');
    if (!skip('0') && !digits())
      return false;
    if (skip('.') && !digits())
      return false;
    if (skip('e') || skip('E')) {
      if (!skip('+'))
        skip('-');
      return digits();
    }
    return true;
  }
  bool string() noexcept {
    if (!skip('"'))
      return false;
    while (!rest_.empty()) {
      char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '"')
        return true;
      if (static_cast<unsigned char>(c) < 0x20 || (c == '\\' && !escape()))
        return false;
    }
    return false;
  }
  bool escape() noexcept {
    char c = peek();
    if (rest_.empty())
      return false;
    rest_.remove_prefix(1);
    if (c != 'u')
      return std::string_view{"\"\\/bfnrt"}.find(c) != std::string_view::npos;
    for (int i = 0; i < 4; ++i) {
      if (!is_hex(peek()))
        return false;
      rest_.remove_prefix(1);
    }
    return true;
  }

  std::string_view rest_;
};

} // namespace

bool is_json(std::string_view text, std::size_t max_depth) noexcept {
  return is_utf8(text) && checker{text}.document(max_depth);
}

} // namespace vivarium::bridge
