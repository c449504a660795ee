"""The cache folder: prepared models, the demo's index, indexes that `--over` made. All of it can be made again.

`RAGLOOM_CACHE` may name a folder that holds other things too, so only what ragloom made is ever listed or deleted:
models and indexes are known by their names, an index by its files too.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .._paths import expand_user
from ..settings import read_settings

_MODEL = re.compile(r"[0-9a-f]{16}\.sha256|.+-[0-9a-f]{12}-Q8_0\.(gguf|part)|\.lock")
_INDEX = {"demo": re.compile(r"python-\d.*"), "over": re.compile(r".*-[0-9a-f]{10}")}
_IN_INDEX = re.compile(r"corpus\.sqlite3(-wal|-shm|-journal)?|write\..+|(lexical|dense)[-.].+")


@dataclass(frozen=True, slots=True)
class Entry:
    """A model or an index in the cache.

    Attributes:
        name: its path in the cache.
        size: in bytes.
    """

    name: str
    size: int


def folder() -> Path:
    """Where the cache is; it may not exist yet."""
    return read_settings().cache


def index_over(path: Path) -> Path:
    """The index that belongs to a folder of documents."""
    resolved = expand_user(path).resolve()
    return folder() / "over" / f"{resolved.name}-{hashlib.sha256(str(resolved).encode()).hexdigest()[:10]}"


def entries() -> list[Entry]:
    """The models and indexes in the cache, by name; the small files that go with a model are left out."""
    root = folder()
    models = [path for path in _models(root) if path.suffix == ".gguf"]
    found = {path: path.stat().st_size for path in models}
    found |= {index: sum(map(_size, _own_files(index))) for index in _indexes(root)}
    return [Entry(path.relative_to(root).as_posix(), size) for path, size in sorted(found.items())]


def clear() -> int:
    """Delete what ragloom put into the cache; returns the bytes freed.

    Raises:
        OSError: something cannot be deleted.
    """
    root = folder()
    indexes = list(_indexes(root))
    own = [*_models(root), *(path for index in indexes for path in _own_files(index))]
    freed = sum(map(_size, own))
    for path in own:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for left in (*indexes, root / "models", root / "demo", root / "over"):
        if left.is_dir() and not left.is_symlink() and not any(left.iterdir()):
            left.rmdir()
    return freed


def _models(root: Path) -> Iterator[Path]:
    return (path for path in _inside(root / "models") if path.is_file() and _MODEL.fullmatch(path.name))


def _indexes(root: Path) -> Iterator[Path]:
    for kind, name in _INDEX.items():
        for path in _inside(root / kind):
            if name.fullmatch(path.name) and (path / "corpus.sqlite3").is_file():
                yield path


def _own_files(index: Path) -> list[Path]:
    return [path for path in _inside(index) if _IN_INDEX.fullmatch(path.name)]


def _inside(path: Path) -> list[Path]:
    """What lies in a folder; links lead out of the cache and are left alone."""
    if not path.is_dir() or path.is_symlink():
        return []
    return [inner for inner in path.iterdir() if not inner.is_symlink()]


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
