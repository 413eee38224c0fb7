// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace vivarium::cli {

/// Rows under named columns, which become a table for people or JSON for machines. What the cells
/// hold may be a tenant's text: it is escaped for either.
class table {
public:
  struct column {
    std::string_view key;  ///< In JSON.
    std::string_view head; ///< Of the table; a column without one is in JSON only.
  };
  /// A time is a number of seconds in JSON, a size one of bytes.
  struct seconds {
    double count = 0;
  };
  struct size {
    std::uint64_t bytes = 0;
  };
  /// What cannot be told yet; null in JSON.
  struct unknown {};
  using cell = std::variant<unknown, std::string, std::uint64_t, double, bool, seconds, size>;

  explicit table(std::vector<column> columns) : columns_{std::move(columns)} {}

  void add(std::vector<cell> row) { rows_.push_back(std::move(row)); }
  [[nodiscard]] std::size_t rows() const noexcept { return rows_.size(); }
  [[nodiscard]] const std::vector<column>& columns() const noexcept { return columns_; }
  /// Puts the rows in the order of a column; numbers by size, descending when asked.
  void sort_by(std::size_t column, bool descending);

  /// Lines with heads above; `mark`: the head of a column that is to stand out, or none.
  [[nodiscard]] std::vector<std::string> lines(std::string_view mark = {}) const;
  /// An array with an object for each row.
  [[nodiscard]] std::string json() const;
  /// The first row as an object.
  [[nodiscard]] std::string first_as_json() const;

private:
  std::vector<column> columns_;
  std::vector<std::vector<cell>> rows_;
};

/// Returns a cell as people read it.
[[nodiscard]] std::string text_of(const table::cell& what);
/// Returns a time as people read it, e.g. "12ms", "3.4s", "2h05m"; a size, e.g. "512MiB".
[[nodiscard]] std::string text_of(table::seconds what);
[[nodiscard]] std::string text_of(table::size what);

} // namespace vivarium::cli
