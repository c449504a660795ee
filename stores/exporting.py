"""Exporting a sentence-transformers model to ONNX, once, for `exported`.

The export is held against the model on texts of all kinds before it is used. A model that gives other vectors there, or
that cannot be exported, is noted as refused, and torch runs it.
"""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from .exported import LOCK, ExportedModel, ModelCard, Place, open_exported

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

_log = logging.getLogger(__name__)

_CLOSE = 1e-4  # of each number of a vector of length 1
_WAIT = 120  # seconds for another process to export

MOST_TOKENS = 512
"""Models that read more of a text are left to torch: an export holds all of a text's attention in memory."""

_SAMPLES = [
    "",
    "Warm?",
    "  Which of the animals\nlives in the wood,  and which in the river? ",
    "Ünïcödé, 漢字 and 🧵 are text as well.",
    "The river was wide, and the mole had never seen one before. " * 100,
]
"""The last one is longer than any model reads that is exported."""


def export(model: SentenceTransformer, sha256: str, place: Place) -> None:
    """Write the `model`, whose weights are float32, to its place, unless it is there or was refused."""
    try:
        place.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(place.path.parent / LOCK, timeout=_WAIT):
            if not _is_refused(place) and open_exported(place) is None:
                _export(model, sha256, place)
    except (OSError, Timeout, MemoryError, ImportError) as error:
        _log.warning("queries are embedded by torch, which is slower; cannot write %s: %s", place.path, error)


def _is_refused(place: Place) -> bool:
    return place.refused.is_file() and place.refused.read_text("utf-8").startswith(place.stamp)


def _export(model: SentenceTransformer, sha256: str, place: Place) -> None:
    part = place.path.with_suffix(f".{os.getpid()}.part")
    try:
        _write(model, _card(model, sha256, place), part)
        if not part.is_file():
            raise FileNotFoundError(f"{part.name} went away")  # the cache was cleared meanwhile
        _compare(model, ExportedModel(part))
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(place.path)
    except (OSError, MemoryError, ImportError):
        raise
    except Exception as error:  # noqa: BLE001 - the exporter raises whatever a model's code does when it is traced
        reason = str(error).split("\n", 1)[0]
        _log.warning("queries are embedded by torch, which is slower; the model cannot be exported: %s", reason)
        place.refused.write_text(f"{place.stamp}\n{reason}\n", "utf-8")
    finally:
        part.unlink(missing_ok=True)


def _compare(model: SentenceTransformer, exported: ExportedModel) -> None:
    """Raise ValueError where the export gives other vectors than the model."""
    options: dict[str, Any] = {"show_progress_bar": False}
    queries = np.stack([exported.encode_query(text) for text in _SAMPLES])
    if not (
        np.allclose(_unit(exported.encode(_SAMPLES)), _unit(model.encode_document(_SAMPLES, **options)), atol=_CLOSE)
        and np.allclose(_unit(queries), _unit(model.encode_query(_SAMPLES, **options)), atol=_CLOSE)
    ):
        raise ValueError("its export gives other vectors")


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return unit


def _write(model: SentenceTransformer, card: ModelCard, path: Path) -> None:
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
    with warnings.catch_warnings(), _plain_attention(model):
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
    onnx.helper.set_model_props(written, {"card": json.dumps(asdict(card))})
    onnx.save(written, path)


@contextmanager
def _plain_attention(model: SentenceTransformer) -> Iterator[None]:
    """Attention written out, where that can be set: torch's own is traced as nearly a third more steps."""
    inner = model.transformers_model
    if inner is None or not hasattr(inner, "set_attn_implementation"):
        yield
        return
    usual = inner.config._attn_implementation
    inner.set_attn_implementation("eager")
    try:
        yield
    finally:
        inner.set_attn_implementation(usual)


def _card(model: SentenceTransformer, sha256: str, place: Place) -> ModelCard:
    """The model's card.

    Raises:
        ValueError: it is no model for this.
    """
    tokenizer, reads = plain_tokenizer(model), max_tokens(model)
    if tokenizer is None:
        raise ValueError("its tokenizer is of another kind")
    if reads > MOST_TOKENS:
        raise ValueError(f"it reads {reads} tokens of a text, more than {MOST_TOKENS}")
    return ModelCard(
        stamp=place.stamp,
        dimension=model.get_embedding_dimension() or 0,
        sha256=sha256,
        max_tokens=reads,
        tokenizer=tokenizer.to_str(),
        query_prompt=model.prompts.get("query") or "",
        document_prompt=model.prompts.get("document") or "",
    )


def max_tokens(model: SentenceTransformer) -> int:
    """Tokens of a text that the model reads; some say that there is no end."""
    return int(min(model.max_seq_length or MOST_TOKENS, 2**31))


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
