// SPDX-License-Identifier: Apache-2.0
#include "daemon/config_volumes.hpp"

#include <fstream>
#include <iterator>
#include <string_view>

namespace vivarium {

namespace {

constexpr std::int64_t gib = 1 << 30;
constexpr std::int64_t second = 1'000;
constexpr std::int64_t hour = 3'600 * second;

// Access key and secret key, one a line.
void read_keys(table_reader& in, s3_volume& into) {
  std::string path;
  in.take("keys_file", path);
  if (path.empty())
    return;
  std::ifstream file{path};
  if (!std::getline(file, into.access_key) || !std::getline(file, into.secret_key)
      || into.access_key.empty() || into.secret_key.empty())
    in.complain("keys_file", "needs two lines: the access key and the secret key");
  in.note_content("keys_file", into.access_key + "\n" + into.secret_key);
}

bool is_plain(std::string_view text) {
  return text.find_first_of("\n\r\"'\\ :") == std::string_view::npos
         && text.find("..") == std::string_view::npos;
}

void read_volume(table_reader& in, const config& of, s3_volume& into) {
  constexpr std::string_view scheme = "s3://";
  std::string source;
  in.take("source", source);
  if (!source.starts_with(scheme) || source.size() == scheme.size()
      || !is_plain(std::string_view{source}.substr(scheme.size())))
    in.complain("source", "must be like \"s3://bucket/prefix\"");
  else
    into.source = source.substr(scheme.size());
  in.take("endpoint", into.endpoint);
  if (!into.endpoint.empty() && !into.endpoint.starts_with("http://")
      && !into.endpoint.starts_with("https://"))
    in.complain("endpoint", "must be an URL");
  in.take("region", into.region);
  read_keys(in, into);
  std::vector<std::string> tenants;
  in.take("tenants", tenants);
  for (const auto& name : tenants)
    if (!of.core.tenants.contains(name))
      in.complain("tenants", "there is no [tenants." + name + "]");
  into.tenants.insert(tenants.begin(), tenants.end());
  if (into.tenants.empty() && !of.auth.asked())
    into.tenants.insert(local_tenant);
  if (into.tenants.empty())
    in.complain("tenants", "says who may use it");
  in.take_word("access", {"read", "write"}, [&](std::size_t i) { into.write = i == 1; });
  in.take_size("size", into.max_bytes, {4'096, 1024 * gib});
  in.take_duration("timeout", into.timeout, {second, hour});
}

} // namespace

void read_volumes(table_reader in, config& into) {
  in.each_named([&](const std::string& name, table_reader& one) {
    read_volume(one, into, into.core.s3_volumes[name]);
  });
}

} // namespace vivarium
