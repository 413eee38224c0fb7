// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/reply.hpp"
#include "actors/session_files.hpp"
#include "actors/settings.hpp"
#include "actors/volume_info.hpp"

#include <boost/asio/io_context.hpp>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace vivarium {

class bucket_copies;

/// The volumes of all tenants: those on the daemon's disk, and those of the configuration, which
/// are kept in a bucket and copied by `rclone`. What changes or copies a tenant's volumes on the
/// disk is done one after the other, so that what they hold together is known; what concerns one
/// bucket of its, too. A copy is one step, however long it takes: two threads do nothing else, in
/// turn for the tenants. Reactor thread.
class volume_store {
public:
  volume_store(boost::asio::io_context& reactor, const settings& config);
  volume_store(const volume_store&) = delete;
  volume_store& operator=(const volume_store&) = delete;
  ~volume_store();

  void create(const std::string& tenant, const std::string& name, std::uint64_t max_bytes,
              reply<volume_info> to);
  void list(const std::string& tenant, reply<std::vector<volume_info>> to);
  void remove(const std::string& tenant, const std::string& name, reply<done> to);
  /// Copies a volume into the files of a session; gives the mount with path and version.
  void attach(const std::string& tenant, const volume_mount& what, session_files_ptr into,
              reply<volume_mount> to);
  void commit(const std::string& tenant, const volume_mount& what, session_files_ptr from,
              bool force, reply<volume_info> to);

  /// Ends what runs, and takes no more.
  void stop();

private:
  struct disk;
  using key = std::pair<std::string, std::string>; // tenant, volume of the configuration
  struct line {
    std::deque<std::function<void()>> waiting;
    bool busy = false;
  };

  template <class T, class Work>
  void ask(const std::string& tenant, Work work, reply<T> to);
  template <class T, class Work>
  void run(const std::string& tenant, Work work, reply<T> to);
  [[nodiscard]] bool in_line(const key& which, std::function<void()> job);
  void go_on(const key& which);
  [[nodiscard]] std::function<void()> end_of(const key& which);
  [[nodiscard]] const s3_volume* bucket_of(const std::string& tenant,
                                           const std::string& name) const;
  [[nodiscard]] std::uint64_t quota_of(const std::string& tenant) const;

  boost::asio::io_context& reactor_;
  const settings& config_;
  std::shared_ptr<bool> stopped_ = std::make_shared<bool>(false);
  std::map<key, line> lines_; // that have somebody
  std::shared_ptr<disk> disk_;
  file_threads threads_;
  std::unique_ptr<bucket_copies> buckets_;
};

} // namespace vivarium
