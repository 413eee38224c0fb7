// SPDX-License-Identifier: Apache-2.0
#include "proto/error.hpp"

#include <system_error>

namespace vivarium {

std::string_view name_of(errc code) noexcept {
  switch (code) {
    case errc::none: return "none";
    case errc::invalid_argument: return "invalid_argument";
    case errc::not_found: return "not_found";
    case errc::already_exists: return "already_exists";
    case errc::failed_precondition: return "failed_precondition";
    case errc::busy: return "busy";
    case errc::limit_exceeded: return "limit_exceeded";
    case errc::too_large: return "too_large";
    case errc::deadline_exceeded: return "deadline_exceeded";
    case errc::cancelled: return "cancelled";
    case errc::permission_denied: return "permission_denied";
    case errc::unauthenticated: return "unauthenticated";
    case errc::route_not_found: return "route_not_found";
    case errc::session_lost: return "session_lost";
    case errc::worker_busy: return "worker_busy";
    case errc::session_worker_unavailable: return "session_worker_unavailable";
    case errc::is_directory: return "is_directory";
    case errc::not_directory: return "not_directory";
    case errc::no_space: return "no_space";
    case errc::checksum_mismatch: return "checksum_mismatch";
    case errc::circuit_open: return "circuit_open";
    case errc::unavailable: return "unavailable";
    case errc::unimplemented: return "unimplemented";
    case errc::malformed: return "malformed";
    case errc::sandbox_unavailable: return "sandbox_unavailable";
    case errc::os_failure: return "os_failure";
    case errc::internal: return "internal";
  }
  return "unknown";
}

error os_error(std::string_view call, std::string_view argument, int errno_value) {
  std::string detail{call};
  if (!argument.empty()) {
    detail += ' ';
    detail += argument;
  }
  detail += ": ";
  detail += std::generic_category().message(errno_value);
  return error{errc::os_failure, std::move(detail)};
}

} // namespace vivarium
