"""The attention heads of the embedded model, found anew as those that come with ragloom were; half an hour.

The figures are cross-validated, on SciFact's training queries with ten shuffled candidates each.
"""

from __future__ import annotations

from typing import Any

import data
from ragloom import load
from ragloom.rag.rerank.head_finding import find_heads
from ragloom.rag.rerank.heads import HeadScores, shipped_finding
from ragloom.rag.rerank.labelled import read_labelled
from report import write
from rerank_data import HEADS_FOUND_ON

BEST = 8


def main() -> None:
    options = data.parser(__doc__)
    given = options.parse_args()
    with load("embedded") as llm:
        shipped = HeadScores.model_validate_json(shipped_finding(llm.engine.file).read_text(encoding="utf-8"))
        labelled = read_labelled(given.data / "scifact", **HEADS_FOUND_ON)
        found = find_heads(llm.engine, labelled, name=shipped.data, task=shipped.task, tokens=shipped.tokens)
    write("heads", [row for way in ("together", "apart") for row in _rows(way, found, shipped)])


def _rows(way: Any, found: HeadScores, shipped: HeadScores) -> list[dict[str, Any]]:
    """What so many of the best heads bring, and how many of the best are the same ones."""
    before = {gain.heads: gain.ndcg for gain in shipped.gains[way]}
    same = {*found.best(BEST, apart=way == "apart")} & {*shipped.best(BEST, apart=way == "apart")}
    return [
        {
            "passages read": way,
            "heads": gain.heads or "all",
            "nDCG@10": gain.ndcg,
            "as shipped": before[gain.heads],
            f"same of the best {BEST}": len(same),
        }
        for gain in found.gains[way]
    ]


if __name__ == "__main__":
    main()
