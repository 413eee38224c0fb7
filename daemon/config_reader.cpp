// SPDX-License-Identifier: Apache-2.0
#define TOML_IMPLEMENTATION
#include "daemon/config_reader.hpp"

#include "bridge/natural.hpp"
#include "daemon/config_keys.hpp"
#include "proto/ids.hpp"

#include <algorithm>
#include <functional>

namespace vivarium {

namespace {

/// Returns where the string that begins at `at` ends; the end of the text when it does not.
std::size_t after_string(std::string_view text, std::size_t at) noexcept {
  const char quote = text[at];
  const char three[] = {quote, quote, quote};
  const std::string_view triple{three, 3};
  const bool lines = text.substr(at, 3) == triple;
  for (at += lines ? 3 : 1; at < text.size(); ++at) {
    if (text[at] == '\\' && quote == '"')
      ++at;
    else if (lines ? text.substr(at, 3) == triple : text[at] == quote)
      return at + (lines ? 3 : 1);
    else if (!lines && text[at] == '\n')
      return at;
  }
  return text.size();
}

} // namespace

std::size_t foreign_character(std::string_view text) noexcept {
  constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
  std::size_t at = text.starts_with(byte_order_mark) ? byte_order_mark.size() : 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"' || c == '\'')
      at = after_string(text, at);
    else if (c == '#')
      at = std::min(text.find('\n', at), text.size());
    else if (static_cast<unsigned char>(c) >= 0x80)
      return 1
             + static_cast<std::size_t>(
                 std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
    else
      ++at;
  }
  return 0;
}

namespace {

bool within(std::int64_t value, range allowed) {
  return value >= allowed.least && value <= allowed.most;
}

std::string bounds(range allowed, std::string_view unit) {
  std::string out = "must be at least " + std::to_string(allowed.least) + std::string{unit};
  if (allowed.most != std::numeric_limits<std::int64_t>::max())
    out += " and at most " + std::to_string(allowed.most) + std::string{unit};
  return out;
}

} // namespace

const toml::node* table_reader::find(std::string_view key) {
  known_.emplace(key);
  return table_ != nullptr ? table_->get(key) : nullptr;
}

std::string table_reader::at(std::string_view key) const {
  return (path_.empty() ? "" : path_ + ".") + std::string{key};
}

std::string table_reader::quoted(std::string_view text) {
  std::string out;
  bridge::append_json_string(out, text); // Which is a string of TOML as well.
  return out;
}

std::string table_reader::show_milliseconds(std::uint64_t value) {
  return show_duration(std::chrono::milliseconds{value});
}

std::string table_reader::bounds_of(range allowed, std::string (*show)(std::uint64_t)) {
  auto text = [show](std::int64_t value) {
    return show != nullptr ? show(static_cast<std::uint64_t>(value)) : std::to_string(value);
  };
  if (allowed.most == std::numeric_limits<std::int64_t>::max())
    return "from " + text(allowed.least);
  return text(allowed.least) + " to " + text(allowed.most);
}

void table_reader::note(std::string_view key, std::string_view type, std::string bounds,
                        std::string usual, std::string value) {
  constexpr std::size_t most_shown = 200;
  const auto* node = table_ != nullptr ? table_->get(key) : nullptr;
  if (node == nullptr && notes_.scope == config_scope::present)
    return;
  config_value out;
  out.pattern = (pattern_.empty() ? "" : pattern_ + ".") + std::string{key};
  const auto* row = find_config_key(out.pattern);
  out.type = type;
  out.bounds = std::move(bounds);
  out.usual = row == nullptr || row->usual.empty() ? std::move(usual) : std::string{row->usual};
  std::erase(out.usual, '`'); // Of Markdown, which a log is not.
  out.digest = std::hash<std::string>{}(value);
  // A value without a row is not known to be fit to be shown.
  out.shown = row == nullptr || row->secret ? "(hidden)" : std::move(value);
  if (out.shown.size() > most_shown) {
    // Not within a character.
    auto end = most_shown;
    while (end > 0 && (static_cast<unsigned char>(out.shown[end]) & 0xc0) == 0x80)
      --end;
    out.shown = out.shown.substr(0, end) + "...";
  }
  if (node != nullptr)
    out.line = node->source().begin.line;
  notes_.values.insert_or_assign(at(key), std::move(out));
}

void table_reader::note_content(std::string_view key, std::string_view text) {
  auto found = notes_.values.find(at(key));
  if (found != notes_.values.end())
    found->second.digest ^= std::hash<std::string_view>{}(text)*31;
}

void table_reader::complain(const toml::node* at, std::string_view key, std::string_view what) {
  std::string line{notes_.file};
  if (at != nullptr)
    line += ":" + std::to_string(at->source().begin.line);
  line += ": " + this->at(key) + ": " + std::string{what};
  notes_.problems.lines.push_back(std::move(line));
}

void table_reader::complain(std::string_view key, std::string_view what) {
  complain(table_ != nullptr ? table_->get(key) : nullptr, key, what);
}

void table_reader::take(std::string_view key, std::string& into) {
  const auto* node = find(key);
  auto usual = quoted(into);
  if (node != nullptr) {
    if (auto value = node->value_exact<std::string>())
      into = *std::move(value);
    else
      complain(node, key, "must be a string");
  }
  note(key, "string", {}, std::move(usual), quoted(into));
}

void table_reader::take(std::string_view key, bool& into) {
  const auto* node = find(key);
  auto text = [](bool value) { return value ? "true" : "false"; };
  const auto* usual = text(into);
  if (node != nullptr) {
    if (auto value = node->value_exact<bool>())
      into = *value;
    else
      complain(node, key, "must be true or false");
  }
  note(key, "boolean", {}, usual, text(into));
}

void table_reader::take(std::string_view key, std::vector<std::string>& into) {
  const auto* node = find(key);
  auto text = [](const std::vector<std::string>& items) {
    std::string out = "[";
    for (const auto& item : items)
      out += (out.size() > 1 ? ", " : "") + quoted(item);
    return out + "]";
  };
  auto usual = text(into);
  if (const auto* array = node != nullptr ? node->as_array() : nullptr) {
    std::vector<std::string> out;
    for (const auto& item : *array) {
      if (auto value = item.value_exact<std::string>())
        out.push_back(*std::move(value));
      else
        complain(&item, key, "must be an array of strings");
    }
    into = std::move(out);
  } else if (node != nullptr) {
    complain(node, key, "must be an array of strings");
  }
  note(key, "list of strings", {}, std::move(usual), text(into));
}

void table_reader::take_word(std::string_view key, const std::vector<std::string_view>& words,
                             const std::function<void(std::size_t)>& chosen) {
  std::string text;
  std::string list;
  for (auto word : words)
    list += (list.empty() ? "" : ", ") + std::string{word};
  take(key, text);
  note(key, "word", list, {}, quoted(text));
  if (table_ == nullptr || !table_->contains(key))
    return;
  auto found = std::find(words.begin(), words.end(), text);
  if (found != words.end())
    chosen(static_cast<std::size_t>(found - words.begin()));
  else
    complain(key, "must be one of: " + list);
}

std::optional<std::int64_t> table_reader::read_count(std::string_view key, range allowed) {
  const auto* node = find(key);
  if (node == nullptr)
    return std::nullopt;
  auto value = node->value_exact<std::int64_t>();
  if (value && within(*value, allowed))
    return value;
  complain(node, key, value ? bounds(allowed, "") : "must be a whole number");
  return std::nullopt;
}

std::optional<std::int64_t> table_reader::read_size(std::string_view key, range allowed) {
  const auto* node = find(key);
  if (node == nullptr)
    return std::nullopt;
  auto text = node->value_exact<std::string>();
  auto value = text ? parse_size(*text) : std::nullopt;
  if (!value) {
    complain(node, key, R"(must be a size such as "10B", "1KiB", "64MiB" or "2GiB")");
    return std::nullopt;
  }
  auto bytes = static_cast<std::int64_t>(*value);
  if (within(bytes, allowed))
    return bytes;
  complain(node, key, bounds(allowed, "B"));
  return std::nullopt;
}

std::optional<std::chrono::milliseconds> table_reader::read_duration(std::string_view key,
                                                                     range allowed_ms) {
  const auto* node = find(key);
  if (node == nullptr)
    return std::nullopt;
  auto text = node->value_exact<std::string>();
  auto value = text ? parse_duration(*text) : std::nullopt;
  if (!value) {
    complain(node, key, R"(must be a duration such as "100ms", "2s", "5m", "1h" or "30d")");
    return std::nullopt;
  }
  if (within(value->count(), allowed_ms))
    return value;
  complain(node, key, bounds(allowed_ms, "ms"));
  return std::nullopt;
}

const toml::table* table_reader::table(std::string_view key) {
  const auto* node = find(key);
  if (node == nullptr)
    return nullptr;
  if (const auto* found = node->as_table())
    return found;
  complain(node, key, "must be a table");
  return nullptr;
}

void table_reader::each_named(const std::function<void(const std::string&, table_reader&)>& read) {
  if (table_ == nullptr)
    return;
  for (const auto& [key, node] : *table_) {
    std::string name{key.str()};
    auto one = named(name);
    if (auto ok = check_name(name); !ok) {
      complain(name, ok.why().detail);
      continue;
    }
    read(name, one);
    one.finish();
  }
}

table_reader table_reader::below(std::string_view key) {
  auto pattern = (pattern_.empty() ? "" : pattern_ + ".") + std::string{key};
  return {table(key), at(key), std::move(pattern), notes_};
}

table_reader table_reader::named(std::string_view name) {
  return {table(name), at(name), pattern_ + ".NAME", notes_};
}

void table_reader::finish() {
  if (table_ == nullptr)
    return;
  for (const auto& [key, node] : *table_)
    if (known_.find(key.str()) == known_.end())
      complain(&node, key.str(), "unknown key");
}

} // namespace vivarium
