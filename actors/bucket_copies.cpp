// SPDX-License-Identifier: Apache-2.0
#include "actors/bucket_copies.hpp"

#include "sandbox/helper_program.hpp"
#include "sandbox/volume_dir.hpp"

#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

#include <csignal>
#include <cstdlib>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace vivarium {

namespace {

constexpr std::size_t most_threads = 4;
constexpr std::size_t most_waiting = 256;
constexpr const char* program = "/usr/bin/rclone";

/// A directory of its own, for as long as it lives.
class scratch {
public:
  scratch() {
    const char* chosen = std::getenv("TMPDIR");
    above_ = chosen != nullptr && *chosen == '/' ? chosen : "/tmp";
    auto name = above_ + "/vivarium-volume-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr)
      return;
    path_ = name;
    folder_.reset(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  }
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;
  ~scratch() {
    unique_fd above{::open(above_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!path_.empty() && above)
      (void)sandbox::remove_tree(above.get(), path_.substr(above_.size() + 1));
  }
  [[nodiscard]] bool made() const noexcept { return static_cast<bool>(folder_); }
  [[nodiscard]] int folder() const noexcept { return folder_.get(); }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

private:
  std::string above_;
  std::string path_;
  unique_fd folder_;
};

status transfer(const s3_volume& bucket, std::vector<std::string> what, int stop) {
  sandbox::helper_program run;
  run.command = {program};
  run.command.insert(run.command.end(), what.begin(), what.end());
  for (const char* flag : {"--config=/dev/null", "--quiet", "--retries=1", "--low-level-retries=3",
                           "--contimeout=10s", "--timeout=30s", "--cutoff-mode=hard"})
    run.command.emplace_back(flag);
  run.command.push_back("--max-transfer=" + std::to_string(bucket.max_bytes) + "B");
  run.environment = {"PATH=/usr/bin:/bin",
                     "HOME=/nonexistent",
                     "RCLONE_CONFIG_V_TYPE=s3",
                     std::string{"RCLONE_CONFIG_V_PROVIDER="}
                         + (bucket.endpoint.empty() ? "AWS" : "Other"),
                     "RCLONE_CONFIG_V_ACCESS_KEY_ID=" + bucket.access_key,
                     "RCLONE_CONFIG_V_SECRET_ACCESS_KEY=" + bucket.secret_key,
                     "RCLONE_CONFIG_V_ENDPOINT=" + bucket.endpoint,
                     "RCLONE_CONFIG_V_REGION=" + bucket.region};
  run.timeout = bucket.timeout;
  return sandbox::run_helper(run, stop);
}

error too_many_wait() {
  return error{errc::limit_exceeded, "256 volumes wait to be copied from or to their buckets; try "
                                     "again in a moment"};
}

error of_volume(const volume_mount& what, const error& why) {
  if (why.code == errc::unavailable || why.code == errc::deadline_exceeded
      || why.code == errc::os_failure) {
    // What the program says may hold addresses and names of the operator's.
    spdlog::warn("a transfer of the volume '{}' failed: {}", what.volume, why.detail);
    return error{why.code == errc::os_failure ? errc::unavailable : why.code,
                 "the bucket of the volume '" + what.volume
                     + "' could not be reached in time or refused; the daemon's log says more"};
  }
  return why;
}

} // namespace

bucket_copies::bucket_copies(boost::asio::io_context& reactor)
    : reactor_{reactor}, stop_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {}

bucket_copies::~bucket_copies() {
  stop();
}

void bucket_copies::stop() {
  {
    const std::lock_guard lock{mutex_};
    ending_ = true;
  }
  std::uint64_t one = 1;
  (void)!::write(stop_.get(), &one, sizeof(one));
  changed_.notify_all();
  for (auto& thread : threads_)
    thread.join();
  threads_.clear();
  jobs_.clear(); // Whoever waits for the answer hears that there is none.
}

bool bucket_copies::run(std::function<void()> work, std::function<void()> after) {
  std::unique_lock lock{mutex_};
  if (ending_ || jobs_.size() >= most_waiting)
    return false;
  jobs_.push_back({std::move(work), std::move(after)});
  if (idle_ >= jobs_.size() || threads_.size() == most_threads) {
    changed_.notify_one();
    return true;
  }
  lock.unlock();
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  threads_.emplace_back([this] { loop(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return true;
}

void bucket_copies::loop() {
  std::unique_lock lock{mutex_};
  for (;;) {
    ++idle_;
    changed_.wait(lock, [this] { return ending_ || !jobs_.empty(); });
    --idle_;
    if (ending_)
      return;
    auto next = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    next.work();
    boost::asio::post(reactor_, [done = std::move(next)] { done.after(); });
    lock.lock();
  }
}

void bucket_copies::fetch(const s3_volume& from, const volume_mount& as, session_files_ptr into,
                          reply<done> to) {
  auto out = std::make_shared<status>(done{});
  bool taken = run(
      [this, from, as, into, out] {
        scratch room;
        auto ok = room.made()
                      ? transfer(from, {"copy", "v:" + from.source, room.path()}, stop_.get())
                      : status{os_error("mkdtemp", "", errno)};
        if (ok) {
          auto copied = sandbox::copy_in(room.folder(), into->space(), as.path,
                                         {from.max_bytes, sandbox::most_volume_files});
          ok = copied ? status{done{}} : status{std::move(copied).why()};
        }
        *out = ok ? ok : status{of_volume(as, ok.why())};
      },
      [out, to] { to.deliver(std::move(*out)); });
  if (!taken)
    to.refuse(too_many_wait());
}

void bucket_copies::store(const s3_volume& to_bucket, const volume_mount& as,
                          session_files_ptr from, reply<sandbox::tree_size> to) {
  using outcome = result<sandbox::tree_size>;
  auto out = std::make_shared<outcome>(sandbox::tree_size{});
  bool taken = run(
      [this, to_bucket, as, from, out] {
        scratch room;
        if (!room.made()) {
          *out = of_volume(as, os_error("mkdtemp", "", errno));
          return;
        }
        *out = sandbox::copy_out(from->space(), as.path, room.folder(),
                                 {to_bucket.max_bytes, sandbox::most_volume_files});
        if (!*out)
          return;
        auto ok = transfer(to_bucket, {"sync", room.path(), "v:" + to_bucket.source}, stop_.get());
        if (!ok)
          *out = of_volume(as, ok.why());
      },
      [out, to] { to.deliver(std::move(*out)); });
  if (!taken)
    to.refuse(too_many_wait());
}

} // namespace vivarium
