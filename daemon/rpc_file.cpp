// SPDX-License-Identifier: Apache-2.0
#include "actors/session_files.hpp"
#include "daemon/base64.hpp"
#include "daemon/rpc_calls.hpp"
#include "daemon/wire_file.hpp"

#include <utility>

namespace vivarium::rpc {

namespace {

using wire::file_request;
using wire::message;

message request_of(method what) noexcept {
  switch (what) {
    case method::get_file: return message::get_file_request;
    case method::put_file: return message::put_file_request;
    case method::stat_file: return message::stat_file_request;
    case method::list_files: return message::list_files_request;
    case method::make_directory: return message::make_directory_request;
    case method::move_file: return message::move_file_request;
    case method::remove_file: return message::remove_file_request;
    case method::read_file: return message::read_file_request;
    case method::write_file: return message::write_file_request;
    case method::create_volume: return message::create_volume_request;
    case method::remove_volume: return message::remove_volume_request;
    default: return message::commit_volume_request;
  }
}

/// One question about a session's files: those are asked for, then they are asked.
class file_call final : public basic_call, public std::enable_shared_from_this<file_call> {
public:
  using basic_call::basic_call;

  void begin(const context& with, const question& asked) {
    read(
        shared_from_this(), with.aside, asked,
        [](const question& from) {
          return wire::decode_file(request_of(from.what), from.request, from.bytes);
        },
        [this, &core = with.core, &aside = with.aside](result<file_request> what,
                                                       const question& from) {
          if (!what)
            return refuse(std::move(what).why());
          aside_ = &aside;
          auto session = what->session;
          core.files_of(from.tenant, session,
                        reply<session_files_ptr>{[self = shared_from_this(), method = from.what,
                                                  what = std::make_shared<file_request>(*std::move(
                                                      what))](result<session_files_ptr> files) {
                          if (!files)
                            self->refuse(std::move(files).why());
                          else if (!self->over())
                            self->ask(method, **files, std::move(*what));
                        }});
        });
  }

private:
  void ask(method how, session_files& files, file_request what) {
    switch (how) {
      case method::get_file: return files.get(what.path, to<whole_file>(wire::encode_whole_file));
      case method::put_file:
        return files.put({what.path, what.sha256, what.mode, what.exclusive},
                         std::move(what.content), to<put_outcome>(wire::encode_put));
      case method::stat_file: return files.stat(what.path, to_info(message::stat_file_response));
      case method::make_directory:
        return files.make_directory(what.path, to_info(message::make_directory_response));
      case method::move_file:
        return files.move(what.path, what.to, what.replace, to_info(message::move_file_response));
      case method::remove_file:
        return files.remove(what.path, what.recursive, to<std::uint64_t>(wire::encode_removed));
      case method::list_files: return list(files, what);
      default: return write(files, std::move(what));
    }
  }

  void list(session_files& files, const file_request& what) {
    sandbox::list_options how;
    how.recursive = what.recursive;
    if (what.page_size > 0)
      how.most = what.page_size;
    if (!what.page_token.empty()) {
      auto after = decode_base64(what.page_token);
      if (!after)
        return refuse(error{errc::invalid_argument, "`page_token` is not one of ours"});
      how.after = *std::move(after);
    }
    files.list(what.path, std::move(how), to<sandbox::file_list>(wire::encode_file_list));
  }

