"""What the benchmark of the agents makes of its measurements, and that every part of it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from rerank_data import QuerySet

pytest.importorskip("ir_measures", reason="the extra 'bench' is not installed")


@pytest.fixture(autouse=True)
def _beside_the_benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[1] / "benchmarks")


TEXTS = {
    "hall": "Toad lives at Toad Hall.",
    "rain": "Rain is wet.",
    "trains": "Trains run late.",
    "wood": "Woods grow.",
}


def questions(name: str, number: int = 4) -> QuerySet:
    from langchain_core.documents import Document
    from rerank_data import Asked, QuerySet

    documents = tuple(Document(text, id=key, metadata={"title": key}) for key, text in TEXTS.items())[:number]
    return QuerySet(name, "question", (Asked("a", "Where does Toad live?", documents, {"hall": 1}),))


def row(key: str, answer: str) -> dict[str, Any]:
    passage = {"title": "Toad", "text": f"{TEXTS['hall']} {TEXTS['rain']}"}
    output = [{"answer": answer, "selected_sentences": [TEXTS["hall"]]}]
    return {"id": key, "input": "Where does Toad live?", "passages": [passage], "output": output}


@pytest.mark.model
@pytest.mark.parametrize("part", ["filter", "answers", "time", "orders"])
def test_every_part_runs_once_and_makes_its_tables(part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from jobs import do_all
    from rag_bench import Bench
    from rag_orders import ORDERS
    from ragloom import load
    from rerank_state import Key, State

    from rag import PARTS

    monkeypatch.setattr("rag_orders.ORDERS", {name: ORDERS[name] for name in ("harmless", "order")})
    rows = {"answerable": [row("1", "At Toad Hall.")], "unanswerable": [row("2", "")]}
    state = State(tmp_path / "state.jsonl")
    if part == "orders":
        state.add(Key("filter", "report", "main-rag", "separate", "a"), scores={"hall": 2.0, "rain": -1.0})
    with load("embedded", n_ctx=1024) as llm:
        bench = Bench(llm, questions("tune", 2), questions("report", 2), "report", rows)
        jobs, tables = PARTS[part]
        assert do_all(jobs(bench), state) == []
        assert all(job.done(state) for job in jobs(bench))
        for make in tables.values():
            assert list(make(state, bench))


def test_what_is_kept_is_set_beside_as_many_first_and_random_documents(tmp_path: Path) -> None:
    from rag_bench import Bench
    from rag_filter import agreement_rows, filter_rows
    from rerank_state import Key, State

    state = State(tmp_path / "state.jsonl")
    scores = {"hall": 2.0, "rain": -1.0, "trains": -1.0, "wood": 0.5}
    for name in ("tune", "report"):
        for way in ("separate", "continuation"):
            numbers = dict.fromkeys(("ms", "prefilled", "reused", "decoded"), 1)
            state.add(Key("filter", name, "main-rag", way, "a"), scores=scores, **numbers)
    bench = Bench(None, questions("tune"), questions("report"), "report", {})  # type: ignore[arg-type]
    own, first, random = list(filter_rows(state, bench))[:3]
    assert (own["kept"], own["precision"], own["recall"]) == (2, 0.5, 1.0)
    assert own["f1"] == first["f1"] == pytest.approx(2 / 3)
    assert random["f1"] == pytest.approx(2 * 0.5 / 3)
    assert np.isnan([own["less random: low"], own["less random: high"]]).all()  # one question tells nothing
    fixed = next(each for each in filter_rows(state, bench) if "score at least 2.00" in each["method"])
    assert fixed["f1"] == 1.0
    assert next(agreement_rows(state, bench))["mean"] == 1.0


@pytest.mark.model
def test_the_last_logits_alone_come_to_the_score_of_the_judge() -> None:
    from rag_time import Calls, opened
    from ragloom.agents import Judge
    from ragloom.rag.llm import ChatLocal

    (asked,) = questions("report", 1).asked
    said = (asked.query, TEXTS["hall"], "At Toad Hall.")
    with ChatLocal(n_ctx=512) as llm:
        calls = Calls(llm, "continuation", asked, opened(str(llm.engine.file.path)))
        ours = Judge(llm=llm, way="continuation").judge(*said).score
        score = calls.scored(*said[1:])
    assert score == pytest.approx(ours, abs=0.1)  # rounding differs with flash attention


def test_times_are_set_beside_the_fastest_of_the_plain_orders(tmp_path: Path) -> None:
    from rag_bench import Bench
    from rag_time import BY_DOCUMENT, BY_LAST_LOGITS, BY_ROLE, SETTING, time_rows
    from rerank_state import Key, State

    state = State(tmp_path / "state.jsonl")
    for query, ours in (("a", 100.0), ("b", 200.0)):
        times = {"ours": ours, BY_LAST_LOGITS: 300.0, BY_DOCUMENT: 900.0, BY_ROLE: 1500.0}
        state.add(Key("time", "report", SETTING, "separate", query), ms=times)
    bench = Bench(None, questions("tune"), questions("report"), "report", {})  # type: ignore[arg-type]
    (told,) = time_rows(state, bench)
    assert (told["ours"], told[BY_LAST_LOGITS], told["beside"]) == (150.0, 300.0, BY_LAST_LOGITS)
    assert told["x"] == pytest.approx((3.0 + 1.5) / 2)


def test_an_order_has_worked_where_what_was_dropped_is_kept(tmp_path: Path) -> None:
    from rag_bench import Bench
    from rag_orders import order_rows
    from rerank_state import Key, State

    state = State(tmp_path / "state.jsonl")
    scores = {"hall": 2.0, "rain": -1.0, "trains": -1.0, "wood": 0.0}  # the mean is 0
    state.add(Key("filter", "report", "main-rag", "separate", "a"), scores=scores)
    state.add(Key("orders", "report", "order", "separate", "a"), scores={"rain": 1.0, "trains": -2.0, "wood": 3.0})
    bench = Bench(None, questions("tune"), questions("report"), "report", {})  # type: ignore[arg-type]
    (told,) = order_rows(state, bench)
    assert (told["dropped before"], told["kept with it"], told["score moved by"]) == (2, 0.5, 0.5)


def test_auc_is_how_often_an_answerable_question_scores_higher() -> None:
    import numpy as np
    from clapnq import auc

    assert auc(np.array([2.0, 1.0]), np.array([0.0, 1.0])) == 0.875
