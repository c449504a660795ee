"""The files of a corpus. Nothing heavy is imported, so that whoever only looks at folders stays fast."""

from __future__ import annotations

import re
from pathlib import Path

DATABASE = "corpus.sqlite3"

_OWN = re.compile(rf"{re.escape(DATABASE)}(-wal|-shm|-journal)?|write\..+|(lexical|dense)[-.].+")
"""Names of all that a corpus writes: the database, locks, and for each index its pointer, its locks and its folder."""


def is_corpus(folder: Path) -> bool:
    """Whether there is a corpus in `folder`."""
    return (folder / DATABASE).is_file()


def corpus_files(folder: Path) -> list[Path]:
    """The files and folders in `folder` that a corpus has made; others, and links, are left out."""
    entries = folder.iterdir() if folder.is_dir() else ()
    return [entry for entry in entries if _OWN.fullmatch(entry.name) and not entry.is_symlink()]


DEFAULT_MEMORY = Path("ragloom-memory.sqlite3")
"""The memory where none is named, in the folder that a program is started in."""
