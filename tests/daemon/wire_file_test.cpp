// SPDX-License-Identifier: Apache-2.0
#include "daemon/file_route.hpp"
#include "daemon/wire_file.hpp"

#include <catch2/catch.hpp>

#include <string>

#include "vivarium/v1/execution.pb.h"
#include "vivarium/v1/file.pb.h"
#include "vivarium/v1/session.pb.h"

using namespace vivarium;
using wire::codec;

namespace {

template <class Message>
result<wire::file_request> decode(wire::message type, const Message& from) {
  return wire::decode_file(type, codec::proto, from.SerializeAsString());
}

template <class Message>
Message parse(const result<std::string>& bytes) {
  REQUIRE(bytes);
  Message out;
  REQUIRE(out.ParseFromString(*bytes));
  return out;
}

http_request with(std::string_view name, std::string_view value) {
  http_request out;
  out.set_target("/x", "PUT");
  out.add_header(name, value);
  return out;
}

} // namespace

TEST_CASE("requests about files are read, and checked", "[daemon][unit]") {
  v1::PutFileRequest put;
  put.set_session("s");
  put.set_path("a/b");
  put.set_content(std::string("\0\xff", 2));
  put.set_sha256(std::string(32, 'x'));
  put.set_mode(0755);
  put.set_exclusive(true);
  auto got = decode(wire::message::put_file_request, put);
  REQUIRE(got);
  CHECK(got->session == "s");
  CHECK(got->path == "a/b");
  CHECK(got->content == std::string("\0\xff", 2));
  CHECK(got->sha256.size() == 32);
  CHECK(got->mode == 0755);
  CHECK(got->exclusive);
  put.set_sha256("short");
  CHECK_FALSE(decode(wire::message::put_file_request, put));
  put.clear_sha256();
  put.set_mode(010000);
  CHECK_FALSE(decode(wire::message::put_file_request, put));
  put.clear_mode();
  put.clear_session();
  CHECK_FALSE(decode(wire::message::put_file_request, put));

  v1::ReadFileRequest read;
  read.set_session("s");
  read.set_path("x");
  auto all = decode(wire::message::read_file_request, read);
  REQUIRE(all);
  CHECK(all->length == std::numeric_limits<std::uint64_t>::max());
  CHECK(all->checksum);
  read.set_length(0);
  read.set_offset(7);
  read.set_no_checksum(true);
  auto none = decode(wire::message::read_file_request, read);
  REQUIRE(none);
  CHECK(none->length == 0);
  CHECK(none->offset == 7);
  CHECK_FALSE(none->checksum);

  v1::WriteFileRequest write;
  write.set_session("s");
  write.set_commit(true);
  CHECK_FALSE(decode(wire::message::write_file_request, write));
  write.set_path("x");
  CHECK(decode(wire::message::write_file_request, write));
  write.set_discard(true);
  CHECK_FALSE(decode(wire::message::write_file_request, write));

  v1::ListFilesRequest list;
  list.set_session("s");
  list.set_page_size(10'000);
  CHECK(decode(wire::message::list_files_request, list));
  list.set_page_size(10'001);
  CHECK_FALSE(decode(wire::message::list_files_request, list));

  v1::MoveFileRequest move;
  move.set_session("s");
  move.set_from("a");
  move.set_to("b");
  move.set_replace(true);
  auto moved = decode(wire::message::move_file_request, move);
  REQUIRE(moved);
  CHECK(moved->path == "a");
  CHECK(moved->to == "b");
  CHECK(moved->replace);
}

TEST_CASE("files and volumes of a new session are bounded", "[daemon][unit]") {
  v1::CreateSessionRequest request;
  (*request.mutable_files())["a"] = "content";
  for (int n = 0; n < 16; ++n) {
    auto& mount = *request.add_volumes();
    mount.set_volume("v" + std::to_string(n));
    mount.set_access(n == 0 ? v1::VOLUME_ACCESS_WRITE : v1::VOLUME_ACCESS_READ);
  }
  auto got = wire::decode_create_session(codec::proto, request.SerializeAsString());
  REQUIRE(got);
  CHECK(got->files == std::vector<std::pair<std::string, std::string>>{{"a", "content"}});
  REQUIRE(got->volumes.size() == 16);
  CHECK(got->volumes[0].write);
  CHECK_FALSE(got->volumes[1].write);
  auto over = request;
  over.add_volumes()->set_volume("more");
  CHECK_FALSE(wire::decode_create_session(codec::proto, over.SerializeAsString()));
  auto twice = request;
  twice.mutable_volumes(1)->set_volume("v0");
  CHECK_FALSE(wire::decode_create_session(codec::proto, twice.SerializeAsString()));
  for (int n = 0; n < 1'000; ++n)
    (*request.mutable_files())[std::to_string(n)] = "";
  CHECK_FALSE(wire::decode_create_session(codec::proto, request.SerializeAsString()));
}

TEST_CASE("what is asked of a run's files is for runs that can be alone", "[daemon][unit]") {
  v1::EvalRequest request;
  request.set_source("1");
  request.set_transaction(true);
  (*request.mutable_files())["a"] = "b";
  auto got = wire::decode_eval(codec::proto, request.SerializeAsString());
  REQUIRE(got);
  CHECK(got->transaction);
  REQUIRE(got->files);
  CHECK(got->files->size() == 1);
  request.set_session("s");
  CHECK_FALSE(wire::decode_eval(codec::proto, request.SerializeAsString()));
  request.clear_files();
  CHECK(wire::decode_eval(codec::proto, request.SerializeAsString()));
  request.set_within_call("cb_x");
  CHECK_FALSE(wire::decode_eval(codec::proto, request.SerializeAsString()));
}

TEST_CASE("paths that are no text are told twice, changes once", "[daemon][unit]") {
  sandbox::file_info info{"a\xff", sandbox::file_type::link, 3, 0644, 5, "t"};
  auto answer = parse<v1::StatFileResponse>(
      wire::encode_file_info(wire::message::stat_file_response, codec::proto, info));
  CHECK(answer.file().path() == "a\xef\xbf\xbd");
  CHECK(answer.file().path_bytes() == "a\xff");
  CHECK(answer.file().type() == v1::FILE_TYPE_LINK);
  CHECK(answer.file().modified_ns() == 5);
  sandbox::file_list page{{info}, true, 2};
  auto list = parse<v1::ListFilesResponse>(wire::encode_file_list(codec::proto, page));
  CHECK(list.next_page_token() == "Yf8");
  CHECK(list.unread_directories() == 2);
  file_report report{{"n"}, {"m"}, {"d"}, true, files_outcome::damaged, "why"};
  v1::FileChanges changes;
  REQUIRE(changes.ParseFromString(wire::encode_changes(report)));
  CHECK(changes.added(0) == "n");
  CHECK(changes.outcome() == v1::FILES_OUTCOME_DAMAGED);
  CHECK(changes.problem() == "why");
}

TEST_CASE("targets of whole files", "[daemon][unit]") {
  auto what = read_file_target("/v1/sessions/lab/files/a%20b/%C3%A4");
  REQUIRE(what);
  CHECK(what->session == "lab");
  CHECK(what->path == "a b/\xc3\xa4");
  CHECK(read_file_target("/v1/sessions/lab/files")->path.empty());
  CHECK(read_file_target("/v1/sessions/lab/files/")->path.empty());
  CHECK(read_file_target("/v1/sessions/lab/files/..%2fx")->path == "../x");
  for (const auto* no : {"/v1/sessions/lab", "/v1/sessions//files/x", "/v1/sessions/lab/filesx",
                         "/v1/sessions/lab/files/%", "/v1/sessions/lab/files/%zz",
                         "/v1/sessions/lab/files/%2", "/v1/session/lab/files/x", "/"})
    CHECK_FALSE(read_file_target(no));
}

TEST_CASE("ranges of a file", "[daemon][unit]") {
  using kind = byte_range::kind;
  auto is = [](std::string_view header, std::uint64_t size, kind what, std::uint64_t first,
               std::uint64_t length) {
    auto got = read_range(header, size);
    INFO(header);
    CHECK(got.what == what);
    if (what != kind::none) {
      CHECK(got.first == first);
      CHECK(got.length == length);
    }
  };
  is("", 10, kind::all, 0, 10);
  is("bytes=0-0", 10, kind::part, 0, 1);
  is("bytes=9-", 10, kind::part, 9, 1);
  is("bytes=3-100", 10, kind::part, 3, 7);
  is("bytes=-3", 10, kind::part, 7, 3);
  is("bytes=-30", 10, kind::part, 0, 10);
  is("bytes=10-", 10, kind::none, 0, 0);
  is("bytes=-0", 10, kind::none, 0, 0);
  is("bytes=0-", 0, kind::none, 0, 0);
  is("bytes=-5", 0, kind::none, 0, 0);
  for (const auto* odd : {"bytes=5-3", "bytes=a-b", "bytes=-", "bytes=1-2,4-5", "items=0-1",
                          "bytes=99999999999999999999999-", "bytes"})
    is(odd, 10, kind::all, 0, 10);
}

TEST_CASE("digests of both forms", "[daemon][unit]") {
  const std::string sum(32, '\1');
  auto value = content_digest(sum);
  CHECK(value == "sha-256=:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=:");
  CHECK(*read_digest(with("content-digest", value)) == sum);
  CHECK(*read_digest(
            with("content-digest", "md5=:x:, SHA-256=:" + value.substr(9, value.size() - 10) + ":"))
        == sum);
  CHECK(*read_digest(with("digest", "SHA-256=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="))
        == sum);
  CHECK(read_digest(with("digest", "md5=abc"))->empty());
  CHECK(read_digest(with("accept", "x"))->empty());
  CHECK_FALSE(read_digest(with("digest", "sha-256=abc")));
  CHECK_FALSE(read_digest(with("content-digest", "sha-256=:?:")));
}
