// SPDX-License-Identifier: Apache-2.0
#include "daemon/key_store.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/inotify.h>
#include <unistd.h>

namespace vivarium {

namespace {

// A file that is still being written is read again; its writer is not waited for.
constexpr int reading_attempts = 3;
// Events of the directory taken in one go; more are there the next time.
constexpr int hearings = 64;
constexpr std::uint32_t watched = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_MODIFY
                                  | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF
                                  | IN_ONLYDIR;
// After these the watch sees nothing any more.
constexpr std::uint32_t blinding = IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT;

api_key::time now() {
  return std::chrono::floor<std::chrono::seconds>(key_store::clock::now());
}

bool same_time(const timespec& a, const timespec& b) noexcept {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/// Whether nobody but the daemon's user and root can have written the file.
status judge_owner(const std::string& path, const struct stat& info) {
  if (!S_ISREG(info.st_mode))
    return error{errc::invalid_argument, path + " is not a regular file"};
  if ((info.st_uid != 0 && info.st_uid != ::geteuid()) || (info.st_mode & 022) != 0)
    return error{errc::permission_denied,
                 path
                     + " can be written by other users: it must belong to the daemon's user or "
                       "root and have mode 0600"};
  if (info.st_size > static_cast<off_t>(max_key_file))
    return error{errc::too_large, path + " is larger than 4 MiB"};
  return done{};
}

result<std::string> read_all(int fd, const std::string& path) {
  std::string out;
  std::array<char, 16'384> piece;
  for (;;) {
    auto n = ::pread(fd, piece.data(), piece.size(), static_cast<off_t>(out.size()));
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return os_error("read", path, errno);
    if (n == 0)
      return out;
    out.append(piece.data(), static_cast<std::size_t>(n));
    if (out.size() > max_key_file)
      return error{errc::too_large, path + " is larger than 4 MiB"};
  }
}

bool same_key(const api_key& a, const api_key& b) {
  auto former = [](const api_key& k) { return k.before.value_or(former_secret{}); };
  return a.tenant == b.tenant && a.what == b.what && a.expires == b.expires && a.hash == b.hash
         && former(a).hash == former(b).hash && former(a).until == former(b).until;
}

} // namespace

std::string_view name_of(key_change::kind what) noexcept {
  switch (what) {
    case key_change::kind::added: return "added";
    case key_change::kind::changed: return "changed";
    case key_change::kind::removed: return "removed";
  }
  return "";
}

bool key_store::signature::operator==(const signature& other) const noexcept {
  return device == other.device && inode == other.inode && size == other.size
         && same_time(modified, other.modified) && same_time(changed, other.changed);
}

key_store::signature key_store::signature_of(const struct stat& info) noexcept {
  return {info.st_dev, info.st_ino, info.st_size, info.st_mtim, info.st_ctim};
}

key_store::key_store(boost::asio::io_context& reactor, std::string path, listener whom)
    : reactor_{reactor}, path_{std::move(path)}, whom_{std::move(whom)} {
  auto slash = path_.rfind('/');
  directory_ = slash == 0 ? "/" : path_.substr(0, slash);
  name_ = path_.substr(slash + 1);
}

key_store::~key_store() = default;

result<std::unique_ptr<key_store>> key_store::open(boost::asio::io_context& reactor,
                                                   std::string path, listener whom) {
  if (!path.starts_with('/') || path.ends_with('/'))
    return error{errc::invalid_argument, "auth.keys must be the absolute path of a file"};
  std::unique_ptr<key_store> made{new key_store{reactor, std::move(path), std::move(whom)}};
  struct stat info {};
  if (::stat(made->directory_.c_str(), &info) != 0)
    return os_error("stat", made->directory_, errno);
  // First the watch, then the file: what changes in between is heard of.
  made->watch_directory();
  if (auto ok = made->refresh(force::yes); !ok)
    return std::move(ok).why();
  return made;
}

// -- news
// -------------------------------------------------------------------------------------------

void key_store::watch_directory() {
  watching_ = false;
  news_.reset();
  unique_fd made{::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)};
  // Without it every question looks at the file itself.
  if (!made || ::inotify_add_watch(made.get(), directory_.c_str(), watched) < 0)
    return whom_.trouble(os_error("inotify", directory_, errno).detail
                         + ": the key file is looked at for every request instead");
  news_.emplace(reactor_, made.release());
  watching_ = true;
  wait_for_news();
}

void key_store::wait_for_news() {
  news_->async_wait(boost::asio::posix::stream_descriptor::wait_read,
                    [this, alive = std::weak_ptr{alive_}](const boost::system::error_code& why) {
                      if (why || alive.expired())
                        return;
                      keep_up();
                      if (news_)
                        wait_for_news();
                    });
}

key_store::news key_store::hear() {
  auto out = news::none;
  alignas(inotify_event) std::array<char, 4'096> events;
  for (int n = 0; watching_ && n < hearings; ++n) {
    auto got = ::read(news_->native_handle(), events.data(), events.size());
    if (got <= 0)
      break;
    for (ssize_t at = 0; at < got;) {
      inotify_event event;
      std::memcpy(&event, events.data() + at, sizeof(event));
      std::string_view name;
      if (event.len > 0)
        name = events.data() + at + sizeof(event);
      // Where the file is reached through links of its directory, another name is what changes.
      bool ours = name == name_ || (event.mask & IN_Q_OVERFLOW) != 0;
      if ((event.mask & blinding) != 0)
        watching_ = false;
      out = ours ? news::ours : std::max(out, news::some);
      at += static_cast<ssize_t>(sizeof(event) + event.len);
    }
  }
  return out;
}

void key_store::keep_up() {
  auto heard = hear();
  if (watching_ && heard == news::none)
    return;
  (void)refresh(heard == news::ours ? force::yes : force::no);
}

void key_store::look() {
  // The directory itself may have been replaced.
  if (!watching_ && news_)
    watch_directory();
  (void)hear();
  (void)refresh(force::no);
}

// -- the file
// ---------------------------------------------------------------------------------------

status key_store::refresh(force how) {
  struct stat info {};
  if (::stat(path_.c_str(), &info) != 0) {
    if (errno == ENOENT) {
      // Taken away: no keys. Anything else is trouble of ours, and the keys that are known hold.
      read_ = {};
      file_.reset();
      replace({});
      return done{};
    }
    auto why = os_error("stat", path_, errno);
    if (std::exchange(last_trouble_, why.detail) != why.detail)
      whom_.trouble(why.detail + "; the keys that were read before stay in force");
    return why;
  }
  if (how == force::no && read_ == signature_of(info))
    return done{};
  auto ok = read();
  if (!ok && std::exchange(last_trouble_, ok.why().detail) != ok.why().detail)
    whom_.trouble(ok.why().detail + "; the keys that were read before stay in force");
  return ok;
}

status key_store::read() {
  for (int attempt = 1;; ++attempt) {
    unique_fd file{::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    struct stat before {};
    if (!file || ::fstat(file.get(), &before) != 0)
      return os_error("open", path_, errno);
    if (auto ok = judge_owner(path_, before); !ok)
      return ok;
    auto text = read_all(file.get(), path_);
    if (!text)
      return std::move(text).why();
    struct stat after {};
    if (::fstat(file.get(), &after) != 0)
      return os_error("stat", path_, errno);
    bool stood_still = signature_of(before) == signature_of(after);
    if (!stood_still && attempt < reading_attempts)
      continue;
    auto fresh = parse_key_file(*text);
    if (!fresh.complete)
      return error{errc::failed_precondition, path_
                                                  + " has no last line \"end\": it is cut off, or "
                                                    "still being written"};
    file_ = std::move(file);
    // What changed under our eyes will be read again with the next question.
    read_ = stood_still ? signature_of(after) : signature{};
    replace(std::move(fresh));
    return done{};
  }
}

void key_store::replace(key_file&& fresh) {
  std::unordered_map<std::string, api_key> next;
  std::vector<key_change> changes;
  for (auto& key : fresh.keys) {
    auto old = keys_.find(key.id);
    if (old == keys_.end())
      changes.push_back({key_change::kind::added, key.id, key.tenant});
    else if (!same_key(old->second, key))
      changes.push_back({key_change::kind::changed, key.id, key.tenant});
    next.emplace(key.id, std::move(key));
  }
  for (const auto& [id, key] : keys_)
    if (!next.contains(id))
      changes.push_back({key_change::kind::removed, id, key.tenant});
  keys_ = std::move(next);
  std::string trouble;
  for (const auto& line : fresh.problems)
    trouble += (trouble.empty() ? path_ + ": " : "; ") + line;
  if (std::exchange(last_trouble_, trouble) != trouble && !trouble.empty())
    whom_.trouble(trouble);
  if (!changes.empty())
    whom_.changed(changes);
}

// -- questions
// --------------------------------------------------------------------------------------

key_store::found key_store::match(std::string_view text) {
  found out;
  auto shown = parse_key(text);
  if (!shown) {
    out.why = miss::malformed;
    return out;
  }
  out.grant.by = hash_of(shown->secret);
  auto it = keys_.find(std::string{shown->id});
  // One that is not there takes as long as one whose secret is wrong.
  static const api_key nobody{};
  const auto& key = it == keys_.end() ? nobody : it->second;
  bool opened = key.opened_by(out.grant.by, now());
  if (it == keys_.end())
    out.why = miss::unknown;
  else if (!opened)
    out.why = key.expired(now()) ? miss::expired : miss::secret;
  else
    out.key = &key;
  out.grant.id = key.id;
  return out;
}

key_store::found key_store::find(std::string_view text) {
  keep_up();
  auto out = match(text);
  if (out.key != nullptr || out.why == miss::malformed)
    return out;
  // Before a client is turned away the file itself is asked: news may be lost, a refusal is final.
  auto before = read_;
  (void)refresh(force::no);
  return before == read_ ? out : match(text);
}

bool key_store::still(const key_grant& grant) {
  auto it = keys_.find(grant.id);
  return it != keys_.end() && it->second.opened_by(grant.by, now());
}

} // namespace vivarium
