"""A sentence-transformers model as ONNX, for few texts: a query takes a third of the time, a process starts at once.

Importing sentence-transformers takes many seconds, and torch is slow where there is little to multiply. So a model that
lies in a folder is exported once (`exporting`), with all that is to be known of it, to the user's cache folder, and
onnxruntime runs it from then on; torch is imported for documents by the hundred only.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..settings import read_settings

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

_log = logging.getLogger(__name__)

EMBEDDERS = "embedders"
"""The folder of exports in the cache."""

LOCK = ".lock"
"""Held in that folder by whoever exports."""

_FORM = 3  # counts up when the files are made in another way
_MADE_BY = ("onnx", "onnxruntime", "sentence-transformers", "torch")
_BATCH = 4  # texts of about one length; more of them are padded more
_OWN = re.compile(rf"{re.escape(LOCK)}|.+-[0-9a-f]{{12}}(\.onnx|\.refused|\.\d+\.part)")


@dataclass(frozen=True)
class ModelCard:
    """What is to be known of a model without loading it.

    Attributes:
        stamp: tells the files that it was made from, and what made it; see `Place`.
        dimension: length of a vector.
        sha256: hash of the weights.
        max_tokens: tokens of a text that the model reads, special tokens included.
        tokenizer: it, as JSON.
        query_prompt: what is put before a query.
        document_prompt: what is put before a document.
    """

    stamp: str
    dimension: int
    sha256: str
    max_tokens: int
    tokenizer: str
    query_prompt: str = ""
    document_prompt: str = ""


@dataclass(frozen=True)
class Place:
    """Where the export of a model is kept, one for each folder.

    Attributes:
        path: of the export.
        stamp: changes with the files of the model, and with the libraries that export and run it.
    """

    path: Path
    stamp: str

    @classmethod
    def of(cls, model: Path) -> Place:
        """That of the model in a folder.

        Raises:
            OSError: the folder cannot be read.
        """
        files = sorted(path for path in model.rglob("*") if path.is_file())
        stats = [(str(path.relative_to(model)), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
        stamp = _digest((_FORM, stats, [_version(name) for name in _MADE_BY]))
        name = f"{model.resolve().name[:60]}-{_digest(str(model.resolve()))[:12]}.onnx"
        return cls(read_settings().cache / EMBEDDERS / name, stamp)

    @property
    def refused(self) -> Path:
        """The note that the model cannot be exported: its stamp, and why."""
        return self.path.with_suffix(".refused")


class ExportedModel:
    """A model that onnxruntime runs."""

    def __init__(self, path: Path) -> None:
        """Load the model at `path`."""
        self._session = _session(path)
        self.card = ModelCard(**json.loads(self._session.get_modelmeta().custom_metadata_map["card"]))
        self._cutting = self.tokenizer_copy()
        self._cutting.enable_truncation(self.card.max_tokens)

    def tokenizer_copy(self) -> Tokenizer:
        """The model's tokenizer, which neither truncates nor pads."""
        from tokenizers import Tokenizer

        copy: Tokenizer = Tokenizer.from_str(self.card.tokenizer)
        return copy

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The one for callers."""
        return self.tokenizer_copy()

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Embed a query: shape (dimension,); its length is the model's."""
        vector: NDArray[np.float32] = self._encode([self.card.query_prompt + text])[0]
        return vector

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed documents: shape (texts, dimension); the rows' lengths are the model's."""
        return self._encode([self.card.document_prompt + text for text in texts])

    def _encode(self, texts: list[str]) -> NDArray[np.float32]:
        ids = [encoding.ids for encoding in self._cutting.encode_batch_fast(texts)]
        vectors = np.empty((len(ids), self.card.dimension), np.float32)
        by_length = sorted(range(len(ids)), key=lambda place: len(ids[place]))
        for start in range(0, len(ids), _BATCH):
            places = by_length[start : start + _BATCH]
            vectors[places] = self._run([ids[place] for place in places])
        return vectors

    def _run(self, ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        padded = np.zeros((len(ids), max(map(len, ids))), np.int64)
        mask = np.zeros_like(padded)
        for row, tokens in enumerate(ids):
            padded[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        vectors: NDArray[np.float32] = self._session.run(None, {"input_ids": padded, "attention_mask": mask})[0]
        return vectors


def open_exported(place: Place) -> ExportedModel | None:
    """The export at a place; None where it is not there, was made from other files, or cannot be read."""
    try:
        if not place.path.is_file():
            return None
        exported = ExportedModel(place.path)
    except Exception as error:  # noqa: BLE001 - onnxruntime raises classes of its own for every kind of damage
        _log.warning("cannot read %s: %s", place.path, str(error).split("\n", 1)[0])
        return None
    return exported if exported.card.stamp == place.stamp else None


def exported_files(folder: Path) -> list[Path]:
    """What is made in `folder`: exports, notes of models that were refused, and what a killed run leaves."""
    files = folder.iterdir() if folder.is_dir() else ()
    return [file for file in files if _OWN.fullmatch(file.name) and file.is_file() and not file.is_symlink()]


def _version(library: str) -> str:
    """Of an installed library; empty for one that comes under another name, such as onnxruntime-gpu."""
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()


def _session(path: Path) -> InferenceSession:
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = read_settings().threads
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
