"""Answers that are exact words of the documents: they cannot invent anything.

The sentences nearest to the question by cosine are quoted, at most three, none further than `SPREAD` below the best.
The first sentence of a passage, which tells what it is about and which people choose most often, counts as nearer by
`LEAD`.

A small embedder knows the passage better than the sentence, so over many passages the best few are quoted in full
besides. `benchmarks/answers.py` and `demo_questions.py` measure both.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .evidence import Evidence
from .types import Answer, Citation, Claim, cite_all, unknown

MAX_SENTENCES = 3

SPREAD = 0.3
"""How far, in cosine, a quoted sentence may be behind the nearest one."""

LEAD = 0.08
"""What the first sentence of a passage is given, in cosine."""

PASSAGE_SPREAD = 0.1
"""How far, in cosine, a passage that is quoted in full may be behind the nearest one."""


def quote(
    evidence: Evidence, *, passages: int = 0, max_sentences: int = MAX_SENTENCES, spread: float = SPREAD
) -> Answer:
    """Answer in the documents' own words; `how` is `quoted`.

    Args:
        evidence: what was gathered for the question.
        passages: quote at most so many of the best passages in full, code and all, before the sentences of others.
        max_sentences: quote at most so many of the nearest sentences.
        spread: how far, in cosine, a quoted sentence may be behind the nearest one.
    """
    least = evidence.passage_scores.max(initial=-1) - PASSAGE_SPREAD
    full = [passage for passage in evidence.ranking[:passages] if evidence.passage_scores[passage] >= least]
    scores = evidence.sentence_scores.copy()
    scores[np.unique(evidence.passage_of, return_index=True)[1]] += LEAD
    nearest = [int(i) for i in np.argsort(-scores, kind="stable")[:max_sentences]]
    near = [i for i in nearest if scores[i] >= scores[nearest[0]] - spread and evidence.passage_of[i] not in full]
    return quoted(evidence, near, full=full)


def quoted(evidence: Evidence, chosen: Sequence[int], *, full: Sequence[int] = ()) -> Answer:
    """The answer that quotes these sentences, best first, after passages in full.

    Args:
        evidence: what was gathered for the question.
        chosen: indexes into its sentences.
        full: indexes into its documents.
    """
    claims = [_whole(evidence, passage) for passage in full]
    for passage in dict.fromkeys(evidence.passage_of[i] for i in chosen):
        own = sorted(i for i in chosen if evidence.passage_of[i] == passage)
        claims += [_run(evidence, run) for run in _runs(evidence, own)]
    if not claims:
        return unknown(evidence.question, "the documents hold nothing to quote", confidence=evidence.confidence)
    return Answer(evidence.question, *cite_all(claims), "quoted", evidence.confidence)


def _whole(evidence: Evidence, passage: int) -> Claim:
    citation = Citation.of(evidence.documents[passage])
    return Claim(citation.text, [citation], 1.0)


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
    document = evidence.documents[evidence.passage_of[i]]
    offset = Citation.of(document).start
    return document.page_content[evidence.sentences[i - 1].end - offset : evidence.sentences[i].start - offset]


def _run(evidence: Evidence, run: list[int]) -> Claim:
    """Sentences that follow each other, as one place."""
    words = " ".join(" ".join(evidence.sentences[i].text.split()) for i in run)
    document = evidence.documents[evidence.passage_of[run[0]]]
    offset = Citation.of(document).start
    start, end = evidence.sentences[run[0]].start, evidence.sentences[run[-1]].end
    return Claim(words, [Citation.of(document, start - offset, end - offset)], 1.0)
