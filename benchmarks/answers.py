"""Quality of answers on CLAP NQ: what quotes find, what grounding costs, and when ragloom abstains.

Each question comes with one passage. Rows 1-100 of each file are for choosing settings (`--tune`), the rest is the
report. Gold sentences are the first annotator's; token recall is against the best of the gold answers.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import data
import numpy as np
from langchain_core.documents import Document
from ragloom import Embedder
from ragloom.rag.generate.citing import cited
from ragloom.rag.generate.evidence import MIN_CONFIDENCE, Evidence, gather
from ragloom.rag.generate.grounding import ground
from ragloom.rag.generate.quoting import quote
from ragloom.rag.generate.types import Answer
from ragloom.rag.llm import load
from report import interval, write


def main() -> None:
    parser = data.parser(__doc__)
    parser.add_argument("--tune", action="store_true", help="rows 1-100 instead of the report rows")
    parser.add_argument("--limit", type=int, default=0, help="only the first rows of each kind; 0: all")
    parser.add_argument("--model", default="embedded")
    options = parser.parse_args()
    rows = slice(0, 100) if options.tune else slice(100, None)
    answerable = data.clapnq(options.data, "answerable")[rows][: options.limit or None]
    unanswerable = data.clapnq(options.data, "unanswerable")[rows][: options.limit or None]
    suffix = "_tune" if options.tune else ""
    encoder = Embedder()
    evidence = [_evidence(row, encoder) for row in answerable]
    none = [_evidence(row, encoder) for row in unanswerable]
    write(f"quotes{suffix}", _quotes(answerable, evidence))
    write(f"abstention{suffix}", _abstention(evidence, none))
    write(f"grounding{suffix}", _grounding(answerable, evidence, options.model))


def _evidence(row: dict[str, Any], encoder: Embedder) -> Evidence:
    passage = row["passages"][0]
    document = Document(page_content=passage["text"], metadata={"title": passage["title"]})
    vector = encoder.encode([f"{passage['title']}\n{passage['text']}"])
    return gather(row["input"], [document], encoder, passage_vectors=vector)


def _quotes(rows: list[dict[str, Any]], evidence: list[Evidence]) -> list[dict[str, Any]]:
    """Sentence F1 against the gold sentences, and length as a share of the passage."""
    results: dict[str, list[tuple[float, float]]] = {}
    for row, found in zip(rows, evidence, strict=True):
        sentences = [sentence.strip() for sentence in row["passages"][0]["sentences"]]
        gold = {sentence.strip() for sentence in row["output"][0]["selected_sentences"]}
        nearest = np.argsort(-found.similarity)[:2]
        chosen = {
            "all sentences": sentences,
            "first two": sentences[:2],
            "MiniLM's nearest two": [found.sentences[int(i)].text for i in nearest],
            "quote": [citation.text for citation in quote(found).citations],
        }
        whole = sum(map(len, sentences))
        for name, picked in chosen.items():
            results.setdefault(name, []).append((_f1(set(picked), gold), sum(map(len, picked)) / whole))
    table = []
    for name, pairs in results.items():
        low, high = interval([f1 for f1, _ in pairs])
        f1, length = np.mean(pairs, axis=0)
        table.append({"method": name, "F1": float(f1), "low": low, "high": high, "share of length": float(length)})
    return table


def _abstention(evidence: list[Evidence], none: list[Evidence]) -> list[dict[str, Any]]:
    """How well a score tells answerable questions from the others, and what the threshold does."""
    table = []
    for name, score in {
        "confidence": lambda found: found.confidence,
        "nearest sentence": lambda found: float(found.similarity.max(initial=-1)),
        "nearest passage": lambda found: 2 * found.confidence - float(found.similarity.max(initial=0)),
    }.items():
        yes, no = np.array([score(found) for found in evidence]), np.array([score(found) for found in none])
        auc = float(np.mean((yes[:, None] > no[None]) + 0.5 * (yes[:, None] == no[None])))
        row: dict[str, Any] = {"score": name, "AUC": auc}
        if name == "confidence":
            row |= {
                "threshold": MIN_CONFIDENCE,
                "answered of answerable": float(np.mean(yes >= MIN_CONFIDENCE)),
                "abstained of unanswerable": float(np.mean(no < MIN_CONFIDENCE)),
            }
        table.append(row)
    return table


def _grounding(rows: list[dict[str, Any]], evidence: list[Evidence], model: str) -> list[dict[str, Any]]:
    """Token recall, K-precision and coverage of the LLM's draft, of the grounded answer, and of quotes alone."""
    llm = load(model)
    recalls: dict[str, list[float]] = {}
    answered: Counter[str] = Counter()
    fallbacks = 0
    for row, found in zip(rows, evidence, strict=True):
        draft = cited(row["input"], found.documents, llm)
        grounded = ground(draft, found)
        fallbacks += grounded.how == "quoted"
        golds = [output["answer"] for output in row["output"]]
        answers = {"cited": draft, "ground": grounded, "quote": quote(found)}
        answers["default"] = grounded if found.answerable else Answer(row["input"], (), (), "unknown")
        for name, answer in answers.items():
            recalls.setdefault(name, []).append(_recall(answer, golds))
            answered[name] += answer.known
    difference = np.array(recalls["ground"]) - np.array(recalls["cited"])
    table = []
    for name, values in recalls.items():
        low, high = interval(values)
        share = answered[name] / len(rows)
        table.append(
            {"answer": name, "token recall": float(np.mean(values)), "low": low, "high": high, "answered": share}
        )
    low, high = interval(list(difference))
    table.append({"answer": "ground - cited", "token recall": float(difference.mean()), "low": low, "high": high})
    table.append({"answer": "share of fallbacks to quotes", "answered": fallbacks / len(rows)})
    return table


def _f1(picked: set[str], gold: set[str]) -> float:
    return 2 * len(picked & gold) / (len(picked) + len(gold)) if picked or gold else 0.0


def _recall(answer: Answer, golds: list[str]) -> float:
    """Share of a gold answer's tokens that the answer has; the best over the gold answers."""
    tokens = Counter(_tokens(" ".join(statement.text for statement in answer.statements)))
    return max(sum((tokens & Counter(_tokens(gold))).values()) / max(1, len(_tokens(gold))) for gold in golds)


def _tokens(text: str) -> list[str]:
    return "".join(c.lower() if c.isalnum() else " " for c in text).split()


if __name__ == "__main__":
    main()
