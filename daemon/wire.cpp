// SPDX-License-Identifier: Apache-2.0
#include "daemon/wire.hpp"

#include "bridge/natural.hpp"
#include "bridge/validate.hpp"
#include "daemon/base64.hpp"
#include "daemon/wire_bytes.hpp"

#include <array>

namespace vivarium::wire {

namespace {

// Numbers of vivarium.v1.ErrorKind; a test holds them against the schema.
enum kind : std::uint32_t {
  kind_timeout = 3,
  kind_io = 5,
  kind_limit = 7,
  kind_busy = 8,
  kind_cancelled = 9,
  kind_not_found = 10,
  kind_permission = 11,
  kind_session_lost = 12,
  kind_route_not_found = 13,
  kind_internal = 14,
  kind_invalid_argument = 15,
  kind_value = 16,
};

constexpr std::array<std::string_view, 17> kind_names{
    "ERROR_KIND_UNSPECIFIED",  "ERROR_KIND_SYNTAX",
    "ERROR_KIND_PYTHON",       "ERROR_KIND_TIMEOUT",
    "ERROR_KIND_IMPORT",       "ERROR_KIND_IO",
    "ERROR_KIND_MEMORY",       "ERROR_KIND_LIMIT",
    "ERROR_KIND_BUSY",         "ERROR_KIND_CANCELLED",
    "ERROR_KIND_NOT_FOUND",    "ERROR_KIND_PERMISSION",
    "ERROR_KIND_SESSION_LOST", "ERROR_KIND_ROUTE_NOT_FOUND",
    "ERROR_KIND_INTERNAL",     "ERROR_KIND_INVALID_ARGUMENT",
    "ERROR_KIND_VALUE"};

/// What an error of code says of itself: fields of its encoded ExecutionError.
struct told_error {
  std::uint32_t kind = 0;
  std::string_view message;
  std::string_view code;
};

told_error read_error(std::string_view encoded) {
  told_error out;
  (void)read_fields(encoded, [&out](protozero::pbf_reader& r) -> status {
    switch (field_of(r)) {
      case number_field(1): out.kind = r.get_uint32(); break;
      case text_field(5): out.message = view_of(r); break;
      case text_field(12): out.code = view_of(r); break;
      default: r.skip();
    }
    return done{};
  });
  if (out.kind >= kind_names.size())
    out.kind = kind_internal;
  return out;
}

/// The detail of an error: that of the code where some made it fail, else the daemon's own.
told_error detail_of(const error& why) {
  auto out = why.of_code.empty() ? told_error{} : read_error(why.of_code);
  if (out.kind == 0)
    out.kind = face_of(why.code).kind;
  if (out.code.empty())
    out.code = name_of(why.code);
  return out;
}

errc errc_of(std::uint32_t kind) noexcept {
  switch (kind) {
    case kind_timeout: return errc::deadline_exceeded;
    case kind_limit: return errc::limit_exceeded;
    case kind_busy: return errc::busy;
    case kind_cancelled: return errc::cancelled;
    case kind_not_found: return errc::not_found;
    case kind_permission: return errc::permission_denied;
    case kind_session_lost: return errc::session_lost;
    case kind_internal: return errc::internal;
    case kind_invalid_argument:
    case kind_value: return errc::invalid_argument;
    default: return errc::failed_precondition;
  }
}

// Connect's form of a detail: type, encoded message, and for people the message as JSON.
void append_connect_detail(std::string& out, std::string_view type, std::string_view encoded,
                           std::string_view debug) {
  out += R"({"type":"vivarium.v1.)";
  out += type;
  out += R"(","value":")";
  append_base64(out, encoded);
  out += '"';
  if (!debug.empty()) {
    out += R"(,"debug":)";
    out += debug;
  }
  out += '}';
}

} // namespace

error too_many_bytes(std::string_view what, std::uint64_t size, std::size_t limit,
                     std::string_view option) {
  return error{errc::too_large, std::string{what} + " has " + std::to_string(size)
                                    + " bytes; the maximum is " + std::to_string(limit) + " ("
                                    + std::string{option} + ")"};
}

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
    case errc::route_not_found: return {"not_found", 404, kind_route_not_found};
    case errc::session_lost: return {"aborted", 409, kind_session_lost};
    case errc::worker_busy: return {"resource_exhausted", 429, kind_busy};
    case errc::session_worker_unavailable: return {"aborted", 409, kind_session_lost};
    case errc::is_directory: return {"failed_precondition", 400, kind_io};
    case errc::not_directory: return {"failed_precondition", 400, kind_io};
    case errc::no_space: return {"resource_exhausted", 429, kind_limit};
    case errc::checksum_mismatch: return {"invalid_argument", 400, kind_invalid_argument};
    case errc::circuit_open: return {"unavailable", 503, kind_internal};
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

error error_of(const verdict& how) {
  if (how.outcome != verdict::kind::error)
    return error{errc::failed_precondition, "the interpreter's answer makes no sense"};
  auto told = read_error(how.content);
  return error{errc_of(told.kind), std::string{told.message}, how.content};
}

std::string encode_detail(const error& why, std::string_view request_id) {
  auto detail = detail_of(why);
  std::string out;
  append_number(out, 1, detail.kind);
  append_text(out, 2, detail.code);
  append_text(out, 3, request_id);
  if (const auto& quota = why.quota; !quota.name.empty()) {
    std::string inner;
    append_text(inner, 1, quota.name);
    append_number(inner, 2, quota.current);
    append_number(inner, 3, quota.maximum);
    append_number(inner, 4, static_cast<std::uint64_t>(quota.retry_after.count()));
    append_bytes(out, 4, inner);
  }
  return out;
}

void append_quota_number(std::string& out, std::string_view name, std::uint64_t value) {
  if (value == 0)
    return;
  out += R"(",")";
  out += name;
  out += R"(":")";
  out += std::to_string(value);
}

void append_detail_json(std::string& out, const error& why, std::string_view request_id) {
  auto detail = detail_of(why);
  out += R"({"kind":")";
  out += kind_names[detail.kind];
  out += R"(","code":)";
  bridge::append_json_string(out, detail.code);
  if (!request_id.empty()) {
    out += R"(,"requestId":)";
    bridge::append_json_string(out, request_id);
  }
  if (const auto& quota = why.quota; !quota.name.empty()) {
    out += R"(,"quota":{"name":")";
    out += quota.name;
    // protobuf's JSON has 64-bit numbers as strings, and leaves zeros out.
    append_quota_number(out, "current", quota.current);
    append_quota_number(out, "maximum", quota.maximum);
    append_quota_number(out, "retryAfterMs", static_cast<std::uint64_t>(quota.retry_after.count()));
    out += R"("})";
  }
  out += '}';
}

void append_error_json(std::string& out, const error& why, std::string_view request_id) {
  auto face = face_of(why.code);
  out += R"({"code":")";
  out += face.code;
  out += R"(","message":)";
  bridge::append_json_string(out, public_message(why));
  out += R"(,"details":[)";
  std::string debug;
  append_detail_json(debug, why, request_id);
  append_connect_detail(out, "ErrorDetail", encode_detail(why, request_id), debug);
  if (!why.of_code.empty()) {
    out += ',';
    auto readable = to_json(message::execution_error, why.of_code);
    append_connect_detail(out, "ExecutionError", why.of_code,
                          readable ? std::string_view{*readable} : std::string_view{});
  }
  out += "]}";
}

} // namespace vivarium::wire
