"""The folder of a corpus: whether there is one, and whether it is the one that is asked for."""

from __future__ import annotations

from pathlib import Path

from .analysis import check_language
from .database import Database
from .errors import CorpusError, CorpusNotFoundError, DatabaseCorruptError, from_os_error
from .layout import DATABASE


def open_database(folder: Path, *, language: str | None, create: bool) -> Database:
    """Open the database of the corpus in `folder`; where there is none, make an empty one if `create` says so.

    Raises:
        CorpusNotFoundError: there is none, and `create` is false.
        DatabaseCorruptError: it is damaged, or missing though its indexes are there.
        CorpusError: it is in another language or of another version of ragloom, or the folder cannot be written.
        QueryError: there is no such language.
    """
    if language is not None:
        check_language(language)
    _prepare(folder, create)
    database = Database(folder / DATABASE, language=language or "en")
    recorded = database.language
    if language not in {None, recorded}:
        database.close()
        raise CorpusError(
            f"{folder} is indexed in language {recorded!r}, not {language!r}; ingest again into a new index"
        )
    return database


def _prepare(folder: Path, create: bool) -> None:
    database = folder / DATABASE
    try:
        if database.is_file() and database.stat().st_size > 0:
            return
        if (folder / "lexical.json").exists() or (folder / "dense.json").exists():
            raise DatabaseCorruptError(
                f"{database} is {'empty' if database.exists() else 'missing'}, though its indexes are there; "
                f"restore it from a backup, or delete {folder} and ingest again"
            )
        if not create:
            raise CorpusNotFoundError(folder)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise from_os_error(error, folder) from error
