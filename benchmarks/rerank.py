"""Rerankers beside each other: same candidates, same model, one table, and what may be claimed of ICR.

Everything is measured once and written to `--state`; a run that was killed goes on, and the whole, which takes many
hours, can be done part by part (`--part`, `--set`, `--method`, `--limit`). Report on `test`; choose on `train`.

- times: 30 queries of each set, 10 of the one with 100 documents, none of the one for quality alone, whose documents
  are read whole; beside them ICR in `transformers`, 10 queries.
  `cached` finds its documents' KV on disk: in pages that the system still holds, and after it was told to forget them
- quality: all queries
- permutation: 10 queries, candidates shuffled three times
- words: every document of 10 queries (3 where passages are read together); the five words that drew most attention are
  taken out, or others of as many tokens
- memory: most that a process of its own had, for one query
"""

from __future__ import annotations

import tempfile
from argparse import ArgumentParser, Namespace
from collections import Counter
from pathlib import Path

import data
from jobs import do_all
from ragloom import load
from ragloom.rag.rerank.heads import model_digest
from ragloom.settings import read_settings
from report import table, write
from rerank_data import WORDS, query_sets
from rerank_jobs import PARTS, Bench
from rerank_methods import WEIGHTS, Methods
from rerank_state import State
from rerank_table import checks, rows, weights


def main() -> None:
    options = data.parser(__doc__)
    _add(options)
    given = options.parse_args()
    with load(given.model) as llm:
        digest = model_digest(llm.engine.file)
        path = given.state or read_settings().cache / "benchmarks" / "rerank" / f"{digest[:12]}.jsonl"
        sets = query_sets(given.data, given.split, index=given.index, store=path.parent)
        sets = [each.shortened(given.limit, given.documents) for each in sets]
        sets = [each for each in sets if given.set is None or any(each.name.startswith(name) for name in given.set)]
        methods = Methods(llm, path.parent, given.cross_encoder)
        bench = Bench(sets, methods, given.split == "train", given.model, given.method)
        state = State(path)
        print(state)
        failed = [] if given.report else measure(bench, state, given.part or list(PARTS))
        _tell(bench, state, given)
    if failed:
        raise SystemExit("\n".join(["these failed:", *failed]))


def _add(options: ArgumentParser) -> None:
    folder = Path(tempfile.gettempdir())
    options.add_argument("--split", default="test", choices=("train", "test"))
    options.add_argument("--index", type=Path, default=folder / "ragloom-scifact")
    options.add_argument("--model", default="embedded")
    options.add_argument("--state", type=Path, help="file of what was measured; default: one for each model")
    options.add_argument("--cross-encoder", type=Path, help="folder of one")
    options.add_argument("--part", choices=list(PARTS), action="append")
    options.add_argument("--set", action="append", help="beginning of a set's name, such as 'scifact 20'")
    options.add_argument("--method", action="append", help="name of a method, such as FIRST")
    options.add_argument("--limit", type=int, help="queries of each set")
    options.add_argument("--documents", type=int, help="documents of each query")
    options.add_argument("--report", action="store_true", help="measure nothing")


def measure(bench: Bench, state: State, parts: list[str]) -> list[str]:
    """Do what is not done; what failed, for the run goes on."""
    failed = []
    for part in parts:
        failed += do_all(PARTS[part](bench), state)
        bench.forget()
    return failed


def _tell(bench: Bench, state: State, given: Namespace) -> None:
    """Write the table if all of it is there, else print what is."""
    methods = bench.methods.alone() + bench.methods.shared(choosing=bench.choosing)
    made = [row for each in bench.sets for row in rows(state, each, methods)]
    checked = [row for each in bench.sets for row in checks(state, each, methods)]
    weighed = [row for each in bench.sets for row in weights(state, each, methods)] if bench.choosing else []
    print(table(checked))
    if weighed:
        print(table(weighed))
    for name, why in bench.methods.skipped.items():
        print(f"{name} is left out: {why}")
    missing = Counter(job.key[:4] for part in PARTS.values() for job in part(bench) if not job.done(state))
    for key, number in missing.items():
        print("missing:", *filter(None, key), number)
    partial = [given.limit, given.documents, given.set, given.method, given.part]
    if missing or any(partial):
        print(table(made))
    else:
        name = "rerank" if given.model == "embedded" else f"rerank_{Path(given.model).stem}"
        options = {"model": given.model, "words": WORDS, "weights of the first stage": WEIGHTS}
        more = {"checks": checked, "weights": weighed, "options": options, "skipped": bench.methods.skipped}
        write(f"{name}_train" if bench.choosing else name, made, **more)


if __name__ == "__main__":
    main()
