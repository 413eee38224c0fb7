// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/needs_more.hpp"

#include <catch2/catch.hpp>

using vivarium::cli::needs_more;

TEST_CASE("a whole statement is submitted", "[clients][unit]") {
  for (const auto* source :
       {"\n", "1+1\n", "f(1,\n  2)\n", "'it''s'\n", "x = '#('\n", "# (\n", "'''a\nb'''\n",
        "if x:\n  y\n\n", "def f():\n  # why\n  pass\n\n", "d = {1: 2}\n", ")\n", "'never closed\n",
        "x = '\\''\n", "@d\ndef f():\n  1\n\n", "for i in x: print(i)\n", "lambda: 1\n"}) {
    INFO(source);
    CHECK_FALSE(needs_more(source));
  }
}

TEST_CASE("an open statement asks for another line", "[clients][unit]") {
  for (const auto* source : {"f(1,\n", "[\n", "'''a\n", "\"\"\"a ''' \n", "x = 1 + \\\n", "if x:\n",
                             "if x:  # why\n", "if x:\n  y\n", "@d\n", "@d\ndef f():\n",
                             "def f(a,\n  b):\n", "class c:\n  x = 1\n  # note\n"}) {
    INFO(source);
    CHECK(needs_more(source));
  }
}
