// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/wire.hpp"
#include "daemon/wire_bytes.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

// What the files that decode requests share.
namespace vivarium::wire {

/// 34 years; beyond it arithmetic could overflow.
inline constexpr std::uint64_t most_ms = 1ull << 40;

[[nodiscard]] inline error wrong(std::string what) {
  return error{errc::invalid_argument, std::move(what)};
}

[[nodiscard]] status take_text(std::string& into, protozero::pbf_reader& reader,
                               std::string_view field);
[[nodiscard]] status take_ms(std::chrono::milliseconds& into, protozero::pbf_reader& reader,
                             std::string_view field);
[[nodiscard]] status skip(protozero::pbf_reader& reader);

/// Refuses a number that is not one of an enum's, which are 0 to `last`.
[[nodiscard]] status check_enum(std::int32_t value, std::int32_t last, std::string_view field);

/// Reads what makes a session repeat itself.
[[nodiscard]] status read_determinism(determinism& into, std::string_view bytes);

/// Brings a request into its binary form, in which there is one decoder for it. What is read points
/// into it.
class binary_form {
public:
  binary_form(message type, codec as, std::string_view bytes);
  binary_form(const binary_form&) = delete;
  binary_form& operator=(const binary_form&) = delete;

  template <class Each>
  status read(Each each) const {
    if (failed_.code != errc::none)
      return failed_;
    return read_fields(view_, std::move(each));
  }

private:
  std::string owned_;
  std::string_view view_;
  error failed_;
};

} // namespace vivarium::wire
