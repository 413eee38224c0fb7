// SPDX-License-Identifier: Apache-2.0
#include "daemon/config_apps.hpp"

#include <algorithm>

namespace vivarium {

namespace {

constexpr std::int64_t second = 1'000;
constexpr std::int64_t day = 86'400 * second;

bool is_domain(std::string_view text) {
  bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  });
  return plain && text.size() <= 200 && text.front() != '.' && text.back() != '.'
         && text.find("..") == std::string_view::npos;
}

} // namespace

void read_apps(table_reader in, config& into) {
  auto& core = into.core;
  in.take("domain", core.app_domain);
  if (!core.app_domain.empty() && !is_domain(core.app_domain))
    in.complain("domain", "is a domain in lower case, such as \"apps.example.org\", or empty");
  in.take_count("max_apps", core.max_apps, {0, 100'000});
  in.take_duration("worker_max_age", core.app_worker_max_age, {0, 365 * day});
  in.take_count("worker_max_requests", core.app_worker_max_requests, {0, 1'000'000'000});
  in.take_count("concurrent_requests", core.apps.concurrent, {1, 100'000});
  in.take_size("body_bytes", core.apps.body_bytes, {0, std::int64_t{1} << 30});
  in.take_duration("request_timeout", core.apps.request_timeout, {1, 365 * day});
  in.take_duration("idle_timeout", core.apps.idle_timeout, {1, 365 * day});
  in.finish();
}

} // namespace vivarium
