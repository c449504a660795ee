"""Indexes that are derived from the database and can be made again from it.

A derived index lives in a folder of its own; a small JSON file beside it, the *pointer*, names that folder and the
generation of the database that it has followed. The pointer is replaced atomically and only after the index's own
commit, so after a crash an index is at worst behind, and following the same writes once more changes nothing: catching
up drops keys before it adds them. A rebuild fills a new folder and then moves the pointer.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import RagloomError
from .database import Database
from .errors import CorpusCorruptError, CorpusFullError

BATCH = 2000
"""Chunks handed to an index at once while it catches up."""

Entry = tuple[int, str, NDArray[np.float32]]
"""What an index is told of a chunk: key, text to index, unit vector."""


@dataclass(frozen=True, slots=True)
class Pointer:
    """Which folder holds the index, and the database generation it has followed."""

    folder: str
    generation: int


class DerivedIndex(ABC):
    """An index over chunks that follows the database by generation."""

    name: str
    """What the index is called in file names and messages."""

    def __init__(self, root: Path) -> None:
        """Use the index of the corpus at `root`; nothing is opened yet."""
        self._root = root
        self._pointer_file = root / f"{self.name}.json"
        self._opened: Pointer | None = None

    @property
    def generation(self) -> int:
        """The database generation that what is open has followed; 0 for an index that is not there yet."""
        return self._opened.generation if self._opened else 0

    def refresh(self) -> None:
        """Open what the pointer names now, if that is not what is open.

        Raises:
            CorpusCorruptError: the index cannot be read; the message names the command that rebuilds it.
        """
        pointer = self._read_pointer()
        if pointer is None or pointer == self._opened:
            return
        with self.explained():
            self._open(self._root / pointer.folder)
        self._opened = pointer

    def catch_up(self, database: Database) -> None:
        """Follow the database; the caller holds the corpus' writer lock."""
        self.refresh()
        generation = database.generation
        if self._opened is None:
            self.rebuild(database)
        elif self._opened.generation != generation:
            behind = self._opened.generation
            with self.explained():
                self._apply(database.removed_since(behind), database.added_since(behind, BATCH))
            self._opened = self._write_pointer(Pointer(self._opened.folder, generation))

    def rebuild(self, database: Database) -> None:
        """Make the index again from the database; the caller holds the corpus' writer lock."""
        generation = database.generation
        folder = self._root / f"{self.name}-{uuid.uuid4().hex[:8]}"
        with self.explained():
            folder.mkdir()
            self._open(folder)
            self._apply([], database.added_since(0, BATCH))
        self._opened = self._write_pointer(Pointer(folder.name, generation))
        self._remove_other_folders()

    def close(self) -> None:
        """Let go of the files."""
        self._opened = None
        self._release()

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn what the engine underneath raises into an error that a user can act on."""
        try:
            yield
        except RagloomError:
            raise
        except BaseException as error:
            # Rust panics reach Python as a BaseException of a type that cannot be imported.
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            raise self._explain(error) from error

    def _explain(self, error: BaseException) -> RagloomError:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        if any(sign in reason.lower() for sign in ("no space left", "disk is full", "os error 28")):
            return CorpusFullError(
                f"no room for the {self.name} index in {self._root} ({reason}); free some space and run the same "
                "again: what was acknowledged before is safe"
            )
        return CorpusCorruptError(
            f"the {self.name} index in {self._root} cannot be used ({reason}); "
            f"make it again with: ragloom corpus repair {self._root}"
        )

    def _read_pointer(self) -> Pointer | None:
        try:
            return Pointer(**json.loads(self._pointer_file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise self._explain(error) from error

    def _write_pointer(self, pointer: Pointer) -> Pointer:
        temporary = self._pointer_file.with_suffix(".tmp")
        with self.explained(), temporary.open("w", encoding="utf-8") as file:
            json.dump(asdict(pointer), file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._pointer_file)
        return pointer

    def _remove_other_folders(self) -> None:
        for folder in self._root.glob(f"{self.name}-*"):
            if folder.is_dir() and self._opened and folder.name != self._opened.folder:
                shutil.rmtree(folder, ignore_errors=True)

    @abstractmethod
    def keys(self) -> set[int]:
        """Every key in the index."""

    @abstractmethod
    def _open(self, folder: Path) -> None:
        """Open the index in `folder`, or create it there; what was open before is let go."""

    @abstractmethod
    def _apply(self, removed: Sequence[int], batches: Iterable[Sequence[Entry]]) -> None:
        """Drop keys, then add entries (dropping their keys first), and commit."""

    @abstractmethod
    def _release(self) -> None:
        """Let go of what is open."""
