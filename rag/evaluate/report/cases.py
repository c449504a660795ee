"""The questions that a graph does worst on, each with what was found, said and done."""

from __future__ import annotations

from ...graph.state import NodeTrace
from ..record import Record
from ..result import Outcome
from ..types import Question
from .markup import Markup, element, table

WORST = 10
_SHOWN = 5
_CHARACTERS = 600


def worst_cases(outcome: Outcome, measure: str, count: int = WORST) -> Markup:
    """A graph's worst questions by a measure, those that failed first; each can be unfolded.

    An answer to what cannot be answered is as bad as one that is wholly wrong.
    """
    runs = zip(outcome.questions, outcome.records, outcome.scores, strict=True)
    judged = [
        (question, record, by, scores[by])
        for question, record, scores in runs
        if (by := next((name for name in (measure, "declined") if name in scores), None))
    ]
    judged.sort(key=lambda each: (not each[1].error, each[3]))
    cases = [_case(question, record, f"{by} {score:.3f}") for question, record, by, score in judged[:count]]
    return element("section", element("h3", outcome.name), *cases)


def _case(question: Question, record: Record, score: str) -> Markup:
    parts = [element("summary", element("b", score), " ", question.text)]
    if record.error:
        parts.append(element("p", "failed: ", record.error))
    if question.answers:
        parts.append(element("p", element("i", "right: "), _short(" / ".join(question.answers))))
    if question.relevant:
        parts.append(element("p", element("i", "in: "), ", ".join(each.document for each in question.relevant)))
    if record.answer:
        notes = "; ".join(record.answer.notes)
        parts.append(element("p", element("i", f"{record.answer.how}: "), _short(record.answer.text)))
        parts += [element("p", element("i", "notes: "), notes)] if notes else []
    if record.documents:
        rows = ([each.source, f"{each.start}:{each.end}", _short(each.words)] for each in record.documents[:_SHOWN])
        parts.append(table(["document", "span", "words"], rows))
    if record.trace:
        parts.append(
            table(["node", "ms", "tokens in", "tokens out", "documents read", "what it did"], map(_row, record.trace))
        )
    return element("details", *parts)


def _row(trace: NodeTrace) -> list[object]:
    return [
        trace.node,
        f"{trace.milliseconds:,.0f}",
        trace.tokens_in,
        trace.tokens_out,
        trace.documents_read,
        trace.detail,
    ]


def _short(text: str) -> str:
    return text if len(text) <= _CHARACTERS else f"{text[:_CHARACTERS]}…"
