// SPDX-License-Identifier: Apache-2.0
#include "daemon/file_route.hpp"

#include "actors/session_files.hpp"
#include "daemon/wire_file.hpp"
#include "sandbox/workspace_path.hpp"

#include <charconv>
#include <utility>

namespace vivarium {

namespace {

// Pieces of a body are gathered to this size before they are written, and one more may wait.
constexpr std::size_t gathered = 1u << 20;
constexpr std::size_t most_gathered = 2 * gathered;

int status_of(errc code) noexcept {
  switch (code) {
    case errc::is_directory:
    case errc::not_directory: return 409;
    case errc::too_large: return 413;
    case errc::no_space: return 507;
    default: return 0;
  }
}

std::string digest_line(std::string_view sum) {
  return sum.empty() ? std::string{} : "Content-Digest: " + content_digest(sum) + "\r\n";
}

std::string_view query_value(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    auto end = query.find('&');
    auto one = query.substr(0, end);
    auto equals = one.find('=');
    if (one.substr(0, equals) == name)
      return equals == std::string_view::npos ? "true" : one.substr(equals + 1);
    if (end == std::string_view::npos)
      break;
    query.remove_prefix(end + 1);
  }
  return {};
}

/// What the handlers have in common.
class file_handler : public streamed_handler {
public:
  explicit file_handler(std::shared_ptr<streamed_exchange> on) : on_{std::move(on)} {}
  void on_body(std::string) override {}
  void on_body_end() override {}
  void on_gone(const error&) override {}

protected:
  void fail(const error& why) { on_->fail(why, status_of(why.code)); }
  [[nodiscard]] streamed_exchange& on() const noexcept { return *on_; }
  [[nodiscard]] bool over() const noexcept { return on_->over(); }

private:
  std::shared_ptr<streamed_exchange> on_;
};

/// GET and HEAD. One piece is on its way to the client, the next is being read.
class sender final : public file_handler, public std::enable_shared_from_this<sender> {
public:
  using file_handler::file_handler;

  void begin(service& core, const file_target& what) {
    range_ = on().request().header("range");
    // Known only when all has been read, and told before: so it is read twice, for who asks.
    digest_ =
        on().request().header("want-content-digest").find("sha-256") != std::string_view::npos;
    core.files_of(on().who().tenant, what.session,
                  reply<session_files_ptr>{[self = shared_from_this(),
                                            path = what.path](result<session_files_ptr> files) {
                    if (!files)
                      return self->fail(files.why());
                    (*files)->open(path,
                                   reply<file_reader_ptr>{[self](result<file_reader_ptr> file) {
                                     self->opened(std::move(file));
                                   }});
                  }});
  }

  void on_room() override { go_on(); }
  void on_gone(const error&) override { let_go(); }

private:
  void opened(result<file_reader_ptr> file) {
    if (!file)
      return fail(file.why());
    reader_ = *std::move(file);
    if (over())
      return let_go();
    reader_->when_lost([weak = weak_from_this()] {
      if (auto self = weak.lock())
        self->lost();
    });
    wanted_ = read_range(range_, reader_->info().size);
    if (wanted_.what == byte_range::kind::none) {
      auto lines = "Content-Range: bytes */" + std::to_string(reader_->info().size) + "\r\n";
      let_go();
      on().answer(416, lines, {});
      return;
    }
    reader_->select(wanted_.first, wanted_.length, digest_);
    if (digest_)
      return sum_up();
    send_head({});
  }

  void lost() {
    if (busy_)
      return; // What is being read is answered with the same error.
    let_go();
    fail(session_files::gone());
  }

  void sum_up() {
    if (over())
      return let_go();
    if (reader_->over()) {
      auto sum = reader_->sum();
      reader_->select(wanted_.first, wanted_.length, false);
      return send_head(sum);
    }
    reader_->next(file_piece,
                  reply<std::string>{[self = shared_from_this()](result<std::string> piece) {
                    if (!piece) {
                      self->let_go();
                      return self->fail(piece.why());
                    }
                    self->sum_up();
                  }});
  }

