// SPDX-License-Identifier: Apache-2.0
#include "bridge/frame.hpp"

#include <catch2/catch.hpp>

#include <cstring>
#include <string>

using namespace vivarium;
using namespace vivarium::bridge;

namespace {

std::string make_frame(frame_type type, std::string_view body) {
  std::string out;
  auto start = begin_frame(out, type);
  out += body;
  REQUIRE(end_frame(out, start));
  return out;
}

void feed(frame_reader& reader, std::string_view bytes) {
  auto* to = reader.prepare(bytes.size());
  REQUIRE(reader.room() >= bytes.size());
  std::memcpy(to, bytes.data(), bytes.size());
  reader.commit(bytes.size());
}

} // namespace

TEST_CASE("a frame comes back however the stream is cut", "[bridge]") {
  auto stream = make_frame(frame_type::output, "hello") + make_frame(frame_type::finished, "")
                + make_frame(frame_type::display, std::string(1000, 'x'));
  for (std::size_t step = 1; step < 40; ++step) {
    frame_reader reader;
    std::string bodies;
    int count = 0;
    for (std::size_t at = 0; at < stream.size(); at += step) {
      feed(reader, std::string_view{stream}.substr(at, step));
      while (true) {
        auto next = reader.next();
        REQUIRE(next);
        if (!*next)
          break;
        bodies += (*next)->body;
        ++count;
      }
    }
    CHECK(count == 3);
    CHECK(bodies == "hello" + std::string(1000, 'x'));
    CHECK(reader.pending() == 0);
  }
}

TEST_CASE("a reader says what is missing of a frame", "[bridge]") {
  frame_reader reader;
  auto whole = make_frame(frame_type::evaluate, std::string(100, 'x'));
  feed(reader, whole.substr(0, 7));
  CHECK(reader.missing() == 0);
  feed(reader, whole.substr(7, 11));
  CHECK(reader.missing() == 90);
  CHECK_FALSE(*reader.next());
}

TEST_CASE("a body of exactly the limit is accepted, one byte more refused", "[bridge]") {
  auto fits = make_frame(frame_type::output, std::string(16, 'x'));
  auto over = make_frame(frame_type::output, std::string(17, 'x'));
  frame_reader first{16};
  feed(first, fits);
  CHECK((*first.next())->body.size() == 16);
  frame_reader second{16};
  feed(second, over.substr(0, 8));
  auto refused = second.next();
  REQUIRE_FALSE(refused);
  CHECK(refused.why().code == errc::malformed);

  std::string out;
  auto start = begin_frame(out, frame_type::output);
  out.resize(frame_header_bytes + max_frame_bytes);
  CHECK(end_frame(out, start));
  out.resize(out.size() + 1);
  CHECK_FALSE(end_frame(out, start));
  CHECK(out.empty());
}

TEST_CASE("an announced length costs nothing until its bytes come", "[bridge]") {
  frame_reader reader;
  feed(reader, std::string_view{"\x00\x00\x00\x04\x11\x00\x00\x00", 8}); // 64 MiB.
  REQUIRE_FALSE(*reader.next());
  CHECK(reader.missing() == max_frame_bytes);
  (void)reader.prepare(65536);
  CHECK(reader.room() < 1u << 20);
}

TEST_CASE("a reader gives memory back when it is drained", "[bridge]") {
  frame_reader reader;
  feed(reader, make_frame(frame_type::output, std::string(8 << 20, 'x')));
  REQUIRE(*reader.next());
  (void)reader.prepare(65536);
  CHECK(reader.room() < 1u << 20);
}

TEST_CASE("headers that are not ours are refused", "[bridge]") {
  for (std::size_t place : {4u, 5u, 6u, 7u}) {
    auto bytes = make_frame(frame_type::output, "");
    bytes[place] = '\x63';
    frame_reader reader;
    feed(reader, bytes);
    CHECK_FALSE(reader.next());
  }
}
