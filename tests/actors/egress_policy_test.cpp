// SPDX-License-Identifier: Apache-2.0
#include "actors/egress_policy.hpp"
#include "actors/settings.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace vivarium;
using sandbox::endpoint;
using sandbox::ip_address;
using sandbox::ip_network;

namespace {

endpoint at(const std::string& address, std::uint16_t port) {
  auto parsed = ip_address::parse(address);
  REQUIRE(parsed);
  return {*parsed, port};
}

egress_policy allowing(std::initializer_list<const char*> rules) {
  egress_policy out;
  for (const auto* text : rules) {
    INFO(text);
    auto rule = parse_egress_rule(text);
    REQUIRE(rule);
    out.allow.push_back(*rule);
  }
  return out;
}

} // namespace

TEST_CASE("a host has one form, and what could be an address is none", "[actors][unit]") {
  CHECK(canonical_host("API.Example.com") == "api.example.com");
  CHECK(canonical_host("api.example.com.") == "api.example.com");
  CHECK(canonical_host("xn--bcher-kva.example") == "xn--bcher-kva.example");
  CHECK(canonical_host("db") == "db");
  for (const auto* wrong : {"", ".", "a..b", "-a.b", "a-.b",
                            "b\xc3\xbc"
                            "cher.example",
                            "*.example.org", "a b", "a/b", "a:b", "127.1", "2130706433",
                            "0x7f000001", "0x7f.0.0.1", "1.2.3.4.", "a.b.."}) {
    INFO(wrong);
    CHECK_FALSE(canonical_host(wrong));
  }
  CHECK_FALSE(canonical_host(std::string(64, 'a')));
  CHECK(canonical_host(std::string(63, 'a')));
  CHECK_FALSE(canonical_host(std::string("a\0b", 3)));
}

