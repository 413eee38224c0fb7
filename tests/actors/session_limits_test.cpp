// SPDX-License-Identifier: Apache-2.0
#include "actors/session_limits.hpp"

#include <catch2/catch.hpp>

#include <set>

using namespace vivarium;

namespace {

constexpr std::uint64_t mib = 1ull << 20;

} // namespace

TEST_CASE("every limit has its number, its names and a default between its bounds",
          "[actors][unit]") {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < limit_count; ++i) {
    const auto& one = all_limits()[i];
    INFO(one.wire);
    CHECK(static_cast<std::size_t>(one.which) == i);
    CHECK(names.insert(one.wire).second);
    CHECK(one.least <= one.usual);
    CHECK(one.usual <= one.most);
  }
}

TEST_CASE("what is not asked for is the default", "[actors][unit]") {
  auto got = clamp_or_refuse({}, {}, {});
  REQUIRE(got);
  for (const auto& one : all_limits())
    if (one.which != limit::file_size)
      CHECK((*got)[one.which] == one.usual);
  CHECK((*got)[limit::file_size] == (*got)[limit::workspace]);
}

TEST_CASE("tightening is allowed, one limit at a time", "[actors][unit]") {
  for (const auto& one : all_limits()) {
    limits_request asked;
    asked[one.which] = one.least;
    auto got = clamp_or_refuse(asked, {}, {});
    INFO(one.wire);
    REQUIRE(got);
    CHECK((*got)[one.which] == one.least);
  }
}

TEST_CASE("the maximum itself is granted, and not one more", "[actors][unit]") {
  for (const auto& one : all_limits()) {
    INFO(one.wire);
    limit_maxima maxima;
    maxima[one.which] = one.usual + 5;
    limits_request asked;
    asked[one.which] = one.usual + 5;
    auto granted = clamp_or_refuse(asked, {}, maxima);
    REQUIRE(granted);
    if (one.which != limit::file_size)
      CHECK((*granted)[one.which] == one.usual + 5);
    asked[one.which] = one.usual + 6;
    auto refused = clamp_or_refuse(asked, {}, maxima);
    REQUIRE_FALSE(refused);
    CHECK(refused.why().code == errc::limit_exceeded);
    CHECK(refused.why().detail.find(one.wire) != std::string::npos);
    CHECK(refused.why().detail.find("limits.max." + std::string{one.key}) != std::string::npos);
  }
}

TEST_CASE("without a maximum the default is one", "[actors][unit]") {
  limits_request asked;
  asked[limit::memory] = 513 * mib;
  auto refused = clamp_or_refuse(asked, {}, {});
  REQUIRE_FALSE(refused);
  CHECK(refused.why().detail
        == "`limits.memory_bytes`: asked for 513 MiB, the maximum is 512 MiB; the option "
           "limits.max.memory raises it");
}

TEST_CASE("a maximum below the default holds for those who ask for nothing", "[actors][unit]") {
  limit_maxima of_tenant;
  of_tenant.section = "tenants.small.limits";
  of_tenant[limit::memory] = 64 * mib;
  auto got = clamp_or_refuse({}, {}, of_tenant);
  REQUIRE(got);
  CHECK((*got)[limit::memory] == 64 * mib);
  limits_request asked;
  asked[limit::memory] = 65 * mib;
  auto refused = clamp_or_refuse(asked, {}, of_tenant);
  REQUIRE_FALSE(refused);
  CHECK(refused.why().detail.find("tenants.small.limits.memory") != std::string::npos);
}

TEST_CASE("what nothing can work with is refused", "[actors][unit]") {
  limits_request asked;
  asked[limit::memory] = 16 * mib - 1;
  auto refused = clamp_or_refuse(asked, {}, {});
  REQUIRE_FALSE(refused);
  CHECK(refused.why().code == errc::invalid_argument);
}

TEST_CASE("a file is no larger than the workspace", "[actors][unit]") {
  limits_request asked;
  asked[limit::workspace] = 2 * mib;
  auto got = clamp_or_refuse(asked, {}, {});
  REQUIRE(got);
  CHECK((*got)[limit::file_size] == 2 * mib);
  CHECK(kernel_limits(*got).file_bytes == 2 * mib);
}

TEST_CASE("workers are sealed with the widest limits of all", "[actors][unit]") {
  limit_maxima maxima;
  maxima[limit::memory] = 1024 * mib;
  maxima[limit::threads] = 4;
  auto widest = wider({}, maxima);
  CHECK(widest[limit::memory] == 1024 * mib);
  CHECK(widest[limit::threads] == 32);
}
