"""A cross-encoder: a model made for ranking, which reads the query and one passage together and gives a score.

Nogueira and Cho, "Passage Re-ranking with BERT", 2019. Any model of sentence-transformers' `CrossEncoder` will do, by
name or from a folder; none comes with ragloom. It reads as much of a passage as it was made for, often 512 tokens with
the query; how many passages were longer is told.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import Field, PrivateAttr

from ..._explain import count
from .errors import RerankError
from .reranker import Reranker
from .types import Passage, Scores

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

_RANKING_HEADS = ("ForSequenceClassification", "ForCausalLM")


class _Loaded:
    """What has been loaded, if it has; copies of a reranker that would load the same share it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.model: CrossEncoder | None = None


class CrossEncoderReranker(Reranker):
    """Ranks by a cross-encoder, which is loaded on first use.

        reranker = CrossEncoderReranker(model="cross-encoder/ms-marco-MiniLM-L6-v2")
        reranker.rank("What does the cat do?", ["Rain is wet.", "The cat sleeps all day."])

    Attributes:
        model: a folder, or a name on Hugging Face; what is not on this machine yet is downloaded.
        max_length: tokens that it reads of query and passage together; None: as many as it was made for.
        batch_size: passages that are read at once.
        device: where torch runs it: `cpu`, `cuda`, `mps`.
    """

    model: str | Path
    max_length: int | None = Field(default=None, ge=8)
    batch_size: int = Field(default=16, ge=1)
    device: str = "cpu"
    _loaded: _Loaded = PrivateAttr(default_factory=_Loaded)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy as of any reranker; it shares what has been loaded, unless it is to load another model."""
        copied = super().model_copy(update=update, deep=deep)
        if copied._what_to_load == self._what_to_load:
            copied._loaded = self._loaded
        return copied

    @property
    def _what_to_load(self) -> tuple[object, ...]:
        return str(self.model), self.max_length, self.device

    def load(self) -> CrossEncoder:
        """Load the model now, once.

        Raises:
            RerankError: there is no such model or device, or it is none that ranks.
        """
        with self._loaded.lock:
            if self._loaded.model is None:
                self._loaded.model = self._load()
            return self._loaded.model

    def _load(self) -> CrossEncoder:
        from safetensors import SafetensorError
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        self._check_device()
        try:
            model = self._read()
        except (OSError, ValueError, SafetensorError) as error:
            raise RerankError(
                f"cannot load the cross-encoder {str(self.model)!r}: {_first_line(error)}; give the folder of one, or "
                "the name of one on Hugging Face while there is a network"
            ) from error
        made_for = (getattr(model[0].config, "architectures", None) or [""])[0]
        if not made_for.endswith(_RANKING_HEADS):
            raise RerankError(f"{str(self.model)!r} is no cross-encoder: a {made_for or 'model'} scores no pairs")
        if model.num_labels != 1:
            raise RerankError(f"{str(self.model)!r} gives {model.num_labels} scores for a pair; ranking takes one")
        model.eval()
        return model

    def _check_device(self) -> None:
        import torch

        try:
            torch.empty(0, device=self.device)
        except (AssertionError, NotImplementedError, RuntimeError) as error:  # whatever torch was built without
            raise RerankError(
                f"there is no device {self.device!r} for a cross-encoder: {_first_line(error)}; device='cpu' will do"
            ) from error

    def _read(self) -> CrossEncoder:
        """The model from this machine; only one that is not here, or not all of it, is looked for elsewhere."""
        from sentence_transformers import CrossEncoder

        def read(*, here: bool) -> CrossEncoder:
            model: CrossEncoder = CrossEncoder(
                str(self.model), device=self.device, max_length=self.max_length, local_files_only=here
            )
            return model

        if Path(self.model).is_dir():
            return read(here=True)
        try:
            return read(here=True)
        except (OSError, ValueError):
            return read(here=False)

    def _score(self, query: str, passages: Sequence[Passage]) -> Scores:
        model = self.load()
        texts = [str(passage) for passage in passages]
        with self._loaded.lock:  # whether a tokenizer truncates is a state of it
            read = model.tokenizer([query] * len(texts), texts, truncation=False, padding=False, verbose=False)
            pairs = [(query, text) for text in texts]
            scores = model.predict(pairs, batch_size=self.batch_size, show_progress_bar=False)
            special = model.tokenizer.num_special_tokens_to_add(pair=True)
            asked = len(model.tokenizer.tokenize(query))
        lengths = np.array([len(tokens) for tokens in read["input_ids"]])
        most = model.max_seq_length or int(lengths.max())
        is_over, half = lengths > most, (most - special) / 2  # what is longer of the two is cut, to no less than half
        notes = []
        if cut := int((is_over & (lengths - special - asked > half)).sum()):
            longer = f"{cut} of {count(len(texts), 'document')} longer than {most} tokens with the query"
            notes.append(f"{longer}: only their beginning was read")
        if asked > half and (cut := int(is_over.sum())):
            of = count(len(texts), "document")
            notes.append(f"the query's end was not read beside {cut} of {of}: {most} tokens are read of both")
        return Scores(
            [float(score) for score in scores], evaluated=int(lengths.clip(max=most).sum()), notes=tuple(notes)
        )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
