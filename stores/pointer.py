"""The pointer of a derived index: a small JSON file that names its folder and what it has followed."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from .database import State
from .marks import Mark

_TRIES = 50
_PAUSE_S = 0.01


@dataclass(frozen=True, slots=True)
class Pointer:
    """Which folder holds the index, what it has followed, and whether its files can be believed.

    Attributes:
        folder: name of the folder.
        epoch: of the database; another epoch means other vectors.
        generation: of the database.
        whole: false while the engine changes its files in place.
        chunks: how many the index holds.
        marks: of the files that an engine would read without checking.
    """

    folder: str
    epoch: str
    generation: int
    whole: bool
    chunks: int
    marks: dict[str, Mark]

    def is_at(self, state: State) -> bool:
        """Whether the index has followed the database up to `state`."""
        return self.whole and (self.epoch, self.generation) == (state.epoch, state.generation)


def read_pointer(file: Path) -> Pointer | None:
    """The pointer, or None where there is none.

    Raises:
        ValueError: the file holds something else.
    """
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        marks = {name: (mark[0], mark[1], mark[2]) for name, mark in values.pop("marks").items()}
        return Pointer(**values, marks=marks)
    except FileNotFoundError:
        return None
    except (TypeError, KeyError, IndexError, AttributeError) as error:
        raise ValueError(f"{file} holds no pointer") from error


def write_pointer(file: Path, pointer: Pointer) -> None:
    """Replace the pointer at once, and have it on the disk before anything that comes after."""
    temporary = file.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8") as stream:
        json.dump(asdict(pointer), stream)
        stream.flush()
        os.fsync(stream.fileno())
    _replace(file, temporary)
    if os.name != "nt":  # Windows cannot open a folder, and has no need to
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _replace(file: Path, temporary: Path) -> None:
    """Put `temporary` in the place of `file`; Windows refuses while somebody reads it, which takes a moment."""
    for _ in range(_TRIES if os.name == "nt" else 0):
        try:
            temporary.replace(file)
        except PermissionError:
            time.sleep(_PAUSE_S)
        else:
            return
    temporary.replace(file)
