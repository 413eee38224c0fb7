// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"

#include <string>
#include <string_view>

// How one proves to PostgreSQL who one is.

namespace vivarium::pg {

/// What a server asks for with its salt of four bytes.
[[nodiscard]] std::string md5_answer(std::string_view user, std::string_view password,
                                     std::string_view salt);

/// SCRAM-SHA-256 (RFC 5802, 7677), without channel binding. A value.
class scram {
public:
  explicit scram(std::string nonce) : nonce_{std::move(nonce)} {}

  [[nodiscard]] std::string first() const;
  /// Takes the server's first message; `malformed` when it is none, or asks for more than
  /// `most_iterations`, which is work for us.
  [[nodiscard]] status take_first(std::string_view message);
  /// The client's final message. Takes milliseconds: not for the reactor thread.
  [[nodiscard]] std::string final(std::string_view password);
  /// Whether the server has proved that it knows the password, too.
  [[nodiscard]] bool check_final(std::string_view message) const;

  static constexpr unsigned most_iterations = 100'000;

private:
  std::string nonce_;
  std::string server_first_;
  std::string whole_nonce_;
  std::string salt_;
  unsigned iterations_ = 0;
  std::string server_signature_; // base64
};

/// A nonce for it.
[[nodiscard]] std::string make_nonce();

} // namespace vivarium::pg
