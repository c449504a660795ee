"""Find the files to ingest: those named, and those in the folders named.

Links are followed, each real folder once and by its own path if it has one here, so that a loop of links ends. Hidden
files and folders, `node_modules` and `__pycache__` are left out unless they are named themselves.
"""

from __future__ import annotations

import os
import stat
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..._paths import expand_user
from ...stores.layout import is_corpus
from .errors import IngestError
from .globs import matcher
from .storable import is_storable, storable_text
from .types import Skipped

_LEFT_OUT = {"node_modules", "__pycache__"}


@dataclass(frozen=True, slots=True)
class Found:
    """What a walk found.

    Attributes:
        files: absolute paths, sorted within each folder that was named, each once.
        folders: the folders that were walked, absolute; not those whose path no corpus can store.
        skipped: what was found but cannot be ingested.
    """

    files: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def walk(
    paths: Iterable[str | Path],
    suffixes: Collection[str],
    *,
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
) -> Found:
    """Find the files under `paths` that a loader exists for.

    Args:
        paths: files and folders; a file that is named is taken whatever the globs say.
        suffixes: what there are loaders for, such as `.md`, in lower case.
        include: globs of the files wanted in folders; none: all.
        exclude: globs of files and folders to leave out; they win over `include`.

    Raises:
        IngestError: a path does not exist, or a glob is malformed.
    """
    included, excluded = matcher(include, "include"), matcher(exclude, "exclude")
    found = Found()
    for path in map(absolute, paths):
        if path.is_dir():
            if is_storable(path.as_posix()):
                found.folders.append(path)
            unknown: Counter[str] = Counter()
            for file in sorted(_files(path, excluded, found.skipped)):
                if not include or included(file.relative_to(path).as_posix()):
                    _take(file, suffixes, found, unknown)
            counted = sorted(unknown.items())
            found.skipped.extend(_skipped(path, f"{_no_loader(end)} ({many})") for end, many in counted)
        else:
            _take(path, suffixes, found, None)
    found.files[:] = dict.fromkeys(found.files)
    return found


def absolute(path: str | Path) -> Path:
    """The path as the user sees it, links left in, `~` and `..` resolved."""
    absolute = Path(os.path.abspath(expand_user(path)))  # noqa: PTH100 - Path.absolute keeps the `..`
    if not os.path.lexists(absolute):
        raise IngestError(f"{path} does not exist")
    return absolute


def _files(folder: Path, excluded: Callable[[str], bool], skipped: list[Skipped]) -> Iterator[Path]:
    seen: set[str] = set()

    def report(error: OSError) -> None:
        skipped.append(_skipped(Path(str(error.filename)), f"cannot be read: {error.strerror}"))

    waiting = deque([folder])  # with links to folders last, so that none takes over what is there without it
    while waiting:
        for name, folders, files in os.walk(waiting.popleft(), onerror=report):
            here = Path(name)
            real = os.path.realpath(name)
            if real in seen:
                folders.clear()
                continue
            seen.add(real)
            wanted = [
                entry
                for entry in sorted([*folders, *files])
                if not entry.startswith(".")
                and entry not in _LEFT_OUT
                and not excluded((here / entry).relative_to(folder).as_posix())
            ]
            folders[:] = [entry for entry in wanted if entry in folders and not is_corpus(here / entry)]
            waiting.extend(here / entry for entry in folders if (here / entry).is_symlink())
            yield from (here / entry for entry in wanted if entry in files)


def _take(file: Path, suffixes: Collection[str], found: Found, unknown: Counter[str] | None) -> None:
    """Add a file to what was found, or to what was skipped; unknown kinds in a folder are only counted."""
    suffix = file.suffix.lower()
    if reason := _unreadable(file):
        found.skipped.append(_skipped(file, reason))
    elif suffix in suffixes and not is_storable(file.as_posix()):
        found.skipped.append(_skipped(file, "its path is not valid Unicode and cannot be stored; rename it"))
    elif suffix in suffixes:
        found.files.append(file)
    elif unknown is None:
        found.skipped.append(_skipped(file, _no_loader(suffix)))
    else:
        unknown[suffix] += 1


def _skipped(path: Path, reason: str) -> Skipped:
    return Skipped(storable_text(path.as_posix()), reason)


def _no_loader(suffix: str) -> str:
    return f"no loader for {storable_text(suffix)}" if suffix else "no loader for files without a suffix"


def _unreadable(file: Path) -> str:
    """Why a path cannot be opened as a file; empty if it can. Opening a pipe would wait for ever."""
    try:
        mode = file.stat().st_mode
    except FileNotFoundError:
        return "a link that leads nowhere" if file.is_symlink() else "gone"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return "" if stat.S_ISREG(mode) else "not a regular file"
