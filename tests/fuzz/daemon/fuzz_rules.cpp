// SPDX-License-Identifier: Apache-2.0
// URLs under HTTP rules, the messages that are relayed, what PostgreSQL's servers say, the URLs
// that name them, JSON of the store. What a rule lets pass must not climb out of its prefix, in
// whichever way a server decodes it.
#include "actors/http_rules.hpp"
#include "actors/pg_login.hpp"
#include "actors/pg_target.hpp"
#include "actors/pg_wire.hpp"
#include "actors/store_values.hpp"
#include "daemon/http_message.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace {

using namespace vivarium;

int hex(char c) {
  return c >= '0' && c <= '9'                     ? c - '0'
         : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                  : -1;
}

std::string decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
      out += static_cast<char>(hex(text[i + 1]) << 4 | hex(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '\\' ? '/' : text[i];
    }
  return out;
}

/// What a careless server makes of a path: decoded as often as it likes, dot segments taken away,
/// parameters and empty components ignored.
std::string careless(std::string path) {
  for (int again = 0; again < 3; ++again)
    path = decoded(path);
  std::string out;
  while (!path.empty()) {
    path.erase(0, 1);
    auto one = path.substr(0, path.find('/'));
    path.erase(0, one.size());
    one = one.substr(0, one.find(';'));
    if (one == "..")
      out.erase(std::min(out.rfind('/'), out.size()));
    else if (!one.empty() && one != ".")
      out += "/" + one;
  }
  return out;
}

void check_rules(std::string_view text) {
  static const std::vector<http_rule> rules{*parse_http_rule("https://a.test/v1/users")};
  if (decide(rules, rules[0].origin, "GET", text).rule == nullptr)
    return;
  auto path = careless(std::string{text.substr(0, text.find('?'))});
  if (path != "/v1/users" && !path.starts_with("/v1/users/"))
    std::abort();
}

void check_message(std::string_view text, http_message_reader::kind what) {
  http_message_reader reader{what};
  std::string bytes;
  std::string body;
  while (!text.empty()) {
    bytes += text.substr(0, 7);
    text.remove_prefix(std::min<std::size_t>(7, text.size()));
    if (!reader.take(bytes, body) || reader.done())
      break;
    if (bytes.size() > 2 * http_message_reader::most_head_bytes)
      std::abort();
  }
  if (!reader.has_head() || what != http_message_reader::kind::request)
    return;
  static const auto rule = *parse_http_rule("https://a.test/");
  if (!check_request(reader.head(), rule.origin).empty())
    return;
  // What is sent on is read as the same request, and as one.
  auto head = head_for_server(reader.head(), rule.origin, rule);
  http_message_reader again{what};
  std::string none;
  if (!again.take(head, none) || !again.has_head() || !head.empty()
      || again.head().method != reader.head().method || again.head().target != reader.head().target)
    std::abort();
}

void check_server(std::string_view text) {
  if (auto size = pg::message_size(text, 1'000); size && *size && **size > 1'001)
    std::abort();
  (void)pg::read_error(text);
  auto columns = pg::read_columns(text);
  std::size_t bytes = 0;
  (void)pg::read_row(text, columns ? columns->size() : 1,
                     [&](std::optional<std::string_view> one) { bytes += one ? one->size() : 0; });
  if (bytes > text.size())
    std::abort();
  pg::scram proof{"n"};
  (void)proof.take_first(text);
  (void)proof.check_final(text);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0)
    return 0;
  std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
  switch (data[0] % 6) {
    case 0: check_rules(text); break;
    case 1: check_message(text, http_message_reader::kind::request); break;
    case 2: check_message(text, http_message_reader::kind::response); break;
    case 3: check_server(text); break;
    case 4:
      (void)check_json(text);
      (void)parse_http_rule(text);
      break;
    default: (void)parse_pg_url(text, pg_url_from::client);
  }
  return 0;
}
