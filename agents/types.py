"""The values that MAIN-RAG's agents give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from langchain_core.documents import Document

Way = Literal["separate", "continuation"]
"""How the Judge is asked: in a prompt of its own, or going on with the conversation that made the prediction."""

MAX_PREDICTION_TOKENS = 32
"""Where a prediction is cut off: an answer of a few words, and some to spare."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the Judge thinks of a document.

    Attributes:
        score: log p(Yes) - log p(No), natural logarithms; above 0 where it would rather say Yes.
        said: p(Yes) + p(No), 0 to 1. Near 0 the model would have begun with something else, and the score means little.
        told: how many of the two words the model told the probability of. A server may leave out one, for which the
            score then has a bound, or both: then there is none, and 0 stands for it.
    """

    score: float
    said: float
    told: int = 2


@dataclass(frozen=True, slots=True)
class Found:
    """What came of one passage: what the Predictor answered from it, and what the Judge thinks of that."""

    prediction: str
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class Judged:
    """A document, and what became of it.

    Attributes:
        document: as it was given.
        given: its place in the list that was filtered, from 1.
        score: the Judge's, see `Judgement`; None where there is none: of what has no text, or of which the model told
            neither Yes nor No.
        prediction: what the Predictor answered from it; empty if it answered nothing.
        reason: why it is kept or dropped.
    """

    document: Document
    given: int
    score: float | None
    prediction: str
    reason: str

    def as_document(self) -> Document:
        """A copy of the document that says in its metadata how it was judged, under LangChain's `relevance_score`."""
        return self.document.model_copy(update={"metadata": {**self.document.metadata, "relevance_score": self.score}})


@dataclass(frozen=True, slots=True)
class Filtered:
    """What a filter kept and dropped.

    Attributes:
        kept: best first.
        dropped: best first.
        threshold: the least score of a document that is kept for its score; 0 where nothing was judged.
        mean: of the scores.
        sigma: their population standard deviation.
        notes: what a user should know of it, such as that documents were cut.
    """

    kept: tuple[Judged, ...] = ()
    dropped: tuple[Judged, ...] = ()
    threshold: float = 0.0
    mean: float = 0.0
    sigma: float = 0.0
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """On one line: how many are left, the threshold, and each document by its place, with its score."""
        told = [f"{len(self.kept) + len(self.dropped)} -> {len(self.kept)}"]
        told.append(f"threshold {self.threshold:+.2f} (mean {self.mean:+.2f}, deviation {self.sigma:.2f})")
        for name, group in (("kept", self.kept), ("dropped", self.dropped)):
            if group:
                told.append(f"{name} {', '.join(map(_shown, group))}")
        return "; ".join(told)


def _shown(judged: Judged) -> str:
    return f"#{judged.given}" if judged.score is None else f"#{judged.given} {judged.score:+.2f}"
