// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/capabilities.hpp"
#include "actors/store_values.hpp"
#include "proto/result.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct sqlite3;
struct sqlite3_stmt;

namespace vivarium {

/// The file with the values of all tenants. Blocks: for a thread of its own. Every error is
/// `unavailable` (the store does not work) or `limit_exceeded` (a quota, which the text names).
class store_file {
public:
  using clock = std::chrono::system_clock;

  /// Opens the file, makes it and its folder if need be.
  [[nodiscard]] static result<std::unique_ptr<store_file>> open(const store_settings& how);
  store_file(const store_file&) = delete;
  store_file& operator=(const store_file&) = delete;
  ~store_file();

  [[nodiscard]] result<std::optional<std::string>> get(const std::string& tenant,
                                                       std::string_view key, clock::time_point now);
  /// `expires`: zero for never.
  [[nodiscard]] status set(const std::string& tenant, std::string_view key, std::string_view value,
                           clock::time_point expires, const store_quota& quota,
                           clock::time_point now);
  [[nodiscard]] result<bool> remove(const std::string& tenant, std::string_view key,
                                    clock::time_point now);
  /// Keys behind `after`, in the order of their bytes.
  [[nodiscard]] result<store_page> list(const std::string& tenant, const store_query& what,
                                        clock::time_point now);

private:
  class step;
  explicit store_file(sqlite3* db) noexcept : db_{db} {}
  [[nodiscard]] status prepare(const store_settings& how);
  [[nodiscard]] error trouble(std::string_view doing) const;
  [[nodiscard]] status run(const char* sql);
  [[nodiscard]] result<store_page> list_chosen(const std::string& tenant, const store_query& what,
                                               clock::time_point now);
  [[nodiscard]] status drop_expired(const std::string& tenant, clock::time_point now);
  [[nodiscard]] status set_within(const std::string& tenant, std::string_view key,
                                  std::string_view value, std::int64_t expires,
                                  const store_quota& quota);

  sqlite3* db_;
  sqlite3_stmt* get_ = nullptr;
  sqlite3_stmt* put_ = nullptr;
  sqlite3_stmt* remove_ = nullptr;
  sqlite3_stmt* list_ = nullptr;
  sqlite3_stmt* size_ = nullptr;
  sqlite3_stmt* usage_ = nullptr;
  sqlite3_stmt* expire_ = nullptr;
};

} // namespace vivarium
