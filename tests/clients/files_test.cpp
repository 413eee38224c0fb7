// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <vivarium/testing.hpp>

#include <string>
#include <vector>

using namespace vivarium;

TEST_CASE("files are put, got, listed, moved and removed", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  auto session = client.session({.files = {{"given/here.txt", "given"}}});
  const auto files = session.files();
  CHECK(files.get("given/here.txt") == "given");
  CHECK(files.put("run", "#!", {.mode = 0755}).mode == 0755);
  CHECK_THROWS_AS(files.put("run", "x", {.exclusive = true}), already_exists_error);
  CHECK_THROWS_AS(files.get("missing"), not_found_error);
  std::string large(20 << 20, '\0');
  for (std::size_t n = 0; n < large.size(); ++n)
    large[n] = static_cast<char>(n * 2'654'435'761u >> 24);
  CHECK(files.put("large", large).size == large.size());
  CHECK(files.get("large") == large);
  std::size_t left = 3;
  files.put("pieces", [&left] { return left-- > 0 ? std::string(1'000, 'p') : std::string{}; });
  CHECK(files.stat("pieces").size == 3'000);
  CHECK(session.eval("open('pieces').read() == 'p' * 3000").as<bool>());
  std::vector<std::string> paths;
  for (const auto& each : files.list("", true))
    paths.push_back(each.path);
  CHECK(paths == std::vector<std::string>{"given", "given/here.txt", "large", "pieces", "run"});
  files.make_directory("a/b");
  files.move("large", "a/b/c");
  CHECK(files.stat("a").type == file_type::directory);
  CHECK(files.remove("a", true) == 3);
  // A stream that nobody reads to its end is given up.
  auto pieces = files.stream("pieces", 2'990);
  const auto first = pieces.next();
  REQUIRE(first);
  CHECK(first->data == std::string(10, 'p'));
}

TEST_CASE("a verdict tells what became of the files", "[clients][integration]") {
  const daemon_fixture daemon;
  const auto client = daemon.connect();
  const auto session = client.session();
  const auto told = session.run("open('x', 'w').write('x')", {}, {.track_files = true});
  REQUIRE(told.files);
  CHECK(told.files->added == std::vector<std::string>{"x"});
  const auto undone = session.run("open('x', 'w').write('y')\n1/0", {}, {.transaction = true});
  REQUIRE(undone.files);
  CHECK(undone.files->outcome == files_outcome::rolled_back);
  CHECK(session.files().get("x") == "x");
  CHECK(client.run("open('m').read()", {}, {.files = {{"m", "mine"}}}).result.as<std::string>()
        == "mine");
}
