// SPDX-License-Identifier: Apache-2.0
#include "actors/session_files.hpp"

#include "proto/ids.hpp"
#include "sandbox/workspace_path.hpp"

#include <algorithm>
#include <utility>

namespace vivarium {

using namespace std::chrono_literals;
using sandbox::workspace;

namespace {

constexpr std::size_t most_uploads = 16;
constexpr auto upload_patience = 60s;
// Files that are open at once, of one session: each is a descriptor of the daemon's.
constexpr std::size_t most_open = 64;

error too_large(std::uint64_t size, std::uint64_t most, std::string_view way_out) {
  return error{errc::too_large, "the file has " + std::to_string(size) + " bytes, the maximum is "
                                    + std::to_string(most) + " " + std::string{way_out}};
}

status check_sum(const std::string& wanted, const std::string& found) {
  if (wanted.empty() || wanted == found)
    return done{};
  return error{errc::checksum_mismatch,
               "what arrived has another SHA-256 than was announced; nothing was written"};
}

template <class T>
bool still_room(std::vector<std::weak_ptr<T>>& list) {
  std::erase_if(list, [](const auto& one) { return one.expired(); });
  return list.size() < most_open;
}

error too_many_open() {
  return error{errc::limit_exceeded, "64 files of this session are being read or written already"};
}

// Lets go of something on one of the threads. Where the tenant's line is full, in one that is for
// this only, which no request fills: there is no more in it than there was open. Here, and at once,
// only when the threads have been stopped.
void let_go_beside(file_threads& threads, const std::string& tenant,
                   std::shared_ptr<const void> what) {
  static const std::string closing = ".closing"; // No tenant can have that name.
  auto last = std::make_shared<std::shared_ptr<const void>>(std::move(what));
  for (const auto* line : {&tenant, &closing})
    if (threads.run(
            *line, [last] { last->reset(); }, [] {}))
      return;
}

} // namespace

session_files::session_files(std::shared_ptr<file_threads> threads, std::string tenant,
                             workspace space, const session_limits& limits)
    : threads_{std::move(threads)}, tenant_{std::move(tenant)}, space_{std::move(space)},
      limits_{limits} {}

// The last descriptor of the files takes them along, which may be many: not on the reactor's
// thread.
session_files::~session_files() {
  let_go_beside(*threads_, tenant_, std::make_shared<workspace>(std::move(space_)));
}

void session_files::let_go_of(std::shared_ptr<const void> what) {
  let_go_beside(*threads_, tenant_, std::move(what));
}

error session_files::gone() {
  return error{errc::session_lost, "the session has ended, and its files with it"};
}

void session_files::run(std::function<void()> work, std::function<void()> after,
                        const std::function<void(error)>& refuse) {
  if (over_)
    return refuse(gone());
  if (!threads_->run(tenant_, std::move(work), std::move(after)))
    refuse(error{errc::limit_exceeded, "too much of this tenant's work on files waits already; "
                                       "try again in a moment"});
}

void session_files::end() {
  over_ = true;
  uploads_.clear();
  for (auto& one : std::exchange(readers_, {}))
    if (auto strong = one.lock())
      strong->lose();
  for (auto& one : std::exchange(writers_, {}))
    if (auto strong = one.lock())
      strong->lose();
}

void session_files::stat(const std::string& path, reply<sandbox::file_info> to) {
  auto own = sandbox::workspace_path(path);
  if (!own)
    return to.refuse(std::move(own).why());
  ask([path = *std::move(own)](const workspace& space) { return stat_file(space, path); },
      std::move(to));
}

void session_files::get(const std::string& path, reply<whole_file> to) {
  auto own = sandbox::workspace_path(path);
  if (!own)
    return to.refuse(std::move(own).why());
  ask(
      [path = *std::move(own)](const workspace& space) -> result<whole_file> {
        auto file = open_file(space, path);
        if (!file)
          return std::move(file).why();
        if (file->info.size > most_whole_file)
          return too_large(file->info.size, most_whole_file,
                           "for a whole one: ReadFile and GET stream it");
        auto content = sandbox::read_some(file->fd, 0, file->info.size);
        if (!content)
          return std::move(content).why();
        sha256 sum;
        sum.add(*content);
        return whole_file{*std::move(content), sum.finish(), std::move(file->info)};
      },
      std::move(to));
}

void session_files::put(put_wish how, std::string content, reply<put_outcome> to) {
  auto own = sandbox::workspace_path(how.path);
  if (!own)
    return to.refuse(std::move(own).why());
  if (auto most = limits_[limit::file_size]; content.size() > most)
    return to.refuse(too_large(content.size(), most, "(limits.file_bytes)"));
  how.path = *std::move(own);
  ask(
      [how = std::move(how),
       content = std::move(content)](const workspace& space) -> result<put_outcome> {
        sha256 sum;
        sum.add(content);
        auto found = sum.finish();
        if (auto ok = check_sum(how.sha256, found); !ok)
          return std::move(ok).why();
        auto file = open_unnamed(space);
        if (!file)
          return std::move(file).why();
        if (auto ok = write_all(space, *file, content, 0); !ok)
          return std::move(ok).why();
        auto info = publish(space, *file, how.path, {how.mode, how.exclusive});
        if (!info)
          return std::move(info).why();
        return put_outcome{*std::move(info), std::move(found)};
      },
      std::move(to));
}

void session_files::put_all(std::vector<std::pair<std::string, std::string>> files,
                            reply<done> to) {
  // A map has no order on the wire; what is said of two that exclude each other shall be the same.
  std::sort(files.begin(), files.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [path, content] : files) {
    auto own = sandbox::workspace_path(path);
    if (own && own->empty())
      own = error{errc::invalid_argument, "a path is empty"};
    if (!own)
      return to.refuse(error{own.why().code, "`files`: '" + path + "': " + own.why().detail});
    if (auto most = limits_[limit::file_size]; content.size() > most)
      return to.refuse(too_large(content.size(), most, "(limits.file_bytes)"));
    path = *std::move(own);
  }
  ask(
      [files = std::move(files)](const workspace& space) -> status {
        for (const auto& [path, content] : files) {
          auto file = open_unnamed(space);
          if (!file)
            return std::move(file).why();
          if (auto ok = write_all(space, *file, content, 0); !ok)
            return ok;
          if (auto info = publish(space, *file, path, {}); !info)
            return std::move(info).why();
        }
        return done{};
      },
      std::move(to));
}

void session_files::list(const std::string& path, sandbox::list_options how,
                         reply<sandbox::file_list> to) {
  auto own = sandbox::workspace_path(path);
  if (!own)
    return to.refuse(std::move(own).why());
  ask([path = *std::move(own),
       how = std::move(how)](const workspace& space) { return list_files(space, path, how); },
      std::move(to));
}

void session_files::make_directory(const std::string& path, reply<sandbox::file_info> to) {
  auto own = sandbox::workspace_path(path);
  if (!own)
    return to.refuse(std::move(own).why());
  ask([path = *std::move(own)](
          const workspace& space) { return sandbox::make_directory(space, path); },
      std::move(to));
}

void session_files::move(const std::string& from, const std::string& to_path, bool replace,
                         reply<sandbox::file_info> to) {
  auto source = sandbox::workspace_path(from);
  auto target = sandbox::workspace_path(to_path);
  if (!source || !target)
    return to.refuse(source ? std::move(target).why() : std::move(source).why());
  ask([from = *std::move(source), target = *std::move(target),
       replace](const workspace& space) { return move_file(space, from, target, replace); },
      std::move(to));
}

void session_files::remove(const std::string& path, bool recursive, reply<std::uint64_t> to) {
  auto own = sandbox::workspace_path(path);
  if (!own)
    return to.refuse(std::move(own).why());
  using begun = std::shared_ptr<sandbox::removal>;
  ask(
      [path = *std::move(own), recursive](const workspace& space) -> result<begun> {
        auto made = sandbox::removal::begin(space, path, recursive);
        if (!made)
          return std::move(made).why();
        return std::make_shared<sandbox::removal>(*std::move(made));
      },
      reply<begun>{[self = shared_from_this(), to](result<begun> made) {
        if (!made)
          to.refuse(std::move(made).why());
        else
          self->remove_more(*std::move(made), to);
      }});
}

// A step at a time, each of which waits for its turn.
void session_files::remove_more(std::shared_ptr<sandbox::removal> what, reply<std::uint64_t> to) {
  if (what->over())
    return to.give(what->removed());
  ask([what](const workspace& space) { return what->next(space); },
      reply<bool>{[self = shared_from_this(), what, to](result<bool> step) {
        if (!step)
          to.refuse(std::move(step).why());
        else
          self->remove_more(what, to);
      }});
}

void session_files::open(const std::string& path, reply<file_reader_ptr> to) {
  auto own = sandbox::workspace_path(path);
  if (!own)
    return to.refuse(std::move(own).why());
  using opened = std::shared_ptr<sandbox::opened_file>;
  ask(
      [path = *std::move(own)](const workspace& space) -> result<opened> {
        auto file = open_file(space, path);
        if (!file)
          return std::move(file).why();
        return std::make_shared<sandbox::opened_file>(*std::move(file));
      },
      reply<opened>{[self = shared_from_this(), to](result<opened> file) {
        if (!file)
          return to.refuse(std::move(file).why());
        if (!still_room(self->readers_)) {
          self->let_go_of(std::move(*file));
          return to.refuse(too_many_open());
        }
        auto made = std::make_shared<file_reader>(self, std::move(**file));
        self->readers_.push_back(made);
        to.give(std::move(made));
      }});
}

void session_files::create(reply<file_writer_ptr> to) {
  if (!still_room(writers_))
    return to.refuse(too_many_open());
  using opened = std::shared_ptr<unique_fd>;
  ask(
      [](const workspace& space) -> result<opened> {
        auto file = open_unnamed(space);
        if (!file)
          return std::move(file).why();
        return std::make_shared<unique_fd>(*std::move(file));
      },
      reply<opened>{[self = shared_from_this(), to](result<opened> file) {
        if (!file)
          return to.refuse(std::move(file).why());
        if (!still_room(self->writers_)) { // Others were asked for meanwhile.
          self->let_go_of(std::move(*file));
          return to.refuse(too_many_open());
        }
        auto made = std::make_shared<file_writer>(self, std::move(**file));
        self->writers_.push_back(made);
        to.give(std::move(made));
      }});
}

// -- uploads
// ----------------------------------------------------------------------------------------

void session_files::drop_stale_uploads() {
  auto now = std::chrono::steady_clock::now();
  std::erase_if(uploads_, [now](const auto& one) {
    return now - one.second.used > upload_patience && !one.second.writer->busy();
  });
}

void session_files::begin_upload(reply<std::string> to) {
  drop_stale_uploads();
  if (uploads_.size() >= most_uploads)
    return to.refuse(error{errc::limit_exceeded,
                           "16 uploads to this session are under way already: commit or discard "
                           "one"});
  create(reply<file_writer_ptr>{[self = shared_from_this(), to](result<file_writer_ptr> made) {
    if (!made)
      return to.refuse(std::move(made).why());
    if (self->uploads_.size() >= most_uploads)
      return to.refuse(too_many_open());
    auto id = "upl_" + random_text();
    self->uploads_[id] = {*std::move(made), std::chrono::steady_clock::now()};
    to.give(std::move(id));
  }});
}

result<file_writer_ptr> session_files::find_upload(const std::string& id) {
  drop_stale_uploads();
  auto found = uploads_.find(id);
  if (found == uploads_.end())
    return error{errc::not_found, "there is no upload '" + id
                                      + "' in this session; one that gets nothing for 60 s "
                                        "is dropped"};
  found->second.used = std::chrono::steady_clock::now();
  if (found->second.writer->busy())
    return error{errc::busy, "the piece before has not been written yet: send one at a time"};
  return found->second.writer;
}

void session_files::end_upload(const std::string& id) {
  uploads_.erase(id);
}

// -- a file that is read
// ----------------------------------------------------------------------------

file_reader::file_reader(session_files_ptr of, sandbox::opened_file file)
    : of_{std::move(of)}, file_{std::move(file)}, left_{file_.info.size} {}

void file_reader::select(std::uint64_t offset, std::uint64_t length, bool sum) {
  auto size = file_.info.size;
  at_ = std::min(offset, size);
  left_ = std::min(length, size - at_);
  if (sum)
    sum_.emplace();
  over_ = left_ == 0;
}

void file_reader::next(std::size_t most, reply<std::string> to) {
  if (dropped_ || busy_)
    return to.refuse(session_files::gone());
  if (over_)
    return to.give({});
  busy_ = true;
  auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(most, left_));
  of_->ask(
      [self = shared_from_this(), wanted](const workspace&) -> result<std::string> {
        auto piece = sandbox::read_some(self->file_.fd, self->at_, wanted);
        if (piece && self->sum_)
          self->sum_->add(*piece);
        return piece;
      },
      reply<std::string>{[self = shared_from_this(), wanted, to](result<std::string> piece) {
        self->busy_ = false;
        if (self->dropped_)
          self->drop();
        if (piece) {
          self->at_ += piece->size();
          self->given_ += piece->size();
          self->left_ -= piece->size();
          // It has become shorter meanwhile: that was all.
          self->over_ = self->left_ == 0 || piece->size() < wanted;
        }
        to.deliver(std::move(piece));
      }});
}

