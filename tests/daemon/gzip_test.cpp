// SPDX-License-Identifier: Apache-2.0
#include "daemon/base64.hpp"
#include "daemon/gzip.hpp"

#include <catch2/catch.hpp>

using namespace vivarium;

TEST_CASE("what was compressed comes back", "[daemon][unit]") {
  for (std::size_t size : {0u, 1u, 100u, 5'000u, 1'000'000u}) {
    std::string text(size, 'x');
    for (std::size_t i = 0; i < size; i += 7)
      text[i] = static_cast<char>(i * 31);
    auto back = gunzip(gzip(text), 1u << 20);
    REQUIRE(back);
    REQUIRE(*back == text);
  }
}

TEST_CASE("a bomb is refused before it is unpacked", "[daemon][unit]") {
  auto bomb = gzip(std::string(50u << 20, '\0'));
  REQUIRE(bomb.size() < 300'000);
  auto refused = gunzip(bomb, 1u << 20);
  REQUIRE_FALSE(refused);
  REQUIRE(refused.why().code == errc::too_large);
}

TEST_CASE("the limit is exact", "[daemon][unit]") {
  for (std::size_t limit : {1u, 4'096u, 10'000u}) {
    REQUIRE(gunzip(gzip(std::string(limit, 'a')), limit));
    REQUIRE_FALSE(gunzip(gzip(std::string(limit + 1, 'a')), limit));
  }
}

TEST_CASE("a bomb of many members is bounded as a whole", "[daemon][unit]") {
  auto one = gzip(std::string(1'000, 'a'));
  std::string many;
  for (int i = 0; i < 100; ++i)
    many += one;
  REQUIRE(gunzip(many, 100'000));
  REQUIRE_FALSE(gunzip(many, 99'999));
}

TEST_CASE("what is not gzip is refused", "[daemon][unit]") {
  auto good = gzip("hello, hello, hello");
  for (std::size_t n = 0; n < good.size(); ++n)
    REQUIRE_FALSE(gunzip(std::string_view{good}.substr(0, n), 1'000));
  REQUIRE_FALSE(gunzip("plain text", 1'000));
  REQUIRE_FALSE(gunzip(good + "rubbish", 1'000));
  auto broken = good;
  broken[broken.size() - 6] = static_cast<char>(broken[broken.size() - 6] ^ 1); // its checksum
  REQUIRE_FALSE(gunzip(broken, 1'000));
}

TEST_CASE("base64 is written unpadded and read in every usual form", "[daemon][unit]") {
  auto encode = [](std::string_view bytes) {
    std::string out;
    append_base64(out, bytes);
    return out;
  };
  REQUIRE(encode("") == "");
  REQUIRE(encode("a") == "YQ");
  REQUIRE(encode("ab") == "YWI");
  REQUIRE(encode("abc") == "YWJj");
  REQUIRE(decode_base64("YQ") == "a");
  REQUIRE(decode_base64("YQ==") == "a");
  REQUIRE(decode_base64("-_-_") == decode_base64("+/+/"));
  for (auto bad : {"Y", "YQ=a", "Y Q", "YQ\n", "====="})
    REQUIRE_FALSE(decode_base64(bad));
}

TEST_CASE("query components are unescaped", "[daemon][unit]") {
  REQUIRE(decode_query("a%20b+c%7B") == "a b c{");
  for (auto bad : {"%", "%2", "%zz", "a%"})
    REQUIRE_FALSE(decode_query(bad));
}
