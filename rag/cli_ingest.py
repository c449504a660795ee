"""`ragloom ingest`: documents into an index."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import RagloomError
from ..stores.layout import corpus_files, is_corpus
from .cli_parts import make_display
from .options import DEFAULT_INDEX, AsJson

if TYPE_CHECKING:
    from ..stores.corpus import Corpus
    from .display import Display
    from .ingest import IngestProgress, IngestReport


def ingest_command(
    paths: Annotated[list[str], typer.Argument(help="Files, folders, or pydoc: for Python's reference.")],
    into: Annotated[Path, typer.Option("--into", help="Folder of the index.")] = DEFAULT_INDEX,
    include: Annotated[list[str], typer.Option(help="Only files that match; may be repeated.")] = [],  # noqa: B006
    exclude: Annotated[list[str], typer.Option(help="No files that match; may be repeated.")] = [],  # noqa: B006
    text_field: Annotated[str, typer.Option(help="Field of JSONL and CSV with the text.")] = "text",
    language: Annotated[str | None, typer.Option(help="Language of a new index: en, de, ... or other.")] = None,
    embedder: Annotated[str | None, typer.Option(help="Embedder of a new index: a model's name or folder.")] = None,
    as_json: AsJson = False,
) -> None:
    """Read documents into an index; unchanged files cost nothing, vanished ones go."""
    from .ingest import check_paths

    check_paths(paths, include=include, exclude=exclude)
    display = make_display(as_json)
    with _opened(into, language=language, embedder=embedder) as corpus:
        if embedder and len(corpus):
            corpus.check_embedder()
        report = ingest_into(display, paths, corpus, include=include, exclude=exclude, text_field=text_field)
        if (include or exclude) and not report.files:
            left = f"--include and --exclude leave no file of {', '.join(paths)}"
            if not len(corpus):
                raise RagloomError(left)
            display.note(left)
        elif not report.removed:
            check_not_empty(corpus, paths, report)
        display.data(report.as_dict())
        display.line(report.summary())
        if not len(corpus):
            display.note(f"the index is empty now: nothing is left in {', '.join(paths)}")


@contextmanager
def _opened(folder: Path, **options: Any) -> Iterator[Corpus]:
    """An index to write to; one that was made in vain goes again: it would be asked, and know nothing."""
    from ..stores.corpus import Corpus

    is_new, is_vain = not is_corpus(folder), False
    try:
        with Corpus(folder, **options) as corpus:
            try:
                yield corpus
            except RagloomError:
                is_vain = is_new and not len(corpus)
                raise
    finally:
        if is_vain:
            for path in corpus_files(folder):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            if not any(folder.iterdir()):
                folder.rmdir()


def ingest_into(display: Display, paths: list[str], corpus: Corpus, **options: Any) -> IngestReport:
    """Read documents into an open index, and tell what is skipped."""
    from .ingest import ingest

    with showing_progress(display, "indexing") as on_progress:
        report = ingest(paths, corpus, on_progress=on_progress, **options)
    for skipped in report.skipped:
        display.note(f"skipped {skipped.path}: {skipped.reason}")
    return report


def check_not_empty(corpus: Corpus, paths: list[str], report: IngestReport) -> None:
    """Refuse to go on with an index that nothing came into."""
    if len(corpus):
        return
    places = ", ".join(paths)
    but = " but what was skipped" if report.skipped else ""
    raise RagloomError(
        f"there is nothing to read in {places}{but}; ragloom reads Markdown, text, HTML, PDF, DOCX, JSONL and CSV files"
    )


@contextmanager
def showing_progress(display: Display, what: str) -> Iterator[Callable[[IngestProgress], None]]:
    """Show how far an ingest is.

    Python drops an interrupt that falls into a callback from C or a finalizer, so the next file raises it again.
    """
    interrupted: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        interrupted.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, remember)
    try:
        with display.progress(what) as show:

            def tell(event: IngestProgress) -> None:
                if interrupted:
                    raise KeyboardInterrupt
                show(event.done, event.total, event.path)

            yield tell
    finally:
        signal.signal(signal.SIGINT, before)
