"""Quality of answers on CLAP NQ: what quotes find, what grounding costs, and when ragloom abstains.

Each question comes with one passage. Rows 1-100 of each file are for choosing settings (`--tune`), the rest is the
report. Gold sentences are the first annotator's; token recall is against the best of the gold answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import data
import numpy as np
from attended import quote_attended
from clapnq import CHOOSING, REPORTING, auc, evidence_of, recall, words
from ragloom import Embedder
from ragloom.rag.ask import preset
from ragloom.rag.generate import Answer, Citation, Evidence, cited, ground, quote
from ragloom.rag.generate.evidence import MIN_CONFIDENCE
from ragloom.rag.generate.support import ContentTerms
from ragloom.rag.generate.types import unknown
from ragloom.rag.llm import ChatModel, load
from report import interval, table, write


def main() -> None:
    parser = data.parser(__doc__)
    parser.add_argument("--tune", action="store_true", help="rows 1-100 instead of the report rows")
    parser.add_argument("--limit", type=int, default=0, help="only the first rows of each kind; 0: all")
    parser.add_argument("--quote", action="store_true", help="let the LLM write nothing")
    parser.add_argument("--model", default="embedded")
    options = parser.parse_args()
    rows = CHOOSING if options.tune else REPORTING
    answerable = data.clapnq(options.data, "answerable")[rows][: options.limit or None]
    answerable = [row for row in answerable if row["output"][0]["selected_sentences"]]  # one row has none
    unanswerable = data.clapnq(options.data, "unanswerable")[rows][: options.limit or None]
    suffix = "_tune" if options.tune else ""
    encoder = Embedder()
    evidence = [evidence_of(row, encoder) for row in answerable]
    none = [evidence_of(row, encoder) for row in unanswerable]
    chosen = {"rows": "1-100" if options.tune else "101-300", "limit": options.limit, "model": options.model}
    tell = partial(write, options=chosen) if not options.limit else lambda _, rows: print(table(rows))
    with load(options.model) as llm:
        tell(f"quotes{suffix}", _quotes(answerable, evidence, encoder, llm))
        tell(f"abstention{suffix}", _abstention(evidence, none))
        if not options.quote:
            tell(f"grounding{suffix}", _grounding(answerable, evidence, encoder, llm))


def _quotes(
    rows: list[dict[str, Any]], evidence: list[Evidence], encoder: Embedder, llm: ChatModel
) -> list[dict[str, Any]]:
    """Sentence F1 against the gold sentences, and length as a share of the passage."""
    results: dict[str, list[tuple[float, float]]] = {}
    for row, found in zip(rows, evidence, strict=True):
        sentences = [sentence.strip() for sentence in row["passages"][0]["sentences"]]
        chosen = set(row["output"][0]["selected_sentences"])
        gold = {i for i, sentence in enumerate(row["passages"][0]["sentences"]) if sentence in chosen}
        nearest = np.argsort(-(encoder.encode(sentences) @ encoder.encode_query(row["input"])))
        picks = {
            "all sentences": set(range(len(sentences))),
            "first two": {0, 1} & set(range(len(sentences))),
            "MiniLM's nearest two": set(map(int, nearest[:2])),
        }
        whole = sum(map(len, sentences))
        for name, picked in picks.items():
            share = sum(len(sentences[i]) for i in picked) / whole
            results.setdefault(name, []).append((_f1(picked, gold), share))
        for name, answer in (("quote", quote(found)), ("quote_attended", quote_attended(found, llm))):
            share = sum(place.end - place.start for place in answer.citations) / whole
            picked = _covered(sentences, row["passages"][0]["text"], answer.citations)
            results.setdefault(name, []).append((_f1(picked, gold), share))
    table: list[dict[str, Any]] = []
    for name, pairs in results.items():
        low, high = interval([f1 for f1, _ in pairs])
        f1, length = np.mean(pairs, axis=0)
        row = {"method": name, "F1": float(f1), "low": low, "high": high, "share of length": float(length)}
        for other in ("all sentences", "quote"):
            gains = [own[0] - its[0] for own, its in zip(pairs, results[other], strict=True)]
            row |= dict(zip((f"less {other}: low", f"less {other}: high"), interval(gains), strict=True))
        table.append(row)
    return table


def _covered(sentences: Sequence[str], text: str, citations: Sequence[Citation]) -> set[int]:
    """The data set's own sentences of which at least half is quoted; ragloom cuts sentences in its own way."""
    covered, at = set(), 0
    for i, sentence in enumerate(sentences):
        start = text.index(sentence, at)
        at = start + len(sentence)
        quoted = sum(max(0, min(at, citation.end) - max(start, citation.start)) for citation in citations)
        if quoted >= len(sentence) / 2:
            covered.add(i)
    return covered


def _abstention(evidence: list[Evidence], none: list[Evidence]) -> list[dict[str, Any]]:
    """How well confidence tells answerable questions from the others, and what the threshold does."""
    yes, no = (np.array([found.confidence for found in group]) for group in (evidence, none))
    return [
        {
            "AUC": auc(yes, no),
            "threshold": MIN_CONFIDENCE,
            "answered of answerable": float(np.mean(yes >= MIN_CONFIDENCE)),
            "abstained of unanswerable": float(np.mean(no < MIN_CONFIDENCE)),
        }
    ]


def _grounding(
    rows: list[dict[str, Any]], evidence: list[Evidence], encoder: Embedder, llm: ChatModel
) -> list[dict[str, Any]]:
    """Token recall, K-precision, length and coverage of the LLM's draft, of the grounded answer, and of quotes."""
    terms, whole_passages = ContentTerms(), preset(with_llm=True).nodes["quote"].params
    answers: dict[str, list[Answer]] = {"cited": [], "ground": [], "quote": [], "ask's": []}
    for row, found in zip(rows, evidence, strict=True):
        draft, quotes = cited(row["input"], found.documents, llm), quote(found)
        grounded = ground(draft, found, encoder, quotes)
        answers["cited"].append(draft)
        answers["ground"].append(grounded)
        answers["quote"].append(quotes)
        whole = quote(found, **whole_passages)
        answers["ask's"].append(ground(draft, found, encoder, whole) if found.answerable() else unknown(row["input"]))
    golds = [[output["answer"] for output in row["output"]] for row in rows]
    recalls = {name: [recall(*pair) for pair in zip(given, golds, strict=True)] for name, given in answers.items()}
    table = []
    for name, given in answers.items():
        said = [(answer, row["passages"][0]["text"]) for answer, row in zip(given, rows, strict=True) if answer.known]
        table.append(
            {
                "answer": name,
                **_mean("token recall", recalls[name]),
                "K-precision": float(np.mean([terms.precision(words(answer), text) for answer, text in said])),
                "words": float(np.mean([len(words(answer).split()) for answer, _ in said])),
                "answered": len(said) / len(rows),
                "fell back to quotes": float(np.mean([answer.how == "quoted" for answer in given])),
            }
        )
    cost = list(np.array(recalls["ground"]) - np.array(recalls["cited"]))
    return [*table, {"answer": "ground - cited", **_mean("token recall", cost)}]


def _mean(name: str, values: Sequence[float]) -> dict[str, float]:
    low, high = interval(values)
    return {name: float(np.mean(values)), "low": low, "high": high}


def _f1(picked: set[int], gold: set[int]) -> float:
    return 2 * len(picked & gold) / (len(picked) + len(gold)) if picked or gold else 0.0


if __name__ == "__main__":
    main()
