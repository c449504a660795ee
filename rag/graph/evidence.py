"""Evidence as a value that a checkpoint can hold.

`rag.generate.Evidence` carries the embedder that made it, which no checkpoint can. Everything else is kept, the
sentence vectors too: embedding them is most of what evidence costs, and a resumed run shall not pay for it again.
"""

from __future__ import annotations

import base64
from typing import Annotated, Any

import numpy as np
from langchain_core.documents import Document
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, InstanceOf, PlainSerializer

from ...stores.embedder import TextEmbedder
from ..generate.evidence import Evidence
from ..generate.types import Citation


def _to_plain(array: NDArray[np.float32]) -> dict[str, Any]:
    return {"shape": list(array.shape), "float32": base64.b64encode(array.astype("<f4").tobytes()).decode()}


def _to_array(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    numbers = np.frombuffer(base64.b64decode(value["float32"]), "<f4")
    return numbers.astype(np.float32).reshape(value["shape"])


Array = Annotated[
    InstanceOf[np.ndarray[Any, np.dtype[np.float32]]], BeforeValidator(_to_array), PlainSerializer(_to_plain)
]
"""Numbers; as JSON their shape and their bytes in base64."""


class StoredEvidence(BaseModel):
    """`rag.generate.Evidence` without its embedder.

    Attributes:
        question: what was asked.
        documents: the passages, best first.
        sentences: every sentence of prose in them.
        passage_of: index into `documents` of the passage that each sentence stands in.
        vectors: unit vectors of the sentences, shape (sentences, dimension).
        sentence_scores: cosine of each sentence to the question, shape (sentences,).
        passage_scores: cosine of each passage to the question, shape (documents,).
        ranking: indexes into `documents`, best first.
        confidence: how sure one can be that the documents answer the question, 0 to 1.
        language: of the documents.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    question: str
    documents: tuple[Document, ...]
    sentences: tuple[Citation, ...]
    passage_of: tuple[int, ...]
    vectors: Array
    sentence_scores: Array
    passage_scores: Array
    ranking: tuple[int, ...]
    confidence: float
    language: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StoredEvidence) and self.model_dump() == other.model_dump()

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def of(cls, evidence: Evidence) -> StoredEvidence:
        """Leave the embedder out."""
        return cls(**{name: getattr(evidence, name) for name in cls.model_fields})

    def with_embedder(self, embedder: TextEmbedder) -> Evidence:
        """The evidence, with the `embedder` that made it: the vectors mean nothing to another one."""
        return Evidence(**{name: getattr(self, name) for name in type(self).model_fields}, embedder=embedder)
