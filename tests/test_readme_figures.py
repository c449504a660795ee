"""What the README's table says is what was measured last: every figure is that of its file in `benchmarks/results`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]

Row = dict[str, Any]


def share(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def between(row: Row) -> str:
    return f"({share(row['low'])}-{share(row['high'])})"


def ratio(row: Row) -> str:
    return f"({row['low']:.1f}-{row['high']:.1f})"


FIGURES: list[tuple[str, Row, Callable[[Row], str]]] = [
    ("scifact_test", {"mode": "lexical"}, lambda row: f"BM25 {share(row['nDCG@10'])}"),
    ("scifact_test", {"mode": "dense"}, lambda row: f"dense {share(row['nDCG@10'])}"),
    ("scifact_test", {"mode": "hybrid"}, lambda row: f"hybrid {share(row['nDCG@10'])}"),
    ("demo_questions", {"questions": "40 all"}, lambda row: f"{row['right']} right, {row['abstained']} abstained"),
    (
        "demo_questions",
        {"questions": "30 answerable"},
        lambda row: (
            f"{row['right']} of 30 answerable ones are answered rightly, in {row['words']} words, and the first place "
            f"alone is right in {row['first citation right']}"
        ),
    ),
    (
        "quotes",
        {"method": "quote"},
        lambda row: (
            f"`quote` {share(row['F1'])} (95%: {share(row['low'])}-{share(row['high'])}) at "
            f"{row['share of length']:.0%} of the passage's length"
        ),
    ),
    ("quotes", {"method": "all sentences"}, lambda row: f"the whole passage {share(row['F1'])} {between(row)}"),
    ("quotes", {"method": "MiniLM's nearest two"}, lambda row: f"nearest two {share(row['F1'])}"),
    ("quotes", {"method": "first two"}, lambda row: f"first two {share(row['F1'])}"),
    ("grounding", {"answer": "cited"}, lambda row: f"the LLM alone {share(row['token recall'])}"),
    ("grounding", {"answer": "ground"}, lambda row: f"`ground` {share(row['token recall'])}"),
    ("grounding", {"answer": "ground"}, lambda row: f"{row['fell back to quotes']:.0%} of them by quotes alone"),
    (
        "abstention",
        {},
        lambda row: (
            f"AUC {share(row['AUC'])}; at the default {row['abstained of unanswerable']:.0%} are declined, and "
            f"{1 - row['answered of answerable']:.0%} of the answerable ones"
        ),
    ),
    (
        "retrieval",
        {"search": "LangChain ensemble"},
        lambda row: f"ms against {row['ms p50']:.1f} ms",
    ),
    (
        "retrieval",
        {"search": "ragloom hybrid"},
        lambda row: f"{row['ms p50']:.1f} ms against",
    ),
    ("retrieval", {"search": "ragloom hybrid"}, lambda row: f"({row['LangChain_is_x_slower']:.1f}x)"),
    (
        "retrieval",
        {"search": "the question's embedding alone"},
        lambda row: f"{row['ms p50']:.1f} ms of each is the question's embedding",
    ),
    (
        "retrieval",
        {"search": "ragloom hybrid, embedding excluded", "chunks": 100_000},
        lambda row: f"{row['ms p50']:.1f} ms; of 5,183",
    ),
    (
        "retrieval",
        {"search": "ragloom hybrid, embedding excluded", "chunks": 5183},
        lambda row: f"whose vectors are all looked at, {row['ms p50']:.1f} ms",
    ),
    ("ingest", {"run": "ragloom"}, lambda row: f"{row['chunks']:,} chunks in {row['s']:.0f} s"),
    (
        "ingest",
        {"run": "sentence-transformers + langchain-chroma"},
        lambda row: f"against {row['chunks']:,} in {row['s']:.0f} s ({row['x of ragloom']:.1f}x)",
    ),
    ("ingest", {"run": "ragloom again"}, lambda row: f"a second run takes {row['s']:.2f} s"),
    (
        "graph",
        {"what": "invoke"},
        lambda row: (
            f"{row['ms']:.1f} ms against {row['ms empty']:.1f} ms ({row['x of empty'].replace(' (', 'x, 95%: ')}"
        ),
    ),
    ("graph", {"what": "stream"}, lambda row: f"streamed {row['x of empty'].partition(' ')[0]}x"),
    ("graph", {"what": "check, 50 nodes, a file"}, lambda row: f"50 nodes are checked in {row['ms']:.0f} ms"),
    (
        "engine",
        {"what": "throughput"},
        lambda row: f"{row['x']:.1f}x the throughput (95%: {row['low']:.1f}-{row['high']:.1f})",
    ),
    (
        "engine",
        {"what": "single stream"},
        lambda row: f"one answer alone {row['x']:.1f}x ({row['low']:.2f}-{row['high']:.2f})",
    ),
    ("engine", {"what": "score_next"}, lambda row: f"{row['x']:.1f}x {ratio(row)}"),
    (
        "engine",
        {"what": "memory"},
        lambda row: f"{row['engine'] / 1000:.1f} GB instead of {row['Llama'] / 1000:.1f} GB",
    ),
    (
        "engine",
        {"what": "first token of 2,000"},
        lambda row: f"{row['x']:.1f}x ({row['low']:.2f}-{row['high']:.2f}); where all but",
    ),
    (
        "engine",
        {"what": "first token, known but 10"},
        lambda row: f"its last 10 tokens are known {row['x']:.2f}x, {row['engine']:.0f} ms",
    ),
    (
        "engine",
        {"what": "first token, conversations in turn"},
        lambda row: f"that take turns {row['x']:.0f}x, {row['engine']:.0f} ms",
    ),
    ("routing", {"centroids": 8}, lambda row: f"{share(row['right'])} right {between(row)} with 8 centroids"),
    ("routing", {"centroids": 1}, lambda row: f"{share(row['right'])} with one"),
    ("memory_locomo", {"recipe": "conversation"}, lambda row: f"recall@10 † | `memory.py` | {share(row['recall@10'])}"),
    ("memory_locomo", {"recipe": "BM25"}, lambda row: f"BM25 {share(row['recall@10'])}"),
    ("memory_locomo", {"recipe": "dense"}, lambda row: f"by meaning {share(row['recall@10'])}"),
    ("memory_locomo", {"recipe": "RRF"}, lambda row: f"RRF of both {share(row['recall@10'])}"),
    ("memory_timeqa", {"way": "with time"}, lambda row: share(row["accuracy"])),
    ("memory_timeqa", {"way": "without time"}, lambda row: f"{share(row['accuracy'])} without the times"),
    (
        "memory_answers",
        {"memory": "recall", "category": "all"},
        lambda row: f"{share(row['token F1'])} with {row['tokens']:.0f} recalled tokens",
    ),
    (
        "memory_answers",
        {"memory": "recall", "category": "all"},
        lambda row: f"{share(row['more than no memory'])} more (95%: {share(row['low'])}-{share(row['high'])})",
    ),
    (
        "memory_answers",
        {"memory": "full session", "category": "all"},
        lambda row: f"{share(row['token F1'])} with the last {row['tokens']:,.0f} tokens",
    ),
    (
        "memory_scale",
        {"facts": 1_000_000},
        lambda row: (
            f"{row['facts/s']:,} facts/s loaded; `search` {row['search p50 ms']:.0f} ms, `as_of` around an entity "
            f"{row['as_of p50 ms']:.1f} ms at the median, around one with very many facts "
            f"{row['as_of hub p50 ms']:.0f} ms (p95 {row['as_of hub p95 ms'] / 1000:.1f} s)"
        ),
    ),
    (
        "evaluate",
        {"what": "ten variants, x of one retrieval and the tails"},
        lambda row: f"{row['x']:.3f}x (95%: {row['low']:.3f}-{row['high']:.3f})",
    ),
    (
        "evaluate",
        {"what": "an evaluation with its report, x of invoking"},
        lambda row: f"{row['x'] - 1:.1%} more ({100 * row['low'] - 100:.1f}-{100 * row['high'] - 100:.1f})",
    ),
    ("startup", {"what": "import ragloom"}, lambda row: f"{row['ms median']:.0f} ms"),
    ("startup", {"what": "ragloom --help"}, lambda row: f"{row['ms median']:.0f} ms (Python alone"),
    ("startup", {"what": "python alone"}, lambda row: f"(Python alone: {row['ms median']:.0f} ms)"),
]


@pytest.mark.parametrize(("name", "of", "told"), FIGURES)
def test_a_figure_of_the_readme_is_what_was_measured(name: str, of: Row, told: Callable[[Row], str]) -> None:
    rows = json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text(encoding="utf-8"))["rows"]
    (row,) = [row for row in rows if of.items() <= row.items()]
    table = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Measured")[2]
    assert told(row) in table
