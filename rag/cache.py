"""The cache folder: prepared models, the demo's index, indexes that `--over` made. All of it can be made again."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from ..settings import read_settings


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder of the cache; `size` in bytes."""

    name: str
    size: int


def folder() -> Path:
    """Where the cache is; it may not exist yet."""
    return read_settings().cache


def index_over(path: Path) -> Path:
    """The index that belongs to a folder of documents."""
    resolved = path.expanduser().resolve()
    return folder() / "over" / f"{resolved.name}-{hashlib.sha256(str(resolved).encode()).hexdigest()[:10]}"


def entries() -> list[Entry]:
    """What is in the cache, two levels deep, by name."""
    root = folder()
    found = [
        path for path in sorted(root.glob("*/*")) + sorted(root.glob("*")) if path.is_file() or path.parent != root
    ]
    return [Entry(str(path.relative_to(root)), _size(path)) for path in found]


def clear() -> int:
    """Delete everything ragloom put into the cache; returns the bytes freed.

    The wheels that `make setup` keeps are left alone: they take minutes to build.
    """
    freed = 0
    for name in ("models", "demo", "over"):
        path = folder() / name
        freed += _size(path)
        shutil.rmtree(path, ignore_errors=True)
    return freed


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
