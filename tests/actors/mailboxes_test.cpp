// SPDX-License-Identifier: Apache-2.0
#include "actors/mailboxes.hpp"
#include "tests/actors/silent_observer.hpp"

#include <catch2/catch.hpp>

using namespace vivarium;

namespace {

struct mail_fixture {
  mail_limits limits;
  test::silent_observer watch;
  mailboxes all{limits, watch};
  int told = 0;

  mailbox_ptr open(const std::string& tenant, std::vector<std::string> names) {
    auto made = all.open(tenant, std::move(names), [this] { ++told; });
    REQUIRE(made);
    return *std::move(made);
  }
  errc refused(const std::string& tenant, const std::string& to, std::string value = "v") {
    auto how = all.publish(tenant, "ses_0a", to, std::move(value));
    return how ? errc::none : how.why().code;
  }
};

} // namespace

TEST_CASE_METHOD(mail_fixture, "messages come in order, to all of a name", "[actors][unit]") {
  auto one = open("shop", {"ses_0x", "news"});
  auto two = open("shop", {"news", ""});
  for (int n = 0; n < 3; ++n) {
    auto reached = all.publish("shop", "ses_0a", "news", std::to_string(n));
    REQUIRE(reached);
    CHECK(*reached == 2);
  }
  CHECK(refused("shop", "ses_0x") == errc::none);
  CHECK(told == 2); // Once for each, when there was nothing.
  CHECK(two->size() == 3);
  for (std::uint64_t n = 0; n < 3; ++n) {
    auto got = one->take();
    REQUIRE(got);
    CHECK(got->what->value == std::to_string(n));
    CHECK(got->what->sender == "ses_0a");
    CHECK(got->what->destination == "news");
    CHECK(got->sequence == n + 1);
    CHECK(got->lost_before == 0);
  }
  CHECK(one->take()->what->destination == "ses_0x");
  CHECK_FALSE(one->take());
  CHECK(watch.mail["delivered"] == 7);
}

TEST_CASE_METHOD(mail_fixture, "nobody, another tenant's and one that has gone are the same",
                 "[actors][unit]") {
  auto box = open("shop", {"news"});
  CHECK(refused("shop", "olds") == errc::not_found);
  CHECK(refused("shop", "") == errc::not_found);
  CHECK(refused("else", "news") == errc::not_found);
  auto texts = std::pair{all.publish("else", "", "news", "").why().detail,
                         all.publish("else", "", "nope", "").why().detail};
  CHECK(texts.first == "nobody receives messages as 'news'");
  CHECK(texts.second == "nobody receives messages as 'nope'");
  box.reset();
  CHECK(refused("shop", "news") == errc::not_found);
  CHECK(watch.mail["nobody"] == 6);
}

TEST_CASE_METHOD(mail_fixture, "a full mailbox drops its oldest and says how many",
                 "[actors][unit]") {
  limits.messages = 3;
  auto box = open("shop", {"news"});
  for (int n = 0; n < 3; ++n)
    CHECK(refused("shop", "news", std::to_string(n)) == errc::none);
  CHECK(box->lost() == 0);
  for (int n = 3; n < 5; ++n)
    CHECK(refused("shop", "news", std::to_string(n)) == errc::none);
  CHECK(box->size() == 3);
  CHECK(box->lost() == 2);
  auto got = box->take();
  REQUIRE(got);
  CHECK(got->what->value == "2");
  CHECK(got->sequence == 3);
  CHECK(got->lost_before == 2);
  CHECK(box->take()->lost_before == 0);
  CHECK(watch.mail["dropped"] == 2);
}

TEST_CASE_METHOD(mail_fixture, "bytes are bounded, of a message, a mailbox and a tenant",
                 "[actors][unit]") {
  limits.message_bytes = 1'000;
  limits.bytes = 4'000;
  limits.tenant_bytes = 6'000;
  auto one = open("shop", {"one"});
  CHECK(refused("shop", "one", std::string(1'000, 'x')) == errc::none);
  CHECK(refused("shop", "one", std::string(1'001, 'x')) == errc::too_large);
  for (int n = 0; n < 100; ++n)
    CHECK(refused("shop", "one", std::string(900, 'x')) == errc::none);
  CHECK(one->size() == 3);
  auto two = open("shop", {"two"});
  CHECK(refused("shop", "two", std::string(1'000, 'x')) == errc::none);
  auto full = all.publish("shop", "", "two", std::string(1'000, 'x'));
  if (full)
    full = all.publish("shop", "", "two", std::string(1'000, 'x'));
  REQUIRE_FALSE(full);
  CHECK(full.why().code == errc::limit_exceeded);
  CHECK(full.why().quota.name == "message_bytes");
  CHECK(full.why().quota.maximum == 6'000);
  CHECK(full.why().quota.retry_after.count() > 0);
  auto other = open("else", {"one"}); // Whose share is its own.
  CHECK(refused("else", "one", std::string(1'000, 'x')) == errc::none);
  one.reset(); // And with it what it held.
  CHECK(refused("shop", "two", std::string(1'000, 'x')) == errc::none);
}

TEST_CASE_METHOD(mail_fixture, "mailboxes are bounded", "[actors][unit]") {
  limits.mailboxes = 2;
  auto one = open("shop", {"one"});
  auto two = open("shop", {"two"});
  auto more = all.open("shop", {"three"}, {});
  REQUIRE_FALSE(more);
  CHECK(more.why().code == errc::limit_exceeded);
  CHECK(more.why().quota.current == 2);
  two.reset();
  CHECK(all.open("shop", {"three"}, {}));
}

TEST_CASE_METHOD(mail_fixture, "who is told may close mailboxes and send", "[actors][unit]") {
  mailbox_ptr second;
  mailbox_ptr first;
  auto made = all.open("shop", {"news"}, [&] {
    second.reset();
    CHECK(refused("shop", "news", "again") == errc::none);
  });
  REQUIRE(made);
  first = *std::move(made);
  int told_late = 0;
  second = *all.open("shop", {"news"}, [&] { ++told_late; });
  CHECK(refused("shop", "news") == errc::none);
  CHECK(first->size() == 2);
  CHECK(told_late == 0);
  auto own = all.open("shop", {"self"}, [&] { first.reset(); });
  CHECK(refused("shop", "self") == errc::none);
  CHECK(refused("shop", "news") == errc::not_found);
}
