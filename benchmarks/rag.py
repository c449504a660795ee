"""Agents and query rewriting beside what they should improve on: which documents MAIN-RAG keeps, what answers gain.

Everything is measured once and written to `--state`; a run that was killed goes on, and the whole, which takes many
hours, can be done part by part (`--part`, `--limit`). Choose on `tune`, report on `report`.

- filter: MuSiQue, 20 paragraphs a question, 2-4 of which support the answer: precision, recall and F1 of what is kept
- answers: CLAP NQ, answerable and not: token recall, K-precision, how often it answers, and what tells the two apart
- time: MAIN-RAG over 16 documents beside the same calls, one after the other, by llama-cpp-python's `Llama`
- orders: how often documents that give orders change what the judge says of them
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import data
from jobs import Job, do_all
from rag_answers import answer_jobs, answer_rows
from rag_bench import Bench
from rag_filter import agreement_rows, filter_jobs, filter_rows
from rag_orders import order_jobs, order_rows
from rag_time import time_jobs, time_rows
from ragloom import load
from ragloom.rag.rerank.heads import model_digest
from ragloom.settings import read_settings
from report import table, write
from rerank_state import State

Rows = Callable[[State, Bench], Iterator[dict[str, Any]]]

PARTS: dict[str, tuple[Callable[[Bench], Iterator[Job]], dict[str, Rows]]] = {
    "filter": (filter_jobs, {"filter": filter_rows, "agreement": agreement_rows}),
    "answers": (answer_jobs, {"answers": answer_rows}),
    "time": (time_jobs, {"time": time_rows}),
    "orders": (order_jobs, {"orders": order_rows}),
}


def main() -> None:
    options = data.parser(__doc__)
    _add(options)
    given = options.parse_args()
    parts = given.part or list(PARTS)
    with load(given.model) as llm:
        digest = model_digest(llm.engine.file)
        path = given.state or read_settings().cache / "benchmarks" / "rag" / f"{digest[:12]}.jsonl"
        bench = Bench.of(given.data, llm, path.parent, split=given.split, limit=given.limit)
        state = State(path)
        print(state)
        failed = [] if given.report else [each for part in parts for each in do_all(PARTS[part][0](bench), state)]
        _tell(bench, state, parts, is_whole=given.split == "report" and given.limit is None, model=given.model)
    if failed:
        raise SystemExit("\n".join(["these failed:", *failed]))


def _add(options: ArgumentParser) -> None:
    options.add_argument("--split", default="report", choices=("tune", "report"))
    options.add_argument("--model", default="embedded")
    options.add_argument("--state", type=Path, help="file of what was measured; default: one for each model")
    options.add_argument("--part", choices=list(PARTS), action="append")
    options.add_argument("--limit", type=int, help="questions of each kind")
    options.add_argument("--report", action="store_true", help="measure nothing")


def _tell(bench: Bench, state: State, parts: list[str], *, is_whole: bool, model: str) -> None:
    """Write the tables of which all is measured, print the others."""
    for part in parts:
        jobs, tables = PARTS[part]
        missing = sum(not job.done(state) for job in jobs(bench))
        made = {name: list(rows(state, bench)) for name, rows in tables.items()}
        first, *more = tables
        if missing or not is_whole or not all(made.values()):
            for name, rows in made.items():
                print(f"{name}, {missing} missing\n{table(rows)}")
            continue
        name = f"rag_{part}" if model == "embedded" else f"rag_{part}_{Path(model).stem}"
        write(name, made[first], **{each: made[each] for each in more}, options={"model": model})


if __name__ == "__main__":
    main()
