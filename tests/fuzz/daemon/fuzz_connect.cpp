// SPDX-License-Identifier: Apache-2.0
// The body of a Connect request under every header that matters: envelopes, gzip, timeouts. The
// first bytes choose the headers.
#include "daemon/connect.hpp"

#include <array>
#include <cstdint>
#include <cstdlib>

namespace {

using namespace vivarium;

constexpr std::size_t most_body = 1u << 16;
constexpr std::array<std::string_view, 6> types{
    "application/json",          "application/proto",          "application/connect+json",
    "application/connect+proto", "application/proto; x=\"y\"", "text/plain;charset=latin-1"};
constexpr std::array<std::string_view, 4> codings{"gzip", "identity", "br", "GZIP"};
constexpr std::array<std::string_view, 4> timeouts{"1", "9999999999", "-1", "x"};

void bounded(std::string_view message) {
  if (message.size() > most_body)
    std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2)
    return 0;
  http_request http;
  http.verb = http_verb::post;
  http.set_target("/vivarium.v1.ExecutionService/Eval");
  http.add_header("content-type", types[data[0] % types.size()]);
  if ((data[0] & 0x40) != 0)
    http.add_header("connect-timeout-ms", timeouts[data[1] >> 4 & 3]);
  auto coding = codings[data[1] % codings.size()];
  if ((data[1] & 0x40) != 0) {
    http.add_header("content-encoding", coding);
    http.add_header("connect-content-encoding", coding);
  }
  http.body.assign(reinterpret_cast<const char*>(data) + 2, size - 2);
  http.body_size = http.body.size();
  connect::request unary;
  if (!connect::read_unary(unary, http, rpc::info_of(rpc::method::eval), most_body))
    bounded(unary.message);
  connect::request stream;
  if (!connect::read_stream(stream, http, most_body))
    bounded(stream.message);
  return 0;
}
