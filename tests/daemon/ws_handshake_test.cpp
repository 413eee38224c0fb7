// SPDX-License-Identifier: Apache-2.0
#include "daemon/ws_session.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace vivarium;

namespace {

http_request upgrade(std::string_view target = "/v1/ws") {
  http_request out;
  out.verb = http_verb::get;
  out.upgrade = true;
  out.set_target(target);
  out.add_header("Upgrade", "websocket");
  out.add_header("Sec-WebSocket-Version", "13");
  out.add_header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
  return out;
}

ws_session::handshake with_versions(std::string_view versions) {
  auto request = upgrade();
  request.add_header("Vivarium-Version", versions);
  return ws_session::accept(request, "req_1");
}

} // namespace

TEST_CASE("versions that hold ours are agreed upon", "[daemon][unit]") {
  auto plain = ws_session::accept(upgrade(), "req_1");
  CHECK(plain.status == 101);
  CHECK(plain.extra.find("Vivarium-Version: 1\r\n") != std::string::npos);
  for (auto versions : {"1", "1-3", "0-1", "1-1", "0-999999"}) {
    INFO(versions);
    CHECK(with_versions(versions).status == 101);
    CHECK(ws_session::accept(upgrade("/v1/ws?versions=" + std::string{versions}), "r").status
          == 101);
  }
}

TEST_CASE("other versions, and what is none, are refused with a reason", "[daemon][unit]") {
  for (auto versions : {"2", "0", "2-3", "3-1", "", "-", "1-", "-1", "1.0", "x", "1 - 2", "1-2-3",
                        "1000000", "99999999999999999999"}) {
    INFO(versions);
    auto joined = with_versions(versions);
    CHECK(joined.status == 400);
    CHECK(joined.why.detail.find("version 1") != std::string::npos);
    CHECK(joined.extra == "Vivarium-Version: 1\r\n");
    CHECK(ws_session::accept(upgrade("/v1/ws?a=b&versions=" + std::string{versions}), "r").status
          == 400);
  }
  auto twice = upgrade();
  twice.add_header("Vivarium-Version", "1");
  twice.add_header("Vivarium-Version", "1");
  CHECK(ws_session::accept(twice, "r").status == 400);
}
