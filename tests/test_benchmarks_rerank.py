"""What the benchmark of the rerankers makes of its measurements, and that it loses none."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("ir_measures", reason="the extra 'bench' is not installed")


@pytest.fixture(autouse=True)
def _beside_the_benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[1] / "benchmarks")


def test_a_line_that_was_cut_off_is_measured_again(tmp_path: Path) -> None:
    from rerank_state import Key, State

    path = tmp_path / "state.jsonl"
    keys = [Key("times", "some", "ICR", "", query) for query in "abc"]
    assert "nothing is measured yet" in str(State(path))
    State(path).add(keys[0], ms=1.0)
    with path.open("a", encoding="utf-8") as file:
        file.write('{"key": ["times", "some", "ICR", "", "b"], "ms"')
    state = State(path)
    assert keys[0] in state
    assert keys[1] not in state
    state.add(keys[2], ms=3.0)
    assert "2 results, the last of 20" in str(State(path))
    assert State(path).of("times", "some", "ICR", "") == {"a": {"ms": 1.0}, "c": {"ms": 3.0}}


def test_a_method_that_ranks_better_than_the_first_stage_says_so(tmp_path: Path) -> None:
    from langchain_core.documents import Document
    from rerank_data import Asked, QuerySet
    from rerank_methods import ICR, Method
    from rerank_state import Key, State
    from rerank_table import checks, rows

    documents = tuple(Document(text, id=text) for text in ("rain", "snow", "cats"))
    asked = QuerySet("some", "search", tuple(Asked(query, "cats?", documents, {"cats": 1}) for query in "abc"))
    state = State(tmp_path / "state.jsonl")
    scores = {"rain": 0.0, "snow": 0.0, "cats": 1.0}
    for query in "abc":
        state.add(Key("times", "some", ICR, "", query), scores=scores, ms=50.0, evaluated=10, reused=5)
        state.add(Key("times", "some", "transformers F32", "", query), scores=scores, ms=100.0)
        state.add(Key("quality", "some", ICR, "", query), scores=scores)

    def never(_: str) -> None:
        raise AssertionError

    methods = [Method(ICR, "", never)]
    first, own, fused, baseline = rows(state, asked, methods)
    assert (first["nDCG@10"], own["nDCG@10"]) == (0.5, 1.0)
    assert (own["low"], own["high"], own["x faster"], own["reused"]) == (0.5, 0.5, 2.0, 5)
    assert 0.5 <= fused["nDCG@10"] <= 1.0
    assert baseline["ms p50"] == 100
    told = list(checks(state, asked, methods))
    assert [row["mean"] for row in told] == pytest.approx([1.0, 1.0])
    assert [row["worst"] for row in told] == pytest.approx([1.0, 1.0])


@pytest.mark.model
def test_every_part_measures_every_method_once(tmp_path: Path) -> None:
    from langchain_core.documents import Document
    from ragloom import load
    from rerank import measure
    from rerank_data import Asked, QuerySet
    from rerank_jobs import PARTS, Bench
    from rerank_methods import CACHED, COLD, FIRST, GENERATION, HEADS, ICR, LAYERS, TRANSFORMERS, Methods
    from rerank_state import State
    from rerank_table import checks, rows

    texts = {"rain": "Rain is wet " * 8, "snow": "Snow is cold " * 8, "cats": "The cat sleeps all day " * 8}
    documents = tuple(Document(text, id=name, metadata={"title": "Facts"}) for name, text in texts.items())
    queries = {"a": "What does the cat do?", "b": "What is cold?"}
    asked = tuple(Asked(name, query, documents, {"cats": 1}) for name, query in queries.items())
    state = State(tmp_path / "state.jsonl")
    with load("embedded", n_ctx=1024) as llm:
        ours = {GENERATION, FIRST, ICR, HEADS, LAYERS, CACHED, COLD}
        sets = [QuerySet("some", "search", asked)]
        bench = Bench(sets, Methods(llm, tmp_path), choosing=False, model="embedded", only=ours)
        assert {method.name for method in bench.methods.timed()} == ours | set(TRANSFORMERS)
        assert measure(bench, state, ["times", "quality", "permutation", "words"]) == []
        bench.only = {CACHED}
        assert measure(bench, state, ["memory"]) == []
        bench.only = ours
        left = {job.key.method for part in PARTS.values() for job in part(bench) if not job.done(state)}
        assert left == ours - {CACHED, COLD}  # their memory
        methods = bench.methods.alone() + bench.methods.shared(choosing=False)
    made = {row["method"]: row for row in rows(state, bench.sets[0], methods)}
    assert made[FIRST]["decoded"] == 0 < made[GENERATION]["decoded"]
    assert made[CACHED]["evaluated"] < made[ICR]["evaluated"] / 2
    assert made[CACHED]["RSS MB"] > 100
    found = {(row["check"], row["method"]): row for row in checks(state, bench.sets[0], methods)}
    assert found["shuffled, Kendall's tau", CACHED]["worst"] == 1.0
    assert found["measured twice, same order", ICR]["mean"] == 1.0


def test_recall_of_a_question_counts_its_supporting_paragraphs_by_hop() -> None:
    from langchain_core.documents import Document
    from rerank_data import Asked, QuerySet
    from rerank_table import quality

    documents = tuple(Document(str(at), id=str(at)) for at in range(8))
    asked = QuerySet("some", "question", (Asked("a", "cats?", documents, {"0": 1, "7": 1}),))
    assert quality(asked, {"a": [str(at) for at in range(8)]}) == {"a": 0.5}
