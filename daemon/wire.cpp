// SPDX-License-Identifier: Apache-2.0
#include "daemon/wire.hpp"

#include "bridge/natural.hpp"
#include "bridge/validate.hpp"
#include "daemon/base64.hpp"
#include "daemon/wire_bytes.hpp"

#include <algorithm>

namespace vivarium::wire {

namespace {

// Numbers of vivarium.v1.ErrorKind; a test holds them against the schema.
enum kind : std::uint32_t {
  kind_timeout = 3,
  kind_limit = 7,
  kind_busy = 8,
  kind_cancelled = 9,
  kind_not_found = 10,
  kind_permission = 11,
  kind_session_lost = 12,
  kind_internal = 14,
  kind_invalid_argument = 15,
};

std::string_view kind_name(std::uint32_t kind) noexcept {
  switch (kind) {
    case kind_timeout: return "ERROR_KIND_TIMEOUT";
    case kind_limit: return "ERROR_KIND_LIMIT";
    case kind_busy: return "ERROR_KIND_BUSY";
    case kind_cancelled: return "ERROR_KIND_CANCELLED";
    case kind_not_found: return "ERROR_KIND_NOT_FOUND";
    case kind_permission: return "ERROR_KIND_PERMISSION";
    case kind_session_lost: return "ERROR_KIND_SESSION_LOST";
    case kind_invalid_argument: return "ERROR_KIND_INVALID_ARGUMENT";
    default: return "ERROR_KIND_INTERNAL";
  }
}

} // namespace

failure_face face_of(errc code) noexcept {
  switch (code) {
    case errc::invalid_argument: return {"invalid_argument", 400, kind_invalid_argument};
    case errc::not_found: return {"not_found", 404, kind_not_found};
    case errc::already_exists: return {"already_exists", 409, kind_invalid_argument};
    case errc::failed_precondition: return {"failed_precondition", 400, kind_invalid_argument};
    case errc::busy: return {"resource_exhausted", 429, kind_busy};
    case errc::limit_exceeded: return {"resource_exhausted", 429, kind_limit};
    case errc::too_large: return {"resource_exhausted", 429, kind_limit};
    case errc::deadline_exceeded: return {"deadline_exceeded", 504, kind_timeout};
    case errc::cancelled: return {"canceled", 499, kind_cancelled};
    case errc::permission_denied: return {"permission_denied", 403, kind_permission};
    case errc::unauthenticated: return {"unauthenticated", 401, kind_permission};
    case errc::session_lost: return {"aborted", 409, kind_session_lost};
    case errc::unavailable: return {"unavailable", 503, kind_internal};
    case errc::sandbox_unavailable: return {"unavailable", 503, kind_internal};
    case errc::unimplemented: return {"unimplemented", 501, kind_invalid_argument};
    case errc::none:
    case errc::malformed:
    case errc::os_failure:
    case errc::internal: break;
  }
  return {"internal", 500, kind_internal};
}

std::string public_message(const error& why) {
  if (why.code == errc::os_failure || why.code == errc::malformed)
    return "the daemon failed; its log has the details under the id of this request";
  std::string out;
  bridge::append_utf8_lossy(out, why.detail);
  return out;
}

std::string encode_detail(const error& why, std::string_view request_id) {
  std::string out;
  append_number(out, 1, face_of(why.code).kind);
  append_text(out, 2, name_of(why.code));
  append_text(out, 3, request_id);
  return out;
}

void append_detail_json(std::string& out, const error& why, std::string_view request_id) {
  out += R"({"kind":")";
  out += kind_name(face_of(why.code).kind);
  out += R"(","code":")";
  out += name_of(why.code);
  out += '"';
  if (!request_id.empty()) {
    out += R"(,"requestId":)";
    bridge::append_json_string(out, request_id);
  }
  out += '}';
}

void append_error_json(std::string& out, const error& why, std::string_view request_id) {
  auto face = face_of(why.code);
  out += R"({"code":")";
  out += face.code;
  out += R"(","message":)";
  bridge::append_json_string(out, public_message(why));
  out += R"(,"details":[{"type":"vivarium.v1.ErrorDetail","value":")";
  append_base64(out, encode_detail(why, request_id));
  out += R"(","debug":)";
  append_detail_json(out, why, request_id);
  out += "}]}";
}

} // namespace vivarium::wire
