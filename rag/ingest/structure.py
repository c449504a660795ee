"""The block structure of a Markdown text, as offsets into it: where its sections and its paragraphs lie.

markdown-it-py (CommonMark and tables) finds the blocks, so a `#` in a code fence is no heading and a paragraph in a
list begins after its marker. It tells lines; this module turns lines into offsets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby, pairwise
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

from .span import trimmed
from .storable import storable_title
from .types import Section

_FENCE = re.compile(r"^[ \t>]*(?:```|~~~)[^\n]*\n?", re.MULTILINE)
_LEAVES = {"paragraph_open", "heading_open", "fence", "code_block", "html_block", "table_open", "hr", "list_item_open"}
_ATTRIBUTES = re.compile(r"\s*\{[#.:][^{}]*\}\s*$")
"""What Pandoc, Kramdown and others read behind a heading: `{#its-name .a-class}`."""

_LINE_END = re.compile(r"\r\n?|\n")
_WORD = re.compile(r"[^\W\d_]{2,}")
_SIGN = re.compile(r"[{}\[\]<>=;_\\|$@#*+^~`]")
_FEWEST_WORDS = 6
_MOST_SIGNS = 0.01

_ODD = re.compile(r"[^\S \t\r\n]|\0")


class Line(NamedTuple):
    """A line of a paragraph: `text`, without marker and indentation, begins at `start` of the document."""

    start: int
    text: str


class Block(NamedTuple):
    """A block begins with the line at `start`; `paragraph` holds its lines if it is body text, a list item or a quote.

    Headings, code, tables, HTML, link definitions and rules are no paragraphs.
    """

    start: int
    nested: bool
    paragraph: list[Line]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading: its level (1 to 6), its words without markup, and the offsets its lines span."""

    level: int
    words: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Outline:
    """The sections of a document and its first heading of level 1 (empty if it has none)."""

    sections: tuple[Section, ...]
    title: str


@cache
def _blocks() -> MarkdownIt:
    parser = MarkdownIt("commonmark").enable("table")
    parser.core.ruler.disable("inline")
    return parser


@cache
def _inlines() -> MarkdownIt:
    return MarkdownIt("commonmark")


def outline(text: str, start: int = 0) -> Outline:
    """Divide `text[start:]` at its headings.

    A section holds what stands between its heading and the next one, whatever that one's level. A heading with
    neither text nor subheadings is a section itself, so that its words can be found.
    """
    headings = list(_headings(text, start))
    path: list[Heading] = []
    sections = []
    if before := trimmed(text, start, headings[0].start if headings else len(text)):
        sections.append(Section(*before))
    for index, heading in enumerate(headings):
        following = headings[index + 1] if index + 1 < len(headings) else None
        path = [above for above in path if above.level < heading.level]
        parents = _words(path)
        path.append(heading)
        if span := trimmed(text, heading.end, following.start if following else len(text)):
            sections.append(Section(*span, heading=_words(path), opening=heading.start))
        elif heading.words and not (following and following.level > heading.level):
            sections.append(Section(heading.start, heading.end, heading=parents))
    first = next((heading.words for heading in headings if heading.level == 1), "")
    return Outline(tuple(sections), first)


def blocks(text: str) -> Iterator[Block]:
    """The blocks of a text that hold no other, and list items, in order."""
    start = _code_before(text)
    # To CommonMark a no-break space or a form feed is a character like any other, but markdown-it-py strips it from
    # paragraphs, whole lines of it too, and replaces NUL; with a letter in its place the lines stay where they are.
    part = _ODD.sub("x", text[start:])
    lines = _line_spans(part)
    for token, following in pairwise([*_blocks().parse(part), None]):
        if token and token.map and token.type in _LEAVES:
            first, last = token.map
            is_underlined = following is not None and _is_underlined_prose(token, following)
            is_paragraph = following and (token.type == "paragraph_open" or is_underlined)
            last -= is_underlined
            words = _words_of_lines(part, lines[first:last], following.content) if following and is_paragraph else []
            if token.type == "code_block":
                words = list(_prose(part, lines[first:last]))
            places = (trimmed(text, start + begin, start + end) for begin, end in words)
            paragraph = [Line(place[0], text[slice(*place)]) for place in places if place]
            yield Block(start + lines[first][0], token.level > 0, paragraph)


