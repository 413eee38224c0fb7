// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/result.hpp"

#include <boost/asio/ssl/context.hpp>

#include <map>
#include <memory>
#include <string>

namespace vivarium {

/// Signs certificates for the servers that the daemon stands for, each with the name of a host. Its
/// key is made with it, is in memory only and ends with it: nobody else can sign for it. Reactor
/// thread; making one takes less than a millisecond.
class tls_authority {
public:
  [[nodiscard]] static result<std::unique_ptr<tls_authority>> make();
  tls_authority(const tls_authority&) = delete;
  tls_authority& operator=(const tls_authority&) = delete;
  ~tls_authority();

  /// The certificate that clients have to trust.
  [[nodiscard]] const std::string& certificate() const noexcept { return certificate_; }
  /// What a connection in the place of that host, a name or an address, is served with.
  [[nodiscard]] result<std::shared_ptr<boost::asio::ssl::context>>
  context_for(const std::string& host);

private:
  struct keys;
  explicit tls_authority(std::unique_ptr<keys> own);

  std::unique_ptr<keys> keys_;
  std::string certificate_;
  std::map<std::string, std::shared_ptr<boost::asio::ssl::context>> known_;
};

} // namespace vivarium
