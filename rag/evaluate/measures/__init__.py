"""What is measured of a run, from its record."""

from __future__ import annotations

from collections.abc import Sequence

from ...generate.support import ContentTerms
from ..record import Record
from ..types import Question
from .answering import score_answer
from .costs import score_costs
from .ranking import RETRIEVAL, score_rankings


def score(pairs: Sequence[tuple[Question, Record]], *, retrieval: Sequence[str] = RETRIEVAL) -> list[dict[str, float]]:
    """Score each run by every measure that can be told of it: a mapping of measure to value for each pair.

    Raises:
        EvaluateError: there is no such measure of retrieval.
        MissingExtraError: ir-measures is not installed, and relevant documents are known.
    """
    terms = ContentTerms()
    return [
        {**ranks, **score_answer(question, record, terms), "failed": float(bool(record.error)), **score_costs(record)}
        for (question, record), ranks in zip(pairs, score_rankings(pairs, retrieval), strict=True)
    ]