  // A piece of a file that comes in several requests.
  void write(session_files& files, file_request what) {
    if (what.upload.empty()) {
      auto all = files.shared_from_this();
      return files.begin_upload(reply<std::string>{
          [self = shared_from_this(), all,
           what = std::make_shared<file_request>(std::move(what))](result<std::string> id) {
            if (!id)
              return self->refuse(std::move(id).why());
            what->upload = *std::move(id);
            self->write(*all, std::move(*what));
          }});
    }
    auto writer = files.find_upload(what.upload);
    if (!writer)
      return refuse(std::move(writer).why());
    auto all = files.shared_from_this();
    if (what.discard) {
      files.end_upload(what.upload);
      return answer(wire::encode_upload(response(), {}, 0));
    }
    if (what.offset != (*writer)->size())
      return refuse(error{errc::failed_precondition,
                          "the piece is for offset " + std::to_string(what.offset)
                              + ", and the upload has " + std::to_string((*writer)->size())
                              + " bytes: pieces are sent in order"});
    auto content = std::move(what.content);
    (*writer)->write(
        std::move(content),
        reply<std::uint64_t>{
            [self = shared_from_this(), all, writer = *writer,
             what = std::make_shared<file_request>(std::move(what))](result<std::uint64_t> size) {
              if (!size) {
                all->end_upload(what->upload); // It cannot be what was meant any more.
                return self->refuse(std::move(size).why());
              }
              if (!what->commit)
                return self->answer(wire::encode_upload(self->response(), what->upload, *size));
              all->end_upload(what->upload);
              writer->commit({what->path, what->sha256, what->mode, what->exclusive},
                             self->to<put_outcome>(wire::encode_upload_end));
            }});
  }

  reply<sandbox::file_info> to_info(message type) {
    return to<sandbox::file_info>([type](wire::codec as, const sandbox::file_info& what) {
      return wire::encode_file_info(type, as, what);
    });
  }

  static std::size_t size_of_answer(const whole_file& what) { return what.content.size(); }
  static std::size_t size_of_answer(const sandbox::file_list& what) {
    return what.entries.size() * 128;
  }
  template <class T>
  static std::size_t size_of_answer(const T&) {
    return 0;
  }

  template <class T, class Encode>
  reply<T> to(Encode encode) {
    return reply<T>{[self = shared_from_this(), encode](result<T> outcome) {
      if (!outcome)
        return self->refuse(std::move(outcome).why());
      if (self->over())
        return;
      auto as = self->response();
      if (as == wire::codec::proto)
        return self->answer(encode(as, *outcome));
      auto kept = std::make_shared<T>(*std::move(outcome));
      self->answer_with(self, *self->aside_, size_of_answer(*kept),
                        [encode, as, kept] { return encode(as, *kept); });
    }};
  }

  side_thread* aside_ = nullptr;
};

/// A file that is read as far as the client takes what is in it: one piece at most is here.
class read_call final : public basic_call, public std::enable_shared_from_this<read_call> {
public:
  using basic_call::basic_call;

  void begin(const context& with, const question& asked) {
    auto what = wire::decode_file(message::read_file_request, asked.request, asked.bytes);
    if (!what) {
      refuse(std::move(what).why());
      return;
    }
    with.core.files_of(
        asked.tenant, what->session,
        reply<session_files_ptr>{
            [self = shared_from_this(), what = *what](result<session_files_ptr> files) {
              if (!files)
                return self->refuse(std::move(files).why());
              (*files)->open(what.path,
                             reply<file_reader_ptr>{[self, what](result<file_reader_ptr> opened) {
                               self->opened(what, std::move(opened));
                             }});
            }});
  }

  std::optional<result<piece>> next(std::uint64_t credit) override {
    if (failed_)
      return result<piece>{*failed_};
    if (!reader_ || credit == 0)
      return std::nullopt;
    if (!std::exchange(greeted_, true))
      return wrap(wire::encode_file_begin(response(), reader_->info()), 0);
    if (here_) {
      auto bytes = *std::exchange(here_, std::nullopt);
      return wrap(wire::encode_file_piece(response(), bytes), 1);
    }
    if (reader_->over()) {
      if (std::exchange(ended_, true))
        return std::nullopt;
      return wrap(wire::encode_file_end(response(), reader_->sum(), reader_->given()), 0);
    }
    if (!std::exchange(asked_, true))
      reader_->next(file_piece,
                    reply<std::string>{[self = shared_from_this()](result<std::string> bytes) {
                      self->asked_ = false;
                      if (!bytes)
                        self->failed_ = std::move(bytes).why();
                      else if (!bytes->empty())
                        self->here_ = *std::move(bytes);
                      self->tell_ready();
                    }});
    return std::nullopt;
  }

