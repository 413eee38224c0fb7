// SPDX-License-Identifier: Apache-2.0
// A stream of HTTP requests as a client sends it, cut at arbitrary places; what is whole is read as
// the Connect protocol says.
#include "daemon/connect.hpp"
#include "daemon/http_parser.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace {

using namespace vivarium;

constexpr std::size_t most_body = 1u << 16;

void serve(const http_request& http) {
  connect::request unary;
  const auto* method = rpc::find_by_path(http.path());
  (void)connect::read_unary(
      unary, http, method != nullptr ? *method : rpc::info_of(rpc::method::list), most_body);
  connect::request stream;
  if (!connect::read_stream(stream, http, most_body) && stream.message.size() > most_body)
    std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0)
    return 0;
  std::size_t step = data[0] + std::size_t{1};
  std::string_view rest{reinterpret_cast<const char*>(data) + 1, size - 1};
  http_parser parser{http_limits{.body_bytes = most_body}};
  std::string buffer;
  while (!rest.empty() || !buffer.empty()) {
    auto n = std::min(step, rest.size());
    buffer += rest.substr(0, n);
    rest.remove_prefix(n);
    std::size_t used = 0;
    auto progress = parser.feed(buffer, used);
    if (used > buffer.size())
      std::abort();
    buffer.erase(0, used);
    if (progress == http_parser::progress::refused)
      return parser.status() < 400 ? (std::abort(), 0) : 0;
    if (progress == http_parser::progress::complete) {
      serve(parser.request());
      parser.restart();
    } else if (progress == http_parser::progress::need_more && rest.empty()) {
      return 0;
    }
  }
  return 0;
}
