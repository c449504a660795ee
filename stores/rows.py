"""How chunks, their metadata and documents look in the database."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping
from typing import Any

from langchain_core.documents import Document

from .errors import CorpusError
from .fields import OWN
from .types import Chunk

Placement = tuple[Any, ...]
"""A chunk's row but for its keys: context, start and end of its span, text (None: the whole source), metadata."""

PLACEMENT = "context, span_start, span_end, text, metadata"
"""The columns of a `Placement`, in order."""


_LONG = re.compile(r"\d{19}")


def placement(chunk: Chunk) -> Placement:
    """The columns of a chunk.

    Raises:
        CorpusError: its metadata have no JSON form.
    """
    whole = (chunk.start, chunk.end) == (0, len(chunk.source.text))
    metadata = to_json(visible_metadata(chunk), chunk.source.id)
    return (chunk.context, chunk.start, chunk.end, None if whole else chunk.text, metadata)


def visible_metadata(chunk: Chunk) -> dict[str, Any]:
    """What a search shows of a chunk, and what `where` compares.

    What was given under a name that ragloom needs itself has an underscore behind it; unless all of these were, as of a
    document that a search of another corpus has found.
    """
    source = chunk.source
    given = {**source.metadata, **chunk.metadata}
    needed = {name: given.pop(name) for name in OWN if name in given}
    named = {name: given.pop(name) for name in ("source", "title") if name in given}
    aside = {} if len(needed) == len(OWN) else needed
    aside |= {name: value for name, value in named.items() if value is not None and not isinstance(value, str)}
    return {
        **{f"{name}_": value for name, value in aside.items()},
        **given,
        "source": source.id,
        "title": source.title,
        **{name: value for name, value in named.items() if isinstance(value, str) and value.strip()},
        "source_id": source.id,
        "heading": list(chunk.heading),
        "start": chunk.start,
        "end": chunk.end,
        "section": list(chunk.section or (0, len(source.text))),
    }


def document(row: sqlite3.Row) -> Document:
    """A row with `id`, `text` and `metadata` as a LangChain document; whole numbers of more than 64 bits are texts."""
    text = row["metadata"]
    metadata = json.loads(text, parse_int=_as_shown) if _LONG.search(text) else json.loads(text)
    return Document(id=row["id"], page_content=row["text"], metadata=metadata)


def _as_shown(digits: str) -> int | str:
    """A whole number, unless it is one that nothing but Python's own can hold, such as a graph's checkpoint."""
    return number if -(2**63) <= (number := int(digits)) < 2**63 else digits


def to_json(metadata: Mapping[str, Any], owner: str) -> str:
    """Serialise metadata.

    Raises:
        CorpusError: a name or a value has no JSON form; the message names it.
    """
    for name in metadata:
        if not isinstance(name, str):
            raise CorpusError(f"{owner}: the metadata's name {name!r} is not a text")
    try:
        return _dump(dict(metadata))
    except (TypeError, ValueError, RecursionError):
        for name, value in metadata.items():
            try:
                _dump({name: value})
            except (TypeError, ValueError, RecursionError):
                raise CorpusError(
                    f"{owner}: metadata {name!r} holds {value!r:.60} ({type(value).__name__}), which has no JSON form; "
                    "store a text, a finite number, a list or a mapping of such"
                ) from None
        raise


def _dump(value: dict[str, Any]) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    text.encode()  # a lone surrogate cannot be encoded
    return text
