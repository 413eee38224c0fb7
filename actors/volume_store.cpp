// SPDX-License-Identifier: Apache-2.0
#include "actors/volume_store.hpp"

#include "actors/bucket_copies.hpp"
#include "proto/ids.hpp"
#include "sandbox/volume_dir.hpp"
#include "sandbox/workspace_path.hpp"

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

namespace vivarium {

namespace {

constexpr std::size_t most_volumes = 1'000; // of a tenant
constexpr std::uint64_t least_volume = 4'096;

volume_info info_of(const std::string& name, const sandbox::volume_facts& facts) {
  return {name, facts.size.bytes, facts.size.files, facts.max_bytes, facts.version, {}};
}

error too_many_wait() {
  return error{errc::limit_exceeded, "too much of this tenant's work on files waits already; try "
                                     "again in a moment"};
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

volume_store::volume_store(boost::asio::io_context& reactor, const settings& config,
                           std::shared_ptr<file_threads> threads)
    : config_{config}, threads_{std::move(threads)},
      disk_{std::make_shared<disk>(config.state_dir)}, buckets_{std::make_unique<bucket_copies>(
                                                           reactor)} {}

volume_store::~volume_store() = default;

void volume_store::stop() {
  buckets_->stop();
  lines_.clear();
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

void volume_store::in_line(const key& which, std::function<void()> job) {
  auto& line = lines_[which];
  line.push_back(std::move(job));
  if (line.size() == 1)
    line.front()();
}

void volume_store::next_in_line(const key& which) {
  auto line = lines_.find(which);
  if (line == lines_.end())
    return;
  line->second.pop_front();
  if (line->second.empty())
    lines_.erase(line);
  else
    line->second.front()();
}

/// Has `work(directory)`, which gives a result<T>, done when it is the volume's turn.
template <class T, class Work>
void volume_store::ask(const key& which, Work work, reply<T> to) {
  in_line(which, [this, which, work = std::move(work), to] {
    auto out = std::make_shared<std::optional<result<T>>>();
    bool taken = threads_->run(
        which.first,
        [disk = disk_, out, work] {
          auto folder = disk->open();
          out->emplace(folder ? work(**folder) : result<T>{std::move(folder).why()});
        },
        [this, which, out, to] {
          to.deliver(*std::move(*out));
          next_in_line(which);
        });
    if (!taken) {
      to.refuse(too_many_wait());
      next_in_line(which);
    }
  });
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
      {tenant, name},
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
  ask(
      {tenant, {}},
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
      {tenant, name},
      [tenant, name](const sandbox::volume_dir& in) { return in.remove(tenant, name); },
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
  key which{tenant, made.volume};
  if (const auto* bucket = bucket_of(tenant, made.volume)) {
    if (made.write && !bucket->write)
      return to.refuse(error{errc::permission_denied,
                             "the volume '" + made.volume + "' is only to be read; [volumes."
                                 + made.volume + "] access = \"write\" would allow it"});
    return in_line(which, [this, which, bucket, made, into, to] {
      buckets_->fetch(*bucket, made, into, reply<done>{[this, which, made, to](result<done> how) {
        to.deliver(how ? result<volume_mount>{made} : result<volume_mount>{std::move(how).why()});
        next_in_line(which);
      }});
    });
  }
  ask(
      which,
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
  key which{tenant, what.volume};
  if (const auto* bucket = bucket_of(tenant, what.volume))
    return in_line(which, [this, which, bucket, what, from, to] {
      buckets_->store(
          *bucket, what, from,
          reply<sandbox::tree_size>{
              [this, which, bucket, what, to](result<sandbox::tree_size> how) {
                if (how)
                  to.give({what.volume, how->bytes, how->files, bucket->max_bytes, 0, "s3"});
                else
                  to.refuse(std::move(how).why());
                next_in_line(which);
              }});
    });
  std::optional<std::uint64_t> expected;
  if (!force)
    expected = what.version;
  ask(
      which,
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
