// SPDX-License-Identifier: Apache-2.0
// A WebSocket client's stream, cut at arbitrary places; whole messages are opened in both codecs.
#include "bridge/validate.hpp"
#include "daemon/wire_frame.hpp"
#include "daemon/ws_frame.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace {

using namespace vivarium;

constexpr std::size_t most_message = 512;

void open(const ws::item& what) {
  bool text = what.type == ws::opcode::text;
  if (text && !bridge::is_utf8(what.data))
    std::abort();
  wire::client_frame frame;
  (void)wire::open_frame(frame, text ? wire::codec::json : wire::codec::proto, what.data);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0)
    return 0;
  std::size_t step = data[0] + std::size_t{1};
  ws::reader reader{most_message};
  byte_buffer in;
  for (std::size_t at = 1; at < size; at += step) {
    auto n = std::min(step, size - at);
    std::memcpy(in.prepare(n), data + at, n);
    in.commit(n);
    for (;;) {
      auto what = reader.next(in);
      if (what.what == ws::item::kind::need_more)
        break;
      if (what.what == ws::item::kind::violation || what.what == ws::item::kind::close)
        return 0;
      if (what.what == ws::item::kind::message)
        open(what);
      if (what.what == ws::item::kind::too_large)
        (void)wire::id_at_front(
            what.type == ws::opcode::text ? wire::codec::json : wire::codec::proto, what.data);
    }
  }
  return 0;
}
