"""A file or scheme to load, and reading it: whatever a loader may do, documents or one `LoadError` come out."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from ...errors import MissingExtraError
from . import fingerprint
from .errors import IngestError, LoadError
from .registry import NamedLoader
from .storable import is_storable, jsonable, storable_text, storable_title
from .types import Loaded, Section, Skipped

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """A file or scheme to load.

    Attributes:
        origin: the file's path, or the scheme and what follows it.
        loader: what reads it.
        target: what the loader is called with.
    """

    origin: str
    loader: NamedLoader
    target: Path | str

    def owns(self, source_id: str) -> bool:
        """Whether a document of this id may come from here: `origin`, `origin#part`, or `scheme:anything`."""
        parts = self.origin if self.origin.endswith(":") else f"{self.origin}#"
        return source_id == self.origin or source_id.startswith(parts)


def hash_content(job: Job) -> str:
    """The hash of a file's bytes; empty for a scheme, which has none to compare.

    Raises:
        LoadError: the file cannot be read.
    """
    try:
        return fingerprint.of_content(job.target) if isinstance(job.target, Path) else ""
    except OSError as error:
        raise LoadError(f"cannot be read: {error.strerror or error}") from error


def read(job: Job) -> Iterator[Loaded | Skipped]:
    """The documents of a job, checked and storable, and what of it is left out.

    Raises:
        LoadError: it cannot be read, or not to its end.
        IngestError: it cannot be asked for like this.
    """
    seen: set[str] = set()
    try:
        for item in job.loader.load(job.target):
            if isinstance(item, Skipped):
                yield item
                continue
            if not isinstance(item, Loaded):
                raise LoadError(f"its loader gives {type(item).__name__}, which is neither Loaded nor Skipped")
            if item.source.id in seen:
                raise LoadError(f"its loader gives the id {item.source.id!r} twice")
            seen.add(item.source.id)
            yield _checked(item, job)
    except (IngestError, LoadError):
        raise
    except MissingExtraError as error:
        raise LoadError(str(error)) from error
    except OSError as error:
        raise LoadError(f"cannot be read: {error.strerror or error}") from error
    except Exception as error:
        # A plug-in or a parser may raise anything at all, and one bad file must not end the run.
        _log.info("%s failed on %s", job.loader.name, job.origin, exc_info=True)
        raise LoadError(f"its loader failed ({type(error).__name__}: {error})") from error


def _checked(loaded: Loaded, job: Job) -> Loaded | Skipped:
    """The document as it can be stored; loaders may be anyone's.

    Raises:
        LoadError: its id or its sections break the rules.
    """
    source = loaded.source
    if not job.owns(source.id):
        raise LoadError(f"its loader gives the id {source.id!r}, which must be {job.origin!r} or begin with it and '#'")
    if not is_storable(source.id):
        return Skipped(storable_text(source.id), "its id contains NUL or a lone surrogate and cannot be stored")
    if not loaded.sections:
        return Skipped(source.id, "no text in it")
    edges = [edge for section in loaded.sections for edge in (section.start, section.end)]
    if any(left > right for left, right in pairwise([0, *edges, len(source.text)])):
        raise LoadError("its loader gives sections that overlap or lie outside the text")
    storable = replace(
        source,
        text=storable_text(source.text),
        title=storable_title(source.title),
        metadata=jsonable(source.metadata),
    )
    return Loaded(storable, tuple(map(_storable, loaded.sections)))


def _storable(section: Section) -> Section:
    heading = tuple(map(storable_text, section.heading))
    return replace(section, heading=heading, metadata=jsonable(section.metadata))
