"""The evidence for an answer: every sentence that was found, and how near it is to the question.

Sentences are embedded once, here; abstaining, quoting and grounding all read the same evidence. A sentence is embedded
without its heading, which would bring it nearer to every question on the subject, answered or not.

*Confidence* that the documents answer the question is the mean of three things: the cosine of the nearest passage to
the question, that of the nearest sentence, and the share of the question's content terms that one of the best three
passages has. The cosines alone overlook a short plain sentence that says just what was asked ("Travel must be approved
by your supervisor").

The best passages are those of three rankings, fused by RRF: as they were found, by their own cosine and by that of
their best sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from langchain_core.documents import Document
from numpy.typing import NDArray

from ...stores.embedder import TextEmbedder
from ...stores.fusion import rrf
from ..ingest.sentences import is_prose, sentences
from .arrays import Array
from .errors import GenerateError
from .support import ContentTerms
from .types import Citation

MIN_CONFIDENCE = 0.61
"""Below this the honest answer is "I don't know". The least at which, by the development questions, at most two of 30
answerable and 10 unanswerable questions get a wrong answer four times in five (1.5 are expected); it costs an answer to
over a quarter of those that have one (`benchmarks/demo_questions.py --dev --sweep`)."""

_BEST = 3
_STEEP = 4
"""RRF's k over a handful of passages: small, so that the first ranks count."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What was found for a question.

    Attributes:
        question: what was asked.
        documents: the passages, best first.
        sentences: every sentence of prose in them, as citations of its exact place, in the passages' order.
        passage_of: index into `documents` of the passage that each sentence stands in.
        vectors: unit vectors of the sentences, shape (sentences, dimension).
        sentence_scores: cosine of each sentence to the question, shape (sentences,).
        passage_scores: cosine of each passage to the question, shape (documents,).
        ranking: indexes into `documents`, best first.
        confidence: how sure one can be that the documents answer the question, 0 to 1.
        language: of the documents.
    """

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

    def __post_init__(self) -> None:
        for name in ("documents", "sentences", "passage_of", "ranking"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # checkpoints give lists back

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Evidence):
            return NotImplemented
        return all(np.array_equal(getattr(self, each.name), getattr(other, each.name)) for each in fields(self))

    __hash__ = None  # type: ignore[assignment]

    def answerable(self, min_confidence: float = MIN_CONFIDENCE) -> bool:
        """Whether an answer is worth trying."""
        return self.confidence >= min_confidence and bool(self.documents)


def gather(
    question: str,
    documents: Sequence[Document],
    embedder: TextEmbedder,
    *,
    passage_vectors: NDArray[np.float32] | None = None,
    language: str = "en",
) -> Evidence:
    """Find and embed the sentences of `documents`; what says nothing by itself (code, table rows) is left out.

    Args:
        question: what was asked.
        documents: the passages, best first.
        embedder: the embedder.
        passage_vectors: unit vectors of the passages, shape (documents, dimension), where a corpus has them already.
        language: of the documents.

    Raises:
        GenerateError: the question is empty, or longer than what the embedder reads.
    """
    _check_question(question, embedder)
    found: dict[Citation, int] = {}
    for number, document in enumerate(documents):
        text = document.page_content
        for span in sentences(text, language=language):
            if is_prose(text[span.start : span.end]):
                found.setdefault(Citation.of(document, span.start, span.end), number)
    query = embedder.encode_query(question)
    vectors = embedder.encode([" ".join(citation.text.split()) for citation in found])
    if passage_vectors is None:
        passage_vectors = embedder.encode([document.page_content for document in documents])
    sentence_scores: NDArray[np.float32] = vectors @ query if found else np.zeros(0, np.float32)
    passage_scores: NDArray[np.float32] = passage_vectors @ query if documents else np.zeros(0, np.float32)
    ranking = _rank(tuple(found.values()), sentence_scores, passage_scores)
    best = [documents[passage] for passage in ranking[:_BEST]]
    return Evidence(
        question=question,
        documents=tuple(documents),
        sentences=tuple(found),
        passage_of=tuple(found.values()),
        vectors=vectors,
        sentence_scores=sentence_scores,
        passage_scores=passage_scores,
        ranking=ranking,
        confidence=_confidence(question, best, passage_scores, sentence_scores, language),
        language=language,
    )


def _rank(
    passage_of: Sequence[int], sentence_scores: NDArray[np.float32], passage_scores: NDArray[np.float32]
) -> tuple[int, ...]:
    """The passages, best first; one without sentences (code, a table) is last by them."""
    nearest = np.full(len(passage_scores), -1.0)
    np.maximum.at(nearest, list(passage_of), sentence_scores)
    by_cosine, by_sentence = (
        [int(i) for i in np.argsort(-scores, kind="stable")] for scores in (passage_scores, nearest)
    )
    return tuple(passage for passage, _ in rrf([range(len(passage_scores)), by_cosine, by_sentence], k=_STEEP))


def _confidence(
    question: str,
    best: Sequence[Document],
    passage_scores: NDArray[np.float32],
    sentence_scores: NDArray[np.float32],
    language: str,
) -> float:
    signs = [float(passage_scores.max(initial=0)), float(sentence_scores.max(initial=0))]
    terms = ContentTerms(language)
    if best and terms(question):  # "What does with do?" has none
        signs.append(max(terms.precision(question, Citation.of(document).words) for document in best))
    return sum(signs) / len(signs)


def _check_question(question: str, embedder: TextEmbedder) -> None:
    if not question.strip():
        raise GenerateError("the question is empty; ask something")
    tokenizer = embedder.tokenizer
    tokens = len(tokenizer.encode(question).ids) if tokenizer else 0
    if tokens > embedder.max_tokens:
        raise GenerateError(
            f"the question has {tokens} tokens, but the embedder reads {embedder.max_tokens} of a text; shorten it"
        )
