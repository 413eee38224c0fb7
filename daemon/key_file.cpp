// SPDX-License-Identifier: Apache-2.0
#include "daemon/key_file.hpp"

#include "proto/ids.hpp"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <set>

#include <openssl/crypto.h>
#include <openssl/sha.h>

namespace vivarium {

namespace {

constexpr std::string_view prefix = "viv_";
constexpr std::string_view scheme = "bearer ";
constexpr std::string_view line_version = "v1";
constexpr std::string_view last_line = "end";
constexpr std::string_view head =
    "# API keys of vivariumd, without their secrets. Change them with "
    "\"vivarium keys\".\n";
constexpr std::size_t longest_part = 128;

/// Ids and secrets are base32, written in small letters.
bool is_plain(std::string_view text) noexcept {
  return !text.empty() && text.size() <= longest_part
         && std::all_of(text.begin(), text.end(),
                        [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
}

std::string hex_of(const key_hash& hash) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (auto byte : hash) {
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

bool read_hash(std::string_view text, key_hash& into) noexcept {
  if (text.size() != 2 * into.size())
    return false;
  for (std::size_t i = 0; i < into.size(); ++i) {
    const auto* from = text.data() + 2 * i;
    auto [stop, why] = std::from_chars(from, from + 2, into[i], 16);
    if (why != std::errc{} || stop != from + 2)
      return false;
  }
  return true;
}

bool read_time(std::string_view text, api_key::time& into) noexcept {
  std::int64_t seconds = 0;
  auto [stop, why] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (why != std::errc{} || stop != text.data() + text.size() || seconds < 0)
    return false;
  into = api_key::time{std::chrono::seconds{seconds}};
  return true;
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> out;
  for (std::size_t from = 0; from < line.size();) {
    auto to = std::min(line.find_first_of(" \t\r", from), line.size());
    if (to > from)
      out.push_back(line.substr(from, to - from));
    from = to + 1;
  }
  return out;
}

/// v1 ID TENANT ROLE CREATED EXPIRES HASH [HASH UNTIL]; times in seconds, 0 for never.
std::optional<api_key> read_line(const std::vector<std::string_view>& words) {
  if ((words.size() != 7 && words.size() != 9) || words[0] != line_version)
    return std::nullopt;
  api_key out;
  out.id = words[1];
  out.tenant = words[2];
  auto what = role_of(words[3]);
  api_key::time expires;
  if (!is_plain(out.id) || !check_name(out.tenant) || !what || !read_time(words[4], out.created)
      || !read_time(words[5], expires) || !read_hash(words[6], out.hash))
    return std::nullopt;
  out.what = *what;
  if (expires != api_key::time{})
    out.expires = expires;
  if (words.size() == 9) {
    out.before.emplace();
    if (!read_hash(words[7], out.before->hash) || !read_time(words[8], out.before->until))
      return std::nullopt;
  }
  return out;
}

} // namespace

key_hash hash_of(std::string_view secret) noexcept {
  key_hash out;
  ::SHA256(reinterpret_cast<const unsigned char*>(secret.data()), secret.size(), out.data());
  return out;
}

bool same(const key_hash& a, const key_hash& b) noexcept {
  return ::CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

bool api_key::opened_by(const key_hash& by, time now) const noexcept {
  // Both are compared whatever comes of the first.
  bool is_present = same(hash, by);
  bool is_former = before && same(before->hash, by) && now < before->until;
  return (is_present || is_former) && !expired(now);
}

std::optional<std::string_view> bearer_of(std::string_view header) noexcept {
  if (header.size() <= scheme.size()
      || !std::equal(scheme.begin(), scheme.end(), header.begin(),
                     [](char lower, char c) { return lower == c || lower == (c | 0x20); }))
    return std::nullopt;
  header.remove_prefix(scheme.size());
  while (header.starts_with(' '))
    header.remove_prefix(1);
  return header;
}

std::optional<shown_key> parse_key(std::string_view text) noexcept {
  if (!text.starts_with(prefix))
    return std::nullopt;
  text.remove_prefix(prefix.size());
  auto middle = text.find('_');
  if (middle == std::string_view::npos)
    return std::nullopt;
  shown_key out{text.substr(0, middle), text.substr(middle + 1)};
  if (!is_plain(out.id) || !is_plain(out.secret))
    return std::nullopt;
  return out;
}

std::string show_key(std::string_view id, std::string_view secret) {
  std::string out{prefix};
  out += id;
  out += '_';
  out += secret;
  return out;
}

key_file parse_key_file(std::string_view text) {
  key_file out;
  std::set<std::string, std::less<>> seen;
  for (std::size_t number = 1; !text.empty(); ++number) {
    auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    auto words = words_of(line);
    if (words.empty() || words.front().starts_with('#'))
      continue;
    out.complete = words.size() == 1 && words.front() == last_line;
    if (out.complete)
      continue;
    auto key = read_line(words);
    if (!key)
      out.problems.push_back("line " + std::to_string(number) + " is not a key and is ignored");
    else if (!seen.insert(key->id).second)
      out.problems.push_back("line " + std::to_string(number)
                             + " has the id of an earlier line and is ignored");
    else
      out.keys.push_back(*std::move(key));
  }
  return out;
}

std::string render_key_file(const std::vector<api_key>& keys) {
  auto seconds = [](api_key::time when) { return std::to_string(when.time_since_epoch().count()); };
  std::string out{head};
  for (const auto& key : keys) {
    out += line_version;
    for (const auto& word :
         {key.id, key.tenant, std::string{name_of(key.what)}, seconds(key.created),
          key.expires ? seconds(*key.expires) : std::string{"0"}, hex_of(key.hash)}) {
      out += ' ';
      out += word;
    }
    if (key.before)
      out += ' ' + hex_of(key.before->hash) + ' ' + seconds(key.before->until);
    out += '\n';
  }
  out += last_line;
  out += '\n';
  return out;
}

std::string show_time(api_key::time when) {
  auto seconds = static_cast<std::time_t>(when.time_since_epoch().count());
  std::tm t{};
  std::array<char, 32> text;
  if (::gmtime_r(&seconds, &t) == nullptr)
    return "?";
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &t)};
}

} // namespace vivarium