std::string file_reader::sum() {
  return sum_ ? sum_->finish() : std::string{};
}

file_reader::~file_reader() {
  drop();
}

void file_reader::lose() {
  auto tell = std::exchange(lost_, nullptr);
  drop();
  if (tell)
    tell();
}

void file_reader::drop() {
  dropped_ = true;
  lost_ = nullptr;
  if (busy_ || !of_)
    return;
  of_->let_go_of(std::make_shared<unique_fd>(std::move(file_.fd)));
  of_.reset();
}

// -- a file that is written
// -------------------------------------------------------------------------

file_writer::file_writer(session_files_ptr of, unique_fd file)
    : of_{std::move(of)}, file_{std::move(file)} {}

void file_writer::write(std::string bytes, reply<std::uint64_t> to) {
  if (dropped_ || busy_)
    return to.refuse(session_files::gone());
  if (auto most = of_->limits()[limit::file_size]; size_ + bytes.size() > most)
    return to.refuse(too_large(size_ + bytes.size(), most, "(limits.file_bytes)"));
  busy_ = true;
  auto kept = std::make_shared<std::string>(std::move(bytes));
  of_->ask(
      [self = shared_from_this(), kept](const workspace& space) -> result<std::uint64_t> {
        if (auto ok = write_all(space, self->file_, *kept, self->size_); !ok)
          return std::move(ok).why();
        self->sum_.add(*kept);
        return self->size_ + kept->size();
      },
      reply<std::uint64_t>{[self = shared_from_this(), kept, to](result<std::uint64_t> size) {
        self->busy_ = false;
        kept->clear();
        self->spare_ = std::move(*kept);
        if (self->dropped_)
          self->drop();
        if (size)
          self->size_ = *size;
        to.deliver(std::move(size));
      }});
}

