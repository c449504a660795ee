"""How good an answer is: its words, whether the documents carry it, what it cites, and whether there should be one.

*K-precision*, the share of an answer's content terms that the documents have, is after the measure of faithfulness
without a model that agrees best with people (Adlakha et al., TACL 2024, section 4.2), which is of all tokens; terms are
English ones, see `rag.generate.support`. *Citation
precision* is the share of citations that point at what is known to answer the question, *citation recall* the share of
that which is cited.
"""

from __future__ import annotations

from statistics import mean

from ...generate.support import ContentTerms
from ...generate.types import Citation
from ..record import Record
from ..types import Question
from . import wording

ANSWERS = (
    "EM",
    "F1",
    "token recall",
    "K-precision",
    "citation precision",
    "citation recall",
    "answered",
    "declined",
    "accuracy",
)
"""What is measured of answers.

EM, F1 and token recall are of answerable questions, and 0 where there is no answer. K-precision and the citations are
of the questions that were answered. `answered` is the share of answerable questions that have an answer (coverage),
`declined` the share of the others that have none; `accuracy`, of what was answered, is the share of answers that hold a
right one, word for word.
"""


def score_answer(question: Question, record: Record, terms: ContentTerms) -> dict[str, float]:
    """Score a run's answer by each measure that can be told; nothing for a graph that gives no answers."""
    if record.answer is None and not record.gives_answers:
        return {}
    said = record.words
    scores = {"answered" if question.answerable else "declined": float(bool(said) == question.answerable)}
    if record.error:
        scores = dict.fromkeys(scores, 0.0)
    if record.answer and record.answer.confidence is not None:
        scores["confidence"] = record.answer.confidence
    if question.answers and question.answerable:
        scores["EM"] = wording.exact_match(said, question.answers)
        scores["F1"] = wording.f1(said, question.answers)
        scores["token recall"] = wording.recall(said, question.answers)
    if said:
        scores |= _of_what_was_said(question, record, said, terms)
    return scores


def _of_what_was_said(question: Question, record: Record, said: str, terms: ContentTerms) -> dict[str, float]:
    scores = {}
    if not question.answerable:
        scores["accuracy"] = 0.0
    elif question.answers:
        scores["accuracy"] = wording.contains(said, question.answers)
    if terms(said):
        scores["K-precision"] = terms.precision(said, "\n".join(found.words for found in record.documents))
    if question.relevant:
        scores |= _of_citations(question, record)
    return scores


def _of_citations(question: Question, record: Record) -> dict[str, float]:
    cited = [
        [each.is_at(_names(citation, record), citation.start, citation.end) for each in question.relevant]
        for citation in (record.answer.citations if record.answer else ())
    ]
    covered = [any(hits) for hits in zip(*cited, strict=True)] if cited else [False]
    scores = {"citation recall": mean(covered)}
    return {**scores, "citation precision": mean(map(any, cited))} if cited else scores


def _names(citation: Citation, record: Record) -> list[str]:
    """What the cited place may be called: its source, and the chunks of it that the run ended with."""
    chunks = [
        found.id
        for found in record.documents
        if found.source_id == citation.source_id and found.start <= citation.start and citation.end <= found.end
    ]
    return [citation.source_id, citation.source, *chunks]
