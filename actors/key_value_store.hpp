// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/reply.hpp"
#include "actors/store_file.hpp"

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace vivarium {

/// The tenants' values, kept by a thread of its own, which begins with the first request. Requests
/// are answered in the order in which they came, on the reactor thread, never within the call.
/// Methods are called on the reactor thread. Nothing of one tenant is there for another.
class key_value_store {
public:
  using quota_function = std::function<store_quota(const std::string&)>;

  /// `how` outlives this; `quota_of` is asked on the reactor thread.
  key_value_store(boost::asio::io_context& reactor, const store_settings& how,
                  quota_function quota_of);
  key_value_store(const key_value_store&) = delete;
  key_value_store& operator=(const key_value_store&) = delete;
  /// Waits for what is being written; what waits is not done and not answered.
  ~key_value_store();

  void get(const std::string& tenant, std::string key, reply<std::optional<std::string>> to);
  /// `json` is refused when it is none, or too large.
  void set(const std::string& tenant, std::string key, std::string json,
           std::chrono::milliseconds ttl, reply<done> to);
  void remove(const std::string& tenant, std::string key, reply<bool> to);
  void list(const std::string& tenant, store_query what, reply<store_page> to);

private:
  struct shared;
  template <class T>
  void ask(const std::string& tenant, std::size_t bytes, reply<T> to,
           std::function<result<T>(store_file&)> what);

  const store_settings& how_;
  quota_function quota_of_;
  std::shared_ptr<shared> shared_;
};

} // namespace vivarium