  void send_head(std::string_view sum) {
    const auto& info = reader_->info();
    std::string lines = "Content-Type: application/octet-stream\r\nAccept-Ranges: bytes\r\n"
                        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
                        "Content-Security-Policy: sandbox\r\n";
    bool part = wanted_.what == byte_range::kind::part;
    if (part)
      lines += "Content-Range: bytes " + std::to_string(wanted_.first) + "-"
               + std::to_string(wanted_.first + wanted_.length - 1) + "/"
               + std::to_string(info.size) + "\r\n";
    lines += digest_line(sum);
    bool head = on().request().verb == http_verb::head;
    on().begin(part ? 206 : 200, lines, wanted_.length);
    if (head) {
      let_go();
      return on().end();
    }
    go_on();
  }

  void go_on() {
    if (!reader_ || !on().begun())
      return;
    if (over())
      return let_go();
    if (here_ && !on().full())
      on().write(*std::exchange(here_, std::nullopt));
    if (over())
      return let_go();
    if (here_ || busy_)
      return;
    if (reader_->over()) {
      let_go();
      return on().end();
    }
    busy_ = true;
    reader_->next(file_piece,
                  reply<std::string>{[self = shared_from_this()](result<std::string> piece) {
                    self->busy_ = false;
                    if (!piece) {
                      self->let_go();
                      return self->fail(piece.why());
                    }
                    if (!piece->empty())
                      self->here_ = *std::move(piece);
                    self->go_on();
                  }});
  }

  void let_go() {
    if (auto reader = std::exchange(reader_, nullptr))
      reader->drop();
    here_.reset();
  }

  std::string range_;
  bool digest_ = false;
  byte_range wanted_;
  file_reader_ptr reader_;
  std::optional<std::string> here_;
  bool busy_ = false;
};

/// PUT. The body is written to a file without a name, which gets its name when all of it has come
/// and is what was announced.
class receiver final : public file_handler, public std::enable_shared_from_this<receiver> {
public:
  using file_handler::file_handler;

  void begin(service& core, const file_target& what) {
    const auto& request = on().request();
    if (request.count("content-range") > 0 || request.count("content-encoding") > 0)
      return fail(error{errc::invalid_argument,
                        "a file is put whole and as it is: without Content-Range and "
                        "Content-Encoding"});
    auto digest = read_digest(request);
    if (!digest)
      return fail(digest.why());
    auto own = sandbox::workspace_path(what.path); // Before anything is taken.
    if (!own || own->empty())
      return fail(own ? error{errc::is_directory, "this is the workspace itself: say what in it"}
                      : own.why());
    wish_.path = what.path;
    wish_.sha256 = *std::move(digest);
    wish_.exclusive = request.header("if-none-match") == "*";
    if (auto mode = query_value(request.query(), "mode"); !mode.empty()) {
      auto [stop, bad] = std::from_chars(mode.data(), mode.data() + mode.size(), wish_.mode, 8);
      if (bad != std::errc{} || stop != mode.data() + mode.size() || wish_.mode > 07777)
        return fail(error{errc::invalid_argument, "mode is octal, e.g. ?mode=0644"});
    }
    on().hold();
    core.files_of(
        on().who().tenant, what.session,
        reply<session_files_ptr>{[self = shared_from_this()](result<session_files_ptr> files) {
          if (!files)
            return self->fail(files.why());
          (*files)->create(reply<file_writer_ptr>{[self](result<file_writer_ptr> made) {
            if (!made)
              return self->fail(made.why());
            self->writer_ = *std::move(made);
            self->writer_->when_lost([weak = self->weak_from_this()] {
              if (auto strong = weak.lock())
                strong->lost();
            });
            if (self->over())
              return self->let_go();
            self->on().resume();
            self->go_on();
          }});
        }});
  }

  void on_body(std::string bytes) override {
    if (gathered_.capacity() < gathered && writer_)
      adopt(writer_->take_buffer());
    gathered_ += bytes;
    if (gathered_.size() >= most_gathered)
      on().hold();
    go_on();
  }

