# SPDX-License-Identifier: Apache-2.0
"""Markdown to HTML, for where python-markdown is not installed: headings, paragraphs, emphasis, code, lists,
quotes, links, pictures, rules. The real one does more, and takes extensions."""

import html
import re

_ITEM = re.compile(r"( *)([-*+]|\d{1,9}[.)])\s+(.*)")
_FENCE = re.compile(r"(```+|~~~+)\s*([\w+-]*)")
_RULE = re.compile(r"([-*_])(\s*\1){2,}\s*")
_INLINE = (
    (re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)"), r'<img alt="\1" src="\2" />'),
    (re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)"), r'<a href="\2">\1</a>'),
    (re.compile(r"\*\*(.+?)\*\*|__(.+?)__"), lambda m: f"<strong>{m[1] or m[2]}</strong>"),
    (re.compile(r"\*(.+?)\*|\b_(.+?)_\b"), lambda m: f"<em>{m[1] or m[2]}</em>"),
)


def markdown(text):
    """Returns the HTML of a text in Markdown."""
    if not isinstance(text, str):
        raise TypeError("markdown() takes a str")
    return _blocks(text.expandtabs(4).splitlines())


def _inline(text):
    parts = re.split(r"(`+)(.+?)\1", text)
    out = ""
    for place in range(0, len(parts), 3):
        plain = html.escape(parts[place], quote=False)
        for pattern, into in _INLINE:
            plain = pattern.sub(into, plain)
        out += plain
        if place + 2 < len(parts):
            out += f"<code>{html.escape(parts[place + 2].strip(), quote=False)}</code>"
    return out


def _blocks(lines):
    out, at = [], 0
    while at < len(lines):
        line = lines[at]
        heading = re.match(r"(#{1,6})\s+(.*?)\s*#*$", line)
        if not line.strip():
            at += 1
        elif found := _FENCE.match(line):
            end = next((n for n in range(at + 1, len(lines)) if lines[n].startswith(found[1])), len(lines))
            out.append(_code(lines[at + 1 : end], found[2]))
            at = end + 1
        elif heading:
            level = len(heading[1])
            out.append(f"<h{level}>{_inline(heading[2])}</h{level}>")
            at += 1
        elif _RULE.fullmatch(line):
            out.append("<hr />")
            at += 1
        elif line.startswith("    "):
            end = _while(lines, at, lambda one: one.startswith("    ") or not one.strip())
            out.append(_code([one[4:] for one in lines[at:end]], ""))
            at = end
        elif line.startswith(">"):
            end = _while(lines, at, lambda one: one.strip())
            quoted = _blocks([re.sub(r"^> ?", "", one) for one in lines[at:end]])
            out.append(f"<blockquote>\n{quoted}\n</blockquote>")
            at = end
        elif _ITEM.match(line):
            text, at = _list(lines, at)
            out.append(text)
        else:
            end = _while(lines, at, lambda one: one.strip() and not _FENCE.match(one) and not re.match("#|>", one))
            out.append(f"<p>{_inline(chr(10).join(one.strip() for one in lines[at:max(end, at + 1)]))}</p>")
            at = max(end, at + 1)
    return "\n".join(out)


def _while(lines, at, holds):
    while at < len(lines) and holds(lines[at]):
        at += 1
    return at


def _code(lines, language):
    kind = f' class="language-{language}"' if language else ""
    body = "".join(html.escape(line, quote=False) + "\n" for line in "\n".join(lines).rstrip().splitlines())
    return f"<pre><code{kind}>{body}</code></pre>"


def _list(lines, at):
    first = _ITEM.match(lines[at])
    kind = "ol" if first[2][0].isdigit() else "ul"
    items = []
    while at < len(lines):
        found = _ITEM.match(lines[at])
        if found and len(found[1]) <= len(first[1]) + 1:
            items.append([found[3]])
        elif lines[at].startswith("  ") and lines[at].strip():
            items[-1].append(lines[at].strip() if not _ITEM.match(lines[at]) else lines[at][len(first[1]) + 2 :])
        else:
            break
        at += 1
    text = "\n".join(f"<li>{_item(item)}</li>" for item in items)
    return f"<{kind}>\n{text}\n</{kind}>", at


def _item(lines):
    nested = next((n for n in range(1, len(lines)) if _ITEM.match(lines[n])), len(lines))
    head = _inline("\n".join(lines[:nested]))
    return head if nested == len(lines) else f"{head}\n{_blocks(lines[nested:])}\n"