def _prose(part: str, lines: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The lines of an indented block that are rather a paragraph, as manual pages have them."""
    for _, group in groupby(lines, key=lambda line: not part[slice(*line)].strip()):
        paragraph = list(group)
        if _reads_like_prose(part[paragraph[0][0] : paragraph[-1][1]]):
            yield from paragraph


def _reads_like_prose(code: str) -> bool:
    """Whether lines are words that end in a full stop, with few signs among them."""
    is_sentence = (
        code.rstrip().endswith((".", "!", "?", "。", "！", "？")) and len(_WORD.findall(code)) >= _FEWEST_WORDS
    )
    return is_sentence and len(_SIGN.findall(code)) <= len(code) * _MOST_SIGNS


def _is_underlined_prose(token: Token, inline: Token) -> bool:
    """Whether a heading is a paragraph that happens to stand above a line of dashes."""
    return token.type == "heading_open" and token.markup in ("-", "=") and inline.content.endswith((".", "。"))


def _code_before(text: str) -> int:
    """Where the blocks begin if `text` was cut out of the middle of a code block: after the fence that closes it.

    Where fences don't come in pairs, one stands outside the text: before it, if the first one here has no code below.
    """
    fences = list(_FENCE.finditer(text))
    if len(fences) % 2 == 0:
        return 0
    inside = text[fences[0].end() :].partition("\n")[0].strip()
    return 0 if inside else fences[0].end()


def _words_of_lines(part: str, lines: list[tuple[int, int]], content: str) -> list[tuple[int, int]]:
    """Where the words of a paragraph's lines are: up to the line's end, but after quote marks, bullets, indentation.

    Should the lines not end with the words that the parser gives them, they are taken whole.
    """
    ends = [start + len(part[start:end].rstrip()) for start, end in lines]
    words = [line.strip() for line in content.split("\n")]
    if len(words) == len(ends) and all(part.endswith(line, 0, end) for line, end in zip(words, ends, strict=True)):
        return [(end - len(line), end) for line, end in zip(words, ends, strict=True)]
    return lines


def _headings(text: str, start: int) -> Iterator[Heading]:
    part = text[start:]
    lines = _line_spans(part)
    tokens = _blocks().parse(part)
    for token, inline in pairwise(tokens):
        # A heading in a quotation or a list item does not divide the document, hence level 0 only.
        if token.type == "heading_open" and token.level == 0 and token.map and not _is_underlined_prose(token, inline):
            begin, end = lines[token.map[0]][0], lines[token.map[1] - 1][1]
            words = storable_title(_ATTRIBUTES.sub("", _without_markup(inline)))
            yield Heading(int(token.tag[1:]), words, start + begin, start + end)


def _without_markup(inline: Token) -> str:
    tokens = _inlines().parseInline(inline.content)[0].children or []
    return "".join(" " if token.type in {"softbreak", "hardbreak"} else _visible(token) for token in tokens)


def _visible(token: Token) -> str:
    return "" if token.type == "html_inline" else token.content


def _words(path: list[Heading]) -> tuple[str, ...]:
    return tuple(heading.words for heading in path if heading.words)


def _line_spans(text: str) -> list[tuple[int, int]]:
    """Start and end of each line as CommonMark counts lines (`str.splitlines` would also cut at form feeds)."""
    ends = list(_LINE_END.finditer(text))
    starts = [0, *(end.end() for end in ends)]
    return list(zip(starts, [*(end.start() for end in ends), len(text)], strict=True))
