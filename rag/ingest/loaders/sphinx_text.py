"""Read what Sphinx' text builder writes and render it as Markdown, a list of titled parts.

That is the format of `pydoc_data.topics`: headings underlined with `***`, `===`, `---`, prose wrapped at 70 columns,
bodies of definitions and code both indented by 3. Here paragraphs are unwrapped, code is fenced, a definition such as
`str.casefold()` becomes a part under its own heading, and a grid table becomes a list, so that a sentence quoted from
it reads as it was written. No parser for this format exists: it was never meant to be read back. What is code and what
is prose has to be told by how it reads; `_reads_as_prose` says how.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from .grid_table import table_items

_UNDERLINES = "*=-~^\"'"
_RUBRIC = re.compile(r"-\[ (.+) \]-")
_ITEM = re.compile(r"(\*|\d+\.|[a-z]\.|[IVX]+\.|\[\d+\]) +(?=\S)")
_ADMONITION = re.compile(r"(?:See also|[A-Z][a-z]+):")
_ADMONITION_INDENT = 2
_SIGNATURE = re.compile(r"(?!.*\S {2,}\S).*[^\s.,:;]")
_CODE = re.compile(r">>>|::=|\S {3,}\S|  #")
_SENTENCE = re.compile(r"[\"'“‘*(\[]*[A-Z0-9].*[.:!?][\"'”’)*]*", re.DOTALL)
_CUT_WORD = re.compile(r"[A-Za-z]-$")
_PLAIN_WORDS = re.compile(r"[A-Z]\w*(?: [a-z]+){2}")
_HEADING_CHARACTERS = 72

Lines = list[str]


@dataclass(frozen=True, slots=True)
class Part:
    """The Markdown that stands directly under one heading.

    Attributes:
        heading: the headings above, outermost first.
        blocks: paragraphs, list items and fenced code, in order.
    """

    heading: tuple[str, ...]
    blocks: list[str] = field(default_factory=list)

    @property
    def markdown(self) -> str:
        """The blocks as one text."""
        return "\n\n".join(self.blocks)


class _Paragraph(NamedTuple):
    """Lines without indentation, then lines indented below them, `close` if no blank line stands between."""

    lines: Lines
    below: Lines
    close: bool


def read_sphinx_text(text: str) -> list[Part]:
    """Divide a document into parts, in order; a heading with nothing directly under it has none."""
    parts: list[Part] = []
    path: tuple[str, ...] = ()
    for path, lines in _headed(text):
        parts += _parts(lines, path)
    return [part for part in parts if part.blocks]


def _headed(text: str) -> Iterator[tuple[tuple[str, ...], Lines]]:
    """The headings' path and the lines under it, for each heading."""
    rows = [line.rstrip() for line in text.split("\n")]
    path: list[str] = []
    marks: list[str] = []
    lines: Lines = []
    for row, following in zip(rows, [*rows[1:], ""], strict=True):
        mark = _underline(row, following)
        rubric = _RUBRIC.fullmatch(row)
        if mark or rubric:
            yield tuple(path), lines
            lines = []
            level = len(path) if rubric else marks.index(mark) if mark in marks else len(marks)
            marks[level:] = [mark]
            path[level:] = [rubric[1] if rubric else row]
        elif row.strip(_UNDERLINES) or not row:  # else it is the underline itself, or a rule
            lines.append(row)
    yield tuple(path), lines


def _underline(row: str, following: str) -> str:
    """The character that underlines the heading `row`, or nothing."""
    mark = following[:1]
    return mark if row[:1].strip() and mark and mark in _UNDERLINES and following == mark * len(row) else ""


def _parts(lines: Lines, heading: tuple[str, ...]) -> Iterator[Part]:
    """The part of `heading`, cut where definitions stand, which are parts of their own below it."""
    part = Part(heading)
    for paragraph in _paragraphs(lines):
        if _is_definition(paragraph):
            yield part
            words, listed = _signatures(paragraph.lines)
            yield from _parts([*listed, *_dedented(paragraph.below)], (*heading, words))
            part = Part(heading)
        else:
            part.blocks.extend(_render(paragraph))
    yield part


def _signatures(lines: Lines) -> tuple[str, Lines]:
    """The heading of a definition, and the lines that list its signatures where a heading cannot hold them all."""
    heading = ", ".join(lines)
    if len(lines) == 1 or len(heading) <= _HEADING_CHARACTERS:
        return heading, []
    return f"{lines[0]} …", [*(f"   {line}" for line in lines), ""]


