"""`pydoc:`, the language reference that ships inside every CPython (`pydoc_data.topics`, what `help("for")` prints).

Large topics repeat small ones: `compound` holds the whole of `for`, `while` and `try`; `if` and `else` are the same
text. Indexed as they are, the copies would fill a search's first places. So each part, known by its own heading and
text, is kept once: in the smallest topic that has it, which is also the one with the clearer name and title.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping

from ....stores.types import Source
from ..errors import IngestError
from ..storable import storable_title
from ..types import Loaded, Section
from .sphinx_text import Part, read_sphinx_text

SCHEME = "pydoc:"


def load_pydoc(rest: str = "") -> Iterator[Loaded]:
    """Load every topic of the running Python's reference as Markdown, `pydoc:assert` and so on.

    Raises:
        IngestError: something follows the scheme.
    """
    check_pydoc(rest)
    from pydoc_data.topics import topics

    yield from load_topics(topics)


def check_pydoc(rest: str) -> None:
    """Check what follows the scheme.

    Raises:
        IngestError: something does.
    """
    if rest:
        raise IngestError(f"{SCHEME + rest!r} is not known; {SCHEME} stands for the whole Python reference")


def load_topics(topics: Mapping[str, str]) -> Iterator[Loaded]:
    """Load topics, each the output of Sphinx' text builder, without what a smaller topic holds already."""
    seen: set[tuple[str, str]] = set()
    for name, text in sorted(topics.items(), key=_smallest_first):
        parts = read_sphinx_text(text)
        fresh = [part for part in parts if _key(part) not in seen]
        seen.update(map(_key, fresh))
        if fresh:
            title = fresh[0].heading[0] if fresh[0].heading else name
            yield _document(name, title, fresh)


def _smallest_first(topic: tuple[str, str]) -> tuple[int, bool, str]:
    """Order by size; of topics of one text (`if` and `else`), the one that its title names goes first."""
    name, text = topic
    return len(text), f'"{name}"' not in text.partition("\n")[0], name


def _key(part: Part) -> tuple[str, str]:
    return part.heading[-1] if part.heading else "", part.markdown


def _document(name: str, title: str, parts: Iterable[Part]) -> Loaded:
    text = ""
    sections = []
    above: tuple[str, ...] = ()
    for part in parts:
        opening = len(text)
        for level, words in enumerate(part.heading, start=1):
            if above[:level] != part.heading[:level]:
                text += f"{'#' * min(level, 6)} {words}\n\n"
        start = len(text)
        text += part.markdown
        heading = tuple(map(storable_title, part.heading))
        sections.append(Section(start, len(text), heading, opening if opening < start else None))
        text += "\n\n"
        above = part.heading
    metadata = {"topic": name, "python": platform.python_version()}
    return Loaded(Source(f"{SCHEME}{name}", text.rstrip() + "\n", storable_title(title), metadata), tuple(sections))
