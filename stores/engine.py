"""What an engine (tantivy, Chroma) does for a derived index: keep it in a folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Entry = tuple[int, str, NDArray[np.float32]]
"""What an index is told of a chunk: key, text to index, unit vector."""

Handle = TypeVar("Handle")
"""What an engine gives to an open index."""


class Engine(ABC, Generic[Handle]):
    """Opens and changes the files of an index; what it has open is a `Handle`."""

    name: str
    """What the index is called in file names and messages."""

    catalogue: str
    """The engine's own list of what there is, a file in the index's folder."""

    in_place = False
    """Whether it changes files that it has already written."""

    @abstractmethod
    def open(self, folder: Path) -> Handle:
        """Open the index in `folder`, or create it there."""

    @abstractmethod
    def apply(self, handle: Handle, removed: Sequence[int], batches: Iterable[Sequence[Entry]]) -> None:
        """Drop keys, then add entries (dropping their keys first), and commit."""

    @abstractmethod
    def size(self, handle: Handle) -> int:
        """How many chunks the index holds."""

    @abstractmethod
    def release(self, handle: Handle) -> None:
        """Let go of what is open; another thread may be in the middle of asking it."""

    @abstractmethod
    def guarded(self, folder: Path) -> Iterable[str]:
        """Names of the files that must be as they were left; the engine would read them unchecked."""

    def check_written(self, folder: Path) -> None:
        """Raise CorpusFullError where the engine did not notice that a file was cut short."""

    def shared(self) -> AbstractContextManager[None]:
        """Held while an index is opened or read."""
        return nullcontext()

    def exclusive(self) -> AbstractContextManager[None]:
        """Held while files change that others may have open."""
        return nullcontext()
