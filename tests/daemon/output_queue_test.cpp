// SPDX-License-Identifier: Apache-2.0
#include "daemon/byte_buffer.hpp"
#include "daemon/output_queue.hpp"

#include <catch2/catch.hpp>

#include <random>

using namespace vivarium;

namespace {

std::string taken(output_queue& from, std::size_t most) {
  std::string out;
  for (const auto& piece : from.gather())
    out.append(static_cast<const char*>(piece.data()), piece.size());
  out.resize(std::min(out.size(), most));
  from.consume(out.size());
  return out;
}

} // namespace

TEST_CASE("bytes leave in the order in which they came", "[daemon][unit]") {
  std::mt19937 random{7};
  output_queue queue;
  std::string in;
  std::string out;
  for (int i = 0; i < 2'000; ++i) {
    std::string piece(random() % 5 == 0 ? random() % 40'000 : random() % 50, '\0');
    for (auto& c : piece)
      c = static_cast<char>(random());
    in += piece;
    if (random() % 2 == 0)
      queue.append(std::string_view{piece});
    else
      queue.append(std::move(piece));
    if (random() % 3 == 0)
      out += taken(queue, random() % 30'000);
  }
  while (!queue.empty())
    out += taken(queue, 10'000);
  REQUIRE(in == out);
}

TEST_CASE("what is being written does not move when more is appended", "[daemon][unit]") {
  output_queue queue;
  queue.append("first");
  auto view = queue.gather();
  queue.pin();
  const auto* at = static_cast<const char*>(view[0].data());
  for (int i = 0; i < 1'000; ++i)
    queue.append("more and more");
  REQUIRE(std::string_view{at, 5} == "first");
  REQUIRE(queue.gather()[0].data() == at);
  REQUIRE(queue.gather()[0].size() == 5);
}

TEST_CASE("small pieces are joined", "[daemon][unit]") {
  output_queue queue;
  for (int i = 0; i < 100; ++i)
    queue.append("tiny");
  REQUIRE(queue.gather().size() == 1);
  REQUIRE(queue.size() == 400);
}

TEST_CASE("bytes may be consumed while a read is pending", "[daemon][unit]") {
  byte_buffer buffer;
  std::string_view{"first"}.copy(buffer.prepare(16), 5);
  buffer.commit(5);
  char* pending = buffer.prepare(16); // a read was started
  buffer.consume(5);                  // meanwhile what was there is used up
  REQUIRE(buffer.empty());
  std::string_view{"second"}.copy(pending, 6);
  buffer.commit(6);
  REQUIRE(buffer.view() == "second");
}