void file_writer::commit(put_wish how, reply<put_outcome> to) {
  if (dropped_ || busy_)
    return to.refuse(session_files::gone());
  auto own = sandbox::workspace_path(how.path);
  if (!own)
    return to.refuse(std::move(own).why());
  how.path = *std::move(own);
  busy_ = true;
  of_->ask(
      [self = shared_from_this(),
       how = std::move(how)](const workspace& space) -> result<put_outcome> {
        auto found = self->sum_.finish();
        if (auto ok = check_sum(how.sha256, found); !ok)
          return std::move(ok).why();
        auto info = publish(space, self->file_, how.path, {how.mode, how.exclusive});
        if (!info)
          return std::move(info).why();
        return put_outcome{*std::move(info), std::move(found)};
      },
      reply<put_outcome>{[self = shared_from_this(), to](result<put_outcome> outcome) {
        self->busy_ = false;
        self->drop();
        to.deliver(std::move(outcome));
      }});
}

file_writer::~file_writer() {
  drop();
}

void file_writer::lose() {
  auto tell = std::exchange(lost_, nullptr);
  drop();
  if (tell)
    tell();
}

void file_writer::drop() {
  dropped_ = true;
  lost_ = nullptr;
  if (busy_ || !of_)
    return;
  of_->let_go_of(std::make_shared<unique_fd>(std::move(file_)));
  of_.reset();
}

} // namespace vivarium
