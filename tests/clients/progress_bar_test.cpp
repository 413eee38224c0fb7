// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/progress_bar.hpp"

#include <catch2/catch.hpp>

#include <cmath>

using namespace vivarium::cli;

TEST_CASE("progress is a bar, or a number when the total is not known", "[clients][unit]") {
  CHECK(progress_line({5, 10, "frames"}) == "[###############...............]  50% frames");
  CHECK(progress_line({0, 10, ""}) == "[..............................]   0%");
  CHECK(progress_line({20, 10, ""}) == "[##############################] 100%");
  CHECK(progress_line({-1, 10, ""}) == "[..............................]   0%");
  CHECK(progress_line({7, 0, "rows"}) == "7 rows");
  CHECK(progress_line({NAN, 10, ""}) == "nan");
}

TEST_CASE("the text of a bar does not move the cursor", "[clients][unit]") {
  CHECK(progress_line({1, 0, "a\x1b[2Jb\nc\x7f"}) == "1 a?[2Jb?c?");
  CHECK(progress_line({1, 0,
                       "a\xc2\x9b"
                       "b"})
        == "1 a?b");
  CHECK(progress_line({1, 0, "ä\xc2\xa0"}) == "1 ä\xc2\xa0");
  CHECK(progress_line({1, 0, std::string(100, 'x')}).size() == 2 + 36);
}
