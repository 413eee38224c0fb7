// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/apps.hpp"
#include "daemon/app_headers.hpp"
#include "daemon/streamed_exchange.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace vivarium {

/// Where requests to applications come in: `/apps/<id or name>/…`, and host names below the
/// daemon's domain for applications.
class app_ingress final : public streamed_route {
public:
  /// `domain` may be empty: then there are no host names.
  app_ingress(service& core, authenticator& auth, std::string domain);

  [[nodiscard]] std::string_view name() const noexcept override { return "/apps/{app}"; }
  [[nodiscard]] bool takes(const http_request& request) const override;
  [[nodiscard]] status check(const http_request& request, const access_rules& api) const override;
  [[nodiscard]] bool open_to_strangers(const http_request& request) const override;
  [[nodiscard]] std::uint64_t most_body(const http_request& request, const std::string& tenant,
                                        const network_limits& limits) const override;
  [[nodiscard]] std::string_view most_body_setting() const noexcept override {
    return "limits.body_bytes of the application";
  }
  [[nodiscard]] std::shared_ptr<streamed_handler>
  begin(std::shared_ptr<streamed_exchange> exchange) override;

private:
  /// What a request is about.
  struct target {
    app_place at;
    std::string which;             ///< Id or name, or label of the host.
    std::string_view raw_path;     ///< Below the place.
    const app_info* app = nullptr; ///< When that is clear without knowing who asks.
    bool bare = false;             ///< The place without its last slash.
  };
  [[nodiscard]] std::string label_of(const http_request& request) const;
  [[nodiscard]] target find(const http_request& request) const;
  [[nodiscard]] const app_info* resolve(const target& where, const std::string& tenant) const;

  service& core_;
  authenticator& auth_;
  std::string domain_;
};

} // namespace vivarium
