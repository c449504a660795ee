"""Markdown files: front matter becomes metadata, headings become sections.

The stored text is the whole file, front matter included, so that offsets agree with what an editor shows; sections
begin after the front matter. Front matter that is not valid YAML is reported and left out; the rest is still read. What
is valid but names no fields is text between two rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml
from frontmatter.default_handlers import YAMLHandler

from ....stores.types import Source
from ..decode import read_text
from ..storable import jsonable, storable_title
from ..structure import outline
from ..types import Loaded, Skipped


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
        metadata, body = {}, _after_front_matter(text)
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
    fences = list(islice(YAMLHandler.FM_BOUNDARY.finditer(text), 2)) if _opens(text) else []
    if len(fences) < 2:
        return {}, 0
    metadata = YAMLHandler().load(text[fences[0].end() : fences[1].start()])
    if metadata is None:
        return {}, fences[1].end()
    return (metadata, fences[1].end()) if isinstance(metadata, Mapping) else ({}, 0)


def _opens(text: str) -> bool:
    """Whether front matter begins at the very first line; further down, `---` is a rule or underlines a heading."""
    return text.startswith("---") and not text.partition("\n")[0].strip("- ")


def _after_front_matter(text: str) -> int:
    content = YAMLHandler().split(text)[1]
    return len(text) - len(content)


def _place(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f" (line {mark.line + 1})" if mark else ""
