// SPDX-License-Identifier: Apache-2.0
#include "daemon/wire_capability.hpp"

#include "actors/store_values.hpp"
#include "daemon/wire.hpp"
#include "daemon/wire_fields.hpp"

#include <algorithm>

// What a session's code is given, and the store's own methods.
namespace vivarium::wire {

namespace {

using protozero::pbf_reader;

constexpr std::size_t most_keys = 1'000;
constexpr std::size_t most_rules = 100;
constexpr std::size_t most_methods = 32;
constexpr std::size_t most_headers = 32;
constexpr std::size_t most_text = 4'096;

status take_short(std::string& into, pbf_reader& r, std::string_view field) {
  if (auto ok = take_text(into, r, field); !ok)
    return ok;
  if (into.size() > most_text || into.find('\0') != std::string::npos)
    return wrong("`" + std::string{field} + "` is longer than " + std::to_string(most_text)
                 + " bytes or has NUL");
  return done{};
}

status read_sql(sql_grant& into, std::string_view bytes) {
  auto ok = read_fields(bytes, [&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): return take_short(into.database, r, "capabilities.sql.database");
      case text_field(2): return take_short(into.url, r, "capabilities.sql.database_url");
      case number_field(3): into.read_only = r.get_uint64() != 0; return done{};
      default: return skip(r);
    }
  });
  if (ok && into.database.empty() == into.url.empty())
    return wrong("`capabilities.sql` needs either `database` or `database_url`");
  return ok;
}

status take_right(std::uint8_t& into, std::int32_t number) {
  if (number < 1 || number > 4)
    return wrong("`capabilities.store.rights` has a right that there is not");
  into = static_cast<std::uint8_t>(into | 1u << (number - 1));
  return done{};
}

status read_store(store_grant& into, std::string_view bytes) {
  std::uint8_t rights = 0;
  auto ok = read_fields(bytes, [&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): return take_short(into.prefix, r, "capabilities.store.prefix");
      case text_field(2): {
        if (into.keys.size() == most_keys)
          return wrong("more than " + std::to_string(most_keys) + " `capabilities.store.keys`");
        auto fine = take_text(into.keys.emplace_back(), r, "capabilities.store.keys");
        return fine ? check_key(into.keys.back()) : fine;
      }
      case number_field(3): return take_right(rights, r.get_enum());
      case text_field(3): // Packed.
        for (auto number : r.get_packed_enum())
          if (auto fine = take_right(rights, number); !fine)
            return fine;
        return done{};
      default: return skip(r);
    }
  });
  if (!ok)
    return ok;
  if (rights != 0)
    into.rights = rights;
  if (into.prefix.size() > most_key_bytes)
    return wrong("`capabilities.store.prefix` has more than " + std::to_string(most_key_bytes)
                 + " bytes");
  std::sort(into.keys.begin(), into.keys.end());
  return done{};
}

status read_rule(http_rule& into, std::string_view bytes) {
  std::string prefix;
  std::vector<std::string> methods;
  std::vector<std::pair<std::string, std::string>> headers;
  auto ok = read_fields(bytes, [&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): return take_text(prefix, r, "capabilities.http_rules.allowed_url_prefix");
      case text_field(2):
        if (methods.size() == most_methods)
          return wrong("a rule has more than " + std::to_string(most_methods) + " `methods`");
        return take_text(methods.emplace_back(), r, "capabilities.http_rules.methods");
      case text_field(3): {
        if (headers.size() == most_headers)
          return wrong("a rule has more than " + std::to_string(most_headers) + " `headers`");
        auto& one = headers.emplace_back();
        return read_fields(view_of(r), [&](pbf_reader& entry) -> status {
          switch (field_of(entry)) {
            case text_field(1): return take_text(one.first, entry, "headers");
            case text_field(2): return take_text(one.second, entry, "headers");
            default: return skip(entry);
          }
        });
      }
      default: return skip(r);
    }
  });
  if (!ok)
    return ok;
  auto rule = parse_http_rule(prefix);
  if (!rule)
    return wrong("`capabilities.http_rules`: " + rule.why().detail);
  if (!methods.empty())
    rule->methods.clear();
  for (const auto& method : methods)
    if (ok = add_method(*rule, method); !ok)
      return wrong("`capabilities.http_rules.methods`: " + ok.why().detail);
  for (const auto& [name, value] : headers)
    if (ok = add_header(*rule, name, value); !ok)
      return wrong("`capabilities.http_rules.headers`: " + ok.why().detail);
  into = *std::move(rule);
  return done{};
}

