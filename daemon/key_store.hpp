// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/key_file.hpp"
#include "proto/result.hpp"
#include "proto/unique_fd.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include <sys/stat.h>

namespace vivarium {

/// What a change of the key file did to one key.
struct key_change {
  enum class kind : std::uint8_t { added, changed, removed };
  kind what;
  std::string id;
  std::string tenant;
};
[[nodiscard]] std::string_view name_of(key_change::kind what) noexcept;

/// By what a client was let in; says nothing about the secret.
struct key_grant {
  std::string id;
  key_hash by{};
};

/// The keys that are in force. They are those of the file at the moment of the question: the kernel
/// tells of every change of its directory before the call that made the change returns, and the
/// store listens to that before each answer (see docs/decisions/0010-keys-of-this-moment.md). It
/// reads the file on the reactor's thread: it is small, bounded, and changes when an operator
/// changes it.
class key_store {
public:
  using clock = std::chrono::system_clock;
  /// Why there is no key; for metrics and the audit log, never for the client.
  enum class miss : std::uint8_t { malformed, unknown, secret, expired };

  /// Told of changes, and of trouble with the file, for the log.
  struct listener {
    std::function<void(const std::vector<key_change>&)> changed;
    std::function<void(const std::string&)> trouble;
  };

  /// Reads the file, which may be missing: then there are no keys yet. Its directory must exist.
  /// Refuses a file that somebody else could have written.
  [[nodiscard]] static result<std::unique_ptr<key_store>> open(boost::asio::io_context& reactor,
                                                               std::string path, listener whom);
  key_store(const key_store&) = delete;
  key_store& operator=(const key_store&) = delete;
  ~key_store();

  struct found {
    const api_key* key = nullptr; ///< Valid until the next call.
    key_grant grant;              ///< Its id is empty when there is no key of that id.
    miss why = miss::unknown;     ///< When there is no key.
  };
  /// Returns the key that `text` shows, if it holds now.
  [[nodiscard]] found find(std::string_view text);
  /// Whether what let somebody in before still does.
  [[nodiscard]] bool still(const key_grant& grant);
  /// Looks at the file whether or not the kernel has said anything: for file systems that others
  /// change.
  void look();

  [[nodiscard]] std::size_t size() const noexcept { return keys_.size(); }
  [[nodiscard]] const std::unordered_map<std::string, api_key>& keys() const noexcept {
    return keys_;
  }

private:
  /// What tells one content of the file from another. The file that was read is held open, so that
  /// its inode number cannot come back as that of its successor.
  struct signature {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = -1;
    timespec modified{};
    timespec changed{};
    bool operator==(const signature& other) const noexcept;
  };

  key_store(boost::asio::io_context& reactor, std::string path, listener whom);
  static signature signature_of(const struct stat& info) noexcept;
  void watch_directory();
  void wait_for_news();
  enum class news : std::uint8_t { none, some, ours };
  news hear();
  enum class force : std::uint8_t { no, yes };
  status refresh(force how);
  status read();
  void replace(key_file&& fresh);
  void keep_up();
  found match(std::string_view text);

  boost::asio::io_context& reactor_;
  std::string path_;
  std::string directory_;
  std::string name_;
  listener whom_;
  std::optional<boost::asio::posix::stream_descriptor> news_; // inotify
  bool watching_ = false;
  unique_fd file_;
  signature read_; // of what keys_ are from; size -1: no file
  std::string last_trouble_;
  std::unordered_map<std::string, api_key> keys_; // by id
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

} // namespace vivarium
