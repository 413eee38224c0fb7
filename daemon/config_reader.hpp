// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/config.hpp"
#include "daemon/units.hpp"

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

/// Where readers put what they find: what is wrong, and what the keys say.
struct config_notes {
  std::string_view file;
  config_problems& problems;
  config_values& values;
  config_scope scope;
};

/// Reads one table of the configuration. Each `take` names a key that may be there; what nobody
/// asked for is reported by `finish` as unknown. What a `take` checks is what the reference says of
/// the key.
class table_reader {
public:
  /// `pattern` is the path with NAME for what a person has named.
  table_reader(const toml::table* table, std::string path, std::string pattern, config_notes& notes)
      : table_{table}, path_{std::move(path)}, pattern_{std::move(pattern)}, notes_{notes} {}

  void take(std::string_view key, std::string& into);
  void take(std::string_view key, bool& into);
  void take(std::string_view key, std::vector<std::string>& into);
  /// One of a few words.
  void take_word(std::string_view key, const std::vector<std::string_view>& words,
                 const std::function<void(std::size_t)>& chosen);

  template <std::integral Number>
  void take_count(std::string_view key, Number& into, range allowed) {
    auto usual = std::to_string(into);
    if (auto value = read_count(key, allowed))
      into = static_cast<Number>(*value);
    note(key, "count", bounds_of(allowed), std::move(usual), std::to_string(into));
  }
  template <std::integral Number>
  void take_size(std::string_view key, Number& into, range allowed) {
    auto usual = quoted(show_size(static_cast<std::uint64_t>(into)));
    if (auto value = read_size(key, allowed))
      into = static_cast<Number>(*value);
    note(key, "size", bounds_of(allowed, &show_size), std::move(usual),
         quoted(show_size(static_cast<std::uint64_t>(into))));
  }
  template <class Duration>
  void take_duration(std::string_view key, Duration& into, range allowed_ms) {
    auto usual = quoted(show_duration(into));
    if (auto value = read_duration(key, allowed_ms))
      into = std::chrono::duration_cast<Duration>(*value);
    note(key, "duration", bounds_of(allowed_ms, &show_milliseconds), std::move(usual),
         quoted(show_duration(into)));
  }

  /// Returns the table of that name; nothing when there is none.
  const toml::table* table(std::string_view key);
  [[nodiscard]] const toml::table* raw() const noexcept { return table_; }
  [[nodiscard]] table_reader below(std::string_view key);
  /// The same of a table that stands under the name of a thing.
  [[nodiscard]] table_reader named(std::string_view name);
  /// The key names a file: what is in that is part of its value.
  void note_content(std::string_view key, std::string_view text);
  /// Has each table of this one read that stands under the name of a thing, and complains about
  /// names that are none.
  void each_named(const std::function<void(const std::string&, table_reader&)>& read);
  void complain(std::string_view key, std::string_view what);
  void finish();

private:
  const toml::node* find(std::string_view key);
  [[nodiscard]] std::string at(std::string_view key) const;
  static std::string quoted(std::string_view text);
  static std::string show_milliseconds(std::uint64_t value);
  static std::string bounds_of(range allowed, std::string (*show)(std::uint64_t) = nullptr);
  /// Remembers what a key says, as texts of TOML.
  void note(std::string_view key, std::string_view type, std::string bounds, std::string usual,
            std::string value);
  std::optional<std::int64_t> read_count(std::string_view key, range allowed);
  std::optional<std::int64_t> read_size(std::string_view key, range allowed);
  std::optional<std::chrono::milliseconds> read_duration(std::string_view key, range allowed_ms);
  void complain(const toml::node* at, std::string_view key, std::string_view what);

  const toml::table* table_;
  std::string path_;
  std::string pattern_;
  config_notes& notes_;
  std::set<std::string, std::less<>> known_;
};

/// Reads maxima of limits: of `[limits.max]`, or of a tenant.
void read_maxima(table_reader& in, limit_maxima& into);

} // namespace vivarium
