// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// The messages of PostgreSQL's protocol 3.0, as far as they are needed. What comes from a server is
// hostile: a client may have named it.

namespace vivarium::pg {

/// A parameter: its type and its text; nothing for NULL.
struct parameter {
  std::uint32_t type = 0; ///< OID; 0: for the server to find out.
  std::optional<std::string> text;
};

/// A statement with its parameters, which are never part of its text.
struct statement {
  std::string text;
  std::vector<parameter> parameters;
};

struct column {
  std::string name;
  std::uint32_t type = 0; ///< OID
};

/// What a server says is wrong.
struct server_error {
  std::string severity;
  std::string code; ///< SQLSTATE
  std::string message;
  std::string detail;
  std::string hint;
  std::string constraint;
};

// Each appends one message.
void append_ssl_request(std::string& out);
void append_startup(std::string& out,
                    const std::vector<std::pair<std::string, std::string>>& settings);
void append_password(std::string& out, std::string_view text);
void append_sasl_initial(std::string& out, std::string_view mechanism, std::string_view data);
void append_sasl(std::string& out, std::string_view data);
/// Parse, Bind, Describe, Execute of at most `most_rows`, Sync.
void append_query(std::string& out, const statement& what, std::uint32_t most_rows);
/// A statement of the daemon's own, whose text is the whole of it.
void append_simple_query(std::string& out, std::string_view text);
void append_cancel(std::string& out, std::uint32_t process, std::uint32_t secret);
void append_terminate(std::string& out);

/// A message of a server's.
struct message {
  char type = 0;
  std::string_view body;
};

/// How long the message is that a buffer begins with, its head included. Nothing when the head is
/// not whole; `malformed` when it is none or is longer than `most`.
[[nodiscard]] result<std::optional<std::size_t>> message_size(std::string_view buffer,
                                                              std::size_t most);
/// Opens a whole message.
[[nodiscard]] message open_message(std::string_view whole) noexcept;

/// Reads the parts of a message; each fails when there is not enough left.
class body_reader {
public:
  explicit body_reader(std::string_view body) noexcept : rest_{body} {}
  [[nodiscard]] std::optional<std::uint16_t> two_bytes() noexcept;
  [[nodiscard]] std::optional<std::uint32_t> four_bytes() noexcept;
  [[nodiscard]] std::optional<std::string_view> text() noexcept; ///< Up to its NUL.
  [[nodiscard]] std::optional<std::string_view> bytes(std::size_t count) noexcept;
  [[nodiscard]] std::string_view rest() const noexcept { return rest_; }

private:
  std::string_view rest_;
};

[[nodiscard]] result<std::vector<column>> read_columns(std::string_view body);
[[nodiscard]] server_error read_error(std::string_view body);
/// Calls `each` with each value of a row; nothing for NULL.
template <class Each>
[[nodiscard]] bool read_row(std::string_view body, std::size_t columns, Each each) {
  body_reader in{body};
  auto count = in.two_bytes();
  if (!count || *count != columns)
    return false;
  for (std::size_t i = 0; i < columns; ++i) {
    auto size = in.four_bytes();
    if (!size)
      return false;
    if (*size == 0xffff'ffff) {
      each(std::optional<std::string_view>{});
      continue;
    }
    auto value = in.bytes(*size);
    if (!value)
      return false;
    each(value);
  }
  return in.rest().empty();
}

} // namespace vivarium::pg
