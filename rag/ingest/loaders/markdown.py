"""Markdown files: front matter becomes metadata, headings become sections.

The stored text is the whole file, front matter included, so that offsets agree with what an editor shows; sections
begin after the front matter. Front matter that is not valid YAML is reported and left out; the rest is still read. What
is valid but names no fields is text between two rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml
from frontmatter.default_handlers import YAMLHandler

from ....stores.types import Source
from ..decode import read_text
from ..span import Span
from ..storable import jsonable, storable_title
from ..structure import outline
from ..types import Loaded, Skipped

_CLOSES = re.compile(r"^(?:-{3,}|\.{3})[ \t]*$", re.MULTILINE)
"""A line that ends front matter; with dots as Pandoc takes it."""


def load_markdown(path: Path) -> Iterator[Loaded | Skipped]:
    """Load a Markdown file.

    Its title is the front matter's, else the first heading of level 1, else the file's name.

    Raises:
        LoadError: the file is not text.
        OSError: it cannot be read.
    """
    text = read_text(path)
    try:
        metadata, body = _front_matter(text)
    except (yaml.YAMLError, ValueError) as error:
        yield Skipped(path.as_posix(), f"front matter left out, it is not valid YAML{_place(error)}")
        fields = _fields(text)
        metadata, body = {}, _after(text, fields) if fields else 0
    yield document(path, text, body=body, title=str(metadata.get("title") or ""), metadata=metadata)


def document(
    path: Path, text: str, *, body: int = 0, title: str = "", metadata: Mapping[str, Any] = MappingProxyType({})
) -> Loaded:
    """Make a document of a file's Markdown, whose content begins at offset `body`.

    Without a `title` from outside the text it is the first heading of level 1, else the file's name.
    """
    parts = outline(text, body)
    title = storable_title(title) or parts.title or path.stem
    return Loaded(Source(path.as_posix(), text, title, jsonable(metadata)), parts.sections)


def _front_matter(text: str) -> tuple[Mapping[str, Any], int]:
    """The metadata and the offset where the content begins.

    Raises:
        yaml.YAMLError: what stands between the fences is not YAML.
        ValueError: it holds what looks like a date and is none.
    """
    fields = _fields(text)
    if fields is None:
        return {}, 0
    metadata = YAMLHandler().load(text[fields.start : fields.end])
    if metadata is None:
        return {}, _after(text, fields)
    return (metadata, _after(text, fields)) if isinstance(metadata, Mapping) else ({}, 0)


def _fields(text: str) -> Span | None:
    """Where the front matter's fields stand. It begins at the very first line: further down, `---` is a rule."""
    first = text.partition("\n")[0]
    if not text.startswith("---") or first.strip("- "):
        return None
    closing = _CLOSES.search(text, len(first) + 1)
    return Span(len(first) + 1, closing.start()) if closing else None


def _after(text: str, fields: Span) -> int:
    """Where the content begins: behind the line that ends the fields."""
    return fields.end + len(text[fields.end :].partition("\n")[0])


def _place(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f" (line {mark.line + 1})" if mark else ""
