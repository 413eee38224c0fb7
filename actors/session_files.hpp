// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/file_threads.hpp"
#include "actors/reply.hpp"
#include "actors/session_limits.hpp"
#include "actors/sha256.hpp"
#include "sandbox/tree_snapshot.hpp"
#include "sandbox/workspace_walk.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vivarium {

/// Most bytes of a file that travels in one message, and of one piece of a longer one.
inline constexpr std::size_t most_whole_file = 32u << 20;
inline constexpr std::size_t file_piece = 1u << 20;

/// A file with what is in it.
struct whole_file {
  std::string content;
  std::string sha256;
  sandbox::file_info info;
};

/// How a file is put at its place.
struct put_wish {
  std::string path;
  std::string sha256; ///< Of its content; empty for no check.
  std::uint32_t mode = 0;
  bool exclusive = false;
};

/// What became of a file that was put.
struct put_outcome {
  sandbox::file_info info;
  std::string sha256;
};

class session_files;
using session_files_ptr = std::shared_ptr<session_files>;

/// A file of a session's that is read piece by piece; it stays the one that was opened. One
/// question at a time. Reactor thread.
class file_reader : public std::enable_shared_from_this<file_reader> {
public:
  file_reader(session_files_ptr of, sandbox::opened_file file);
  file_reader(const file_reader&) = delete;
  file_reader& operator=(const file_reader&) = delete;
  ~file_reader();

  [[nodiscard]] const sandbox::file_info& info() const noexcept { return file_.info; }
  /// Sets what is read: from there, so many bytes at most; with `sum`, a checksum is taken.
  void select(std::uint64_t offset, std::uint64_t length, bool sum);
  /// Gives the next piece; an empty one at the end.
  void next(std::size_t most, reply<std::string> to);
  /// Bytes that have been given.
  [[nodiscard]] std::uint64_t given() const noexcept { return given_; }
  [[nodiscard]] bool over() const noexcept { return over_; }
  /// SHA-256 of what was given; once it is over, and where it was asked for.
  [[nodiscard]] std::string sum();
  /// Closes it.
  void drop();
  /// Has `tell` called when its session ends before it has been dropped.
  void when_lost(std::function<void()> tell) { lost_ = std::move(tell); }

private:
  friend class session_files;
  void lose();

  session_files_ptr of_;
  std::function<void()> lost_;
  sandbox::opened_file file_;
  std::uint64_t at_ = 0;
  std::uint64_t left_ = 0;
  std::uint64_t given_ = 0;
  std::optional<sha256> sum_;
  bool busy_ = false;
  bool over_ = false;
  bool dropped_ = false;
};
using file_reader_ptr = std::shared_ptr<file_reader>;

/// A file that is being written and has no name yet. What happens to it without `commit`, its end
/// leaves nothing. One question at a time. Reactor thread.
class file_writer : public std::enable_shared_from_this<file_writer> {
public:
  file_writer(session_files_ptr of, unique_fd file);
  file_writer(const file_writer&) = delete;
  file_writer& operator=(const file_writer&) = delete;
  ~file_writer();

  /// Appends; gives the size so far.
  void write(std::string bytes, reply<std::uint64_t> to);
  /// The memory of what was written last, empty: to be filled again, which costs less than new.
  [[nodiscard]] std::string take_buffer() { return std::exchange(spare_, {}); }
  /// Puts it at its place, if it is what was meant.
  void commit(put_wish how, reply<put_outcome> to);
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  [[nodiscard]] bool busy() const noexcept { return busy_; }
  /// Closes it; nothing is left of it.
  void drop();
  /// Has `tell` called when its session ends before it has been dropped.
  void when_lost(std::function<void()> tell) { lost_ = std::move(tell); }

private:
  friend class session_files;
  void lose();

  session_files_ptr of_;
  std::function<void()> lost_;
  unique_fd file_;
  std::string spare_;
  std::uint64_t size_ = 0;
  sha256 sum_;
  bool busy_ = false;
  bool dropped_ = false;
};
using file_writer_ptr = std::shared_ptr<file_writer>;

/// The files of a live session. The session lets go of them at its end, and so must everybody else:
/// what is asked then is answered with `session_lost`, and files that are open are closed, so that
/// nobody keeps the memory of a session that is no more. All paths are as clients give them, and
/// checked here. Reactor thread; the work is done on `file_threads`.
class session_files : public std::enable_shared_from_this<session_files> {
public:
  session_files(std::shared_ptr<file_threads> threads, std::string tenant, sandbox::workspace space,
                const session_limits& limits);
  session_files(const session_files&) = delete;
  session_files& operator=(const session_files&) = delete;
  ~session_files();

  void stat(const std::string& path, reply<sandbox::file_info> to);
  void get(const std::string& path, reply<whole_file> to);
  void put(put_wish how, std::string content, reply<put_outcome> to);
  /// Puts files by their paths, all or an error.
  void put_all(std::vector<std::pair<std::string, std::string>> files, reply<done> to);
  void list(const std::string& path, sandbox::list_options how, reply<sandbox::file_list> to);
  void make_directory(const std::string& path, reply<sandbox::file_info> to);
  void move(const std::string& from, const std::string& to_path, bool replace,
            reply<sandbox::file_info> to);
  /// Gives how many files and directories were removed.
  void remove(const std::string& path, bool recursive, reply<std::uint64_t> to);
  void open(const std::string& path, reply<file_reader_ptr> to);
  void create(reply<file_writer_ptr> to);

  /// A file that comes in several requests, known by an id that nobody guesses.
  void begin_upload(reply<std::string> to);
  [[nodiscard]] result<file_writer_ptr> find_upload(const std::string& id);
  void end_upload(const std::string& id);

  /// Has `work(space)`, which gives a result<T>, done beside the reactor.
  template <class T, class Work>
  void ask(Work work, reply<T> to) {
    auto out = std::make_shared<std::optional<result<T>>>();
    run([self = shared_from_this(), out,
         work = std::move(work)] { out->emplace(work(self->space_)); },
        [self = shared_from_this(), out, to] {
          to.deliver(self->over_ ? result<T>{gone()} : *std::move(*out));
        },
        [to](error why) { to.refuse(std::move(why)); });
  }

  [[nodiscard]] const session_limits& limits() const noexcept { return limits_; }
  [[nodiscard]] const sandbox::workspace& space() const noexcept { return space_; }
  [[nodiscard]] bool over() const noexcept { return over_; }
  /// Lets go of something beside the reactor, because that takes time: the last descriptor of a
  /// file without a name, a copy.
  void let_go_of(std::shared_ptr<const void> what);
  /// What transactions copy, of all sessions.
  [[nodiscard]] const copy_budget& budget() const noexcept { return threads_->copies; }
  /// The session is over.
  void end();

  static error gone();

private:
  friend class file_reader;
  friend class file_writer;
  void run(std::function<void()> work, std::function<void()> after,
           const std::function<void(error)>& refuse);
  void remove_more(std::shared_ptr<sandbox::removal> what, reply<std::uint64_t> to);
  void drop_stale_uploads();

  struct upload {
    file_writer_ptr writer;
    std::chrono::steady_clock::time_point used;
  };

  std::shared_ptr<file_threads> threads_;
  std::string tenant_;
  sandbox::workspace space_;
  session_limits limits_;
  bool over_ = false;
  std::vector<std::weak_ptr<file_reader>> readers_;
  std::vector<std::weak_ptr<file_writer>> writers_;
  std::map<std::string, upload> uploads_;
};

} // namespace vivarium
