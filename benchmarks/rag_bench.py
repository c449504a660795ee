"""What `rag.py` measures on, and with what."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import data
from clapnq import CHOOSING, REPORTING
from ragloom import Embedder
from ragloom.agents import MainRagFilter
from ragloom.agents.types import Way
from ragloom.rag.llm.base import ChatModel
from rerank_data import Asked, QuerySet, musique

WAYS: tuple[Way, ...] = ("separate", "continuation")


@dataclass(frozen=True)
class Bench:
    """What is measured, and with what.

    Attributes:
        llm: plays all roles.
        tune: questions of MuSiQue for choosing.
        report: those for reporting.
        split: which of the two is measured.
        rows: of CLAP NQ, those with an answer and those without.
    """

    llm: ChatModel
    tune: QuerySet
    report: QuerySet
    split: str
    rows: dict[str, list[dict[str, Any]]]

    @classmethod
    def of(cls, folder: Path, llm: ChatModel, store: Path, *, split: str, limit: int | None) -> Bench:
        """Read the data; `limit` is for a try."""
        part = CHOOSING if split == "tune" else REPORTING
        rows = {kind: data.clapnq(folder, kind)[part] for kind in ("answerable", "unanswerable")}
        rows["answerable"] = [row for row in rows["answerable"] if row["output"][0]["selected_sentences"]]
        tune, report = (musique(folder, each, store).shortened(limit, None) for each in ("train", "test"))
        return cls(llm, tune, report, split, {kind: own[:limit] for kind, own in rows.items()})

    @property
    def questions(self) -> QuerySet:
        """Those of MuSiQue that are measured."""
        return self.tune if self.split == "tune" else self.report

    @cached_property
    def embedder(self) -> Embedder:
        return Embedder()

    def agents(self, way: Way) -> MainRagFilter:
        return MainRagFilter(llm=self.llm, judge=way)


def judged(agents: MainRagFilter, asked: Asked) -> dict[str, Any]:
    """The score and the prediction of each document, by its id, in the order of the first stage."""
    filtered = agents.filter(asked.query, asked.documents)
    found = sorted((*filtered.kept, *filtered.dropped), key=lambda each: each.given)
    return {
        "scores": {str(each.document.id): each.score for each in found},
        "predictions": {str(each.document.id): each.prediction for each in found},
        "notes": filtered.notes,
    }