status read_aws(aws_grant& into, std::string_view bytes) {
  auto ok = read_fields(bytes, [&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): return take_short(into.endpoint, r, "capabilities.boto3.endpoint_url");
      case text_field(2): return take_short(into.region, r, "capabilities.boto3.region");
      case text_field(3): return take_short(into.key_id, r, "capabilities.boto3.access_key_id");
      case text_field(4): return take_short(into.secret, r, "capabilities.boto3.secret_access_key");
      case text_field(5): return take_short(into.token, r, "capabilities.boto3.session_token");
      default: return skip(r);
    }
  });
  if (into.region.empty())
    into.region = "us-east-1";
  return ok;
}

template <class T>
T& made(std::optional<T>& what) {
  return what ? *what : what.emplace();
}

/// The key of a request, required.
status take_key(std::string& into, pbf_reader& r) {
  return take_text(into, r, "key");
}

result<std::string> finish(message type, codec as, std::string out) {
  return as == codec::json ? to_json(type, out) : result<std::string>{std::move(out)};
}

} // namespace

status read_capabilities(capability_request& into, std::string_view bytes) {
  return read_fields(bytes, [&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): return read_sql(made(into.sql), view_of(r));
      case text_field(2): return read_store(made(into.store), view_of(r));
      case text_field(3):
        if (into.http_rules.size() == most_rules)
          return wrong("more than " + std::to_string(most_rules) + " `capabilities.http_rules`");
        return read_rule(into.http_rules.emplace_back(), view_of(r));
      case text_field(4): return read_aws(made(into.aws), view_of(r));
      default: return skip(r);
    }
  });
}

result<std::string> decode_key(message type, codec as, std::string_view bytes) {
  std::string key;
  auto ok = binary_form{type, as, bytes}.read([&](pbf_reader& r) -> status {
    return field_of(r) == text_field(1) ? take_key(key, r) : skip(r);
  });
  if (ok)
    ok = check_key(key);
  if (!ok)
    return std::move(ok).why();
  return key;
}

result<set_value_request> decode_set_value(codec as, std::string_view bytes) {
  set_value_request out;
  auto ok = binary_form{message::set_value_request, as, bytes}.read([&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): return take_key(out.key, r);
      case text_field(2): return take_text(out.json, r, "json");
      case number_field(3): return take_ms(out.ttl, r, "ttl_ms");
      default: return skip(r);
    }
  });
  if (ok)
    ok = check_key(out.key);
  if (!ok)
    return std::move(ok).why();
  return out;
}

result<store_query> decode_list_keys(codec as, std::string_view bytes) {
  store_query out;
  auto ok = binary_form{message::list_keys_request, as, bytes}.read([&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): return take_text(out.prefix, r, "prefix");
      case number_field(2): out.limit = r.get_uint32(); return done{};
      case text_field(3): return take_text(out.after, r, "cursor");
      default: return skip(r);
    }
  });
  if (!ok)
    return std::move(ok).why();
  return out;
}

result<std::string> encode_value_found(codec as, const std::optional<std::string>& json) {
  std::string out;
  append_number(out, 1, json ? 1 : 0);
  append_text(out, 2, json.value_or(""));
  return finish(message::get_value_response, as, std::move(out));
}

result<std::string> encode_value_deleted(codec as, bool found) {
  std::string out;
  append_number(out, 1, found ? 1 : 0);
  return finish(message::delete_value_response, as, std::move(out));
}

result<std::string> encode_keys(codec as, const store_page& page) {
  std::string out;
  for (const auto& [key, value] : page.entries)
    append_bytes(out, 1, key);
  append_text(out, 2, page.next);
  return finish(message::list_keys_response, as, std::move(out));
}

} // namespace vivarium::wire
