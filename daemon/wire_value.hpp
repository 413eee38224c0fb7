// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bridge/worker_protocol.hpp"
#include "proto/result.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// Values on their way to a worker: what clients send is put together without being decoded, and
// checked as a whole before anybody else sees it.
namespace vivarium::wire {

/// A ValueOptions as read: its enums by field number less one, not yet judged.
struct value_fields {
  std::array<std::int32_t, 5> numbers{};

  /// What this one leaves unset is taken from `other`.
  void fill_from(const value_fields& other) noexcept;
};

/// What a ValueOptions comes to.
struct value_choice {
  bridge::value_options options;
  bool of_connection = false; ///< Refs live as long as the connection that asks.
};

/// Reads an encoded ValueOptions over what `into` holds.
[[nodiscard]] status read_value_options(value_fields& into, std::string_view encoded);
[[nodiscard]] result<value_choice> check_value_options(const value_fields& fields);

/// A variable or a keyword argument: its name, and its encoded Value.
struct named_value {
  std::string_view name;
  std::string_view value;
};

/// The entries of a `map<string, Value>` and of a Struct beside it, as views into the request.
class named_values {
public:
  /// Takes one encoded entry of the map.
  [[nodiscard]] status add(std::string_view entry);
  /// Takes an encoded google.protobuf.Struct.
  void add_json(std::string_view encoded) {
    json_ += encoded;
    has_json_ = true;
  }

  [[nodiscard]] bool empty() const noexcept { return typed_.empty() && !has_json_; }
  [[nodiscard]] bool has_typed() const noexcept { return !typed_.empty(); }
  [[nodiscard]] bool has_json() const noexcept { return has_json_; }

  /// Puts both together, typed ones first; `what` names them in errors. A name that is in both is
  /// refused; of one that is twice in the map the later counts. The views stay valid as long as
  /// this object and the request.
  [[nodiscard]] result<std::vector<named_value>> merge(std::string_view what);

private:
  std::vector<named_value> typed_;
  std::string json_;    // The Struct.
  std::string natural_; // The Value that it comes to.
  bool has_json_ = false;
};

/// Size of the encoded Value that the function below appends.
[[nodiscard]] std::size_t dict_size(const std::vector<named_value>& entries) noexcept;
/// Appends a Value that is a dict.
void append_dict(std::string& out, const std::vector<named_value>& entries);
[[nodiscard]] std::size_t list_size(const std::vector<std::string_view>& items) noexcept;
/// Appends a Value that is a list.
void append_list(std::string& out, const std::vector<std::string_view>& items);

/// Makes what bridge/ found wrong with a client's value, `what`, an error of that client.
[[nodiscard]] error of_client(error why, std::string_view what);

/// Checks an encoded Value that is bound for a worker; `what` names it in errors.
[[nodiscard]] status check_value(std::string_view encoded, std::string_view what);

/// Returns the variables as one Value, checked; empty when there are none.
[[nodiscard]] result<std::string> make_variables(named_values& from, std::string_view what);

} // namespace vivarium::wire
