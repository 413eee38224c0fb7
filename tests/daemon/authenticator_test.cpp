// SPDX-License-Identifier: Apache-2.0
#include "daemon/authenticator.hpp"
#include "daemon/key_admin.hpp"
#include "tests/actors/silent_observer.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <set>

using namespace vivarium;

namespace {

struct fixture {
  std::string folder = "/tmp/vivarium-auth-XXXXXX";
  boost::asio::io_context reactor;
  test::silent_observer book;
  std::set<std::string> tenants{"web", "ops"};
  std::optional<authenticator> gate;
  int changed = 0;

  fixture() { REQUIRE(::mkdtemp(folder.data()) != nullptr); }
  fixture(const fixture&) = delete;
  fixture& operator=(const fixture&) = delete;
  ~fixture() {
    gate.reset();
    std::filesystem::remove_all(folder);
  }
  std::string file() const { return folder + "/keys"; }
  void open(auth_settings with) {
    gate.emplace(
        std::move(with), [this](const std::string& name) { return tenants.contains(name); }, book);
    REQUIRE(gate->open(
        reactor, [this] { ++changed; }, [](const std::string&) {}));
  }
  result<identity> ask(const std::string& header, const peer& from = {}) {
    http_request request;
    request.set_target("/");
    if (!header.empty())
      request.add_header("authorization", header);
    return gate->identify(request, from);
  }
};

} // namespace

TEST_CASE("where nothing is asked for, everybody is the local tenant", "[daemon][unit]") {
  fixture with;
  with.open({});
  CHECK_FALSE(with.gate->asks());
  for (const auto& header : {"", "Bearer viv_a_b", "Basic eDp5"}) {
    auto who = with.ask(header);
    REQUIRE(who);
    CHECK(who->tenant == "local");
    CHECK(with.gate->still(*who));
  }
}

TEST_CASE("all that is wrong with a key looks the same", "[daemon][unit]") {
  fixture with;
  auto good = *create_key(with.file(), "web", role::client, {});
  auto stray = *create_key(with.file(), "nobody", role::client, {});
  auto gone = *create_key(with.file(), "web", role::client, {});
  REQUIRE(revoke_key(with.file(), gone.key.id));
  with.open({.keys = with.file(), .certificates = {}});
  auto who = with.ask("Bearer " + good.shown);
  REQUIRE(who);
  CHECK(who->tenant == "web");
  CHECK(who->what == role::client);
  CHECK(with.ask("bEARER  " + good.shown));
  std::set<std::string> texts;
  for (const auto& header :
       {std::string{}, good.shown, "Basic " + good.shown, std::string{"Bearer "},
        std::string{"Bearer"}, "Bearer " + stray.shown, "Bearer " + gone.shown,
        "Bearer " + good.shown + "x", "Bearer " + show_key("unknown", "secret")}) {
    INFO(header);
    auto no = with.ask(header);
    REQUIRE_FALSE(no);
    CHECK(no.why().code == errc::unauthenticated);
    texts.insert(no.why().detail);
  }
  CHECK(texts.size() == 1);
  CHECK(with.gate->failures(auth_failure::missing) == 1);
  CHECK(with.gate->failures(auth_failure::tenant) == 1);
  CHECK(with.gate->failures(auth_failure::secret) == 1);
  CHECK(with.gate->failures(auth_failure::unknown) == 2);
  CHECK(with.gate->failures(auth_failure::malformed) == 4);
  CHECK(with.book.audited.size() == 9);

  REQUIRE(revoke_key(with.file(), good.key.id));
  CHECK_FALSE(with.ask("Bearer " + good.shown));
  CHECK_FALSE(with.gate->still(*who));
  CHECK(with.changed == 1);
}

TEST_CASE("two keys at once are none", "[daemon][unit]") {
  fixture with;
  auto good = *create_key(with.file(), "web", role::client, {});
  with.open({.keys = with.file(), .certificates = {}});
  http_request request;
  request.set_target("/");
  request.add_header("authorization", "Bearer " + good.shown);
  request.add_header("authorization", "Bearer " + good.shown);
  CHECK_FALSE(with.gate->identify(request, {}));
}

TEST_CASE("certificates stand for tenants", "[daemon][unit]") {
  fixture with;
  with.open({.keys = {},
             .certificates = {{"CN=web,O=Example", {}, "web", role::client},
                              {{}, "uri:spiffe://example/ops", "ops", role::admin},
                              {"CN=stray", {}, "nobody", role::client}}});
  peer from;
  CHECK_FALSE(with.ask("", from));
  from.certificate = peer_certificate{"CN=web,O=Example", {}};
  CHECK(with.ask("", from)->tenant == "web");
  // Who shows a key means it.
  CHECK_FALSE(with.ask("Bearer viv_a_b", from));
  from.certificate = peer_certificate{"CN=x", {"dns:a", "uri:spiffe://example/ops"}};
  CHECK(with.ask("", from)->tenant == "ops");
  CHECK(with.ask("", from)->what == role::admin);
  from.certificate = peer_certificate{"CN=stray", {}};
  CHECK_FALSE(with.ask("", from));
  from.certificate = peer_certificate{"CN=web", {"dns:CN=web,O=Example"}};
  CHECK_FALSE(with.ask("", from));
  CHECK(with.gate->failures(auth_failure::certificate) == 1);
}
