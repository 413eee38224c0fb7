// SPDX-License-Identifier: Apache-2.0

// The part of a session that takes what its code tells beside output: records of its log, how far
// it has come.

#include "actors/session_core.hpp"
#include "bridge/validate.hpp"

#include <spdlog/spdlog.h>

namespace vivarium {

using namespace std::chrono_literals;

namespace {

// Records of a session that reach the daemon's log in a second; its clients get all.
constexpr unsigned most_logged = 20;

} // namespace

bool session_core::handle_note(std::string_view body) {
  auto message = bridge::decode_note(body);
  bool is_log = message && message->kind == bridge::note::note_kind::log;
  auto fine = !message ? status{message.why()}
              : message->content.size() > bridge::max_note_bytes
                  ? status{error{errc::malformed, "a note that is too large"}}
              : is_log ? bridge::validate_log_record(message->content)
                       : bridge::validate_progress(message->content);
  if (!fine) {
    violated(fine.why().detail);
    return false;
  }
  auto* flight = message->execution == 0 ? nullptr : find(message->execution);
  if (flight != nullptr && !flight->settled)
    flight->what->append(is_log ? event::kind::log : event::kind::progress,
                         std::string{message->content});
  if (is_log)
    log_record(flight != nullptr ? std::string_view{flight->what->request().request_id} : "",
               message->content);
  return true;
}

void session_core::log_record(std::string_view request_id, std::string_view content) {
  auto now = clock_type::now();
  if (now >= log_again_at_) {
    if (unlogged_ > 0)
      spdlog::info("session {} of tenant {}: {} records of its code were not logged", info_.id,
                   tenant_, unlogged_);
    log_again_at_ = now + 1s;
    logged_ = unlogged_ = 0;
  }
  if (logged_ >= most_logged) {
    ++unlogged_;
    return;
  }
  ++logged_;
  watch_.code_logged(tenant_, info_.id, request_id, content);
}

} // namespace vivarium
