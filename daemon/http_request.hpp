// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vivarium {

enum class http_verb : std::uint8_t { get, head, post, options, other };

/// Returns the name of a verb for a metric, e.g. "GET".
[[nodiscard]] std::string_view name_of(http_verb verb) noexcept;

/// An HTTP request as received: names of headers in lower case, values as sent.
class http_request {
public:
  http_verb verb = http_verb::other;
  bool http11 = true;
  bool keep_alive = true;
  bool upgrade = false;
  bool expects_continue = false;
  std::string body;
  std::uint64_t body_size = 0; ///< What came or is announced; a body over the limit is not kept.

  /// The method as sent, e.g. "PATCH".
  [[nodiscard]] std::string_view method() const noexcept;
  /// Path and query together, as sent.
  [[nodiscard]] std::string_view target() const noexcept;
  /// Path and query of the target, the way they were sent.
  [[nodiscard]] std::string_view path() const noexcept;
  [[nodiscard]] std::string_view query() const noexcept;
  [[nodiscard]] bool has_query() const noexcept;

  /// Returns the value of the first header of that (lower case) name; empty when there is none.
  [[nodiscard]] std::string_view header(std::string_view name) const noexcept;
  [[nodiscard]] std::size_t count(std::string_view name) const noexcept;

  /// Calls `each(name, value)` for every header, in their order; names in lower case.
  template <class F>
  void for_each_header(F&& each) const {
    for (const auto& e : headers_)
      each(name_of_entry(e), std::string_view{text_}.substr(e.value, e.value_size));
  }

  void set_target(std::string_view target, std::string_view method = {});
  void add_header(std::string_view name, std::string_view value);
  /// Forgets everything but keeps small memory for the next request.
  void clear();

private:
  struct entry {
    std::uint32_t name;
    std::uint32_t name_size;
    std::uint32_t value;
    std::uint32_t value_size;
  };
  [[nodiscard]] std::string_view name_of_entry(const entry& e) const noexcept {
    return std::string_view{text_}.substr(e.name, e.name_size);
  }

  std::string text_; // target, method, then names and values
  std::uint32_t target_size_ = 0;
  std::uint32_t method_size_ = 0;
  std::vector<entry> headers_;
};

} // namespace vivarium
