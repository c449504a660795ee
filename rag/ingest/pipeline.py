"""Bring a corpus up to date with files and folders: read, split, embed what is new or changed; delete what is gone.

Files flow through one by one, so memory stays bounded, progress is live, and what is committed survives a kill. A file
whose bytes, loader and splitter settings are the same as last time is hashed and nothing more: neither parsed nor
embedded, and the embedder isn't even loaded. Of a file that changed, only the documents (rows) that differ are cut and
embedded. What cannot be read is reported, by every run, and keeps the chunks it had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...stores.clock import Stopwatch
from .cut import Cutter
from .errors import IngestError
from .globs import matcher
from .job import Job
from .registry import NamedLoader, find_loaders
from .run import Run
from .split import MIN_MAX_TOKENS
from .storable import is_storable
from .stored import Stored, owners
from .types import IngestProgress, IngestReport, Loader, SchemeLoader
from .walk import absolute, walk

if TYPE_CHECKING:
    from ...stores.corpus import Corpus


def ingest(  # noqa: PLR0913 - the options of one command
    paths: str | Path | Iterable[str | Path],
    into: Corpus,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    text_field: str = "text",
    max_tokens: int | None = None,
    loaders: Mapping[str, Loader | SchemeLoader] | None = None,
    on_progress: Callable[[IngestProgress], None] | None = None,
) -> IngestReport:
    """Make `into` agree with the documents under `paths`.

    New documents are added, changed ones replaced, and those whose file (in a folder that is walked) or row is gone are
    deleted; what lies elsewhere stays. Files that the globs leave out stay as they are.

    ```python
    from ragloom import Corpus, ingest

    report = ingest(["./handbook"], Corpus("./index"), exclude=["drafts"])
    print(report.summary())
    for skipped in report.skipped:
        print(skipped.path, skipped.reason)
    ```

    Args:
        paths: files, folders, and schemes such as `pydoc:`.
        into: the corpus.
        include: globs of the files wanted in folders (`docs/**/*.md`); none: all.
        exclude: globs of files and folders to leave out; they win over `include`.
        text_field: the field of JSONL objects, and the column of CSV files, that holds the text.
        max_tokens: the size of a chunk with its title and headings, in the embedder's tokens; by default 256, or what
            the embedder reads if that is less.
        loaders: further loaders, by suffix (`.epub`) or scheme (`wiki:`).
        on_progress: told before each file and once at the end.

    Raises:
        IngestError: a path does not exist, or an option cannot be used; nothing has been changed. Or a loader of yours
            or of a plug-in refuses what follows its scheme; what was committed before is safe.
        CorpusError: the corpus cannot be written; what was committed before is safe.
    """
    if max_tokens is not None and max_tokens < MIN_MAX_TOKENS:
        raise IngestError(f"max_tokens must be at least {MIN_MAX_TOKENS}, not {max_tokens}")
    watch = Stopwatch("walk", "read", "split", "embed", "store", "lexical", "dense")
    with watch.stage("walk"):
        known_loaders = find_loaders(loaders, text_field=text_field)
        schemes, places = _by_scheme(paths, known_loaders)
        found = walk(places, known_loaders.keys(), include=include, exclude=exclude)
    files = [Job(file.as_posix(), known_loaders[file.suffix.lower()], file) for file in found.files]
    jobs = [*files, *schemes]
    with into.writing():
        stored = Stored.read(into, jobs=[job.origin for job in jobs], folders=found.folders)
        run = Run(stored, into.files, Cutter(into, max_tokens, watch), watch, found.skipped)
        added = into.add(run.chunks(jobs, on_progress), on_progress=lambda _: run.note_files())
        run.note_files()
        vanished = stored.vanished()
        gone = run.gone | vanished
        if gone:
            into.delete(sources=sorted(gone))
            into.files.forget(path for id_ in vanished for path in owners(id_))
    return run.report(added, removed=len(gone))


def check_paths(
    paths: str | Path | Iterable[str | Path],
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    loaders: Mapping[str, Loader | SchemeLoader] | None = None,
) -> None:
    """Check that there is something to ingest at each path, and the globs, before an index is made for it.

    Raises:
        IngestError: a path does not exist and is no scheme that is known, what follows the scheme is not, or a glob is
            malformed.
    """
    matcher(include, "include")
    matcher(exclude, "exclude")
    _, places = _by_scheme(paths, find_loaders(loaders))
    for place in places:
        absolute(place)


def _by_scheme(
    paths: str | Path | Iterable[str | Path], loaders: Mapping[str, NamedLoader]
) -> tuple[list[Job], list[str | Path]]:
    """Tell `pydoc:` and the like from files and folders."""
    schemes, places = [], []
    for path in [paths] if isinstance(paths, str | Path) else dict.fromkeys(paths):
        scheme, colon, rest = str(path).partition(":")
        if isinstance(path, str) and colon and f"{scheme}:".lower() in loaders:
            schemes.append(_scheme_job(path, loaders[f"{scheme}:".lower()], rest))
        else:
            places.append(path)
    return schemes, places


def _scheme_job(path: str, loader: NamedLoader, rest: str) -> Job:
    if not is_storable(path):
        raise IngestError(f"{path!r} is not valid Unicode and cannot be stored")
    if loader.check:
        loader.check(rest)
    return Job(path, loader, rest)
