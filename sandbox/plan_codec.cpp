// SPDX-License-Identifier: Apache-2.0
#include "sandbox/plan_codec.hpp"

#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>

namespace vivarium::sandbox {

namespace {

class writer {
public:
  void number(std::uint64_t value) {
    std::array<char, sizeof(value)> bytes{};
    std::memcpy(bytes.data(), &value, sizeof(value));
    bytes_.append(bytes.data(), bytes.size());
  }
  void text(const std::string& value) {
    number(value.size());
    bytes_ += value;
  }
  [[nodiscard]] std::string take() noexcept { return std::move(bytes_); }

private:
  std::string bytes_;
};

class reader {
public:
  explicit reader(std::string bytes) : bytes_{std::move(bytes)} {}
  std::uint64_t number() {
    std::uint64_t value = 0;
    if (bytes_.size() - at_ < sizeof(value)) {
      ok_ = false;
      return 0;
    }
    std::memcpy(&value, bytes_.data() + at_, sizeof(value));
    at_ += sizeof(value);
    return value;
  }
  std::string text() {
    auto size = number();
    if (!ok_ || size > bytes_.size() - at_) {
      ok_ = false;
      return {};
    }
    auto out = bytes_.substr(at_, size);
    at_ += size;
    return out;
  }
  /// Whether everything could be read and nothing is left.
  [[nodiscard]] bool complete() const noexcept { return ok_ && at_ == bytes_.size(); }
  [[nodiscard]] bool ok() const noexcept { return ok_; }

private:
  std::string bytes_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

std::optional<std::string> read_all(int fd) {
  std::string bytes;
  std::array<char, 4096> part{};
  for (;;) {
    auto n = ::pread(fd, part.data(), part.size(), static_cast<off_t>(bytes.size()));
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return std::nullopt;
    if (n == 0)
      return bytes;
    bytes.append(part.data(), static_cast<std::size_t>(n));
  }
}

} // namespace

std::string jailed_plan::runtime_inside() const {
  return has(layer::mount_namespace) ? "/opt/vivarium" : plan.runtime;
}

std::string plan_bytes(const jailed_plan& what) {
  writer out;
  const auto& plan = what.plan;
  out.text(plan.environment);
  out.text(plan.launcher);
  out.text(plan.python);
  out.text(plan.runtime);
  out.number(plan.preload.size());
  for (const auto& name : plan.preload)
    out.text(name);
  out.number(plan.wrapper.size());
  for (const auto& word : plan.wrapper)
    out.text(word);
  out.number(plan.dirs.size());
  for (const auto& dir : plan.dirs) {
    out.text(dir.path);
    out.number(dir.writable ? 1 : 0);
  }
  out.number(plan.import_paths.size());
  for (const auto& path : plan.import_paths)
    out.text(path);
  out.number(plan.hash_seed ? 1 + std::uint64_t{*plan.hash_seed} : 0);
  out.number(plan.limits.memory_bytes);
  out.number(plan.limits.workspace_bytes);
  out.number(plan.limits.workspace_inodes);
  out.number(plan.limits.threads);
  out.number(plan.limits.descriptors);
  out.number(plan.limits.file_bytes);
  out.number(plan.without.bits());
  out.number(plan.uid_base);
  out.number(static_cast<std::uint64_t>(what.mode));
  out.number(what.outer_uid);
  out.number(what.outer_gid);
  return out.take();
}

result<unique_fd> encode_plan(const jailed_plan& what) {
  auto bytes = plan_bytes(what);
  unique_fd fd{::memfd_create("vivarium-plan", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  if (!fd)
    return os_error("memfd_create", "", errno);
  if (::write(fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
    return os_error("write", "the plan", errno);
  constexpr int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
  if (::fcntl(fd.get(), F_ADD_SEALS, seals) != 0)
    return os_error("fcntl", "F_ADD_SEALS", errno);
  return fd;
}

std::optional<jailed_plan> decode_plan(int fd) {
  auto bytes = read_all(fd);
  return bytes ? plan_of(std::move(*bytes)) : std::nullopt;
}

std::optional<jailed_plan> plan_of(std::string bytes) {
  reader in{std::move(bytes)};
  jailed_plan out;
  auto& plan = out.plan;
  plan.environment = in.text();
  plan.launcher = in.text();
  plan.python = in.text();
  plan.runtime = in.text();
  for (auto left = in.number(); in.ok() && left > 0; --left)
    plan.preload.push_back(in.text());
  for (auto left = in.number(); in.ok() && left > 0; --left)
    plan.wrapper.push_back(in.text());
  for (auto left = in.number(); in.ok() && left > 0; --left) {
    auto path = in.text();
    plan.dirs.push_back({std::move(path), in.number() != 0});
  }
  for (auto left = in.number(); in.ok() && left > 0; --left)
    plan.import_paths.push_back(in.text());
  if (auto seed = in.number(); seed > 0)
    plan.hash_seed = static_cast<std::uint32_t>(seed - 1);
  plan.limits.memory_bytes = in.number();
  plan.limits.workspace_bytes = in.number();
  plan.limits.workspace_inodes = static_cast<std::uint32_t>(in.number());
  plan.limits.threads = static_cast<std::uint32_t>(in.number());
  plan.limits.descriptors = static_cast<std::uint32_t>(in.number());
  plan.limits.file_bytes = in.number();
  plan.without = layer_set::from_bits(static_cast<std::uint32_t>(in.number()));
  plan.uid_base = static_cast<std::uint32_t>(in.number());
  auto mode = in.number();
  out.mode = static_cast<uid_mode>(mode);
  out.outer_uid = static_cast<std::uint32_t>(in.number());
  out.outer_gid = static_cast<std::uint32_t>(in.number());
  if (!in.complete() || mode > static_cast<std::uint64_t>(uid_mode::single))
    return std::nullopt;
  return out;
}

} // namespace vivarium::sandbox
