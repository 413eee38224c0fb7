// SPDX-License-Identifier: Apache-2.0
#include "actors/volume_store.hpp"

#include "actors/bucket_copies.hpp"
#include "proto/ids.hpp"
#include "sandbox/volume_dir.hpp"
#include "sandbox/workspace_path.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

namespace vivarium {

namespace {

constexpr std::size_t most_volumes = 1'000; // of a tenant
constexpr std::uint64_t least_volume = 4'096;
constexpr std::size_t most_in_line = 1'000; // of a tenant's that wait, and of each bucket's

volume_info info_of(const std::string& name, const sandbox::volume_facts& facts) {
  return {name, facts.size.bytes, facts.size.files, facts.max_bytes, facts.version, {}};
}

error too_many_wait() {
  return error{errc::limit_exceeded, "too much of this tenant's work on volumes waits already; "
                                     "try again in a moment"};
}

error is_bucket(const std::string& name) {
  return error{errc::failed_precondition,
               "the volume '" + name + "' is one of the configuration: [volumes." + name + "]"};
}

} // namespace

/// The directory, opened by the first job that needs it. Used on the file threads.
struct volume_store::disk {
  explicit disk(std::string path) : state{std::move(path)} {}
  result<const sandbox::volume_dir*> open() {
    const std::lock_guard guard{lock};
    if (!folder) {
      if (state.empty())
        return error{errc::failed_precondition,
                     "there is no directory for volumes: server.state_dir says where"};
      auto opened = sandbox::volume_dir::open(state);
      if (!opened)
        return std::move(opened).why();
      folder.emplace(*std::move(opened));
    }
    return &*folder;
  }
  /// What all volumes of a tenant but that one hold.
  static std::uint64_t others(const sandbox::volume_dir& in, const std::string& tenant,
                              const std::string& but) {
    std::uint64_t sum = 0;
    for (const auto& name : in.names(tenant))
      if (auto facts = in.read(tenant, name); facts && name != but)
        sum += facts->size.bytes;
    return sum;
  }

