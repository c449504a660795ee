"""The baseline of FIRST in `benchmarks/`: it reads what a model writes, whatever that is."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
from ragloom.rag.llm import ChatLocal


@pytest.fixture
def listwise(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    return importlib.import_module("listwise")


@pytest.mark.parametrize(
    ("answer", "places"),
    [
        ("[B] > [A] > [C]", [1, 0, 2]),
        ("[C]>[ B ]>[C]", [2, 1]),
        ("Sure: [Z] > [B], since [B] is a cat.", [1]),
        ("A passage about cats.", []),
        ("", []),
    ],
)
def test_an_order_is_read_tolerantly(listwise: Any, answer: str, places: list[int]) -> None:
    assert listwise.named_places(answer, 3) == places


@pytest.mark.model
def test_the_model_writes_the_whole_order(listwise: Any) -> None:
    texts = ["Rain is wet.", "The cat sleeps.", "Trains run late.", "Cats hunt mice."]
    with ChatLocal(n_ctx=512) as llm:
        ranking = listwise.ListwiseReranker(llm=llm, window=3, step=1).rank("What does the cat do?", texts)
        decoded = llm.engine.stats().decoded
    assert [ranked.score for ranked in ranking] == [0, -1, -2, -3]
    assert sorted(ranked.given for ranked in ranking) == [1, 2, 3, 4]
    (note,) = ranking.notes
    assert note.endswith(" documents not named")
    assert 0 < decoded <= 2 * 15
