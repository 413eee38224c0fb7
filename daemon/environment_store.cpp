// SPDX-License-Identifier: Apache-2.0
#include "daemon/environment_store.hpp"

#include "daemon/environment_json.hpp"
#include "proto/ids.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace vivarium {

namespace {

namespace fs = std::filesystem;

constexpr const char* list_name = "/list.json";
constexpr std::string_view building_prefix = "building-";

status failed(std::string_view what, const std::string& path, const std::error_code& why) {
  return error{errc::os_failure, std::string{what} + " " + path + ": " + why.message()};
}

status write_list(const std::string& top, const std::string& text) {
  auto path = top + list_name;
  auto fresh = path + ".new";
  unique_fd file{
      ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!file)
    return os_error("open", fresh, errno);
  for (std::size_t at = 0; at < text.size();) {
    auto n = ::write(file.get(), text.data() + at, text.size() - at);
    if (n < 0)
      return os_error("write", fresh, errno);
    at += static_cast<std::size_t>(n);
  }
  if (::fsync(file.get()) != 0 || ::rename(fresh.c_str(), path.c_str()) != 0)
    return os_error("rename", path, errno);
  return done{};
}

} // namespace

result<std::vector<environment_record>> environment_store::open(const std::string& state) {
  top_ = state + "/environments";
  std::error_code why;
  fs::create_directories(top_, why);
  if (why)
    return failed("mkdir", top_, why).why();
  lock_ =
      unique_fd{::open((top_ + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!lock_ || ::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0)
    return os_error("lock", top_ + " (does another daemon use it?)", errno);
  std::vector<environment_record> out;
  if (std::ifstream in{top_ + list_name, std::ios::binary}; in) {
    std::string text{std::istreambuf_iterator<char>{in}, {}};
    auto read = environment_json::read_store(text);
    if (!read) // What it lists may be in use by whoever mends it: nothing is removed.
      return error{read.why().code, top_ + list_name + ": " + read.why().detail};
    out = *std::move(read);
  }
  std::set<std::string> wanted;
  for (auto& one : out)
    if (one.facts && !one.facts->folder.empty()) {
      if (fs::is_directory(built(one.facts->folder), why))
        wanted.insert(one.facts->folder);
      else
        one.facts.reset();
    }
  for (const auto& entry : fs::directory_iterator{top_, why})
    if (entry.is_directory(why) && !wanted.contains(entry.path().filename().string()))
      fs::remove_all(entry.path(), why);
  return out;
}

std::string environment_store::new_folder() {
  return "venv-" + random_text();
}

std::string environment_store::building(const std::string& folder) const {
  return top_ + "/" + std::string{building_prefix} + folder;
}

std::string environment_store::built(const std::string& folder) const {
  return top_ + "/" + folder;
}

void environment_store::prepare(const std::string& folder, std::function<void(status)> then) {
  auto out = std::make_shared<status>(done{});
  files_.run(
      [path = building(folder), out] {
        if (::mkdir(path.c_str(), 0755) != 0)
          *out = os_error("mkdir", path, errno);
      },
      [out, then = std::move(then)] { then(std::move(*out)); });
}

void environment_store::keep(const std::string& folder, std::function<void(status)> then) {
  auto out = std::make_shared<status>(done{});
  files_.run(
      [from = building(folder), to = built(folder), out] {
        if (::rename(from.c_str(), to.c_str()) != 0)
          *out = os_error("rename", to, errno);
      },
      [out, then = std::move(then)] { then(std::move(*out)); });
}

void environment_store::discard(const std::string& folder) {
  files_.run(
      [path = building(folder)] {
        std::error_code ignored;
        fs::remove_all(path, ignored);
      },
      [] {});
}

void environment_store::remove(const std::string& folder) {
  files_.run(
      [path = built(folder)] {
        std::error_code ignored;
        fs::remove_all(path, ignored);
      },
      [] {});
}

void environment_store::save(std::vector<environment_record_ptr> all,
                             std::function<void(status)> then) {
  auto out = std::make_shared<status>(done{});
  auto what = std::make_shared<std::vector<environment_record_ptr>>(std::move(all));
  files_.run(
      [top = top_, what, out] { *out = write_list(top, environment_json::write_store(*what)); },
      [out, then = std::move(then)] {
        if (then)
          then(std::move(*out));
      });
}

} // namespace vivarium