def _paragraphs(lines: Lines) -> Iterator[_Paragraph]:
    at = 0
    while at < len(lines):
        own = at + 1 if _ITEM.match(lines[at]) else _next(lines, at, _is_blank_or_indented)
        below = _next(lines, own, _is_flush)
        if any(lines[at:below]):
            yield _Paragraph(lines[at:own], lines[own:below], close=own < below and bool(lines[own]))
        at = below


def _next(lines: Lines, at: int, wanted: Callable[[str], bool]) -> int:
    return next((index for index in range(at, len(lines)) if wanted(lines[index])), len(lines))


def _is_blank_or_indented(line: str) -> bool:
    return not line or line.startswith(" ")


def _is_flush(line: str) -> bool:
    return not _is_blank_or_indented(line)


def _render(paragraph: _Paragraph) -> Iterator[str]:
    lines, below, close = paragraph
    if not lines:
        yield from _indented(below)
    elif item := _ITEM.match(lines[0]):
        yield from _item(item[0], [lines[0][item.end() :], *_shifted(below, len(item[0]))])
    elif close or (_ADMONITION.fullmatch(lines[0]) and _indent(below) == _ADMONITION_INDENT):
        yield from _labelled(unwrapped(lines).rstrip(":"), _flat(_dedented(below)))
    else:
        yield from _unlabelled(lines)
        yield from _indented(below)


def _unlabelled(lines: Lines) -> Iterator[str]:
    if lines[0].startswith("+-"):
        yield from table_items(lines)
    elif lines[0].startswith(">>>"):
        yield _fenced(lines)
    else:
        yield unwrapped(lines)


def _labelled(label: str, blocks: list[str]) -> Iterator[str]:
    """A term or "Note" with what is said of it, in one paragraph, so that a quotation of it names what it is about."""
    first, *rest = blocks
    if first.startswith(("```", "* ")):
        yield from [f"{label}:", *blocks]
    else:
        yield from [f"{label}: {first}", *rest]


def _item(marker: str, lines: Lines) -> Iterator[str]:
    """A list item; Markdown wants what belongs to it indented, and knows no lettered items or footnotes."""
    if marker[0] == "*" or marker[0].isdigit():
        body = "\n\n".join(_flat(lines)).split("\n")
        pad = " " * len(marker)
        yield "\n".join([marker + body[0], *(pad + line if line else "" for line in body[1:])])
    else:
        first, *rest = _flat(lines)
        yield f"{marker.strip()} {first}"
        yield from rest


def _indented(below: Lines) -> Iterator[str]:
    lines = _dedented(below)
    if _reads_as_prose(lines) or (lines and lines[0].startswith("+-")):
        yield from _flat(lines)
    elif lines:
        yield _fenced(lines)


def _fenced(lines: Lines) -> str:
    return "\n".join(["```", *lines, "```"])


def _flat(lines: Lines) -> list[str]:
    return [block for paragraph in _paragraphs(lines) for block in _render(paragraph)]


def _is_definition(paragraph: _Paragraph) -> bool:
    lines, below, close = paragraph
    if not lines or close or _ITEM.match(lines[0]) or not all(_SIGNATURE.fullmatch(line) for line in lines):
        return False
    return _reads_as_prose(_dedented(below))


def _reads_as_prose(lines: Lines) -> bool:
    """Whether an indented block is text: a list, or a first paragraph that begins and ends as sentences do."""
    paragraph = next(_paragraphs(lines), None)
    if paragraph is None or not paragraph.lines:
        return False
    if _ITEM.match(paragraph.lines[0]):
        return True
    if paragraph.close:
        return _reads_as_prose(_dedented(paragraph.below))
    words = "\n".join(paragraph.lines)
    return not _CODE.search(words) and bool(_SENTENCE.fullmatch(words) or _PLAIN_WORDS.match(words))


def _dedented(lines: Lines) -> Lines:
    """The lines without the indentation that all have, and without blank lines around them."""
    filled = [at for at, line in enumerate(lines) if line]
    return _shifted(lines[filled[0] : filled[-1] + 1], _indent(lines)) if filled else []


def _shifted(lines: Lines, width: int) -> Lines:
    return [line[min(width, len(line) - len(line.lstrip())) :] for line in lines]


def _indent(lines: Lines) -> int:
    return min((len(line) - len(line.lstrip()) for line in lines if line), default=0)


def unwrapped(lines: Lines) -> str:
    """Lines as one; a word that was cut at its own hyphen is joined again ("built-" and "in")."""
    text = ""
    for line in lines:
        words = " ".join(line.split())
        joined = _CUT_WORD.search(text) and not words.startswith(("and ", "or ", "to "))
        text += words if joined or not text else f" {words}"
    return text
