"""Answers that are exact words of the documents: they cannot invent anything.

The sentences nearest to the question by cosine are quoted, at most three, none further than `SPREAD` below the best.
On the first 100 answerable rows of CLAP NQ that finds the sentences which people chose with an F1 of .609 at 43% of
the passage's length (the whole passage: .586; the nearest two: .564; `benchmarks/answers.py --tune`).

A 22-million-parameter embedder knows the passage better than the sentence, so over many passages the best few are
quoted in full besides.
"""

from __future__ import annotations

import numpy as np

from .evidence import Evidence
from .types import Answer, Citation, cite_all, unknown

MAX_SENTENCES = 3
SPREAD = 0.25
PASSAGE_SPREAD = 0.1


def quote(
    evidence: Evidence,
    *,
    passages: int = 0,
    max_sentences: int = MAX_SENTENCES,
    spread: float = SPREAD,
) -> Answer:
    """Answer in the documents' own words; `how` is `quoted`.

    Args:
        evidence: what was gathered for the question.
        passages: at most so many of the best passages are quoted in full, code and all, before the sentences of others;
            none with a cosine more than `PASSAGE_SPREAD` below the nearest.
        max_sentences: at most so many of the nearest sentences are quoted,
        spread: and none with a cosine that far below the best.
    """
    if not evidence.sentences:
        return unknown(evidence.question, "the documents hold no sentence to quote", confidence=evidence.confidence)
    nearest = [int(i) for i in np.argsort(-evidence.similarity, kind="stable")[:max_sentences]]
    near = [i for i in nearest if evidence.similarity[i] >= evidence.similarity[nearest[0]] - spread]
    least = evidence.nearness.max() - PASSAGE_SPREAD
    full = [passage for passage in evidence.best[:passages] if evidence.nearness[passage] >= least]
    statements = [_whole(evidence, passage) for passage in full]
    for passage in dict.fromkeys(evidence.passage[i] for i in near):
        if passage not in full:
            own = sorted(i for i in near if evidence.passage[i] == passage)
            statements += [(_words(evidence, run), [_span(evidence, run)], 1.0) for run in _runs(evidence, own)]
    return Answer(evidence.question, *cite_all(statements), "quoted", evidence.confidence)


def _whole(evidence: Evidence, passage: int) -> tuple[str, list[Citation], float]:
    citation = Citation.of(evidence.documents[passage])
    return citation.text, [citation], 1.0


def _runs(evidence: Evidence, sentences: list[int]) -> list[list[int]]:
    """Sentences that follow each other with nothing but white space between them stand together."""
    runs: list[list[int]] = []
    for i in sentences:
        if runs and runs[-1][-1] == i - 1 and not _between(evidence, i).strip():
            runs[-1].append(i)
        else:
            runs.append([i])
    return runs


def _between(evidence: Evidence, i: int) -> str:
    """What stands between a sentence and the one before it in the same passage."""
    document = evidence.documents[evidence.passage[i]]
    offset = Citation.of(document).start
    return document.page_content[evidence.sentences[i - 1].end - offset : evidence.sentences[i].start - offset]


def _words(evidence: Evidence, run: list[int]) -> str:
    return " ".join(" ".join(evidence.sentences[i].text.split()) for i in run)


def _span(evidence: Evidence, run: list[int]) -> Citation:
    """One place for sentences that follow each other."""
    if len(run) == 1:
        return evidence.sentences[run[0]]
    document = evidence.documents[evidence.passage[run[0]]]
    offset = Citation.of(document).start
    return Citation.of(document, evidence.sentences[run[0]].start - offset, evidence.sentences[run[-1]].end - offset)
