// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/needs_more.hpp"

#include <cstddef>

namespace vivarium::cli {

namespace {

/// Reads source once, keeping track of what is open.
class scanner {
public:
  explicit scanner(std::string_view text) : text_{text} {}

  bool unfinished() {
    while (at_ < text_.size())
      step();
    end_line();
    return depth_ > 0 || triple_ || continued_ || (block_ && !blank_);
  }

private:
  void step() {
    const char c = text_[at_];
    if (c == '\n') {
      end_line();
      ++at_;
    } else if (c == '#') {
      if (first_ == '\0')
        first_ = c;
      at_ = text_.find('\n', at_);
      if (at_ == std::string_view::npos)
        at_ = text_.size();
    } else if (c == '"' || c == '\'') {
      string_literal(c);
      last_ = c;
    } else {
      if (c == '(' || c == '[' || c == '{')
        ++depth_;
      else if (c == ')' || c == ']' || c == '}')
        depth_ -= depth_ > 0 ? 1 : 0;
      if (c != ' ' && c != '\t') {
        if (first_ == '\0')
          first_ = c;
        last_ = c;
      }
      ++at_;
    }
  }

  void string_literal(char quote) {
    if (first_ == '\0')
      first_ = quote;
    const bool triple = text_.substr(at_, 3) == std::string_view{quote == '"' ? "\"\"\"" : "'''"};
    at_ += triple ? 3 : 1;
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\') {
        ++at_;
      } else if (triple ? text_.substr(at_, 3) == std::string_view{quote == '"' ? "\"\"\"" : "'''"}
                        : text_[at_] == quote) {
        at_ += triple ? 3 : 1;
        return;
      } else if (!triple && text_[at_] == '\n') {
        return; // An error that CPython will explain.
      }
    }
    triple_ = triple;
    at_ = text_.size();
  }

  /// A line ended that is not inside a bracket or a string.
  void end_line() {
    if (depth_ > 0)
      return;
    continued_ = last_ == '\\';
    blank_ = first_ == '\0';
    // A colon at the end opens a block, and so does a decorator.
    if (last_ == ':' || first_ == '@')
      block_ = true;
    first_ = last_ = '\0';
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
  bool triple_ = false;
  bool continued_ = false;
  bool block_ = false;
  bool blank_ = false; ///< The last line holds no code.
  char first_ = '\0';  ///< First and last character of code on this line.
  char last_ = '\0';
};

} // namespace

bool needs_more(std::string_view source) {
  if (!source.empty() && source.back() == '\n')
    source.remove_suffix(1);
  return scanner{source}.unfinished();
}

} // namespace vivarium::cli
