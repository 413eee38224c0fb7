#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails when docs/features.md or docs/security.md names a test, a page or a heading that is not there, or
when a test of the adversarial suite is in no row."""

import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TABLE = "docs/features.md"
ATTACKS = "docs/security.md"
ATTACKS_HEADER = "| | attack | what comes of it | by | shown by |"
HEADER = "| row | capability | shown by | documented in |"
MISSING = "| row | what is missing |"

# How each language begins a test. C++ literals may be on the line after the macro.
TESTS = {
    ".py": r"^\s*(?:async )?def (test_\w+)\(",
    ".cpp": r'^TEST_CASE(?:_METHOD)?\((?:\w+,)?\s*"((?:[^"\\]|\\.)*)"',
    ".mjs": r'^\s*test\(\s*"((?:[^"\\]|\\.)*)"',
}


def read(path):
    """Returns the text of a file of the checkout; None when there is none."""
    try:
        with open(os.path.join(ROOT, path), encoding="utf-8") as file:
            return file.read()
    except (FileNotFoundError, IsADirectoryError):
        return None


def tests_in(path):
    """Returns the names of the tests in a file; None when there is no such file."""
    text = read(path)
    pattern = TESTS[os.path.splitext(path)[1]]
    return None if text is None else set(re.findall(pattern, text, re.MULTILINE))


def anchors_in(text):
    """Returns the anchors that a page's headings get."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ +(.+?) *$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def wrong_tests(cell):
    """Yields what is wrong with the cell that names tests: files, each before the tests in it."""
    path, known, named = "", None, 0
    for word in re.findall(r"`([^`]+)`", cell):
        if re.fullmatch(r"[\w/]+[\w.]*(\.py|\.cpp|\.mjs)", word):
            path, known = word, tests_in(f"tests/{word}")
            if known is None:
                yield f"there is no tests/{word}"
        elif not path:
            yield f"no file before '{word}'"
        else:
            named += 1
            if known is not None and word not in known:
                yield f"tests/{path} has no test '{word}'"
    if named == 0:
        yield "no test is named"


def wrong_pages(cell):
    """Yields what is wrong with the cell that links to pages."""
    links = re.findall(r"\]\(([^)#]+)(?:#([^)]+))?\)", cell)
    if not links:
        yield "no page is named"
    for path, anchor in links:
        text = read(os.path.normpath(os.path.join(os.path.dirname(TABLE), path)))
        if text is None:
            yield f"there is no page {path}"
        elif anchor and anchor not in anchors_in(text):
            yield f"{path} has no heading #{anchor}"


def problems(text):
    """Yields what is wrong with the tables, and where."""
    header, rows, seen = None, 0, set()
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{TABLE}:{number}"
        if not line.startswith("|"):
            header = None
        elif header is None:
            header = line
            if line not in (HEADER, MISSING):
                yield f"{where}: a table that begins with neither {HEADER} nor {MISSING}"
        elif header == HEADER and not line.startswith("| ---"):
            rows += 1
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if len(cells) != 4:
                yield f"{where}: {len(cells)} cells instead of 4"
                continue
            for row in re.findall(r"F\d+", cells[0]):
                if row in seen:
                    yield f"{where}: {row} is there twice"
                seen.add(row)
            for wrong in (*wrong_tests(cells[2]), *wrong_pages(cells[3])):
                yield f"{where}: {wrong}"
    if rows == 0:
        yield f"{TABLE}: no table begins with {HEADER}"


def attack_problems(text):
    """Yields what is wrong with the tables of attacks, and the adversarial tests that they leave out."""
    header, named = None, ""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith("|"):
            header = None
            continue
        header = header or line
        if header != ATTACKS_HEADER or line == header or line.startswith("| ---"):
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 5:
            yield f"{ATTACKS}:{number}: {len(cells)} cells instead of 5"
            continue
        named += cells[4]
        for wrong in wrong_tests(cells[4]):
            yield f"{ATTACKS}:{number}: {wrong}"
    folder = "tests/adversarial"
    for name in sorted(os.listdir(os.path.join(ROOT, folder))):
        # The doctor's own tests attack nothing.
        if name.startswith("test_") and name not in ("test_doctor.py", "test_fixture.py"):
            for test in sorted(tests_in(f"{folder}/{name}")):
                if f"`{test}`" not in named:
                    yield f"{ATTACKS} has no row for {test} of {folder}/{name}"


def main():
    """Prints what is wrong; returns the status."""
    text = read(TABLE)
    found = [f"there is no {TABLE}"] if text is None else list(problems(text))
    attacks = read(ATTACKS)
    found += [f"there is no {ATTACKS}"] if attacks is None else list(attack_problems(attacks))
    for problem in found:
        print(problem)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
