"""Which loader reads what: by suffix (`.md`) or scheme (`pydoc:`).

Plug-ins come from the entry-point group `ragloom.loaders`, whose names are suffixes or schemes, and from the caller;
the caller's go before plug-ins, plug-ins before ragloom's own. A plug-in is imported when a file needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from .errors import IngestError
from .loaders.docx import load_docx
from .loaders.html import load_html
from .loaders.markdown import load_markdown
from .loaders.pdf import load_pdf
from .loaders.pydoc import check_pydoc, load_pydoc
from .loaders.rows import load_csv, load_jsonl
from .loaders.text import load_text
from .types import Loaded, Loader, SchemeLoader, Skipped

GROUP = "ragloom.loaders"


@dataclass(frozen=True, slots=True)
class NamedLoader:
    """A loader and its name.

    Attributes:
        name: part of every fingerprint of what it loaded, so it holds the version and the options that matter.
        load: called with a `Path`, or with what follows the scheme.
        check: raises `IngestError` if what follows the scheme cannot be asked for; None: only `load` can tell.
    """

    name: str
    load: Callable[[Any], Iterable[Loaded | Skipped]]
    check: Callable[[str], None] | None = None


def find_loaders(
    given: Mapping[str, Loader | SchemeLoader] | None = None, *, text_field: str = "text"
) -> dict[str, NamedLoader]:
    """Suffix or scheme to loader.

    Args:
        given: the caller's own.
        text_field: the field of JSONL objects and the column of CSV files that holds the text.

    Raises:
        IngestError: a key of `given` or the name of a plug-in is neither suffix nor scheme.
    """
    loaders = _built_in(text_field)
    for entry_point in entry_points(group=GROUP):
        version = entry_point.dist.version if entry_point.dist else ""
        _check(entry_point.name, f"the plug-in {entry_point.value}")
        named = NamedLoader(f"{entry_point.value}/{version}", partial(_load_plug_in, entry_point))
        loaders[entry_point.name.lower()] = named
    for key, load in (given or {}).items():
        _check(key, "a key of loaders")
        name = getattr(load, "__qualname__", type(load).__qualname__)
        loaders[key.lower()] = NamedLoader(f"{getattr(load, '__module__', '')}.{name}", load)
    return loaders


def _built_in(text_field: str) -> dict[str, NamedLoader]:
    """Ragloom's own; the number in a name is raised when the loader would read the same bytes differently."""
    jsonl = NamedLoader(f"jsonl/1 {text_field}", partial(load_jsonl, text_field=text_field))
    table = NamedLoader(f"csv/2 {text_field}", partial(load_csv, text_field=text_field))
    markdown, text = NamedLoader("markdown/1", load_markdown), NamedLoader("text/1", load_text)
    html = NamedLoader("html/2", load_html)
    return {
        **dict.fromkeys([".md", ".markdown", ".mdx"], markdown),
        **dict.fromkeys([".txt", ".text", ".rst", ".log"], text),
        **dict.fromkeys([".html", ".htm"], html),
        **dict.fromkeys([".csv", ".tsv"], table),
        ".jsonl": jsonl,
        ".pdf": NamedLoader("pdf/1", load_pdf),
        ".docx": NamedLoader("docx/2", load_docx),
        "pydoc:": NamedLoader("pydoc/1", load_pydoc, check_pydoc),
    }


def _check(key: str, what: str) -> None:
    if len(key) < 2 or key.startswith(".") == key.endswith(":"):
        raise IngestError(f"{what} is named {key!r}; name it by a suffix such as '.epub' or a scheme such as 'wiki:'")


def _load_plug_in(entry_point: EntryPoint, target: Any) -> Iterable[Loaded | Skipped]:
    loaded: Iterable[Loaded | Skipped] = entry_point.load()(target)
    return loaded
