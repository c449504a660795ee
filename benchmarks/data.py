"""Readers of the data that benchmarks measure on; it is not part of the project (see its own README)."""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

from report import need

DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "data"


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with `--data`."""
    made = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    made.add_argument("--data", type=Path, default=DEFAULT, help="folder of the data sets")
    return made


def jsonl(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON Lines file."""
    with need(path).open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def scifact(data: Path, split: str) -> tuple[dict[str, str], dict[str, str], dict[str, dict[str, int]]]:
    """Texts by id (title and abstract), queries by id, and judgments: query id -> document id -> relevance."""
    folder = data / "scifact"
    corpus = {row["_id"]: f"{row['title']}\n{row['text']}" for row in jsonl(folder / "corpus.jsonl")}
    qrels: dict[str, dict[str, int]] = {}
    with need(folder / f"qrels.{split}.tsv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            qrels.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
    queries = {row["_id"]: row["text"] for row in jsonl(folder / f"queries.{split}.jsonl") if row["_id"] in qrels}
    return corpus, queries, qrels


def clapnq(data: Path, kind: str) -> list[dict[str, Any]]:
    """Rows of CLAP NQ; `kind` is `answerable` or `unanswerable`."""
    return jsonl(data / "clapnq" / f"clapnq_dev_{kind}.jsonl")
