"""Indexes that are derived from the database and can be made again from it.

A derived index lives in a folder of its own; a small JSON file beside it, the *pointer*, names that folder and the
state of the database that it has followed. The pointer is replaced atomically and only after the index's own commit,
so after a crash an index is at worst behind, and following the same writes once more changes nothing: catching up drops
keys before it adds them. A rebuild fills a new folder and then moves the pointer.

The pointer also holds marks of the index's files. An engine that changes its files in place says so in the pointer
before it begins (`whole: false`): if it dies half-way, the marks tell whether it had touched them, and the index is
made again if it had. Marks that differ without such a beginning are damage, and the engine never sees the file.
"""

from __future__ import annotations

import shutil
import threading
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

from .database import Database, State
from .engine import Engine, Handle
from .engine_errors import EngineErrors
from .errors import CorpusCorruptError
from .marks import Mark, first_changed, mark_files
from .pointer import Pointer, read_pointer, write_pointer

BATCH = 2000
"""Chunks handed to an index at once while it catches up."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Opened(Generic[Handle]):
    """An open index.

    Attributes:
        pointer: what it was opened or left as.
        handle: what its engine gives.
        torn: the engine failed half-way, so what it holds may differ from its files: good to read, but to be opened
            anew before it writes.
    """

    pointer: Pointer
    handle: Handle
    torn: bool = False

    def is_at(self, state: State) -> bool:
        """Whether it has followed the database up to `state`."""
        return not self.torn and self.pointer.is_at(state)

    def is_as(self, pointer: Pointer | None) -> bool:
        """Whether it is what that pointer names."""
        return not self.torn and self.pointer == pointer


class DerivedIndex(ABC, Generic[Handle]):
    """An index over chunks that follows the database."""

    def __init__(self, root: Path, engine: Engine[Handle]) -> None:
        """Use the index that `engine` keeps of the corpus at `root`; nothing is opened yet."""
        self.name = engine.name
        self._engine = engine
        self._root = root
        self._pointer_file = root / f"{self.name}.json"
        self._switching = threading.RLock()
        self._opened: Opened[Handle] | None = None
        self._errors = EngineErrors(root, self.name)

    @property
    def chunks(self) -> int:
        """How many chunks what is open holds."""
        return self._opened.pointer.chunks if self._opened else 0

    @property
    def is_open(self) -> bool:
        """Whether there is something to search in; it may be behind."""
        return self._opened is not None

    def is_of_epoch(self, state: State) -> bool:
        """Whether what is open, though it may be behind, has the vectors that the database has."""
        return self._opened is not None and self._opened.pointer.epoch == state.epoch

    def is_at(self, state: State) -> bool:
        """Whether what is open has followed the database up to `state`."""
        return self._opened is not None and self._opened.is_at(state)

    def exists(self) -> bool:
        """Whether an index was ever finished here."""
        return self._pointer_file.exists()

    def refresh(self) -> None:
        """Open what the pointer names now, if it is whole and not open yet.

        Raises:
            CorpusCorruptError: the index cannot be read; the message names the file and the command that rebuilds it.
        """
        with self._switching, self._errors.explained(self._place()), self._engine.shared():
            pointer = self._read_pointer()
            if pointer is not None and pointer.whole and self._folder(pointer).is_dir():
                self._open_pointer(pointer)

    def catch_up(self, database: Database) -> None:
        """Follow the database; the caller holds the corpus' writer lock.

        Raises:
            CorpusCorruptError: the index cannot be read.
            CorpusFullError: the disk is full; nothing is lost, and the next catching up goes on.
        """
        state = database.state()
        with self._switching, self._errors.explained(self._place()):
            if self._opened is not None and self._opened.is_at(state) and self._opened.is_as(self._read_pointer()):
                return
            with self._engine.exclusive():
                pointer = self._read_pointer()
                handle = self._open_to_follow(pointer, state) if pointer is not None else None
                if pointer is not None and handle is not None:
                    if not pointer.is_at(state):
                        self._follow(pointer, handle, database, state)
                    return
            self.rebuild(database)

    def rebuild(self, database: Database) -> None:
        """Make the index again from the database; the caller holds the corpus' writer lock."""
        state = database.state()
        folder = self._root / f"{self.name}-{uuid.uuid4().hex[:8]}"
        handle: Handle | None = None
        with self._switching, self._errors.explained(folder / self._engine.catalogue):
            try:
                folder.mkdir()
                handle = self._engine.open(folder)
                self._engine.apply(handle, [], database.added_since(0, BATCH))
                pointer = self._commit(folder, handle, database, state, {})
            except BaseException:
                if handle is not None:
                    self._engine.release(handle)
                shutil.rmtree(folder, ignore_errors=True)
                raise
            self._switch(Opened(pointer, handle))
            with self._engine.exclusive():
                self._remove_other_folders(folder)

    def _open_to_follow(self, pointer: Pointer, state: State) -> Handle | None:
        """Open the index, unless it has to be made again."""
        folder = self._folder(pointer)
        if not folder.is_dir() or pointer.epoch != state.epoch or pointer.generation > state.generation:
            return None
        if pointer.whole:
            return self._open_pointer(pointer)
        if set(self._engine.guarded(folder)) != set(pointer.marks) or first_changed(folder, pointer.marks) is not None:
            return None
        try:
            return self._open_pointer(pointer)
        except CorpusCorruptError:
            return None  # whoever died or ran out of room here left it so

    def _open_pointer(self, pointer: Pointer) -> Handle:
        if self._opened is not None and self._opened.is_as(pointer):
            return self._opened.handle
        folder = self._folder(pointer)
        changed = first_changed(folder, pointer.marks, missing_ok=not self._engine.in_place)
        if changed is not None:
            raise self._errors.damaged(folder / changed, "it is not what was written")
        with self._errors.explained(folder / self._engine.catalogue):
            handle = self._engine.open(folder)
        # An engine that only adds files may be ahead of its pointer: its writer is about to move it, or has died.
        if self._engine.in_place and pointer.whole and (found := self._engine.size(handle)) != pointer.chunks:
            self._engine.release(handle)
            raise self._errors.damaged(folder, f"it holds {found} chunks instead of {pointer.chunks}")
        self._switch(Opened(pointer, handle))
        return handle

    def _follow(self, pointer: Pointer, handle: Handle, database: Database, state: State) -> None:
        if self._engine.in_place and pointer.whole:
            write_pointer(self._pointer_file, replace(pointer, whole=False))
        try:
            behind = pointer.generation
            self._engine.apply(handle, database.removed_since(behind), database.added_since(behind, BATCH))
            pointer = self._commit(self._folder(pointer), handle, database, state, pointer.marks)
        except BaseException:
            self._opened = Opened(pointer, handle, torn=True)
            raise
        self._opened = Opened(pointer, handle)

    def _commit(
        self, folder: Path, handle: Handle, database: Database, state: State, known: dict[str, Mark]
    ) -> Pointer:
        chunks, expected = self._engine.size(handle), database.count("chunks")
        if chunks != expected:
            raise self._errors.damaged(folder, f"it holds {chunks} chunks instead of {expected}")
        self._engine.check_written(folder)
        marks = mark_files(folder, self._engine.guarded(folder), known)
        pointer = Pointer(folder.name, state.epoch, state.generation, whole=True, chunks=chunks, marks=marks)
        write_pointer(self._pointer_file, pointer)
        return pointer

    def _switch(self, opened: Opened[Handle] | None) -> None:
        before, self._opened = self._opened, opened
        if before is not None and (opened is None or before.handle is not opened.handle):
            self._engine.release(before.handle)

    def close(self) -> None:
        """Let go of the files."""
        with self._switching:
            self._switch(None)

    def read(self, ask: Callable[[Handle], Answer], nothing: Answer) -> Answer:
        """What `ask` answers about the open index; `nothing` where none is open.

        Another thread may switch to a newer index while this one is asked, and another process may remove its
        folder: then the newer one is asked.
        """
        while True:
            opened = self._opened
            if opened is None:
                return nothing
            try:
                with self._errors.explained(self._place()), self._engine.shared():
                    return ask(opened.handle)
            except CorpusCorruptError:
                self.refresh()
                if self._opened is opened:
                    raise

    def _folder(self, pointer: Pointer) -> Path:
        return self._root / pointer.folder

    def _place(self) -> Path:
        """The file to name where the engine does not say which one it could not read."""
        return self._folder(self._opened.pointer) / self._engine.catalogue if self._opened else self._root

    def _read_pointer(self) -> Pointer | None:
        try:
            return read_pointer(self._pointer_file)
        except ValueError as error:
            raise self._errors.damaged(self._pointer_file, "it is not what was written") from error

    def _remove_other_folders(self, kept: Path) -> None:
        for folder in self._root.glob(f"{self.name}-*"):
            if folder.is_dir() and folder != kept:
                shutil.rmtree(folder, ignore_errors=True)

    @abstractmethod
    def keys(self) -> set[int]:
        """Every key in the index."""
