// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/audit.hpp"
#include "daemon/auth_settings.hpp"
#include "daemon/http_request.hpp"
#include "daemon/key_store.hpp"
#include "daemon/peer.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace vivarium {

/// Who sends a request, as far as the daemon has made sure.
struct identity {
  std::string tenant;
  role what = role::client;
  key_grant key; ///< Its id is empty when no key was needed.
};

/// What somebody is told whose key ended while they were using it.
[[nodiscard]] error key_is_gone();

/// Why somebody was not let in: a fixed set, for metrics and the audit log.
enum class auth_failure : std::uint8_t {
  missing,
  malformed,
  unknown,
  secret,
  expired,
  tenant,
  certificate,
};
inline constexpr std::size_t auth_failure_count = 7;
[[nodiscard]] std::string_view name_of(auth_failure why) noexcept;

/// Decides who a request is from. Where nothing is asked for, everybody is the local tenant and
/// `Authorization` is not looked at. Reactor thread.
class authenticator {
public:
  /// `knows` tells whether there is a tenant of that name.
  authenticator(auth_settings with, std::function<bool(const std::string&)> knows, auditor& book);

  /// Opens the key file. `changed` is called when keys came, went or changed: who was let in before
  /// may have to go. `trouble` is told what is wrong with the file.
  [[nodiscard]] status open(boost::asio::io_context& reactor, std::function<void()> changed,
                            std::function<void(const std::string&)> trouble);

  /// Every failure is the same `unauthenticated`, whatever the reason.
  [[nodiscard]] result<identity> identify(const http_request& request, const peer& from,
                                          std::string_view request_id = {});
  /// Whether it still holds.
  [[nodiscard]] bool still(const identity& who);
  /// To be called now and then, see key_store::look.
  void look() {
    if (keys_)
      keys_->look();
  }

  [[nodiscard]] bool asks() const noexcept { return with_.asked(); }
  [[nodiscard]] std::size_t key_count() const noexcept { return keys_ ? keys_->size() : 0; }
  [[nodiscard]] std::uint64_t failures(auth_failure why) const noexcept {
    return failures_[static_cast<std::size_t>(why)];
  }

private:
  result<identity> by_key(const http_request& request, std::string_view request_id);
  result<identity> by_certificate(const peer_certificate& shown, std::string_view request_id);
  error refuse(auth_failure why, std::string_view request_id, std::string_view key = {});
  result<identity> admit(identity who, std::string_view request_id);

  auth_settings with_;
  std::function<bool(const std::string&)> knows_;
  auditor& book_;
  std::unique_ptr<key_store> keys_;
  std::array<std::uint64_t, auth_failure_count> failures_{};
};

} // namespace vivarium
