// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace vivarium::bridge {

// Values as Python writes them.

/// Converts big integers to decimal text. Long ones cost quadratic time, and who sends them is not
/// to be trusted: each converter has a budget, after which, and for numbers over 4,300 digits (the
/// limit of CPython's own `str`), the text is hexadecimal: "0x1f", "-0x1f".
class integer_writer {
public:
  /// Appends a number given in two's complement, little endian.
  void append(std::string& out, std::string_view twos_complement);

private:
  std::size_t work_left_ = 20'000'000;
};

/// Appends what `repr` gives for a float.
void append_float_repr(std::string& out, double value);

/// Appends what `repr` gives for an encoded vivarium.v1.Value that has been validated.
void append_repr(std::string& out, std::string_view value, integer_writer& integers);

} // namespace vivarium::bridge
