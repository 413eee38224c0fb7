// SPDX-License-Identifier: Apache-2.0
// The handshake of a WebSocket: lines of `name:value` after a query. What is answered is lines of
// ours, whatever the client wrote.
#include "daemon/ws_session.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>

namespace {

using namespace vivarium;

/// Cuts a line off the front; HTTP's parser lets no line break and no zero into a header.
std::string_view line(std::string_view& from) {
  auto stop = from.find_first_of(std::string_view{"\n\r\0", 3});
  auto out = from.substr(0, stop);
  from = stop == std::string_view::npos ? std::string_view{} : from.substr(stop + 1);
  return out;
}

bool ours(std::string_view lines) {
  while (!lines.empty()) {
    auto stop = lines.find("\r\n");
    if (stop == std::string_view::npos || lines.substr(0, stop).find_first_of("\r\n") < stop
        || lines.substr(0, stop).find(": ") >= stop)
      return false;
    lines.remove_prefix(stop + 2);
  }
  return true;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text{reinterpret_cast<const char*>(data), size};
  http_request http;
  http.verb = http_verb::get;
  http.upgrade = true;
  http.set_target("/v1/ws?" + std::string{line(text)});
  http.add_header("upgrade", "websocket");
  http.add_header("sec-websocket-version", "13");
  while (!text.empty()) {
    auto whole = line(text);
    auto colon = whole.find(':');
    if (colon != std::string_view::npos)
      http.add_header(whole.substr(0, colon), whole.substr(colon + 1));
  }
  auto agreed = ws_session::accept(http, "req_a");
  if (!ours(agreed.extra) || (agreed.status != 101 && agreed.why.detail.empty()))
    std::abort();
  return 0;
}
