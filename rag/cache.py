"""The cache folder: prepared models, indexes of the demo and of `--over`, what graphs and the LLM keep.

All of it can be made again.

`RAGLOOM_CACHE` may name a folder with other things in it, so only what ragloom made is ever listed or deleted.
"""

from __future__ import annotations

import hashlib
import platform
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .._paths import expand_user
from ..settings import read_settings
from ..stores.errors import CorpusVersionError
from ..stores.exported import EMBEDDERS, exported_files
from ..stores.layout import corpus_files, is_corpus
from .llm.quantize import prepared_files

if TYPE_CHECKING:
    from ..stores.corpus import Corpus

_INDEXES = {"demo": re.compile(r"python-\d.*"), "over": re.compile(r".*-[0-9a-f]{10}")}
"""Folders of indexes, and what `demo_index` and `index_over` call an index in them."""


_KEPT = {
    "documents": re.compile(r"[0-9a-f]{64}\.kv|.+\.part"),
    "graphs/nodes.sqlite": re.compile(r"nodes\.sqlite(-wal|-shm)?"),
    "graphs/runs": re.compile(r"[0-9a-f]{16}\.json"),
}
"""What else is kept, and its files: documents' KV (`rag.llm`), results of nodes and traces of runs (`rag.graph`)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A model, an index, or what graphs keep.

    Attributes:
        name: its path in the cache.
        size: in bytes.
    """

    name: str
    size: int


def folder() -> Path:
    """Where the cache is; it may not exist yet."""
    return read_settings().cache


def demo_index() -> Path:
    """The index of this Python's language reference."""
    return folder() / "demo" / f"python-{platform.python_version()}"


def index_over(path: Path) -> Path:
    """The index that belongs to a folder of documents."""
    resolved = expand_user(path).resolve()
    return folder() / "over" / f"{resolved.name}-{hashlib.sha256(str(resolved).encode()).hexdigest()[:10]}"


def open_index(path: Path) -> Corpus:
    """Open an index in the cache, or make an empty one; one that another version of ragloom made is begun anew."""
    from ..stores.corpus import Corpus

    try:
        return Corpus(path)
    except CorpusVersionError:
        _delete(corpus_files(path))
        return Corpus(path)


def entries() -> list[Entry]:
    """What is in the cache, by name; the small files that go with a model are left out."""
    root = folder()
    found = {path: path.stat().st_size for path in _prepared(root) if path.suffix in {".gguf", ".onnx"}}
    found |= {index: sum(map(_size, corpus_files(index))) for index in _indexes(root)}
    found |= {root / name: sum(map(_size, files)) for name in _KEPT if (files := _kept(root, name))}
    return [Entry(path.relative_to(root).as_posix(), size) for path, size in sorted(found.items())]


def clear() -> int:
    """Delete what ragloom put into the cache; returns the bytes freed.

    Raises:
        OSError: something cannot be deleted.
    """
    root = folder()
    indexes = list(_indexes(root))
    own = [*_prepared(root), *(path for index in indexes for path in corpus_files(index))]
    own += [path for name in _KEPT for path in _kept(root, name)]
    freed = sum(map(_size, own))
    _delete(own)
    folders = ("models", EMBEDDERS, *_INDEXES, "documents", "graphs/runs", "graphs")
    for left in (*indexes, *(root / name for name in folders)):
        if _is_folder(left) and not any(left.iterdir()):
            left.rmdir()
    return freed


def _delete(paths: Iterable[Path]) -> None:
    for path in paths:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _prepared(root: Path) -> list[Path]:
    """Models of both kinds, and the small files that go with them."""
    found = {root / "models": prepared_files, root / EMBEDDERS: exported_files}
    return [path for place, files in found.items() if _is_folder(place) for path in files(place)]


def _indexes(root: Path) -> Iterator[Path]:
    for kind, name in _INDEXES.items():
        for path in (root / kind).iterdir() if _is_folder(root / kind) else ():
            if name.fullmatch(path.name) and _is_folder(path) and is_corpus(path):
                yield path


def _kept(root: Path, name: str) -> list[Path]:
    place = root / "graphs" if name.endswith(".sqlite") else root / name
    return [path for path in place.iterdir() if _KEPT[name].fullmatch(path.name)] if _is_folder(place) else []


def _is_folder(path: Path) -> bool:
    """Whether it is a folder; links lead out of the cache and are left alone."""
    return path.is_dir() and not path.is_symlink()


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
