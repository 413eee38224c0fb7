// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/table.hpp"

#include "clients/cli/printable.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

namespace vivarium::cli {

namespace {

template <class... Args>
std::string formatted(const char* form, Args... args) {
  std::array<char, 48> text{};
  const auto n = std::snprintf(text.data(), text.size(), form, args...);
  return {text.data(), std::min(static_cast<std::size_t>(n), text.size() - 1)};
}

struct to_text {
  std::string operator()(table::unknown) const { return "-"; }
  std::string operator()(const std::string& what) const {
    return what.empty() ? "-" : printable(what);
  }
  std::string operator()(std::uint64_t what) const { return std::to_string(what); }
  std::string operator()(double what) const { return formatted(what < 10 ? "%.1f" : "%.0f", what); }
  std::string operator()(bool what) const { return what ? "yes" : "no"; }
  std::string operator()(table::seconds what) const { return text_of(what); }
  std::string operator()(table::size what) const { return text_of(what); }
};

std::string quoted(std::string_view text) {
  // JSON may not hold what is no UTF-8; what acts on a terminal is kept from it here as well, for
  // who looks at JSON with one.
  std::string out = "\"";
  for (const char c : printable(text)) {
    if (c == '"' || c == '\\')
      out += '\\';
    out += c;
  }
  return out + '"';
}

struct to_json {
  std::string operator()(table::unknown) const { return "null"; }
  std::string operator()(const std::string& what) const { return quoted(what); }
  std::string operator()(std::uint64_t what) const { return std::to_string(what); }
  std::string operator()(double what) const { return formatted("%.6g", what); }
  std::string operator()(bool what) const { return what ? "true" : "false"; }
  std::string operator()(table::seconds what) const { return formatted("%.6f", what.count); }
  std::string operator()(table::size what) const { return std::to_string(what.bytes); }
};

struct to_number {
  double operator()(table::unknown) const { return -1; }
  double operator()(const std::string&) const { return 0; }
  double operator()(std::uint64_t what) const { return static_cast<double>(what); }
  double operator()(double what) const { return what; }
  double operator()(bool what) const { return what ? 1 : 0; }
  double operator()(table::seconds what) const { return what.count; }
  double operator()(table::size what) const { return static_cast<double>(what.bytes); }
};

bool is_text(const table::cell& what) {
  return std::holds_alternative<std::string>(what);
}

bool before(const table::cell& a, const table::cell& b) {
  if (is_text(a) && is_text(b))
    return std::get<std::string>(a) < std::get<std::string>(b);
  return std::visit(to_number{}, a) < std::visit(to_number{}, b);
}

void append_padded(std::string& line, const std::string& text, std::size_t width, bool right) {
  const auto missing = width - std::min(width, width_of(text));
  if (right)
    line.append(missing, ' ');
  line += text;
  if (!right)
    line.append(missing, ' ');
}

std::string object_of(const std::vector<table::column>& columns,
                      const std::vector<table::cell>& row) {
  std::string out = "{";
  for (std::size_t n = 0; n < columns.size(); ++n)
    out += (n > 0 ? "," : "") + quoted(columns[n].key) + ":" + std::visit(to_json{}, row[n]);
  return out + "}";
}

} // namespace

std::string text_of(const table::cell& what) {
  return std::visit(to_text{}, what);
}

std::string text_of(table::seconds what) {
  const auto s = what.count;
  if (s < 1)
    return formatted("%.0fms", s * 1000);
  if (s < 60)
    return formatted("%.1fs", s);
  const auto whole = static_cast<unsigned long long>(s);
  if (s < 3600)
    return formatted("%llum%02llus", whole / 60, whole % 60);
  if (s < 48 * 3600)
    return formatted("%lluh%02llum", whole / 3600, whole / 60 % 60);
  return formatted("%llud%02lluh", whole / 86400, whole / 3600 % 24);
}

std::string text_of(table::size what) {
  static constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto n = static_cast<double>(what.bytes);
  std::size_t unit = 0;
  for (; n >= 1024 && unit + 1 < std::size(units); ++unit)
    n /= 1024;
  return formatted(unit > 0 && n < 10 ? "%.1f%s" : "%.0f%s", n, units[unit]);
}

void table::sort_by(std::size_t column, bool descending) {
  std::stable_sort(rows_.begin(), rows_.end(), [&](const auto& a, const auto& b) {
    return descending ? before(b[column], a[column]) : before(a[column], b[column]);
  });
}

std::vector<std::string> table::lines(std::string_view mark) const {
  std::vector<std::vector<std::string>> texts{{}};
  for (const auto& one : columns_)
    texts[0].push_back(std::string{one.head} + (!mark.empty() && one.head == mark ? "*" : ""));
  for (const auto& row : rows_) {
    auto& line = texts.emplace_back();
    for (const auto& one : row)
      line.push_back(text_of(one));
  }
  std::vector<std::string> out(texts.size());
  std::size_t last = columns_.size();
  while (last > 0 && columns_[last - 1].head.empty())
    --last;
  for (std::size_t n = 0; n < last; ++n) {
    if (columns_[n].head.empty())
      continue;
    std::size_t width = 0;
    for (const auto& line : texts)
      width = std::max(width, width_of(line[n]));
    const bool right = !rows_.empty() && !is_text(rows_[0][n]);
    for (std::size_t at = 0; at < texts.size(); ++at) {
      append_padded(out[at], texts[at][n], width, right);
      out[at] += "  ";
    }
  }
  for (auto& line : out)
    line.erase(line.find_last_not_of(' ') + 1);
  return out;
}

std::string table::json() const {
  std::string out = "[";
  for (std::size_t n = 0; n < rows_.size(); ++n)
    out += (n > 0 ? ",\n" : "") + object_of(columns_, rows_[n]);
  return out + "]\n";
}

std::string table::first_as_json() const {
  return object_of(columns_, rows_.at(0)) + "\n";
}

} // namespace vivarium::cli
