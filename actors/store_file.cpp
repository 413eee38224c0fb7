// SPDX-License-Identifier: Apache-2.0
#include "actors/store_file.hpp"

#include <algorithm>
#include <array>
#include <filesystem>

#include <sqlite3.h>

namespace vivarium {

namespace {

constexpr int page_bytes = 4'096;

// A trigger keeps the sums, so that a quota costs one look-up whatever a tenant has.
constexpr const char* schema = R"(
CREATE TABLE IF NOT EXISTS entries(
  tenant TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, expires INTEGER NOT NULL,
  PRIMARY KEY(tenant, key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS expiring ON entries(tenant, expires) WHERE expires > 0;
CREATE TABLE IF NOT EXISTS used(
  tenant TEXT PRIMARY KEY, keys INTEGER NOT NULL, bytes INTEGER NOT NULL) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS came AFTER INSERT ON entries BEGIN
  INSERT INTO used VALUES(new.tenant, 1, length(new.key) + length(new.value))
    ON CONFLICT(tenant) DO UPDATE SET keys = keys + 1, bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER IF NOT EXISTS changed AFTER UPDATE ON entries BEGIN
  UPDATE used SET bytes = bytes + length(new.value) - length(old.value) WHERE tenant = new.tenant;
END;
CREATE TRIGGER IF NOT EXISTS went AFTER DELETE ON entries BEGIN
  UPDATE used SET keys = keys - 1, bytes = bytes - length(old.key) - length(old.value)
    WHERE tenant = old.tenant;
END;
)";

std::int64_t millis(store_file::clock::time_point when) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(when.time_since_epoch()).count();
}

/// The first text that is greater than all that begin with the prefix; empty when there is none.
std::string behind(std::string_view prefix) {
  std::string out{prefix};
  while (!out.empty() && static_cast<unsigned char>(out.back()) == 0xff)
    out.pop_back();
  if (!out.empty())
    out.back() = static_cast<char>(static_cast<unsigned char>(out.back()) + 1);
  return out;
}

std::string_view blob_of(sqlite3_stmt* row, int column) {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(row, column));
  auto size = static_cast<std::size_t>(sqlite3_column_bytes(row, column));
  return {data, data == nullptr ? 0 : size};
}

} // namespace

/// One use of a statement: what was bound is let go of at its end.
class store_file::step {
public:
  explicit step(sqlite3_stmt* of) noexcept : of_{of} {}
  step(const step&) = delete;
  step& operator=(const step&) = delete;
  ~step() {
    sqlite3_reset(of_);
    sqlite3_clear_bindings(of_);
  }
  void text(int place, std::string_view what) {
    sqlite3_bind_text64(of_, place, what.data(), what.size(), SQLITE_STATIC, SQLITE_UTF8);
  }
  void blob(int place, std::string_view what) {
    // Of no bytes and no address SQLite makes NULL.
    sqlite3_bind_blob64(of_, place, what.empty() ? "" : what.data(), what.size(), SQLITE_STATIC);
  }
  void number(int place, std::int64_t what) { sqlite3_bind_int64(of_, place, what); }
  [[nodiscard]] int next() { return sqlite3_step(of_); }
  [[nodiscard]] sqlite3_stmt* row() const noexcept { return of_; }

private:
  sqlite3_stmt* of_;
};

result<std::unique_ptr<store_file>> store_file::open(const store_settings& how) {
  std::error_code why;
  std::filesystem::path path{how.path};
  if (auto folder = path.parent_path(); !std::filesystem::exists(folder, why)) {
    std::filesystem::create_directories(folder, why);
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all, why);
  }
  sqlite3* db = nullptr;
  int code = sqlite3_open_v2(how.path.c_str(), &db,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX
                                 | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE,
                             nullptr);
  std::unique_ptr<store_file> made{new store_file{db}};
  if (code != SQLITE_OK)
    return made->trouble("be opened");
  std::filesystem::permissions(
      path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write, why);
  if (auto ok = made->prepare(how); !ok)
    return std::move(ok).why();
  return made;
}

store_file::~store_file() {
  for (auto* one : {get_, put_, remove_, list_, size_, usage_, expire_})
    sqlite3_finalize(one);
  sqlite3_close(db_);
}

status store_file::prepare(const store_settings& how) {
  sqlite3_busy_timeout(db_, 5'000);
  auto pages = std::max<std::uint64_t>(how.file_bytes / page_bytes, 16);
  auto first = "PRAGMA page_size=" + std::to_string(page_bytes) + "; PRAGMA journal_mode=WAL; "
               + "PRAGMA synchronous=NORMAL; PRAGMA max_page_count=" + std::to_string(pages) + ";";
  if (auto ok = run(first.c_str()); !ok)
    return ok;
  if (auto ok = run(schema); !ok)
    return ok;
  const std::array<std::pair<sqlite3_stmt**, const char*>, 7> all{{
      {&get_, "SELECT value FROM entries WHERE tenant=?1 AND key=?2 AND (expires=0 OR expires>?3)"},
      {&put_, "INSERT INTO entries VALUES(?1, ?2, ?3, ?4) ON CONFLICT(tenant, key) "
              "DO UPDATE SET value=excluded.value, expires=excluded.expires"},
      {&remove_, "DELETE FROM entries WHERE tenant=?1 AND key=?2"},
      {&list_, "SELECT key, CASE WHEN ?6 THEN value END FROM entries WHERE tenant=?1 AND key>=?2 "
               "AND key>?3 AND (?4=x'' OR key<?4) AND (expires=0 OR expires>?5) ORDER BY key"},
      {&size_, "SELECT length(value) FROM entries WHERE tenant=?1 AND key=?2"},
      {&usage_, "SELECT keys, bytes FROM used WHERE tenant=?1"},
      {&expire_, "DELETE FROM entries WHERE tenant=?1 AND expires>0 AND expires<=?2"},
  }};
  for (const auto& [into, sql] : all)
    if (sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, into, nullptr) != SQLITE_OK)
      return trouble("be prepared");
  return done{};
}

