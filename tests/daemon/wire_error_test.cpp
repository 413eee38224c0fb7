// SPDX-License-Identifier: Apache-2.0
#include "daemon/base64.hpp"
#include "daemon/wire.hpp"
#include "daemon/wire_frame.hpp"

#include <catch2/catch.hpp>
#include <google/protobuf/util/json_util.h>

#include <map>
#include <string>

#include "vivarium/v1/connection.pb.h"
#include "vivarium/v1/execution.pb.h"

using namespace vivarium;

namespace {

constexpr auto first_code = static_cast<unsigned>(errc::invalid_argument);
constexpr auto last_code = static_cast<unsigned>(errc::internal);

// Connect's own table.
const std::map<std::string_view, int> statuses{{"canceled", 499},
                                               {"unknown", 500},
                                               {"invalid_argument", 400},
                                               {"deadline_exceeded", 504},
                                               {"not_found", 404},
                                               {"already_exists", 409},
                                               {"permission_denied", 403},
                                               {"resource_exhausted", 429},
                                               {"failed_precondition", 400},
                                               {"aborted", 409},
                                               {"out_of_range", 400},
                                               {"unimplemented", 501},
                                               {"internal", 500},
                                               {"unavailable", 503},
                                               {"data_loss", 500},
                                               {"unauthenticated", 401}};

} // namespace

TEST_CASE("every failure has a Connect code with Connect's status", "[daemon][unit]") {
  for (auto i = first_code; i <= last_code; ++i) {
    auto face = wire::face_of(static_cast<errc>(i));
    INFO(face.code);
    REQUIRE(statuses.count(face.code) == 1);
    REQUIRE(statuses.at(face.code) == face.status);
    REQUIRE(v1::ErrorKind_IsValid(static_cast<int>(face.kind)));
    REQUIRE(face.kind != 0);
  }
}

TEST_CASE("an error's detail is an ErrorDetail, and its debug form agrees", "[daemon][unit]") {
  for (auto i = first_code; i <= last_code; ++i) {
    error why{static_cast<errc>(i), "some \"thing\"\n<is> wrong"};
    v1::ErrorDetail detail;
    REQUIRE(detail.ParseFromString(wire::encode_detail(why, "req_1")));
    REQUIRE(detail.code() == name_of(why.code));
    REQUIRE(detail.request_id() == "req_1");
    std::string json;
    wire::append_detail_json(json, why, "req_1");
    v1::ErrorDetail again;
    REQUIRE(google::protobuf::util::JsonStringToMessage(json, &again).ok());
    REQUIRE(again.SerializeAsString() == detail.SerializeAsString());
  }
}

TEST_CASE("an error in Connect's form has code, message and details", "[daemon][unit]") {
  std::string json;
  error why{errc::not_found, "there is no session \"a\""};
  wire::append_error_json(json, why, "req_1");
  std::string value;
  append_base64(value, wire::encode_detail(why, "req_1"));
  REQUIRE(json.find(R"({"code":"not_found","message":"there is no session \"a\"","details":[)")
          == 0);
  REQUIRE(json.find("\"type\":\"vivarium.v1.ErrorDetail\",\"value\":\"" + value + "\"")
          != std::string::npos);
}

TEST_CASE("what the daemon met inside itself is not told", "[daemon][unit]") {
  error why{errc::os_failure, "open /secret/path: No such file or directory"};
  std::string json;
  wire::append_error_json(json, why, "req_1");
  REQUIRE(json.find("secret") == std::string::npos);
  REQUIRE(wire::encode_failure(wire::codec::proto, why, "req_1").find("secret")
          == std::string::npos);
}

TEST_CASE("failures of a connection are the same in both codecs", "[daemon][unit]") {
  for (auto i = first_code; i <= last_code; ++i) {
    error why{static_cast<errc>(i), "x \xff y"};
    v1::Failure binary;
    v1::Failure text;
    REQUIRE(binary.ParseFromString(wire::encode_failure(wire::codec::proto, why, "r")));
    REQUIRE(google::protobuf::util::JsonStringToMessage(
                wire::encode_failure(wire::codec::json, why, "r"), &text)
                .ok());
    REQUIRE(binary.SerializeAsString() == text.SerializeAsString());
  }
}

TEST_CASE("an error of code speaks for itself in both protocols", "[daemon][unit]") {
  v1::ExecutionError inner;
  inner.set_kind(v1::ERROR_KIND_NOT_FOUND);
  inner.set_code("ref_released");
  inner.set_message("it was released");
  verdict how;
  how.outcome = verdict::kind::error;
  how.content = inner.SerializeAsString();
  auto why = wire::error_of(how);
  CHECK(why.code == errc::not_found);
  CHECK(why.detail == "it was released");
  v1::ErrorDetail detail;
  REQUIRE(detail.ParseFromString(wire::encode_detail(why, "r")));
  CHECK(detail.kind() == v1::ERROR_KIND_NOT_FOUND);
  CHECK(detail.code() == "ref_released");

  std::string json;
  wire::append_error_json(json, why, "r");
  std::string value;
  append_base64(value, how.content);
  CHECK(json.find(R"({"type":"vivarium.v1.ExecutionError","value":")" + value + '"')
        != std::string::npos);
  CHECK(json.find(R"("debug":{"kind":"ERROR_KIND_NOT_FOUND",)") != std::string::npos);

  v1::Failure binary;
  v1::Failure text;
  REQUIRE(binary.ParseFromString(wire::encode_failure(wire::codec::proto, why, "r")));
  REQUIRE(google::protobuf::util::JsonStringToMessage(
              wire::encode_failure(wire::codec::json, why, "r"), &text)
              .ok());
  CHECK(binary.SerializeAsString() == text.SerializeAsString());
  CHECK(binary.error().code() == "ref_released");
}

TEST_CASE("every kind of an execution's error has a code of the protocol", "[daemon][unit]") {
  for (int kind = 0; kind <= v1::ErrorKind_MAX + 1; ++kind) {
    v1::ExecutionError inner;
    inner.set_kind(static_cast<v1::ErrorKind>(kind));
    verdict how;
    how.outcome = verdict::kind::error;
    how.content = inner.SerializeAsString();
    auto why = wire::error_of(how);
    INFO(kind);
    CHECK(why.code != errc::none);
    std::string json;
    wire::append_detail_json(json, why, "");
    v1::ErrorDetail detail;
    CHECK(google::protobuf::util::JsonStringToMessage(json, &detail).ok());
    CHECK(v1::ErrorKind_IsValid(detail.kind()));
  }
  CHECK(wire::error_of(verdict{}).code == errc::failed_precondition);
}
