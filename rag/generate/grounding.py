"""Checking an answer against the passages: what they do not carry is left out, and the reader is told.

A sentence stands if it is whole, one of the sentences that `quote` would show is nearest to it (cosine) and has,
under its headings, all its words that carry meaning in the same order and all its numbers, and neither denies what
the other affirms. Order matters: a small LLM shuffles the words of a passage into nonsense, of which each word is
"supported". So does the quote: what the LLM says may be true and beside the point. What stands is cited to that
sentence, whatever passage the LLM named, and exact quotes follow it. If nothing stands, the quotes are the answer,
which says so.
"""

from __future__ import annotations

import re
from dataclasses import replace

from .evidence import Evidence
from .quoting import quote
from .support import ContentTerms
from .types import Answer, Citation, Statement, cite_all

MIN_SIMILARITY = 0.7
"""Least cosine of a sentence to the one that carries it."""

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NEGATION = re.compile(r"\b(not|no|never|none|neither|nor|cannot|without)\b|n['’]t\b", re.IGNORECASE)


def ground(draft: Answer, evidence: Evidence, quotes: Answer | None = None) -> Answer:
    """Keep what the passages carry, then let them speak; `how` is `grounded`, or `quoted` when nothing stands.

    Args:
        draft: an answer that nobody has checked.
        evidence: what was gathered for its question.
        quotes: what follows, or stands in for, the draft; by default `quote(evidence)`.
    """
    quotes = quotes or quote(evidence)
    once = {" ".join(statement.text.lower().split()): statement for statement in draft.statements}
    quoted = set(quotes.citations)
    checked = [_check(statement, evidence, quoted) for statement in once.values()]
    standing = [(statement.text, citations, support) for statement, citations, support in checked if citations]
    dropped = tuple(
        replace(statement, citations=(), support=support) for statement, citations, support in checked if not citations
    )
    if not standing:
        reason = "the LLM found no answer" if not draft.statements else "the passages do not carry what the LLM wrote"
        return replace(quotes, notes=(*draft.notes, f"{reason}: exact quotes"), dropped=dropped, usage=draft.usage)
    cited = {citation for _, citations, _ in standing for citation in citations}
    own_words = [
        (statement.text, [quotes.citations[number - 1] for number in statement.citations], statement.support)
        for statement in quotes.statements
        if not any(_within(quotes.citations[number - 1], cited) for number in statement.citations)
    ]
    statements, citations = cite_all([*standing, *own_words])
    notes = (*draft.notes, f"{len(dropped)} unsupported sentences left out") if dropped else draft.notes
    return Answer(draft.question, statements, citations, "grounded", evidence.confidence, notes, dropped, draft.usage)


def _within(place: Citation, cited: set[Citation]) -> bool:
    """Whether a place has been cited already, by itself or as part of a longer one."""
    return any(c.source_id == place.source_id and c.start <= place.start and place.end <= c.end for c in cited)


def _check(statement: Statement, evidence: Evidence, quoted: set[Citation]) -> tuple[Statement, list[Citation], float]:
    """The sentence that carries a statement, if it stands, and its K-precision on that sentence."""
    if not evidence.sentences:
        return statement, [], 0.0
    similarity = evidence.vectors @ evidence.embedder.encode([statement.text])[0]
    best = int(similarity.argmax())
    carrier = evidence.sentences[best]
    words = " ".join([carrier.title, *carrier.heading, carrier.text])
    terms = ContentTerms(evidence.language)
    stands = (
        statement.text.rstrip().endswith((".", "!", "。", "！"))
        and similarity[best] >= MIN_SIMILARITY
        and _within(carrier, quoted)
        and terms.in_order(statement.text, words)
        and set(_NUMBER.findall(statement.text)) <= set(_NUMBER.findall(carrier.text))
        and _negated(statement.text) == _negated(carrier.text)
    )
    return statement, [carrier] if stands else [], terms.precision(statement.text, words)


def _negated(sentence: str) -> bool:
    """Whether a sentence denies something (in English): words alone would let "is not" pass for "is"."""
    return _NEGATION.search(sentence) is not None
