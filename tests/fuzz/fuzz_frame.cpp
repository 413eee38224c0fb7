// SPDX-License-Identifier: Apache-2.0
// A stream of frames as a worker sends it, cut at arbitrary places.
#include "bridge/app_messages.hpp"
#include "bridge/frame.hpp"
#include "bridge/validate.hpp"
#include "bridge/worker_protocol.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace {

using namespace vivarium::bridge;

void decode(const frame& one) {
  switch (one.type) {
    case frame_type::evaluate: (void)decode_evaluate(one.body); break;
    case frame_type::pull: (void)decode_pull(one.body); break;
    case frame_type::hello: (void)decode_hello(one.body); break;
    case frame_type::parked: (void)decode_parked(one.body); break;
    case frame_type::items:
      if (auto items = decode_items(one.body)) {
        (void)validate_items(items->content, items->count, false);
        (void)validate_items(items->content, items->count, true);
      }
      break;
    case frame_type::output:
      if (auto output = decode_output(one.body)) {
        std::string text;
        append_utf8_lossy(text, output->text);
        if (!is_utf8(text))
          std::abort();
      }
      break;
    case frame_type::display:
      if (auto display = decode_display(one.body))
        (void)validate_display(display->content);
      break;
    case frame_type::finished:
      if (auto finished = decode_finished(one.body)) {
        if (validate_value(finished->content)) {
          (void)read_app_response(finished->content);
          (void)read_app_piece(finished->content);
        }
        (void)validate_error(finished->content);
      }
      break;
    case frame_type::host_result: (void)decode_host_result(one.body); break;
    case frame_type::app_input: (void)decode_app_input(one.body); break;
    case frame_type::app_taken: (void)decode_app_taken(one.body); break;
    case frame_type::pong: break;
    case frame_type::host_drop: (void)decode_host_drop(one.body); break;
    case frame_type::host_call:
      if (auto call = decode_host_call(one.body)) {
        (void)is_utf8(call->name);
        (void)validate_value(call->operands);
      }
      break;
    case frame_type::note:
      if (auto note = decode_note(one.body)) {
        (void)validate_log_record(note->content);
        (void)validate_progress(note->content);
      }
      break;
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0)
    return 0;
  std::size_t step = data[0] + std::size_t{1};
  frame_reader reader{1u << 16};
  for (std::size_t at = 1; at < size; at += step) {
    auto n = std::min(step, size - at);
    std::memcpy(reader.prepare(n), data + at, n);
    reader.commit(n);
    while (true) {
      auto next = reader.next();
      if (!next)
        return 0;
      if (!*next)
        break;
      decode(**next);
    }
  }
  return 0;
}
