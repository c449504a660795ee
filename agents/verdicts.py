"""From what the Judge thinks of each passage to what becomes of each document, and what a user should know of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from langchain_core.documents import Document

from .._explain import count
from ..rag.rerank.types import Passage
from .errors import AgentError
from .threshold import Decision
from .types import Filtered, Found, Judged

_UNSAID = 0.1
"""Probability of Yes and No together, below which a model does not do what it was asked to."""


def sorted_out(
    given: Sequence[Document],
    passages: Sequence[Passage],
    found: Mapping[Passage, Found],
    decision: Decision | None,
    notes: tuple[str, ...],
) -> Filtered:
    """The documents by what was decided of their passages; those that were not judged are dropped last.

    Args:
        given: the documents.
        passages: what the model reads of each.
        found: what came of each passage that has text.
        decision: about those of which the model told Yes or No, by their places; None where there are none.
        notes: what a user should know.
    """
    distinct = [passage for passage, each in found.items() if each.judgement.told]
    places = (*decision.kept, *decision.dropped) if decision else ()
    ranks = {distinct[place]: rank for rank, place in enumerate(places)}
    kept: list[Judged] = []
    dropped: list[Judged] = []
    for at in sorted(range(len(given)), key=lambda at: ranks.get(passages[at], len(ranks))):
        own = found.get(passages[at])
        if own is None or decision is None:
            dropped.append(Judged(given[at], at + 1, None, "", "has no text"))
            continue
        if not own.judgement.told:
            dropped.append(Judged(given[at], at + 1, None, own.prediction, "the model told neither Yes nor No of it"))
            continue
        score, is_kept = own.judgement.score, ranks[passages[at]] < len(decision.kept)
        reason = _reason(score, decision.threshold, is_kept=is_kept)
        (kept if is_kept else dropped).append(Judged(given[at], at + 1, score, own.prediction, reason))
    numbers = (decision.threshold, decision.mean, decision.sigma) if decision else (0.0, 0.0, 0.0)
    return Filtered(tuple(kept), tuple(dropped), *numbers, notes)


def _reason(score: float, threshold: float, *, is_kept: bool) -> str:
    if score >= threshold:
        return f"{score:+.2f} is not below the threshold of {threshold:+.2f}"
    below = f"{score:+.2f} is below the threshold of {threshold:+.2f}"
    return f"{below}, but among the best that are kept in any case" if is_kept else below


def oddities(found: Sequence[Found]) -> tuple[str, ...]:
    """What is odd about predictions and judgements.

    Raises:
        AgentError: the model has told neither Yes nor No of any document.
    """
    notes = []
    of = count(len(found), "document")
    judgements = [each.judgement for each in found]
    if all(judgement.told == 0 for judgement in judgements):
        raise AgentError(
            "neither Yes nor No is among the tokens that the model would say first, so it cannot judge; "
            "take one that does as it is asked, or one on this machine, which tells every token's probability"
        )
    if silent := sum(not each.prediction for each in found):
        notes.append(f"nothing was answered from {silent} of {of}")
    if untold := sum(judgement.told == 0 for judgement in judgements):
        notes.append(f"neither Yes nor No was told of {untold} of {of}: dropped without a score")
    if bounded := sum(judgement.told == 1 for judgement in judgements):
        notes.append(f"Yes and No were not both told of {bounded} of {of}; bounds took their place")
    said = fmean(judgement.said for judgement in judgements)
    if said < _UNSAID:
        notes.append(f"the model hardly says Yes or No (probability {said:.3f}), so its judgement means little")
    return tuple(notes)
