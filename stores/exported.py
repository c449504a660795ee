"""A sentence-transformers model as ONNX, for few texts: a query takes a third of the time, a process starts at once.

Importing sentence-transformers takes many seconds, and torch is slow where there is little to multiply. So a model that
lies in a folder is exported once, with all that is to be known of it, to the user's cache folder, and onnxruntime runs
it from then on; torch is imported for documents by the hundred only. The export is held against the model on texts of
all kinds before it is used; a model that gives other vectors there (or that cannot be exported) is noted as refused.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from ..settings import read_settings

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

_log = logging.getLogger(__name__)

_FORM = 1  # counts up when the files are made in another way
_BATCH = 4  # texts of about one length; more of them are padded more
_CLOSE = 1e-4  # of each number of a vector
_WAIT = 120  # seconds for another process to export
_LOCK = ".lock"
_OWN = re.compile(rf"{re.escape(_LOCK)}|.+-[0-9a-f]{{12}}\.(onnx|refused|part)")

_SAMPLES = [
    "",
    "Warm?",
    "  Which of the animals\nlives in the wood,  and which in the river? ",
    "Ünïcödé, 漢字 and 🧵 are text as well.",
    "The river was wide, and the mole had never seen one before. " * 100,
]


@dataclass(frozen=True)
class ModelCard:
    """What is to be known of a model without loading it.

    Attributes:
        dimension: length of a vector.
        sha256: hash of the weights.
        max_tokens: tokens of a text that the model reads, special tokens included.
        tokenizer: it, as JSON.
        query: what is put before a query.
        document: what is put before a document.
    """

    dimension: int
    sha256: str
    max_tokens: int
    tokenizer: str
    query: str = ""
    document: str = ""


class ExportedModel:
    """A model that onnxruntime runs."""

    def __init__(self, path: Path) -> None:
        """Load the model that `export` wrote to `path`."""
        from tokenizers import Tokenizer

        self._session = _session(path)
        self.card = ModelCard(**json.loads(self._session.get_modelmeta().custom_metadata_map["card"]))
        self.tokenizer: Tokenizer = Tokenizer.from_str(self.card.tokenizer)
        self._cutting: Tokenizer = Tokenizer.from_str(self.card.tokenizer)
        self._cutting.enable_truncation(self.card.max_tokens)

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Embed a query: shape (dimension,); its length is the model's."""
        vector: NDArray[np.float32] = self._encode([self.card.query + text])[0]
        return vector

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed documents: shape (texts, dimension); the rows' lengths are the model's."""
        return self._encode([self.card.document + text for text in texts])

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


def exported_files(folder: Path) -> list[Path]:
    """What is made here in `folder`: models, and notes of those that were refused."""
    files = folder.iterdir() if folder.is_dir() else ()
    return [file for file in files if _OWN.fullmatch(file.name) and file.is_file() and not file.is_symlink()]


def exported_path(model: Path) -> Path:
    """Where the export of the model in a folder is kept; it changes with the files of the model."""
    files = sorted(path for path in model.rglob("*") if path.is_file())
    stats = [(str(path.relative_to(model)), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    digest = hashlib.sha256(repr((_FORM, str(model.resolve()), stats)).encode()).hexdigest()
    return read_settings().cache / "embedders" / f"{model.resolve().name}-{digest[:12]}.onnx"


def open_exported(path: Path) -> ExportedModel | None:
    """The model at `path`, or None where it is not there or cannot be read."""
    if not path.is_file():
        return None
    try:
        return ExportedModel(path)
    except Exception as error:  # noqa: BLE001 - onnxruntime raises classes of its own for every kind of damage
        _log.warning("making %s anew, for it cannot be read: %s", path, error)
        path.unlink(missing_ok=True)
        return None


def export(model: SentenceTransformer, sha256: str, path: Path) -> None:
    """Write the `model`, whose weights are float32, to `path`, unless it is there or was refused."""
    refused = path.with_suffix(".refused")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.parent / _LOCK, timeout=_WAIT):
            if not path.is_file() and not refused.is_file():
                _export(model, sha256, path, refused)
    except (OSError, Timeout) as error:
        _log.warning("queries are embedded by torch, which is slower; cannot write %s: %s", path, error)


def _export(model: SentenceTransformer, sha256: str, path: Path, refused: Path) -> None:
    part = path.with_suffix(".part")
    try:
        _write(model, sha256, part)
        _compare(model, ExportedModel(part))
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - the exporter raises whatever a model's code does when it is traced
        reason = str(error).split("\n", 1)[0]
        _log.info("queries are embedded by torch, for the model cannot be exported: %s", reason)
        refused.write_text(f"{reason}\n", "utf-8")
    finally:
        part.unlink(missing_ok=True)


def _compare(model: SentenceTransformer, exported: ExportedModel) -> None:
    """Raise ValueError where the export gives other vectors than the model."""
    options: dict[str, Any] = {"show_progress_bar": False}
    queries = np.stack([exported.encode_query(text) for text in _SAMPLES])
    if not (
        np.allclose(exported.encode(_SAMPLES), model.encode_document(_SAMPLES, **options), atol=_CLOSE)
        and np.allclose(queries, model.encode_query(_SAMPLES, **options), atol=_CLOSE)
    ):
        raise ValueError("its export gives other vectors")


def _write(model: SentenceTransformer, sha256: str, path: Path) -> None:
    import onnx
    import torch

    class Forward(torch.nn.Module):
        """The model with its inputs by place, as the exporter wants them."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            features: dict[str, torch.Tensor] = self.model({"input_ids": input_ids, "attention_mask": attention_mask})
            return features["sentence_embedding"]

    names, free = ["input_ids", "attention_mask"], {0: "texts", 1: "tokens"}
    read = model.tokenizer(_SAMPLES[:3], return_tensors="pt", padding=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing, and that this exporter is the older one: the other takes 15 s
        torch.onnx.export(
            Forward().eval(),
            tuple(read[name] for name in names),
            path,
            input_names=names,
            output_names=["vectors"],
            dynamic_axes={**dict.fromkeys(names, free), "vectors": {0: "texts"}},
            dynamo=False,
        )
    written = onnx.load(path)
    onnx.helper.set_model_props(written, {"card": json.dumps(asdict(_card(model, sha256)))})
    onnx.save(written, path)


def _card(model: SentenceTransformer, sha256: str) -> ModelCard:
    tokenizer = plain_tokenizer(model)
    if tokenizer is None:
        raise ValueError("its tokenizer is of another kind")
    return ModelCard(
        dimension=model.get_embedding_dimension() or 0,
        sha256=sha256,
        max_tokens=int(model.max_seq_length or 512),
        tokenizer=tokenizer.to_str(),
        query=model.prompts.get("query") or "",
        document=model.prompts.get("document") or "",
    )


def plain_tokenizer(model: SentenceTransformer) -> Tokenizer | None:
    """A copy of the model's tokenizer that neither truncates nor pads; None where there is none to be had."""
    from tokenizers import Tokenizer

    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is None:
        return None
    copy: Tokenizer = Tokenizer.from_str(backend.to_str())
    copy.no_truncation()
    copy.no_padding()
    return copy


def _session(path: Path) -> InferenceSession:
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = read_settings().threads
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
