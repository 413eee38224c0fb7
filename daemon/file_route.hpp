// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/service.hpp"
#include "daemon/streamed_exchange.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace vivarium {

/// Whole files, streamed: GET, HEAD, PUT and DELETE of `/v1/sessions/<session>/files/<path>`, for
/// curl and for what is too large for a message. See docs/files.md. Reactor thread.
class file_route final : public streamed_route {
public:
  /// `most` bytes of a file: what no session can hold anyway.
  file_route(service& core, std::uint64_t most) : core_{core}, most_{most} {}

  [[nodiscard]] std::string_view name() const noexcept override {
    return "/v1/sessions/{session}/files/{path}";
  }
  [[nodiscard]] bool takes(const http_request& request) const override;
  [[nodiscard]] std::uint64_t most_body(const http_request&, const std::string&,
                                        const network_limits&) const override {
    return most_;
  }
  [[nodiscard]] std::string_view most_body_setting() const noexcept override {
    return "limits.max.workspace";
  }
  [[nodiscard]] std::shared_ptr<streamed_handler>
  begin(std::shared_ptr<streamed_exchange> exchange) override;

private:
  service& core_;
  std::uint64_t most_;
};

/// Session and path of a target, decoded; nothing when it is not one of these or an escape is
/// wrong.
struct file_target {
  std::string session;
  std::string path;
};
[[nodiscard]] std::optional<file_target> read_file_target(std::string_view path);

/// The bytes that a Range header asks for.
struct byte_range {
  enum class kind : std::uint8_t {
    all, ///< No range, or one that is to be ignored: several, another unit, no sense.
    part,
    none, ///< There are no such bytes.
  };
  kind what = kind::all;
  std::uint64_t first = 0;
  std::uint64_t length = 0;
};
[[nodiscard]] byte_range read_range(std::string_view header, std::uint64_t size);

/// The SHA-256 that `Content-Digest` or `Digest` announces; empty when neither has one.
[[nodiscard]] result<std::string> read_digest(const http_request& request);
/// The value of Content-Digest.
[[nodiscard]] std::string content_digest(std::string_view sha256);

} // namespace vivarium
