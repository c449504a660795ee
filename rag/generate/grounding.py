"""Checking an answer against the passages: what they do not carry is left out, and the reader is told.

A sentence of the answer stands if

- it is whole,
- the sentence of the passages that is nearest to it (cosine) is at least `MIN_SIMILARITY` near, and would be quoted,
- that sentence, with what it stands under, has all its content terms in the same order, and all its numbers, each with
  its sign, unit and scale,
- neither denies what the other affirms, and of a denial nothing is left out.

Order matters because a small LLM shuffles the words of a passage into nonsense, of which each word is "supported". So
does the quote, because what the LLM says may be true and beside the point. What stands is cited to the sentence that
carries it, whatever passage the LLM named.
"""

from __future__ import annotations

import re
from dataclasses import replace

from ..._explain import count
from ...stores.embedder import TextEmbedder
from .evidence import Evidence
from .numbers import numbers
from .quoting import quote
from .support import ContentTerms
from .types import Answer, Citation, Claim, Statement, cite_all

MIN_SIMILARITY = 0.7
"""Least cosine of a sentence to the one that carries it."""

_FULL_STOPS = (".", "!", "。", "！", "．", "।", "॥", "۔", "။", "។", "።", "։")

_CLOSING = "\"'”’»)]}*_`」』）】"
"""What may stand behind a sentence's full stop."""

_NEGATION = re.compile(
    r"\b(not|no|never|none|neither|nor|cannot|without|nothing|nobody|nowhere|hardly|barely|scarcely|rarely|seldom|"
    r"(?<!a )few)\b|n['’]t\b",
    re.IGNORECASE,
)


def ground(draft: Answer, evidence: Evidence, embedder: TextEmbedder, quotes: Answer | None = None) -> Answer:
    """Keep what the passages carry, then let them speak; `how` is `grounded`, or `quoted` when nothing stands.

    Args:
        draft: an answer that nobody has checked.
        evidence: what was gathered for its question.
        embedder: what embedded the evidence; it embeds the draft's sentences.
        quotes: what follows, or stands in for, the draft; by default `quote(evidence)`.
    """
    quotes = quotes or quote(evidence)
    claims = _check(draft, evidence, embedder, quotes)
    standing = [claim for claim in claims if claim.citations]
    dropped = tuple(Statement(claim.text, support=claim.support) for claim in claims if not claim.citations)
    if not standing:
        reason = "what the LLM wrote did not stand" + (": exact quotes" if quotes.known else "")
        notes = (*draft.notes, *([reason] if dropped else ()), *quotes.notes)
        return replace(quotes, notes=notes, dropped=dropped, usage=draft.usage)
    cited = {citation for claim in standing for citation in claim.citations}
    own_words = [claim for claim in _claims(quotes) if not any(_covered(place, cited) for place in claim.citations)]
    return Answer(
        draft.question,
        *cite_all([*standing, *own_words]),
        how="grounded",
        confidence=evidence.confidence,
        notes=(*draft.notes, *([f"{count(len(dropped), 'unsupported sentence')} left out"] if dropped else ())),
        dropped=dropped,
        usage=draft.usage,
    )


def _claims(answer: Answer) -> list[Claim]:
    """The statements of an answer with their places."""
    return [
        Claim(statement.text, [answer.citations[number - 1] for number in statement.citations], statement.support)
        for statement in answer.statements
    ]


def _within(place: Citation, cited: set[Citation]) -> bool:
    """Whether a place has been cited already, by itself or as part of a longer one."""
    return any(
        c.source_id == place.source_id and c.start <= place.start and place.end <= c.end and place.text in c.text
        for c in cited  # the text, too: pieces that others have cut may all begin at 0
    )


def _covered(place: Citation, cited: set[Citation]) -> bool:
    """Whether all of a place has been cited already, by other places together."""
    rest = list(place.text)
    for c in cited:
        start, end = max(c.start, place.start), min(c.end, place.end)
        here, there = slice(start - place.start, end - place.start), slice(start - c.start, end - c.start)
        if c.source_id == place.source_id and start < end and c.text[there] == place.text[here]:
            rest[here] = " " * (end - start)
    return not "".join(rest).strip()


def _check(draft: Answer, evidence: Evidence, embedder: TextEmbedder, quotes: Answer) -> list[Claim]:
    """Each sentence of a draft once, with its K-precision on the nearest sentence, and cited to that if it stands."""
    texts = list({" ".join(statement.text.lower().split()): statement.text for statement in draft.statements}.values())
    if not texts or not evidence.sentences:
        return [Claim(text, [], 0.0) for text in texts]
    scores = embedder.encode(texts) @ evidence.vectors.T
    quoted, terms = set(quotes.citations), ContentTerms(evidence.language)
    claims = []
    for text, row in zip(texts, scores, strict=True):
        nearest = evidence.sentences[int(row.argmax())]
        text = _without_heading(text, nearest)  # noqa: PLW2901 - an LLM reads it before the text, and repeats it
        carried = row.max() >= MIN_SIMILARITY and _within(nearest, quoted) and _agree(text, nearest, terms)
        claims.append(Claim(text, [nearest] if carried else [], terms.precision(text, nearest.words)))
    return claims


def _without_heading(text: str, carrier: Citation) -> str:
    """A sentence without the title or heading that its carrier stands under, if that begins with what is left."""
    for name in (carrier.title, *carrier.heading):
        behind = text.removeprefix(name) if name else text
        rest = behind.lstrip(" :–—-")
        if rest and behind not in (text, rest) and carrier.text.startswith(rest.split()[0]):
            return rest
    return text


def _agree(text: str, carrier: Citation, terms: ContentTerms) -> bool:
    """Whether a whole sentence says nothing that its carrier doesn't."""
    return (
        text.rstrip().rstrip(_CLOSING).endswith(_FULL_STOPS)
        and terms.in_order(text, carrier.words)
        and numbers(text) <= numbers(carrier.text)
        and _negated(text) == _negated(carrier.text)
        and (not _negated(text) or terms.in_order(carrier.text, text))
    )


def _negated(sentence: str) -> bool:
    """Whether a sentence denies something (in English): words alone would let "is not" pass for "is"."""
    return _NEGATION.search(sentence) is not None
