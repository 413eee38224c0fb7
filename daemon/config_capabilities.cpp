// SPDX-License-Identifier: Apache-2.0
#include "daemon/config_capabilities.hpp"

#include "actors/pg_target.hpp"

#include <fstream>
#include <sstream>

namespace vivarium {

namespace {

constexpr std::int64_t kib = 1 << 10;
constexpr std::int64_t mib = 1 << 20;
constexpr std::int64_t tib = std::int64_t{1} << 40;
constexpr std::int64_t hour = 3'600'000;

} // namespace

void take_file(table_reader& in, std::string_view key, std::string& into) {
  std::string path;
  in.take(key, path);
  if (path.empty())
    return;
  std::ifstream file{path, std::ios::binary};
  std::ostringstream text;
  text << file.rdbuf();
  if (!file || text.str().size() > static_cast<std::size_t>(4 * mib))
    in.complain(key, "\"" + path + "\" cannot be read");
  into = text.str();
  in.note_content(key, into);
}

void read_databases(table_reader in, config& into) {
  in.each_named([&](const std::string& name, table_reader& one) {
    auto& database = into.core.databases[name];
    auto& bounds = database.bounds;
    one.take("url", database.url);
    std::string from;
    take_file(one, "url_file", from);
    if (!from.empty() && !database.url.empty())
      one.complain("url_file", "not together with url");
    if (!from.empty())
      database.url = from.substr(0, from.find_last_not_of(" \t\r\n") + 1);
    take_file(one, "ca", database.ca);
    one.take("read_only", database.read_only);
    one.take_count("connections", bounds.connections, {1, 1'000});
    one.take_count("waiting", bounds.waiting, {0, 100'000});
    one.take_duration("statement_timeout", bounds.statement_timeout, {1, hour});
    one.take_duration("connect_timeout", bounds.connect_timeout, {1, 60'000});
    one.take_duration("idle_timeout", bounds.idle_timeout, {1, 24 * hour});
    one.take_count("rows", bounds.rows, {1, 10'000'000});
    // With what is around them rows have to fit into one answer.
    one.take_size("bytes", bounds.bytes, {kib, 16 * mib});
    if (auto ok = parse_pg_url(database.url, pg_url_from::operator_); !ok)
      one.complain("url", ok.why().detail);
  });
}

void read_store(table_reader in, config& into) {
  auto& store = into.core.store;
  in.take("enabled", store.enabled);
  in.take("path", store.path);
  if (!store.path.empty() && (store.path.front() != '/' || store.path.back() == '/'))
    in.complain("path", "must be the absolute path of a file");
  in.take_size("file_bytes", store.file_bytes, {64 * kib, 16 * tib});
  in.take_size("tenant_bytes", store.tenant_bytes, {0, tib});
  in.take_count("tenant_keys", store.tenant_keys, {0, 1'000'000'000});
  in.take_size("value_bytes", store.value_bytes, {1, 8 * mib});
  in.finish();
}

} // namespace vivarium
