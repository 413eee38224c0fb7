// SPDX-License-Identifier: Apache-2.0
#include "interp/ref_ledger.hpp"

#include <catch2/catch.hpp>

#include <set>
#include <string>
#include <vector>

using namespace vivarium::interp;

namespace {

std::uint64_t now_ms = 0;
std::uint64_t test_clock() {
  return now_ms;
}

// Objects are only addresses.
struct things {
  char all[20'000];
  void* operator[](std::size_t i) { return &all[i]; }
};

struct fixture {
  static inline things thing;
  ref_ledger ledger{0x0123456789abcdef, test_clock};

  std::string keep(std::size_t i, std::uint64_t owner = 0) {
    bool is_new = false;
    return ledger.keep(thing[i], owner, is_new);
  }
  ref_miss why(const std::string& id) { return ledger.find(id).why; }
};

} // namespace

TEST_CASE_METHOD(fixture, "an object has one id, and an id one object", "[interp]") {
  bool is_new = false;
  auto id = ledger.keep(thing[0], 0, is_new);
  CHECK(is_new);
  CHECK(id.size() == 30);
  CHECK(id.starts_with("ref_"));
  CHECK(ledger.keep(thing[0], 0, is_new) == id);
  CHECK_FALSE(is_new);
  CHECK(ledger.find(id).found == thing[0]);
  CHECK(keep(1) != id);
  CHECK(ledger.size() == 2);
}

TEST_CASE_METHOD(fixture, "an id that is released stays so", "[interp]") {
  auto id = keep(0);
  CHECK(ledger.release(id) == thing[0]);
  CHECK(ledger.release(id) == nullptr);
  CHECK(why(id) == ref_miss::released);
  CHECK(keep(0) != id);
  CHECK(why(id) == ref_miss::released);
}

TEST_CASE_METHOD(fixture, "ids that were never given out are unknown", "[interp]") {
  auto id = keep(0);
  for (const std::string& wrong :
       {std::string{}, std::string{"ref_"}, id + "a", id.substr(0, 29), "REF_" + id.substr(4),
        "ses_" + id.substr(4), "ref_" + std::string(26, '1'), "ref_" + std::string(26, 'A')}) {
    CHECK(why(wrong) == ref_miss::unknown);
    CHECK(ledger.release(wrong) == nullptr);
  }
  auto respelled = id; // The last digit has two bits that mean nothing.
  ++respelled.back();
  CHECK(why(respelled) == ref_miss::unknown);
  ref_ledger sibling{0x0123456789abcdef, test_clock};
  bool is_new = false;
  (void)sibling.keep(thing[0], 0, is_new);
  CHECK(why(sibling.keep(thing[1], 0, is_new)) == ref_miss::unknown);
}

TEST_CASE_METHOD(fixture, "an id of another session is told apart", "[interp]") {
  ref_ledger other{0x0123456789abcdee, test_clock};
  bool is_new = false;
  auto id = other.keep(thing[0], 0, is_new);
  CHECK(why(id) == ref_miss::other_session);
  CHECK(ledger.release(id) == nullptr);
}

TEST_CASE_METHOD(fixture, "the least recently used go when there are too many", "[interp]") {
  ledger.configure(3, 0);
  std::vector<std::string> ids{keep(0), keep(1), keep(2)};
  CHECK(ledger.tidy().empty());
  CHECK(why(ids[0]) == ref_miss::none);
  auto fourth = keep(3);
  CHECK(ledger.tidy() == std::vector<void*>{thing[1]});
  CHECK(why(ids[1]) == ref_miss::evicted);
  CHECK(why(ids[0]) == ref_miss::none);
  CHECK(keep(2) == ids[2]); // Kept again: used.
  (void)keep(4);
  CHECK(ledger.tidy() == std::vector<void*>{thing[3]});
  CHECK(why(fourth) == ref_miss::evicted);
  ledger.configure(1, 0);
  CHECK(ledger.tidy().size() == 2);
  ledger.configure(0, 0);
  for (std::size_t i = 0; i < 100; ++i)
    (void)keep(i);
  CHECK(ledger.tidy().empty());
}

TEST_CASE_METHOD(fixture, "what is not used for its time expires, on both sides", "[interp]") {
  now_ms = 1000;
  ledger.configure(0, 50);
  auto used = keep(0), unused = keep(1);
  now_ms = 1049;
  CHECK(ledger.tidy().empty());
  CHECK(why(used) == ref_miss::none);
  now_ms = 1050;
  CHECK(why(unused) == ref_miss::expired); // Also when nobody has tidied up yet.
  CHECK(ledger.tidy() == std::vector<void*>{thing[1]});
  CHECK(why(unused) == ref_miss::expired);
  now_ms = 1098;
  CHECK(why(used) == ref_miss::none);
  now_ms = 1148;
  CHECK(ledger.tidy() == std::vector<void*>{thing[0]});
  CHECK(why(used) == ref_miss::expired);
  CHECK(keep(0) != used);
}

TEST_CASE_METHOD(fixture, "reasons are remembered for so many", "[interp]") {
  ledger.configure(1, 0);
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < ref_ledger::reasons_kept + 2; ++i) {
    ids.push_back(keep(i));
    (void)ledger.tidy();
  }
  CHECK(why(ids[0]) == ref_miss::released); // The oldest reason has been forgotten.
  CHECK(why(ids[1]) == ref_miss::evicted);
}

TEST_CASE_METHOD(fixture, "the longer-lived owner wins", "[interp]") {
  auto of_session = keep(0, 0), of_one = keep(1, 7), of_both = keep(2, 7);
  (void)keep(0, 7);
  (void)keep(2, 8);
  auto promoted = keep(3, 7);
  (void)keep(3, 0);
  CHECK(ledger.release_owner(7) == std::vector<void*>{thing[1]});
  CHECK(why(of_one) == ref_miss::released);
  CHECK(why(of_session) == ref_miss::none);
  CHECK(why(of_both) == ref_miss::none);
  CHECK(ledger.release_owner(8) == std::vector<void*>{thing[2]});
  CHECK(ledger.release_owner(8).empty());
  CHECK(ledger.release_owner(0).empty());
  CHECK(why(promoted) == ref_miss::none);
}

TEST_CASE_METHOD(fixture, "ids are all different", "[interp]") {
  std::set<std::string> ids;
  for (std::size_t i = 0; i < 20'000; ++i)
    ids.insert(keep(i));
  CHECK(ids.size() == 20'000);
  CHECK(ledger.find(*ids.begin()).found != nullptr);
}