  std::string state;
  std::mutex lock;
  std::optional<sandbox::volume_dir> folder;
};

volume_store::volume_store(boost::asio::io_context& reactor, const settings& config)
    : reactor_{reactor}, config_{config}, disk_{std::make_shared<disk>(config.state_dir)},
      threads_{reactor}, buckets_{std::make_unique<bucket_copies>(reactor)} {}

volume_store::~volume_store() {
  stop();
}

void volume_store::stop() {
  *stopped_ = true;
  threads_.stop();
  buckets_->stop();
  auto forgotten = std::exchange(lines_, {}); // Who waits in them hears that there is no answer.
}

const s3_volume* volume_store::bucket_of(const std::string& tenant, const std::string& name) const {
  auto found = config_.s3_volumes.find(name);
  return found != config_.s3_volumes.end() && found->second.tenants.contains(tenant)
             ? &found->second
             : nullptr;
}

std::uint64_t volume_store::quota_of(const std::string& tenant) const {
  auto may = config_.tenants.find(tenant);
  return may == config_.tenants.end() ? tenant_settings{}.volumes_bytes : may->second.volumes_bytes;
}

bool volume_store::in_line(const key& which, std::function<void()> job) {
  if (*stopped_)
    return false;
  auto& line = lines_[which];
  if (line.waiting.size() >= most_in_line)
    return false;
  line.waiting.push_back(std::move(job));
  if (!line.busy)
    go_on(which);
  return true;
}

void volume_store::go_on(const key& which) {
  auto line = lines_.find(which);
  if (line == lines_.end())
    return;
  line->second.busy = !line->second.waiting.empty();
  if (!line->second.busy) {
    lines_.erase(line);
    return;
  }
  auto job = std::move(line->second.waiting.front());
  line->second.waiting.pop_front();
  job();
}

// Posted: the one that ends may still be on the stack, and so might all that follow. It may end
// when all of this is gone.
std::function<void()> volume_store::end_of(const key& which) {
  return [this, which, stopped = stopped_] {
    if (!*stopped)
      boost::asio::post(reactor_, [this, which, stopped] {
        if (!*stopped)
          go_on(which);
      });
  };
}

/// Has `work(directory)`, which gives a result<T>, done now.
template <class T, class Work>
void volume_store::run(const std::string& tenant, Work work, reply<T> to) {
  auto out = std::make_shared<std::optional<result<T>>>();
  bool taken = threads_.run(
      tenant,
      [disk = disk_, out, work = std::move(work)] {
        auto folder = disk->open();
        out->emplace(folder ? work(**folder) : result<T>{std::move(folder).why()});
      },
      [out, to] { to.deliver(*std::move(*out)); });
  if (!taken)
    to.refuse(too_many_wait());
}

/// Has it done when it is the tenant's turn, and nothing else of its volumes meanwhile.
template <class T, class Work>
void volume_store::ask(const std::string& tenant, Work work, reply<T> to) {
  key which{tenant, {}};
  bool taken = in_line(which, [this, which, work = std::move(work), to] {
    run(which.first, work, reply<T>{[ended = end_of(which), to](result<T> outcome) {
          to.deliver(std::move(outcome));
          ended();
        }});
  });
  if (!taken)
    to.refuse(too_many_wait());
}

void volume_store::create(const std::string& tenant, const std::string& name,
                          std::uint64_t max_bytes, reply<volume_info> to) {
  if (auto ok = check_name(name); !ok)
    return to.refuse(std::move(ok).why());
  if (config_.s3_volumes.contains(name))
    return to.refuse(is_bucket(name));
  auto quota = quota_of(tenant);
  if (max_bytes == 0)
    max_bytes = std::min(config_.volume_bytes, quota);
  if (max_bytes > quota)
    return to.refuse(
        error{errc::limit_exceeded, "`max_bytes`: asked for " + std::to_string(max_bytes)
                                        + " bytes, all volumes of this tenant together may have "
                                        + std::to_string(quota) + " (tenants." + tenant
                                        + ".volumes_bytes)"});
  if (max_bytes < least_volume)
    return to.refuse(error{errc::invalid_argument, "`max_bytes` is at least 4,096"});
  ask(
      tenant,
      [tenant, name, max_bytes](const sandbox::volume_dir& in) -> result<volume_info> {
        if (in.names(tenant).size() >= most_volumes)
          return error{errc::limit_exceeded, "the tenant has 1,000 volumes, which is the maximum"};
        auto made = in.create(tenant, name, max_bytes);
        if (!made)
          return std::move(made).why();
        return info_of(name, *made);
      },
      std::move(to));
}

void volume_store::list(const std::string& tenant, reply<std::vector<volume_info>> to) {
  std::vector<volume_info> configured;
  for (const auto& [name, bucket] : config_.s3_volumes)
    if (bucket.tenants.contains(tenant))
      configured.push_back({name, 0, 0, bucket.max_bytes, 0, "s3"});
  if (config_.state_dir.empty())
    return to.give(std::move(configured));
  // Beside what is under way: a copy takes its time, and what is told of a volume is always whole.
  run(
      tenant,
      [tenant, configured = std::move(configured)](
          const sandbox::volume_dir& in) -> result<std::vector<volume_info>> {
        auto out = configured;
        for (const auto& name : in.names(tenant))
          if (auto facts = in.read(tenant, name))
            out.push_back(info_of(name, *facts));
        std::sort(out.begin(), out.end(),
                  [](const auto& a, const auto& b) { return a.name < b.name; });
        return out;
      },
      std::move(to));
}

void volume_store::remove(const std::string& tenant, const std::string& name, reply<done> to) {
  if (auto ok = check_name(name); !ok)
    return to.refuse(std::move(ok).why());
  if (bucket_of(tenant, name) != nullptr)
    return to.refuse(is_bucket(name));
  ask(
      tenant, [tenant, name](const sandbox::volume_dir& in) { return in.remove(tenant, name); },
      std::move(to));
}

void volume_store::attach(const std::string& tenant, const volume_mount& what,
                          session_files_ptr into, reply<volume_mount> to) {
  auto made = what;
  auto path = sandbox::workspace_path(made.path.empty() ? made.volume : made.path);
  if (auto ok = check_name(made.volume); !ok)
    return to.refuse(std::move(ok).why());
  if (!path)
    return to.refuse(std::move(path).why());
  if (path->empty())
    return to.refuse(error{errc::invalid_argument,
                           "a volume becomes a directory in the workspace, not all of it"});
  made.path = *std::move(path);
  if (const auto* bucket = bucket_of(tenant, made.volume)) {
    key which{tenant, made.volume};
    if (made.write && !bucket->write)
      return to.refuse(error{errc::permission_denied,
                             "the volume '" + made.volume + "' is only to be read; [volumes."
                                 + made.volume + "] access = \"write\" would allow it"});
    bool taken = in_line(which, [this, which, bucket, made, into, to] {
      buckets_->fetch(*bucket, made, into,
                      reply<done>{[ended = end_of(which), made, to](result<done> how) {
                        to.deliver(how ? result<volume_mount>{made}
                                       : result<volume_mount>{std::move(how).why()});
                        ended();
                      }});
    });
    if (!taken)
      to.refuse(too_many_wait());
    return;
  }
  ask(
      tenant,
      [tenant, made, into](const sandbox::volume_dir& in) -> result<volume_mount> {
        auto facts = in.attach(tenant, made.volume, into->space(), made.path);
        if (!facts)
          return std::move(facts).why();
        auto out = made;
        out.version = facts->version;
        return out;
      },
      std::move(to));
}

void volume_store::commit(const std::string& tenant, const volume_mount& what,
                          session_files_ptr from, bool force, reply<volume_info> to) {
  if (const auto* bucket = bucket_of(tenant, what.volume)) {
    key which{tenant, what.volume};
    bool taken = in_line(which, [this, which, bucket, what, from, to] {
      buckets_->store(
          *bucket, what, from,
          reply<sandbox::tree_size>{
              [ended = end_of(which), bucket, what, to](result<sandbox::tree_size> how) {
                if (how)
                  to.give({what.volume, how->bytes, how->files, bucket->max_bytes, 0, "s3"});
                else
                  to.refuse(std::move(how).why());
                ended();
              }});
    });
    if (!taken)
      to.refuse(too_many_wait());
    return;
  }
  std::optional<std::uint64_t> expected;
  if (!force)
    expected = what.version;
  ask(
      tenant,
      [tenant, what, from, expected,
       quota = quota_of(tenant)](const sandbox::volume_dir& in) -> result<volume_info> {
        auto others = disk::others(in, tenant, what.volume);
        auto made = in.commit(tenant, what.volume, from->space(), what.path, expected,
                              quota - std::min(quota, others));
        if (!made)
          return std::move(made).why();
        return info_of(what.volume, *made);
      },
      std::move(to));
}

} // namespace vivarium
