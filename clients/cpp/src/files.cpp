// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/src/feed.hpp"
#include "clients/cpp/src/wire.hpp"

#include <vivarium/error.hpp>
#include <vivarium/files.hpp>

#include <array>
#include <memory>
#include <utility>

#include <openssl/evp.h>

namespace vivarium {
inline namespace client_v1 {

namespace {

constexpr std::uint32_t window = 8;           // pieces under way
constexpr std::size_t piece_bytes = 1u << 20; // of an upload
constexpr std::size_t most_in_one = 4u << 20; // what is sent in one message

/// SHA-256 of what passes.
class checksum {
public:
  checksum() : context_{EVP_MD_CTX_new(), EVP_MD_CTX_free} {
    EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
  }
  void add(std::string_view bytes) { EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()); }
  std::string finish() {
    std::string out(32, '\0');
    EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(out.data()), nullptr);
    return out;
  }

private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

std::string sum_of(std::string_view bytes) {
  checksum sum;
  sum.add(bytes);
  return sum.finish();
}

void compare(const std::string& found, const std::string& said, std::string_view path) {
  if (found != said)
    throw connection_error{std::string{path} + " did not arrive as it is: the SHA-256 differs"};
}

file_info decode(const v1::FileInfo& from) {
  file_info out;
  out.path = from.path_bytes().empty() ? from.path() : from.path_bytes();
  out.type = static_cast<file_type>(from.type());
  out.size = from.size();
  out.mode = from.mode();
  out.modified = std::chrono::system_clock::time_point{
      std::chrono::duration_cast<std::chrono::system_clock::duration>(
          std::chrono::nanoseconds{from.modified_ns()})};
  out.target = from.target();
  return out;
}

template <class Message>
void place(Message& to, const std::string& session, std::string_view path) {
  to.set_session(session);
  to.set_path(std::string{path});
}

} // namespace

static_assert(static_cast<int>(file_type::other) == v1::FILE_TYPE_OTHER);

session_files::session_files(std::shared_ptr<detail::core> on, std::string session)
    : core_{std::move(on)}, session_{std::move(session)} {}

session_files session::files() const {
  return {core_, session_};
}

request<file_info> session_files::prepare_stat(std::string_view path) const {
  auto frame = detail::new_frame();
  place(*frame->mutable_stat_file(), session_, path);
  return {{core_, std::move(frame)},
          [](detail::reply& answer) { return decode(answer.frame.stat_file().file()); }};
}

request<file_info> session_files::prepare_directory(std::string_view path) const {
  auto frame = detail::new_frame();
  place(*frame->mutable_make_directory(), session_, path);
  return {{core_, std::move(frame)},
          [](detail::reply& answer) { return decode(answer.frame.make_directory().file()); }};
}

request<file_info> session_files::prepare_move(std::string_view from, std::string_view to,
                                               bool replace) const {
  auto frame = detail::new_frame();
  auto& what = *frame->mutable_move_file();
  what.set_session(session_);
  what.set_from(std::string{from});
  what.set_to(std::string{to});
  what.set_replace(replace);
  return {{core_, std::move(frame)},
          [](detail::reply& answer) { return decode(answer.frame.move_file().file()); }};
}

request<std::uint64_t> session_files::prepare_remove(std::string_view path, bool recursive) const {
  auto frame = detail::new_frame();
  place(*frame->mutable_remove_file(), session_, path);
  frame->mutable_remove_file()->set_recursive(recursive);
  return {{core_, std::move(frame)}, [](detail::reply& answer) -> std::uint64_t {
            return answer.frame.remove_file().removed();
          }};
}

request<std::string> session_files::prepare_get(std::string_view path) const {
  auto frame = detail::new_frame();
  place(*frame->mutable_get_file(), session_, path);
  return {{core_, std::move(frame)}, [path = std::string{path}](detail::reply& answer) {
            auto& from = *answer.frame.mutable_get_file();
            compare(sum_of(from.content()), from.sha256(), path);
            return std::move(*from.mutable_content());
          }};
}

request<file_info> session_files::prepare_put(std::string_view path, std::string_view content,
                                              const put_options& how) const {
  auto frame = detail::new_frame();
  auto& what = *frame->mutable_put_file();
  place(what, session_, path);
  what.set_content(std::string{content});
  what.set_sha256(sum_of(content));
  what.set_mode(how.mode);
  what.set_exclusive(how.exclusive);
  return {{core_, std::move(frame)},
          [](detail::reply& answer) { return decode(answer.frame.put_file().file()); }};
}

file_stream session_files::stream(std::string_view path, std::uint64_t offset) const {
  auto frame = detail::new_frame();
  place(*frame->mutable_read_file(), session_, path);
  frame->mutable_read_file()->set_offset(offset);
  return file_stream{detail::feed<file_piece>::open(detail::need(core_), *frame, window, session_)};
}

std::uint64_t session_files::get(std::string_view path,
                                 const std::function<void(std::string_view)>& take) const {
  auto pieces = stream(path);
  checksum sum;
  std::string said;
  std::uint64_t size = 0;
  while (auto piece = pieces.next()) {
    if (!piece->data.empty()) {
      sum.add(piece->data);
      size += piece->data.size();
      take(piece->data);
    }
    if (!piece->sha256.empty())
      said = piece->sha256;
  }
  compare(sum.finish(), said, path);
  return size;
}

std::string session_files::get(std::string_view path) const {
  std::string out;
  get(path, [&out](std::string_view piece) { out += piece; });
  return out;
}

file_info session_files::put(std::string_view path, std::string_view content,
                             const put_options& how) const {
  if (content.size() <= most_in_one)
    return prepare_put(path, content, how).get();
  return put(
      path,
      [&content] {
        auto piece = content.substr(0, piece_bytes);
        content.remove_prefix(piece.size());
        return std::string{piece};
      },
      how);
}

file_info session_files::put(std::string_view path, const std::function<std::string()>& next,
                             const put_options& how) const {
  struct told {
    std::string upload;
    file_info info;
  };
  auto send = [this](v1::WriteFileRequest what) {
    what.set_session(session_);
    auto frame = detail::new_frame();
    *frame->mutable_write_file() = std::move(what);
    return request<told>{{core_, std::move(frame)},
                         [](detail::reply& answer) {
                           const auto& from = answer.frame.write_file();
                           return told{from.upload(), decode(from.file())};
                         }}
        .get();
  };
  checksum sum;
  std::string upload;
  std::uint64_t size = 0;
  try {
    for (auto piece = next(); !piece.empty(); piece = next()) {
      sum.add(piece);
      v1::WriteFileRequest what;
      what.set_upload(upload);
      what.set_offset(size);
      size += piece.size();
      *what.mutable_data() = std::move(piece);
      upload = send(std::move(what)).upload;
    }
    v1::WriteFileRequest last;
    last.set_upload(upload);
    last.set_offset(size);
    last.set_commit(true);
    last.set_path(std::string{path});
    last.set_sha256(sum.finish());
    last.set_mode(how.mode);
    last.set_exclusive(how.exclusive);
    return send(std::move(last)).info;
  } catch (...) {
    if (!upload.empty()) {
      try { // What is left of it would only be dropped a minute later.
        v1::WriteFileRequest no;
        no.set_upload(upload);
        no.set_discard(true);
        (void)send(std::move(no));
      } catch (const error&) { // The first error is the one to tell.
      }
    }
    throw;
  }
}

std::vector<file_info> session_files::list(std::string_view path, bool recursive) const {
  struct page {
    std::vector<file_info> files;
    std::string next;
  };
  std::vector<file_info> out;
  for (std::string token;;) {
    auto frame = detail::new_frame();
    place(*frame->mutable_list_files(), session_, path);
    frame->mutable_list_files()->set_recursive(recursive);
    frame->mutable_list_files()->set_page_token(token);
    auto got = request<page>{
        {core_, std::move(frame)}, [](detail::reply& answer) {
          page here;
          for (const auto& each : answer.frame.list_files().files())
            here.files.push_back(decode(each));
          here.next = answer.frame.list_files().next_page_token();
          return here;
        }}.get();
    for (auto& each : got.files)
      out.push_back(std::move(each));
    if (got.next.empty())
      return out;
    token = got.next;
  }
}

} // namespace client_v1
} // namespace vivarium