  void on_body_end() override {
    whole_ = true;
    go_on();
  }

  void on_gone(const error&) override { let_go(); }

private:
  void lost() {
    if (busy_)
      return;
    let_go();
    fail(session_files::gone());
  }

  void go_on() {
    if (!writer_ || busy_ || (gathered_.size() < gathered && !whole_))
      return;
    if (gathered_.empty())
      return commit();
    busy_ = true;
    auto piece = std::exchange(gathered_, {});
    writer_->write(std::move(piece),
                   reply<std::uint64_t>{[self = shared_from_this()](result<std::uint64_t> size) {
                     self->busy_ = false;
                     if (!size) {
                       self->let_go();
                       return self->fail(size.why());
                     }
                     if (self->over())
                       return self->let_go();
                     self->on().resume();
                     self->go_on();
                   }});
    if (!over())
      on().resume();
  }

  // What has been written once is memory that the kernel need not make again.
  void adopt(std::string buffer) {
    buffer += gathered_;
    gathered_ = std::move(buffer);
  }

  void commit() {
    busy_ = true;
    writer_->commit(wish_, reply<put_outcome>{[self = shared_from_this()](result<put_outcome> put) {
                      self->let_go();
                      if (!put)
                        return self->fail(put.why());
                      auto body = wire::encode_put(wire::codec::json, *put);
                      if (!body)
                        return self->fail(body.why());
                      self->on().answer(
                          200, "Content-Type: application/json\r\n" + digest_line(put->sha256),
                          *std::move(body));
                    }});
  }

  void let_go() {
    if (auto writer = std::exchange(writer_, nullptr))
      writer->drop();
  }

  put_wish wish_;
  file_writer_ptr writer_;
  std::string gathered_;
  bool whole_ = false;
  bool busy_ = false;
};

/// DELETE.
class remover final : public file_handler, public std::enable_shared_from_this<remover> {
public:
  using file_handler::file_handler;

  void begin(service& core, const file_target& what) {
    bool recursive = query_value(on().request().query(), "recursive") == "true";
    core.files_of(on().who().tenant, what.session,
                  reply<session_files_ptr>{[self = shared_from_this(), path = what.path,
                                            recursive](result<session_files_ptr> files) {
                    if (!files)
                      return self->fail(files.why());
                    (*files)->remove(
                        path, recursive, reply<std::uint64_t>{[self](result<std::uint64_t> count) {
                          if (!count)
                            return self->fail(count.why());
                          self->on().answer(200, "Content-Type: application/json\r\n",
                                            R"({"removed":")" + std::to_string(*count) + "\"}");
                        }});
                  }});
  }
};

template <class Handler>
std::shared_ptr<streamed_handler> serve(service& core, std::shared_ptr<streamed_exchange> exchange,
                                        const file_target& what) {
  auto made = std::make_shared<Handler>(std::move(exchange));
  made->begin(core, what);
  return made;
}

/// Whoever fails at once needs a handler as well.
class nobody final : public file_handler {
public:
  using file_handler::file_handler;
  void refuse(const error& why, int status = 0) { on().fail(why, status); }
};

} // namespace

bool file_route::takes(const http_request& request) const {
  return read_file_target(request.path()).has_value();
}

std::shared_ptr<streamed_handler> file_route::begin(std::shared_ptr<streamed_exchange> exchange) {
  auto what = read_file_target(exchange->request().path());
  auto none = std::make_shared<nobody>(exchange);
  if (auto ok = core_.admit(exchange->who().tenant, 1, exchange->request_id()); !ok) {
    none->refuse(ok.why());
    return none;
  }
  auto method = exchange->request().method();
  if (method == "GET" || method == "HEAD")
    return serve<sender>(core_, std::move(exchange), *what);
  if (method == "PUT")
    return serve<receiver>(core_, std::move(exchange), *what);
  if (method == "DELETE")
    return serve<remover>(core_, std::move(exchange), *what);
  none->refuse(error{errc::invalid_argument, "use GET, HEAD, PUT or DELETE"}, 405);
  return none;
}

} // namespace vivarium