  [[nodiscard]] bool ended() const noexcept override { return ended_; }

  void abandon() override {
    basic_call::abandon();
    let_go();
  }
  void give_up() override {
    let_go();
    basic_call::give_up();
  }

private:
  static result<piece> wrap(result<std::string> body, std::uint64_t used) {
    if (!body)
      return std::move(body).why();
    return piece{*std::move(body), used};
  }

  void opened(const file_request& what, result<file_reader_ptr> file) {
    if (!file)
      return refuse(std::move(file).why());
    if (over())
      return;
    reader_ = *std::move(file);
    reader_->select(what.offset, what.length, what.checksum);
    reader_->when_lost([weak = weak_from_this()] {
      auto self = weak.lock();
      if (!self || self->asked_ || self->over())
        return;
      self->failed_ = session_files::gone();
      self->tell_ready();
    });
    tell_ready();
  }

  void let_go() {
    if (auto reader = std::exchange(reader_, nullptr))
      reader->drop();
    here_.reset();
  }

  file_reader_ptr reader_;
  std::optional<std::string> here_;
  std::optional<error> failed_;
  bool greeted_ = false;
  bool asked_ = false;
  bool ended_ = false;
};

/// One question about volumes.
class volume_call final : public basic_call, public std::enable_shared_from_this<volume_call> {
public:
  using basic_call::basic_call;

  void begin(const context& with, const question& asked) {
    auto& core = with.core;
    if (asked.what == method::list_volumes) {
      if (auto ok = wire::decode_empty(message::list_volumes_request, asked.request, asked.bytes);
          !ok)
        return refuse(std::move(ok).why());
      return core.list_volumes(asked.tenant, to<std::vector<volume_info>>(wire::encode_volumes));
    }
    auto what = wire::decode_volume(request_of(asked.what), asked.request, asked.bytes);
    if (!what)
      return refuse(std::move(what).why());
    if (asked.what == method::create_volume)
      core.create_volume(asked.tenant, what->volume, what->max_bytes,
                         to_volume(message::create_volume_response));
    else if (asked.what == method::remove_volume)
      core.remove_volume(asked.tenant, what->volume,
                         to<done>([](wire::codec as, done) -> result<std::string> {
                           return std::string{as == wire::codec::json ? "{}" : ""};
                         }));
    else
      core.commit_volume(asked.tenant, what->session, what->volume, what->force,
                         to_volume(message::commit_volume_response));
  }

private:
  reply<volume_info> to_volume(message type) {
    return to<volume_info>([type](wire::codec as, const volume_info& what) {
      return wire::encode_volume(type, as, what);
    });
  }

  template <class T, class Encode>
  reply<T> to(Encode encode) {
    return answering<T>(shared_from_this(), encode);
  }
};

template <class Call>
std::shared_ptr<basic_call> begin_one(const context& with, const question& asked,
                                      std::shared_ptr<asker> who, std::uint64_t tag) {
  auto made = std::make_shared<Call>(std::move(who), tag, asked.response);
  made->begin(with, asked);
  return made;
}

} // namespace

std::shared_ptr<basic_call> begin_file(const context& with, const question& asked,
                                       std::shared_ptr<asker> who, std::uint64_t tag) {
  switch (asked.what) {
    case method::read_file: return begin_one<read_call>(with, asked, std::move(who), tag);
    case method::create_volume:
    case method::list_volumes:
    case method::remove_volume:
    case method::commit_volume: return begin_one<volume_call>(with, asked, std::move(who), tag);
    default: return begin_one<file_call>(with, asked, std::move(who), tag);
  }
}

} // namespace vivarium::rpc
