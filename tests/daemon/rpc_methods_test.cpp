// SPDX-License-Identifier: Apache-2.0
#include "daemon/rpc.hpp"

#include <catch2/catch.hpp>
#include <google/protobuf/descriptor.pb.h>

#include <string>

#include "vivarium/v1/connection.pb.h"

using namespace vivarium;

TEST_CASE("every method of the schema is served, under its names and numbers", "[daemon][unit]") {
  std::size_t found = 0;
  const auto* file = v1::ClientFrame::descriptor()->file();
  for (auto name :
       {"vivarium.v1.ExecutionService", "vivarium.v1.SessionService", "vivarium.v1.HostService",
        "vivarium.v1.PoolService", "vivarium.v1.MessageService", "vivarium.v1.AppService",
        "vivarium.v1.StoreService", "vivarium.v1.FileService", "vivarium.v1.VolumeService",
        "vivarium.v1.EnvironmentService", "vivarium.v1.AdminService"}) {
    const auto* service = file->pool()->FindServiceByName(name);
    REQUIRE(service != nullptr);
    for (int i = 0; i < service->method_count(); ++i, ++found) {
      const auto& declared = *service->method(i);
      INFO(declared.full_name());
      const auto* method = rpc::find_by_path("/" + std::string{name} + "/" + declared.name());
      REQUIRE(method != nullptr);
      CHECK(&rpc::info_of(method->id) == method);
      CHECK(method->stream == declared.server_streaming());
      CHECK(method->safe
            == (declared.options().idempotency_level()
                == google::protobuf::MethodOptions::NO_SIDE_EFFECTS));
      const auto* asked =
          v1::ClientFrame::descriptor()->FindFieldByNumber(static_cast<int>(method->request_field));
      const auto* answered =
          v1::ServerFrame::descriptor()->FindFieldByNumber(static_cast<int>(method->answer_field));
      REQUIRE(asked != nullptr);
      REQUIRE(answered != nullptr);
      CHECK(asked->message_type() == declared.input_type());
      CHECK(answered->message_type() == declared.output_type());
      CHECK(method->frame_name == asked->json_name());
      CHECK(method->name == asked->name());
      CHECK(rpc::find_by_request_field(method->request_field) == method);
      CHECK(rpc::find_by_frame_name(asked->json_name()) == method);
      CHECK(rpc::find_by_frame_name(asked->name()) == method);
    }
  }
  CHECK(found == rpc::method_count);
}
