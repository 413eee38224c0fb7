// SPDX-License-Identifier: Apache-2.0
#include "actors/pg_login.hpp"
#include "actors/pg_target.hpp"
#include "actors/pg_wire.hpp"

#include <catch2/catch.hpp>

using namespace vivarium;

TEST_CASE("a database's URL is read strictly", "[actors][unit]") {
  auto made = parse_pg_url("postgresql://ann:p%40ss%2Fw@DB.test:5433/sh%6Fp?sslmode=require",
                           pg_url_from::client);
  REQUIRE(made);
  CHECK(*made == pg_target{"db.test", 5433, "ann", "p@ss/w", "shop", pg_tls::require});
  made = parse_pg_url("postgres://ann@[::1]", pg_url_from::client);
  REQUIRE(made);
  CHECK(*made == pg_target{"::1", 5432, "ann", "", "ann", pg_tls::prefer});
  CHECK(parse_pg_url("postgresql://a@%2Frun%2Fpostgresql/x", pg_url_from::operator_)->is_local());
  for (const auto* text :
       {"", "postgresql://", "mysql://a@b/c", "postgresql://a@/x", "postgresql://b/x",
        "postgresql://a@b:0/x", "postgresql://a@b:70000/x", "postgresql://a@b:x/x",
        "postgresql://a%zz@b/x", "postgresql://a%00@b/x", "postgresql://a@b/x%00",
        "postgresql://a@b/x?host=c", "postgresql://a@b/x?sslmode=no", "postgresql://a@b/x?sslmode",
        "postgresql://a@%2Frun/x", "postgresql://a@2130706433/x", "postgresql://a@b c/x",
        "postgresql://a@b/x?sslrootcert=/etc/shadow"}) {
    auto wrong = parse_pg_url(text, pg_url_from::client);
    REQUIRE_FALSE(wrong);
    CHECK(wrong.why().code == errc::invalid_argument);
  }
  auto secret = parse_pg_url("postgresql://a:hidden@b:x/c", pg_url_from::client);
  CHECK(secret.why().detail.find("hidden") == std::string::npos);
}

TEST_CASE("a server's messages are bounded before they are kept", "[actors][unit]") {
  using pg::message_size;
  CHECK_FALSE(message_size({"D\0\0\0", 4}, 100)->has_value());
  CHECK(**message_size({"D\0\0\0\x04", 5}, 100) == 5);
  CHECK(**message_size({"D\0\0\0\x64", 5}, 100) == 101);
  CHECK(message_size({"D\0\0\0\x65", 5}, 100).why().code == errc::too_large);
  CHECK(message_size({"D\x7f\xff\xff\xff", 5}, 100).why().code == errc::too_large);
  CHECK(message_size({"D\0\0\0\x03", 5}, 100).why().code == errc::malformed);
  CHECK(message_size("xTTP/1.1 400", 100).why().code == errc::malformed);
}

TEST_CASE("rows are read as they were described, or not at all", "[actors][unit]") {
  auto read = [](std::string_view body, std::size_t columns) {
    std::string out;
    bool ok = pg::read_row(body, columns, [&](std::optional<std::string_view> one) {
      out += one ? "'" + std::string{*one} + "'" : "NULL";
    });
    return ok ? out : "wrong";
  };
  std::string_view row{"\0\x02\0\0\0\x01x\xff\xff\xff\xff", 11};
  CHECK(read(row, 2) == "'x'NULL");
  CHECK(read(row, 1) == "wrong");
  CHECK(read(row.substr(0, 10), 2) == "wrong");
  CHECK(read(std::string{row} + "y", 2) == "wrong");
  CHECK(read({"\0\x01\x7f\0\0\0x", 7}, 1) == "wrong");
  std::string columns{"\0\x01n\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0", 22};
  auto described = pg::read_columns(columns);
  REQUIRE(described);
  CHECK(described->front().name == "n");
  CHECK(described->front().type == 23);
  CHECK_FALSE(pg::read_columns(columns.substr(0, 21)));
  CHECK_FALSE(pg::read_columns(std::string_view{"\xff\xff", 2}));
  auto why = pg::read_error({"SERROR\0C42P01\0Mno\xff such\0Dd\0Hh\0nc\0\0", 34});
  CHECK(why.code == "42P01");
  CHECK(why.message == "no\xef\xbf\xbd such");
  CHECK(why.constraint == "c");
}

TEST_CASE("parameters are never part of the statement", "[actors][unit]") {
  std::string out;
  pg::append_query(out, {"select $1", {{25, "'; drop"}, {0, std::nullopt}}}, 7);
  CHECK(out.substr(0, 26)
        == std::string_view{"P\0\0\0\x19\0select $1\0\0\x02\0\0\0\x19\0\0\0\0", 26});
  CHECK(out.find(std::string_view{"\0\0\0\x07'; drop\xff\xff\xff\xff", 15}) != std::string::npos);
  CHECK(out.ends_with(std::string_view{"E\0\0\0\x09\0\0\0\0\x07S\0\0\0\x04", 15}));
}

TEST_CASE("SCRAM proves both sides and is bounded", "[actors][unit]") {
  // The example of RFC 7677, whose client has a user name in its messages; PostgreSQL's has none,
  // so the proof is another one. What the server says is checked by its own signature.
  pg::scram one{"rOprNGfwEbeRWgbNEkqO"};
  CHECK(one.first() == "n,,n=,r=rOprNGfwEbeRWgbNEkqO");
  REQUIRE(one.take_first("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                         "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"));
  auto last = one.final("pencil");
  CHECK(last.starts_with("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p="));
  CHECK_FALSE(one.check_final("v=AAAA"));
  CHECK_FALSE(one.check_final("e=other-error"));
  CHECK_FALSE(pg::scram{"x"}.check_final("v="));
  for (const auto* wrong :
       {"", "r=other,s=QUJD,i=1", "r=abc,s=QUJD,i=4096", "r=abcd,s=,i=1", "r=abcd,s=Q,i=1",
        "r=abcd,s=QUJD,i=0", "r=abcd,s=QUJD,i=x", "r=abcd,s=QUJD", "s=QUJD,r=abcd,i=1",
        "r=abcd,s=QUJD,i=100001", "r=abcd,s=QUJD,i=99999999999"})
    CHECK_FALSE(pg::scram{"abc"}.take_first(wrong));
  CHECK(pg::scram{"abc"}.take_first("r=abcd,s=QUJD,i=100000"));
  CHECK(pg::make_nonce() != pg::make_nonce());
  CHECK(pg::md5_answer("ann", "secret", "salt") == "md5b8f5ba9f485dba302ec0963f7ee9ba8f");
}