error store_file::trouble(std::string_view doing) const {
  auto code = sqlite3_errcode(db_) & 0xff;
  std::string text =
      "the store cannot " + std::string{doing} + ": "
      + (code == SQLITE_FULL ? "its disk or store.file_bytes is full" : sqlite3_errmsg(db_));
  return error{errc::unavailable, std::move(text)};
}

status store_file::run(const char* sql) {
  return sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) == SQLITE_OK ? status{done{}}
                                                                        : trouble("be written");
}

result<std::optional<std::string>> store_file::get(const std::string& tenant, std::string_view key,
                                                   clock::time_point now) {
  step one{get_};
  one.text(1, tenant);
  one.blob(2, key);
  one.number(3, millis(now));
  auto code = one.next();
  if (code == SQLITE_ROW)
    return std::optional{std::string{blob_of(one.row(), 0)}};
  if (code != SQLITE_DONE)
    return trouble("be read");
  return std::optional<std::string>{};
}

status store_file::drop_expired(const std::string& tenant, clock::time_point now) {
  step one{expire_};
  one.text(1, tenant);
  one.number(2, millis(now));
  return one.next() == SQLITE_DONE ? status{done{}} : trouble("be written");
}

status store_file::set(const std::string& tenant, std::string_view key, std::string_view value,
                       clock::time_point expires, const store_quota& quota, clock::time_point now) {
  if (auto ok = run("BEGIN IMMEDIATE"); !ok)
    return ok;
  auto ok = drop_expired(tenant, now);
  if (ok)
    ok = set_within(tenant, key, value,
                    expires == clock::time_point{} ? 0 : std::max<std::int64_t>(1, millis(expires)),
                    quota);
  if (ok)
    ok = run("COMMIT");
  if (!ok && sqlite3_get_autocommit(db_) == 0)
    sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
  return ok;
}

status store_file::set_within(const std::string& tenant, std::string_view key,
                              std::string_view value, std::int64_t expires,
                              const store_quota& quota) {
  std::uint64_t keys = 1;
  std::uint64_t bytes = key.size() + value.size();
  {
    step used{usage_};
    used.text(1, tenant);
    if (used.next() == SQLITE_ROW) {
      keys += static_cast<std::uint64_t>(sqlite3_column_int64(used.row(), 0));
      bytes += static_cast<std::uint64_t>(sqlite3_column_int64(used.row(), 1));
    }
    step before{size_};
    before.text(1, tenant);
    before.blob(2, key);
    if (before.next() == SQLITE_ROW) {
      keys -= 1;
      bytes -= key.size() + static_cast<std::uint64_t>(sqlite3_column_int64(before.row(), 0));
    }
  }
  if (keys > quota.keys)
    return error{errc::limit_exceeded, "the store of this tenant holds "
                                           + std::to_string(quota.keys)
                                           + " keys, the most that it may (store_keys)"};
  if (bytes > quota.bytes)
    return error{errc::limit_exceeded, "the store of this tenant would hold "
                                           + std::to_string(bytes) + " bytes; the maximum is "
                                           + std::to_string(quota.bytes) + " (store_bytes)"};
  step one{put_};
  one.text(1, tenant);
  one.blob(2, key);
  one.blob(3, value);
  one.number(4, expires);
  return one.next() == SQLITE_DONE ? status{done{}} : trouble("be written");
}

result<bool> store_file::remove(const std::string& tenant, std::string_view key,
                                clock::time_point now) {
  auto there = get(tenant, key, now); // One that has expired is not there.
  if (!there)
    return std::move(there).why();
  step one{remove_};
  one.text(1, tenant);
  one.blob(2, key);
  if (one.next() != SQLITE_DONE)
    return trouble("be written");
  return there->has_value();
}

result<store_page> store_file::list_chosen(const std::string& tenant, const store_query& what,
                                           clock::time_point now) {
  store_page out;
  std::size_t bytes = 0;
  for (const auto& key : what.only) {
    if (key <= what.after || !key.starts_with(what.prefix))
      continue;
    auto found = get(tenant, key, now);
    if (!found)
      return std::move(found).why();
    if (!*found)
      continue;
    if (out.entries.size() == what.limit || bytes > most_page_bytes) {
      out.next = out.entries.back().first;
      break;
    }
    bytes += key.size() + (what.values ? (*found)->size() : 0);
    out.entries.emplace_back(key, what.values ? **found : std::string{});
  }
  return out;
}

result<store_page> store_file::list(const std::string& tenant, const store_query& what,
                                    clock::time_point now) {
  if (!what.only.empty())
    return list_chosen(tenant, what, now);
  auto end = behind(what.prefix);
  step one{list_};
  one.text(1, tenant);
  one.blob(2, what.prefix);
  one.blob(3, what.after);
  one.blob(4, end);
  one.number(5, millis(now));
  one.number(6, what.values ? 1 : 0);
  store_page out;
  std::size_t bytes = 0;
  int code = one.next();
  for (; code == SQLITE_ROW; code = one.next()) {
    if (out.entries.size() == what.limit || bytes > most_page_bytes) {
      out.next = out.entries.back().first;
      return out;
    }
    auto key = blob_of(one.row(), 0);
    auto value = blob_of(one.row(), 1);
    bytes += key.size() + value.size();
    out.entries.emplace_back(key, value);
  }
  if (code != SQLITE_DONE)
    return trouble("be read");
  return out;
}

} // namespace vivarium
