// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/log.hpp"
#include "daemon/metrics_upkeep.hpp"
#include "daemon/transport.hpp"
#include "proto/result.hpp"

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <sys/stat.h>

namespace vivarium {

/// When the first certificate of a PEM file to expire does so. `invalid_argument` when it holds
/// none.
[[nodiscard]] result<std::chrono::sys_seconds> expiry_of(const std::string& pem_file);

/// The certificates that the daemon shows and believes. Files that change are read again: with a
/// reload, and by themselves within a second or two. What cannot be used changes nothing.
///
/// The files are read on the reactor's thread, as the key file is: they are small, local, and
/// change when an operator changes them.
class certificates {
public:
  using context = std::shared_ptr<boost::asio::ssl::context>;
  /// `put` is given what new connections have to be served with.
  certificates(tls_settings with, log& journal, upkeep_metrics& meters,
               std::function<void(const context&)> put);

  /// Reads the files and puts them in force. Refuses when they cannot be used, with the key, the
  /// file and the reason; what was in force still is.
  [[nodiscard]] status replace(const tls_settings& with);
  /// To be called every now and then: looks whether a file has changed or a certificate expires.
  void look();

private:
  /// What tells one content of a file from another; through links, which are how some replace it.
  struct mark {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = -1;
    std::int64_t changed = 0;
    bool operator==(const mark&) const = default;
  };
  using marks = std::array<mark, 3>;
  enum class age : std::uint8_t { good, ends_soon, ended };

  static marks marks_of(const tls_settings& with) noexcept;
  void look_at_dates(std::chrono::sys_seconds now);

  struct dated {
    std::string name; ///< For metrics.
    std::string file;
    std::chrono::sys_seconds expires;
    age last = age::good;
  };

  tls_settings with_;
  log& journal_;
  upkeep_metrics& meters_;
  std::function<void(const context&)> put_;
  marks seen_; // whether or not they could be used
  std::vector<dated> dated_;
};

} // namespace vivarium
