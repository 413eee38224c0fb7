// SPDX-License-Identifier: Apache-2.0
// Requests, in both codecs. What is accepted is what a worker accepts, and the hand-written reader
// of JSON never takes what libprotobuf would not.
#include "bridge/app_messages.hpp"
#include "bridge/validate.hpp"
#include "daemon/wire.hpp"
#include "daemon/wire_admin.hpp"
#include "daemon/wire_app.hpp"
#include "daemon/wire_eval_json.hpp"
#include "daemon/wire_file.hpp"
#include "sandbox/workspace_path.hpp"

#include <cstdint>
#include <cstdlib>

namespace {

using namespace vivarium;

void check(const submission& what) {
  if (!what.operands.empty() && !bridge::validate_value(what.operands))
    std::abort();
  if (!bridge::is_utf8(what.source) || !bridge::is_utf8(what.session)
      || !bridge::is_utf8(what.name_space))
    std::abort();
}

void check(const result<submission>& what) {
  if (what)
    check(*what);
}

void compare(std::string_view json) {
  auto fast = wire::read_eval_json(json);
  if (!fast)
    return;
  auto binary = wire::to_binary(wire::message::eval_request, json);
  if (!binary)
    std::abort();
  auto slow = wire::decode_eval(wire::codec::proto, *binary);
  auto quick = wire::decode_eval(wire::codec::json, json);
  if (static_cast<bool>(slow) != static_cast<bool>(quick)
      || (slow && (slow->source != quick->source || slow->name_space != quick->name_space)))
    std::abort();
}

void check_file(wire::message type, wire::codec as, std::string_view bytes) {
  auto what = wire::decode_file(type, as, bytes);
  if (!what)
    return;
  if (!bridge::is_utf8(what->path) || (!what->sha256.empty() && what->sha256.size() != 32))
    std::abort();
  // What a path may lead to is for the kernel to say; what it may look like is said here.
  if (auto path = sandbox::workspace_path(what->path);
      path
      && (path->starts_with('/') || path->ends_with('/') || *path == ".."
          || path->starts_with("../") || path->find("/../") != std::string::npos
          || path->find("//") != std::string::npos))
    std::abort();
}

void decode(unsigned which, wire::codec as, std::string_view bytes) {
  switch (which) {
    case 0:
      check(wire::decode_eval(as, bytes));
      if (as == wire::codec::json)
        compare(bytes);
      break;
    case 1: check(wire::decode_call(as, bytes)); break;
    case 2:
      if (auto stream = wire::decode_stream(as, bytes))
        check(stream->what);
      break;
    case 3:
      if (auto batch = wire::decode_batch(as, bytes))
        for (const auto& item : *batch)
          check(item);
      break;
    case 4:
      if (auto session = wire::decode_create_session(as, bytes);
          session && session->init && !session->init->variables.empty()
          && !bridge::validate_value(session->init->variables))
        std::abort();
      break;
    case 5: (void)wire::decode_create_namespace(as, bytes); break;
    case 6: (void)wire::decode_defaults(as, bytes); break;
    case 7: check(wire::decode_release_refs(as, bytes)); break;
    case 8: check(wire::decode_set_tracemalloc(as, bytes)); break;
    case 9:
      if (auto answer = wire::decode_answer(as, bytes)) {
        bool value = answer->with.kind == bridge::host_result::outcome::value;
        if (!(value ? bridge::validate_value(answer->with.content)
                    : bridge::validate_host_error(answer->with.content)))
          std::abort();
      }
      break;
    case 10: (void)wire::decode_serve(as, bytes); break;
    case 11: (void)wire::decode_create_pool(as, bytes); break;
    case 12: (void)wire::decode_set_routes(as, bytes); break;
    case 13: (void)wire::decode_send(as, bytes); break;
    case 14: (void)wire::decode_receive(as, bytes); break;
    case 15: (void)wire::decode_boot_app(as, bytes); break;
    case 16:
      if (auto asked = wire::decode_handle(wire::message::handle_request, as, bytes))
        for (const auto& [name, value] : asked->what.headers)
          if (!bridge::is_header_name(name) || !bridge::is_header_value(value))
            std::abort();
      break;
    case 17: check(wire::decode_invoke(as, bytes)); break;
    case 18: check_file(wire::message::put_file_request, as, bytes); break;
    case 19: check_file(wire::message::list_files_request, as, bytes); break;
    case 20: check_file(wire::message::move_file_request, as, bytes); break;
    case 21: check_file(wire::message::read_file_request, as, bytes); break;
    case 22: check_file(wire::message::write_file_request, as, bytes); break;
    case 23: (void)wire::decode_volume(wire::message::commit_volume_request, as, bytes); break;
    case 24:
      if (auto part = wire::decode_overview(wire::message::list_all_executions_request, as, bytes);
          part && (part->most < 1 || part->most > wire::most_page_entries))
        std::abort();
      break;
    case 25:
      if (auto what = wire::decode_stop(wire::message::end_session_request, as, bytes);
          what && (what->subject.empty() || !bridge::is_utf8(what->subject)))
        std::abort();
      break;
    default: (void)wire::decode_log_level(as, bytes); break;
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0)
    return 0;
  auto as = (data[0] & 1) != 0 ? wire::codec::json : wire::codec::proto;
  decode(data[0] / 2u % 27, as, {reinterpret_cast<const char*>(data) + 1, size - 1});
  return 0;
}
