// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/config.hpp"

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace vivarium {

/// Bounds of a value.
struct range {
  std::int64_t least = 0;
  std::int64_t most = std::numeric_limits<std::int64_t>::max();
};

/// Returns the line of the first character beyond ASCII that is in no string and no comment; 0 when
/// there is none. TOML has no place for one, and some of them are undefined behaviour in toml++.
[[nodiscard]] std::size_t foreign_character(std::string_view text) noexcept;

/// Reads one table of the configuration. Each `take` names a key that may be there; what nobody
/// asked for is reported by `finish` as unknown.
class table_reader {
public:
  table_reader(const toml::table* table, std::string path, std::string_view file,
               config_problems& problems)
      : table_{table}, path_{std::move(path)}, file_{file}, problems_{problems} {}

  void take(std::string_view key, std::string& into);
  void take(std::string_view key, bool& into);
  void take(std::string_view key, std::vector<std::string>& into);
  /// One of a few words.
  void take_word(std::string_view key, const std::vector<std::string_view>& words,
                 const std::function<void(std::size_t)>& chosen);

  template <std::integral Number>
  void take_count(std::string_view key, Number& into, range allowed) {
    if (auto value = read_count(key, allowed))
      into = static_cast<Number>(*value);
  }
  template <std::integral Number>
  void take_size(std::string_view key, Number& into, range allowed) {
    if (auto value = read_size(key, allowed))
      into = static_cast<Number>(*value);
  }
  template <class Duration>
  void take_duration(std::string_view key, Duration& into, range allowed_ms) {
    if (auto value = read_duration(key, allowed_ms))
      into = std::chrono::duration_cast<Duration>(*value);
  }

  /// Returns the table of that name; nothing when there is none.
  const toml::table* table(std::string_view key);
  [[nodiscard]] const toml::table* raw() const noexcept { return table_; }
  [[nodiscard]] table_reader below(std::string_view key);
  /// Has each table of this one read that stands under the name of a thing, and complains about
  /// names that are none.
  void each_named(const std::function<void(const std::string&, table_reader&)>& read);
  void complain(std::string_view key, std::string_view what);
  void finish();

private:
  const toml::node* find(std::string_view key);
  std::optional<std::int64_t> read_count(std::string_view key, range allowed);
  std::optional<std::int64_t> read_size(std::string_view key, range allowed);
  std::optional<std::chrono::milliseconds> read_duration(std::string_view key, range allowed_ms);
  void complain(const toml::node* at, std::string_view key, std::string_view what);

  const toml::table* table_;
  std::string path_;
  std::string_view file_;
  config_problems& problems_;
  std::set<std::string, std::less<>> known_;
};

/// Reads maxima of limits: of `[limits.max]`, or of a tenant.
void read_maxima(table_reader& in, limit_maxima& into);

} // namespace vivarium
