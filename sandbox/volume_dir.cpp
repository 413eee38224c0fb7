// SPDX-License-Identifier: Apache-2.0
#include "sandbox/volume_dir.hpp"

#include "sandbox/workspace_walk.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace vivarium::sandbox {

namespace {

constexpr int folder_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
constexpr const char* about = "about";

error no_such(const std::string& volume) {
  return error{errc::not_found, "there is no volume '" + volume + "'"};
}

std::string tree_of(std::uint64_t version) {
  return "tree." + std::to_string(version);
}

status write_facts(int folder, const volume_facts& what) {
  auto text = "max_bytes " + std::to_string(what.max_bytes) + "\nversion "
              + std::to_string(what.version) + "\nbytes " + std::to_string(what.size.bytes)
              + "\nfiles " + std::to_string(what.size.files) + "\n";
  constexpr const char* fresh = "about.new";
  unique_fd file{
      ::openat(folder, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600)};
  if (!file)
    return os_error("open", fresh, errno);
  if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    return os_error("write", fresh, errno);
  // Content before the name that makes it count; the file system as a whole, since there are many.
  if (::syncfs(file.get()) != 0 || ::renameat(folder, fresh, folder, about) != 0)
    return os_error("rename", fresh, errno);
  (void)::fsync(folder);
  return done{};
}

result<volume_facts> read_facts(int folder, const std::string& volume) {
  unique_fd file{::openat(folder, about, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)};
  if (!file)
    return no_such(volume);
  std::array<char, 256> room{};
  auto n = ::read(file.get(), room.data(), room.size() - 1);
  unsigned long long most = 0;
  unsigned long long version = 0;
  unsigned long long bytes = 0;
  unsigned long long files = 0;
  if (n <= 0
      || std::sscanf(room.data(), "max_bytes %llu version %llu bytes %llu files %llu", &most,
                     &version, &bytes, &files)
             != 4)
    return error{errc::os_failure, "the file about the volume '" + volume + "' cannot be read"};
  return volume_facts{most, version, {bytes, files}};
}

// What commits that came to nothing have left.
void remove_rubbish(int folder, std::uint64_t version) {
  for (const auto& name : names_in(folder, 1'000))
    if (name.starts_with("tree.") && name != tree_of(version))
      (void)remove_tree(folder, name);
}

} // namespace

status remove_tree(int folder, const std::string& name) {
  unique_fd root{::fcntl(folder, F_DUPFD_CLOEXEC, 0)};
  auto own = workspace::at(std::move(root), "");
  if (!own)
    return std::move(own).why();
  auto going = removal::begin(*own, name, true);
  if (!going)
    return going.why().code == errc::not_found ? status{done{}} : std::move(going).why();
  while (!going->over())
    if (auto step = going->next(*own); !step)
      return std::move(step).why();
  return done{};
}

result<tree_size> copy_in(int from, const workspace& to, const std::string& path,
                          const tree_size& most) {
  unique_fd target;
  {
    as_owner rights{to};
    auto opened = to.open_folder(path, true);
    if (!opened)
      return std::move(opened).why();
    target = *std::move(opened);
  }
  return copy_tree({from, nullptr}, {target.get(), &to}, most);
}

result<tree_size> copy_out(const workspace& from, const std::string& path, int to,
                           const tree_size& most) {
  unique_fd source;
  {
    as_owner rights{from};
    auto opened = from.open_folder(path, false);
    if (!opened)
      return std::move(opened).why();
    source = *std::move(opened);
  }
  return copy_tree({source.get(), &from}, {to, nullptr}, most);
}

result<volume_dir> volume_dir::open(const std::string& state) {
  auto path = state + "/volumes";
  for (std::size_t end = 0; end != std::string::npos;) {
    end = path.find('/', end + 1);
    if (::mkdir(path.substr(0, end).c_str(), 0700) != 0 && errno != EEXIST)
      return os_error("mkdir", path.substr(0, end), errno);
  }
  volume_dir made;
  made.top_.reset(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!made.top_)
    return os_error("open", path, errno);
  return made;
}

result<unique_fd> volume_dir::folder_of(const std::string& tenant,
                                        const std::string& volume) const {
  unique_fd above{::openat(top_.get(), tenant.c_str(), folder_flags)};
  unique_fd found{above ? ::openat(above.get(), volume.c_str(), folder_flags) : -1};
  if (!found)
    return no_such(volume);
  return found;
}

std::vector<std::string> volume_dir::names(const std::string& tenant) const {
  unique_fd above{::openat(top_.get(), tenant.c_str(), folder_flags)};
  if (!above)
    return {};
  auto all = names_in(above.get(), most_walk_entries);
  std::erase_if(all, [](const std::string& name) { return name.starts_with('.'); });
  return all;
}

result<volume_facts> volume_dir::read(const std::string& tenant, const std::string& volume) const {
  auto folder = folder_of(tenant, volume);
  if (!folder)
    return std::move(folder).why();
  return read_facts(folder->get(), volume);
}

result<volume_facts> volume_dir::create(const std::string& tenant, const std::string& volume,
                                        std::uint64_t max_bytes) const {
  if (::mkdirat(top_.get(), tenant.c_str(), 0700) != 0 && errno != EEXIST)
    return os_error("mkdir", "of a tenant's volumes", errno);
  if (read(tenant, volume))
    return error{errc::already_exists, "there is a volume '" + volume + "' already"};
  unique_fd above{::openat(top_.get(), tenant.c_str(), folder_flags)};
  if (!above)
    return os_error("open", "of a tenant's volumes", errno);
  if (auto ok = remove_tree(above.get(), volume); !ok)
    return std::move(ok).why();
  if (::mkdirat(above.get(), volume.c_str(), 0700) != 0)
    return os_error("mkdir", "of a volume", errno);
  auto folder = folder_of(tenant, volume);
  if (!folder)
    return std::move(folder).why();
  volume_facts facts{max_bytes, 1, {}};
  if (::mkdirat(folder->get(), tree_of(1).c_str(), 0700) != 0)
    return os_error("mkdir", "of a volume", errno);
  if (auto ok = write_facts(folder->get(), facts); !ok)
    return std::move(ok).why();
  return facts;
}

status volume_dir::remove(const std::string& tenant, const std::string& volume) const {
  if (auto there = read(tenant, volume); !there)
    return std::move(there).why();
  unique_fd above{::openat(top_.get(), tenant.c_str(), folder_flags)};
  // Gone at once for everybody, whatever becomes of the rest.
  auto gone = "." + volume + ".gone";
  (void)remove_tree(above.get(), gone);
  if (::renameat(above.get(), volume.c_str(), above.get(), gone.c_str()) != 0)
    return os_error("rename", "of a volume", errno);
  return remove_tree(above.get(), gone);
}

result<volume_facts> volume_dir::attach(const std::string& tenant, const std::string& volume,
                                        const workspace& to, const std::string& path) const {
  auto folder = folder_of(tenant, volume);
  if (!folder)
    return std::move(folder).why();
  auto facts = read_facts(folder->get(), volume);
  if (!facts)
    return facts;
  unique_fd tree{::openat(folder->get(), tree_of(facts->version).c_str(), folder_flags)};
  if (!tree)
    return os_error("open", "the content of a volume", errno);
  if (auto copied = copy_in(tree.get(), to, path, {facts->max_bytes, most_volume_files}); !copied)
    return std::move(copied).why();
  return facts;
}

result<volume_facts> volume_dir::commit(const std::string& tenant, const std::string& volume,
                                        const workspace& from, const std::string& path,
                                        std::optional<std::uint64_t> expected,
                                        std::uint64_t most) const {
  auto folder = folder_of(tenant, volume);
  if (!folder)
    return std::move(folder).why();
  auto facts = read_facts(folder->get(), volume);
  if (!facts)
    return facts;
  if (expected && *expected != facts->version)
    return error{errc::failed_precondition,
                 "the volume '" + volume
                     + "' has been committed by another session since this one "
                       "got version "
                     + std::to_string(*expected) + ": it is version "
                     + std::to_string(facts->version) + " now; `force` writes over it"};
  remove_rubbish(folder->get(), facts->version);
  auto next = facts->version + 1;
  auto name = tree_of(next);
  if (::mkdirat(folder->get(), name.c_str(), 0700) != 0)
    return os_error("mkdir", "the content of a volume", errno);
  unique_fd tree{::openat(folder->get(), name.c_str(), folder_flags)};
  if (!tree)
    return os_error("open", "the content of a volume", errno);
  auto copied =
      copy_out(from, path, tree.get(), {std::min(facts->max_bytes, most), most_volume_files});
  if (copied) {
    volume_facts made{facts->max_bytes, next, *copied};
    auto written = write_facts(folder->get(), made);
    if (written) {
      remove_rubbish(folder->get(), next);
      return made;
    }
    copied = std::move(written).why();
  }
  (void)remove_tree(folder->get(), name);
  return std::move(copied).why();
}

} // namespace vivarium::sandbox
