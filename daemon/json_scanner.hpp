// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace vivarium::wire {

/// Reads JSON from left to right. Every function returns whether it met the plain form that it
/// knows; after the first `false` the whole text is left to libprotobuf.
class scanner {
public:
  explicit scanner(std::string_view text) : at_{text.data()}, end_{text.data() + text.size()} {}

  /// Takes one character, after any white space.
  bool take(char c);
  bool at_end();
  /// The next character that is not white space; 0 at the end.
  char peek();
  /// A string without escapes, e.g. a key.
  bool simple(std::string_view& into);
  bool text(std::string& into);
  /// An unsigned integer, plain or as a string.
  bool number(std::uint64_t& into, std::uint64_t most);
  bool boolean(bool& into);
  /// Skips a value by its brackets and strings only; whoever reads it checks it.
  bool extent(std::string_view& into);

private:
  void space();
  void plain_run();
  bool escape(std::string& into);
  bool hex(std::uint32_t& into);
  bool unicode(std::string& into);

  const char* at_;
  const char* end_;
};

} // namespace vivarium::wire