TEST_CASE("rules are read or refused with the reason", "[actors][unit]") {
  auto rule = parse_egress_rule("Api.Example.com:443");
  REQUIRE(rule);
  CHECK(rule->name == "api.example.com");
  CHECK(rule->first_port == 443);
  CHECK(rule->last_port == 443);
  CHECK(parse_egress_rule("10.0.0.0/8:8000-8010")->last_port == 8'010);
  CHECK(parse_egress_rule("[2600::1]:*")->last_port == 65'535);
  CHECK(parse_egress_rule("[2600::/16]:443")->network.bits == 16);
  CHECK(parse_egress_rule("[2600::]/16:443")->network.bits == 16);
  for (const auto* wrong :
       {"", ":443", "api.example.com", "api.example.com:", "api.example.com:0", "a:65536", "a:9-8",
        "a:http", "*.example.org:443", "*:443", "[::1]", "[10.1.2.3]:80", "10.0.0.0/33:80",
        "300.1.1.1:80", "::1:80", "a b:80", "127.1:80"}) {
    INFO(wrong);
    auto refused = parse_egress_rule(wrong);
    REQUIRE_FALSE(refused);
    CHECK(refused.why().detail.find(wrong) != std::string::npos);
  }
  CHECK(parse_egress_rule("*.example.org:443").why().detail.find("wildcards") != std::string::npos);
}

TEST_CASE("names have addresses of their own, and only their ports", "[actors][unit]") {
  auto policy = allowing({"b.example:443", "a.example:80", "b.example:8000-8001", "10.1.2.3:5432"});
  egress_map map{policy};
  CHECK(map.hosts_file() == "127.0.0.1 localhost\n198.18.0.1 a.example\n198.18.0.2 b.example\n");
  auto found = map.find(at("198.18.0.2", 443));
  REQUIRE(found);
  CHECK(found->name == "b.example");
  CHECK(map.find(at("198.18.0.2", 8'001)));
  CHECK(map.find(at("::ffff:198.18.0.1", 80))->name == "a.example");
  CHECK(map.find(at("10.1.2.3", 5'432))->name.empty());
  CHECK(map.find(at("::ffff:10.1.2.3", 5'432)));
  for (const auto& wrong :
       {at("198.18.0.1", 443), at("198.18.0.2", 80), at("198.18.0.3", 443), at("198.18.0.0", 443),
        at("10.1.2.4", 5'432), at("10.1.2.3", 5'433), at("::10.1.2.3", 5'432)}) {
    INFO(wrong.text());
    CHECK_FALSE(map.find(wrong));
  }
}

TEST_CASE("a range does not reach what names stand for", "[actors][unit]") {
  auto policy = allowing({"a.example:443", "0.0.0.0/0:80"});
  egress_map map{policy};
  CHECK_FALSE(map.find(at("198.18.0.1", 80)));
  CHECK(map.find(at("93.184.216.34", 80)));
}

TEST_CASE("only public addresses are reached unless others are named", "[actors][unit]") {
  egress_policy policy;
  for (const auto* special : {"0.0.0.0",
                              "0.1.2.3",
                              "10.0.0.1",
                              "100.64.0.1",
                              "100.100.100.200",
                              "127.0.0.1",
                              "127.255.255.255",
                              "168.63.129.16",
                              "169.254.169.254",
                              "172.16.0.1",
                              "172.31.255.255",
                              "192.0.0.192",
                              "192.168.1.1",
                              "198.18.0.1",
                              "198.19.255.255",
                              "224.0.0.1",
                              "240.0.0.1",
                              "255.255.255.255",
                              "::",
                              "::1",
                              "::ffff:127.0.0.1",
                              "::ffff:169.254.169.254",
                              "::127.0.0.1",
                              "64:ff9b::a9fe:a9fe",
                              "64:ff9b:1::1",
                              "2001::1",
                              "2002:7f00:1::",
                              "2001:db8::1",
                              "fc00::1",
                              "fd00:ec2::254",
                              "fe80::1",
                              "febf::1",
                              "fec0::1",
                              "ff02::1",
                              "::ffff:0:7f00:1"}) {
    INFO(special);
    CHECK(check_address(policy, at(special, 80), {}) == egress_outcome::private_address);
  }
  for (const auto* ordinary : {"1.1.1.1", "9.255.255.255", "11.0.0.0", "172.15.255.255",
                               "172.32.0.0", "100.63.255.255", "100.128.0.0", "198.17.255.255",
                               "198.20.0.0", "223.255.255.255", "2606:4700::1111", "2a00::1"}) {
    INFO(ordinary);
    CHECK(check_address(policy, at(ordinary, 80), {}) == egress_outcome::connected);
  }
  policy.allow_private = {*ip_network::parse("10.1.0.0/16"), *ip_network::parse("::1")};
  CHECK(check_address(policy, at("10.1.255.1", 80), {}) == egress_outcome::connected);
  CHECK(check_address(policy, at("::ffff:10.1.0.1", 80), {}) == egress_outcome::connected);
  CHECK(check_address(policy, at("::1", 80), {}) == egress_outcome::connected);
  CHECK(check_address(policy, at("10.2.0.1", 80), {}) == egress_outcome::private_address);
  CHECK(check_address(policy, at("127.0.0.1", 80), {}) == egress_outcome::private_address);
}

TEST_CASE("the daemon's own listeners are out of reach whatever is allowed", "[actors][unit]") {
  egress_policy policy;
  policy.allow_private = {*ip_network::parse("0.0.0.0/0"), *ip_network::parse("::/0")};
  std::vector<endpoint> own{at("127.0.0.1", 7'717)};
  CHECK(check_address(policy, at("127.0.0.1", 7'717), own) == egress_outcome::own_listener);
  CHECK(check_address(policy, at("::ffff:127.0.0.1", 7'717), own) == egress_outcome::own_listener);
  CHECK(check_address(policy, at("127.0.0.1", 7'718), own) == egress_outcome::connected);
  for (const auto* any : {"0.0.0.0", "::"}) {
    own = {at(any, 7'717)};
    CHECK(check_address(policy, at("127.0.0.9", 7'717), own) == egress_outcome::own_listener);
    CHECK(check_address(policy, at("192.168.1.7", 7'717), own) == egress_outcome::own_listener);
    CHECK(check_address(policy, at("::1", 7'717), own) == egress_outcome::own_listener);
  }
}

TEST_CASE("networks are read and compared bit by bit", "[actors][unit]") {
  auto half = ip_network::parse("10.1.2.128/25");
  REQUIRE(half);
  CHECK(half->contains(*ip_address::parse("10.1.2.200")));
  CHECK_FALSE(half->contains(*ip_address::parse("10.1.2.127")));
  CHECK_FALSE(half->contains(*ip_address::parse("::ffff:0:10.1.2.200")));
  CHECK(ip_network::parse("0.0.0.0/0")->contains(*ip_address::parse("255.0.0.1")));
  for (const auto* wrong : {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8 ",
                            "10.1/16", "::/129", "::ffff:10.0.0.0/104", "x"}) {
    INFO(wrong);
    CHECK_FALSE(ip_network::parse(wrong));
  }
}

TEST_CASE("a tenant's session gets a policy that exists and processes that are allowed",
          "[actors][unit]") {
  settings config;
  config.egress["web"];
  config.environments["default"];
  config.environments["shell"].processes = process_mode::children;
  CHECK(may_use_egress(config, "local", "web"));
  auto refused = may_use_egress(config, "local", "other");
  REQUIRE_FALSE(refused);
  CHECK(refused.why().code == errc::permission_denied);
  CHECK(*may_have_processes(config, "local", "default", process_mode::none, {})
        == process_mode::none);
  CHECK(*may_have_processes(config, "local", "shell", process_mode::children, {})
        == process_mode::children);
  CHECK(*may_have_processes(config, "local", "shell", process_mode::children, process_mode::none)
        == process_mode::none);
  auto none =
      may_have_processes(config, "local", "default", process_mode::none, process_mode::children);
  REQUIRE_FALSE(none);
  CHECK(none.why().detail.find("processes = \"children\"") != std::string::npos);
  config.without.insert(sandbox::layer::pid_namespace);
  CHECK_FALSE(may_have_processes(config, "local", "shell", process_mode::children, {}));
  config.without.insert(sandbox::layer::mount_namespace);
  CHECK_FALSE(may_use_egress(config, "local", "web"));
}
