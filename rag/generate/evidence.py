"""The evidence for an answer: every sentence that was found, and how near it is to the question.

Sentences are embedded once, here; abstaining, quoting and grounding all read the same evidence.

*Confidence* that the documents answer the question is the mean of three things: the cosine of the nearest passage to
the question, that of the nearest sentence, and the share of the question's content terms that one of the best three
passages has. The cosines alone overlook a short plain sentence that says just what was asked ("Travel must be approved
by your supervisor"). Of the 259 development questions in `benchmarks/questions` it tells those that get a right answer
from the others with an AUC of .930, the cosines alone .911.

A sentence is embedded without its heading, which brings it no nearer to the answer but nearer to every question on the
subject, answered or not: on rows 1-100 of CLAP NQ's two halves, whose unanswerable questions are near misses, the
cosines tell them apart with an AUC of .898, with headings .855. (Confidence, with the terms: .883.)

The best passages are those of three rankings, fused by RRF: as they were found, by their own cosine and by that of
their best sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from langchain_core.documents import Document
from numpy.typing import NDArray

from ...stores.embedder import TextEncoder
from ...stores.fusion import rrf
from ..ingest.sentences import is_prose, sentences
from .errors import GenerateError
from .support import ContentTerms
from .types import Citation

MIN_CONFIDENCE = 0.58
"""Below this the honest answer is "I don't know". Chosen on the development questions, so that of 30 answerable and 10
unanswerable ones, a good part of them near misses, no more than two get a wrong answer; it costs an answer to a fifth
of those that have one (`benchmarks/demo_questions.py --dev --sweep`)."""

BEST = 3
"""Of so many of the best passages one has to have the question's terms."""

_STEEP = 4
"""RRF's k over a handful of passages: small, so that the first ranks count."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What was found for a question.

    Attributes:
        question: what was asked.
        documents: the passages, best first.
        sentences: every sentence of prose in them, as citations of its exact place, in the passages' order.
        passage: index into `documents` of the passage that a sentence stands in.
        vectors: unit vectors of the sentences, shape (sentences, dimension).
        similarity: cosine of each sentence to the question, shape (sentences,).
        nearness: cosine of each passage to the question, shape (documents,).
        best: indexes into `documents` of the passages that have sentences, best first.
        confidence: how sure one can be that the documents answer the question, 0 to 1.
        embedder: what embedded them.
        language: of the documents.
    """

    question: str
    documents: tuple[Document, ...]
    sentences: tuple[Citation, ...]
    passage: tuple[int, ...]
    vectors: NDArray[np.float32]
    similarity: NDArray[np.float32]
    nearness: NDArray[np.float32]
    best: tuple[int, ...]
    confidence: float
    embedder: TextEncoder
    language: str

    @property
    def answerable(self) -> bool:
        """Whether an answer is worth trying."""
        return self.confidence >= MIN_CONFIDENCE and bool(self.sentences)


def gather(
    question: str,
    documents: Sequence[Document],
    embedder: TextEncoder,
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
    similarity: NDArray[np.float32] = vectors @ query if found else np.zeros(0, np.float32)
    nearness = passage_vectors @ query if documents else np.zeros(0, np.float32)
    best = _rank(tuple(found.values()), similarity, nearness)
    return Evidence(
        question=question,
        documents=tuple(documents),
        sentences=tuple(found),
        passage=tuple(found.values()),
        vectors=vectors,
        similarity=similarity,
        nearness=nearness,
        best=best,
        confidence=_confidence(question, [documents[i] for i in best[:BEST]], similarity, nearness, language),
        embedder=embedder,
        language=language,
    )


def _rank(passage: Sequence[int], similarity: NDArray[np.float32], nearness: NDArray[np.float32]) -> tuple[int, ...]:
    """The passages that have sentences, best first."""
    found = list(dict.fromkeys(passage))
    nearest_sentence = {i: max(s for s, own in zip(similarity, passage, strict=True) if own == i) for i in found}
    by_cosine = sorted(found, key=lambda i: -nearness[i])
    by_sentence = sorted(found, key=lambda i: -nearest_sentence[i])
    return tuple(i for i, _ in rrf([found, by_cosine, by_sentence], k=_STEEP))


def _confidence(
    question: str,
    best: Sequence[Document],
    similarity: NDArray[np.float32],
    nearness: NDArray[np.float32],
    language: str,
) -> float:
    terms = ContentTerms(language)
    share = max((terms.precision(question, _words(document)) for document in best), default=0.0)
    return float(nearness.max(initial=0) + similarity.max(initial=0) + share) / 3


def _check_question(question: str, embedder: TextEncoder) -> None:
    if not question.strip():
        raise GenerateError("the question is empty; ask something")
    tokenizer = embedder.tokenizer
    tokens = len(tokenizer.encode(question).ids) if tokenizer else 0
    if tokens > embedder.max_tokens:
        raise GenerateError(
            f"the question has {tokens} tokens, but the embedder reads {embedder.max_tokens} of a text; shorten it"
        )


def _words(document: Document) -> str:
    """The words of a passage and those it stands under."""
    citation = Citation.of(document)
    return " ".join([citation.title, *citation.heading, citation.text])
