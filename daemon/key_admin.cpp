// SPDX-License-Identifier: Apache-2.0
#include "daemon/key_admin.hpp"

#include "daemon/lifecycle.hpp"
#include "proto/ids.hpp"
#include "proto/unique_fd.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace vivarium {

namespace {

api_key::time now() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

std::string folder_of(const std::string& path) {
  auto parent = std::filesystem::path{path}.parent_path();
  return parent.empty() ? "." : parent.string();
}

/// Makes the new file belong to whoever has the old one, or else its directory: root may make keys
/// for a daemon that runs as somebody else.
status give_to_owner(int fd, const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 && ::stat(folder_of(path).c_str(), &info) != 0)
    return os_error("stat", folder_of(path), errno);
  if (info.st_uid != ::geteuid() && ::fchown(fd, info.st_uid, info.st_gid) != 0)
    return os_error("chown", path, errno);
  return done{};
}

status write_file(const std::string& path, const std::string& text) {
  auto temporary = path + ".new." + std::to_string(::getpid());
  ::unlink(temporary.c_str()); // of a process that had this number and died
  unique_fd file{
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!file)
    return os_error("open", temporary, errno);
  auto failed = [&](error why) {
    ::unlink(temporary.c_str());
    return status{std::move(why)};
  };
  if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    return failed(os_error("write", temporary, errno));
  if (auto ok = give_to_owner(file.get(), path); !ok)
    return failed(std::move(ok).why());
  if (::fsync(file.get()) != 0 || ::rename(temporary.c_str(), path.c_str()) != 0)
    return failed(os_error("rename", path, errno));
  // Not the end of the world when it fails: the change holds, and is on its way to the disk.
  unique_fd folder{::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (folder)
    ::fsync(folder.get());
  return done{};
}

result<key_file> read_file(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  if (!in) {
    if (errno == ENOENT)
      return key_file{{}, {}, true};
    return os_error("open", path, errno);
  }
  std::string text{std::istreambuf_iterator<char>{in}, {}};
  auto out = parse_key_file(text);
  // Writing back what was not understood would lose it.
  if (!out.complete)
    out.problems.emplace_back("there is no last line \"end\"");
  if (!out.problems.empty())
    return error{errc::failed_precondition, path + ": " + out.problems.front()};
  return out;
}

/// Reads, changes and writes under the lock.
status edit(const std::string& path, const std::function<status(std::vector<api_key>&)>& change) {
  auto beside = path + ".lock";
  unique_fd lock{::open(beside.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!lock || ::flock(lock.get(), LOCK_EX) != 0)
    return os_error("lock", beside, errno);
  auto held = read_file(path);
  if (!held)
    return std::move(held).why();
  if (auto ok = change(held->keys); !ok)
    return ok;
  auto text = render_key_file(held->keys);
  if (text.size() > max_key_file)
    return error{errc::limit_exceeded, path + " would be larger than 4 MiB; revoke old keys"};
  return write_file(path, text);
}

result<api_key*> find(std::vector<api_key>& keys, const std::string& id) {
  auto found = std::find_if(keys.begin(), keys.end(), [&](const api_key& k) { return k.id == id; });
  if (found == keys.end())
    return error{errc::not_found, "there is no key '" + id + "'"};
  return &*found;
}

/// 256 random bits.
std::string fresh_secret() {
  return random_text() + random_text();
}

} // namespace

result<new_key> create_key(const std::string& path, const std::string& tenant, role what,
                           std::optional<std::chrono::seconds> lasts) {
  if (auto ok = check_name(tenant); !ok)
    return error{errc::invalid_argument, "tenant '" + tenant + "': " + ok.why().detail};
  auto secret = fresh_secret();
  new_key out;
  out.key.id = random_text();
  out.key.tenant = tenant;
  out.key.what = what;
  out.key.created = now();
  if (lasts)
    out.key.expires = out.key.created + *lasts;
  out.key.hash = hash_of(secret);
  out.shown = show_key(out.key.id, secret);
  auto ok = edit(path, [&](std::vector<api_key>& keys) {
    keys.push_back(out.key);
    return status{done{}};
  });
  if (!ok)
    return std::move(ok).why();
  return out;
}

result<new_key> rotate_key(const std::string& path, const std::string& id,
                           std::chrono::seconds grace) {
  auto secret = fresh_secret();
  new_key out;
  auto ok = edit(path, [&](std::vector<api_key>& keys) -> status {
    auto found = find(keys, id);
    if (!found)
      return std::move(found).why();
    auto& key = **found;
    if (key.expired(now()))
      return error{errc::failed_precondition, "the key has expired; make another one"};
    key.before.reset();
    if (grace.count() > 0)
      key.before = former_secret{key.hash, now() + grace};
    key.hash = hash_of(secret);
    out.key = key;
    return done{};
  });
  if (!ok)
    return std::move(ok).why();
  out.shown = show_key(id, secret);
  return out;
}

status revoke_key(const std::string& path, const std::string& id) {
  return edit(path, [&](std::vector<api_key>& keys) -> status {
    if (auto found = find(keys, id); !found)
      return std::move(found).why();
    std::erase_if(keys, [&](const api_key& k) { return k.id == id; });
    return done{};
  });
}

result<key_file> list_keys(const std::string& path) {
  return read_file(path);
}

result<std::string> default_key_path() {
  auto folder = state_directory();
  if (folder.empty())
    return error{errc::failed_precondition,
                 "neither XDG_STATE_HOME nor HOME is set: say where the keys are with --file"};
  std::error_code why;
  std::filesystem::create_directories(folder, why);
  if (why)
    return error{errc::os_failure, "mkdir " + folder + ": " + why.message()};
  return folder + "/keys";
}

} // namespace vivarium
