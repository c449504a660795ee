"""An evaluation does nothing twice: what it has kept is read again, whatever ended it."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asked import DATASET, TEXTS, fill, quick
from fakes import HashingEmbedder
from kittens import cat
from langchain_core.documents import Document
from ragloom.rag.evaluate import Dataset, EvaluateError, Given, Progress, evaluate
from ragloom.rag.evaluate.log import locked
from ragloom.rag.generate import Answer
from ragloom.rag.generate.types import Statement
from ragloom.rag.graph import Context, RagState
from ragloom.stores import Corpus
from ragloom.stores.types import Hit, Source

pytest.importorskip("ir_measures", reason="the extra 'eval' is not installed")


@pytest.fixture
def willows(corpus: Corpus) -> Corpus:
    return fill(corpus)


def test_a_second_evaluation_reads_what_the_first_has_kept(
    willows: Corpus, embedder: HashingEmbedder, tmp_path: Path
) -> None:
    first = evaluate({"a": quick()}, DATASET, Given(willows), out=tmp_path / "out")
    embedded = embedder.embedded
    told: list[Progress] = []
    again = evaluate({"a": quick(), "b": quick(quote={"spread": 0.5})}, DATASET, Given(willows), out=tmp_path / "out",
                     on_progress=told.append)  # fmt: skip
    assert again["a"].records == first["a"].records
    assert [each.done for each in told] == [1, 2, 3, 4, 5, 6]
    assert told[-1].seconds_left == 0
    assert embedder.embedded > embedded  # for b
    embedded = embedder.embedded
    third = evaluate({"a": quick()}, DATASET, Given(willows), out=tmp_path / "out")
    assert (third["a"].records, embedder.embedded) == (first["a"].records, embedded)


def test_what_has_changed_is_asked_anew(willows: Corpus, tmp_path: Path) -> None:
    first = evaluate({"a": quick()}, DATASET, Given(willows), out=tmp_path / "out")
    other = evaluate({"a": quick(retrieve={"k": 1})}, DATASET, Given(willows), out=tmp_path / "out")
    assert [len(record.documents) for record in other["a"].records[:2]] == [1, 1]
    willows.add(["Badger's grandmother is buried in the wood."])
    third = evaluate({"a": quick()}, DATASET, Given(willows), out=tmp_path / "out")
    assert first["a"].records[2].documents != third["a"].records[2].documents


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from asked import DATASET, fill, quick
from fakes import HashingEmbedder
from ragloom.rag.evaluate import Given, evaluate
from ragloom.rag.llm import load
from ragloom.stores import Corpus

def stop(progress):
    if progress.done == 2:
        with open(sys.argv[2] + "/out/runs.jsonl", "ab") as file:
            file.write(b'{"graph": "a", "ques')
        os.kill(os.getpid(), signal.SIGKILL)

with Corpus(sys.argv[2] + "/index", embedder=HashingEmbedder()) as corpus:
    fill(corpus)
    evaluate({"a": quick()}, DATASET, Given(corpus), out=sys.argv[2] + "/out", on_progress=stop)
"""


@pytest.mark.kill
def test_an_evaluation_goes_on_where_a_killed_one_stopped(tmp_path: Path) -> None:
    here = str(Path(__file__).parent)
    killed = subprocess.run([sys.executable, "-c", KILLED, here, str(tmp_path)], check=False, timeout=250)
    assert killed.returncode == -signal.SIGKILL
    runs = tmp_path / "out" / "runs.jsonl"
    kept = [json.loads(line) for line in runs.read_text().splitlines()[:-1]]
    assert [run["question"] for run in kept] == ["toad", "mole"]
    with Corpus(tmp_path / "index", embedder=HashingEmbedder()) as corpus:
        result = evaluate({"a": quick()}, DATASET, Given(corpus), out=tmp_path / "out")
    assert [record.model_dump(mode="json") for record in result["a"].records[:2]] == kept
    assert len(runs.read_text().splitlines()) == 3


def test_a_file_of_something_else_is_refused(willows: Corpus, tmp_path: Path) -> None:
    (tmp_path / "runs.jsonl").write_text('{"cats": 3}\n')
    with pytest.raises(EvaluateError, match=r"runs\.jsonl:1: is not a run"):
        evaluate({"a": quick()}, DATASET, Given(willows), out=tmp_path)


def test_what_json_cannot_hold_does_not_end_an_evaluation(tmp_path: Path) -> None:
    def say(state: RagState, context: Context) -> Any:
        words = "half a \ud83d character"
        return {
            "documents": [Hit(Document(words), score, 1) for score in (float("nan"), float("inf"))],
            "answer": Answer(state.question, (Statement(words),), (), "cited", float("nan")),
        }

    graph, types = (
        {"nodes": {"say": "say"}, "flow": ["start -> say -> end"]},
        [cat("say", say, writes=["documents", "answer"])],
    )
    evaluate({"a": graph}, DATASET, Given(types=types), out=tmp_path)
    again = evaluate(
        {"a": graph}, DATASET, Given(types=[cat("say", say, writes=["documents", "answer"])]), out=tmp_path
    )
    assert len((tmp_path / "runs.jsonl").read_text("utf-8").splitlines()) == len(DATASET)
    assert math.isnan(again["a"].records[0].documents[0].score)
    assert again["a"].records[0].words == "half a ? character"


def test_numbers_of_numpy_are_numbers_and_what_is_none_fails_one_run(tmp_path: Path) -> None:
    confidences: dict[str, Any] = {"toad": np.float32(0.5), "mole": object()}

    def say(state: RagState, context: Context) -> Any:
        name = "mole" if "Mole" in state.question else "toad"
        return {"answer": Answer(state.question, (Statement("Toad."),), (), "cited", confidences[name])}

    graph, type_ = {"nodes": {"say": "say"}, "flow": ["start -> say -> end"]}, cat("say", say, writes=["answer"])
    records = evaluate({"a": graph}, DATASET, Given(types=[type_]), out=tmp_path)["a"].records
    assert [bool(record.error) for record in records] == [False, True, False]
    assert "cannot be written down" in records[1].error
    kept = [json.loads(line) for line in (tmp_path / "runs.jsonl").read_text().splitlines()]
    assert [(each["answer"] or {}).get("confidence") for each in kept] == [0.5, None, 0.5]


def test_a_folder_that_another_evaluation_writes_to_is_refused(willows: Corpus, tmp_path: Path) -> None:
    data, out = replace(DATASET, documents=(Source("a", "Toad."),)), tmp_path / "out"
    with locked(out), pytest.raises(EvaluateError, match="another evaluation is writing in"):
        evaluate({"a": quick()}, data, out=out)
    assert not (out / "index").exists()
    assert evaluate({"a": quick()}, DATASET, Given(willows), out=out)["a"].records


def test_a_broken_line_costs_one_run(willows: Corpus, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    evaluate({"a": quick()}, DATASET, Given(willows), out=tmp_path)
    file = tmp_path / "runs.jsonl"
    lines = file.read_text("utf-8").splitlines(keepends=True)
    file.write_text("".join([lines[0], lines[1][:40] + "\n", lines[2]]), "utf-8")
    assert len(evaluate({"a": quick()}, DATASET, Given(willows), out=tmp_path)["a"].records) == 3
    assert caplog.messages == [f"{file}:2: is not a run, and is made again"]
    assert len(file.read_text("utf-8").splitlines()) == 4


def test_progress_tells_of_documents_and_leaves_out_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ragloom.stores.corpus_embedder.as_embedder", lambda _given: HashingEmbedder())
    own = Dataset("own", DATASET.questions, tuple(Source(name, text) for name, text in TEXTS.items()))
    evaluate({"a": quick()}, own, out=tmp_path)
    told: list[Progress] = []
    evaluate({"b": quick(quote={"spread": 0.5}), "a": quick()}, own, out=tmp_path, on_progress=told.append)
    assert [each.done for each in told] == [1, 2, 3, 4, 5, 6]
    assert [math.isnan(each.seconds_left) for each in told] == [True] * 3 + [False] * 3  # the first run loads models
    assert [each.seconds_left > 0 for each in told[3:]] == [True, False, False]  # the fifth is the last of b's
    evaluate({"a": quick()}, own, out=tmp_path / "new", on_progress=told.append)
    assert (told[6].what, told[6].done, told[6].total) == ("pieces of documents", 3, 3)


def test_a_run_that_failed_is_made_again(tmp_path: Path) -> None:
    failing = ["Mole"]

    def trip(state: RagState, context: Context) -> None:
        if any(name in state.question for name in failing):
            raise ValueError("the server is down")

    tripping, types = {"nodes": {"trip": "trip"}, "flow": ["start -> trip -> end"]}, [cat("trip", trip)]
    assert evaluate({"a": tripping}, DATASET, Given(types=types), out=tmp_path)["a"].mean("failed") > 0
    failing.clear()
    for _ in range(2):
        assert evaluate({"a": tripping}, DATASET, Given(types=types), out=tmp_path)["a"].mean("failed") == 0
    assert len((tmp_path / "runs.jsonl").read_text().splitlines()) == len(DATASET) + 1


def test_another_prompt_is_asked_anew(willows: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate({"a": quick()}, DATASET, Given(willows), out=tmp_path / "out")
    monkeypatch.setattr("ragloom.rag.graph.running.caching.prompts_fingerprint", lambda: "others")
    evaluate({"a": quick()}, DATASET, Given(willows), out=tmp_path / "out")
    assert len((tmp_path / "out" / "runs.jsonl").read_text().splitlines()) == 2 * len(DATASET)


def test_going_back_to_a_setting_makes_its_runs_the_last_ones(willows: Corpus, tmp_path: Path) -> None:
    def last(spread: float) -> set[str]:
        evaluate({"a": quick(quote={"spread": spread})}, DATASET, Given(willows), out=tmp_path / "out")
        lines = [json.loads(line) for line in (tmp_path / "out" / "runs.jsonl").read_text("utf-8").splitlines()]
        return {line["made_with"] for line in {line["question"]: line for line in lines}.values()}

    one, other = last(0.1), last(0.2)
    assert not one & other
    assert [last(0.1), last(0.1)] == [one, one]
    assert len((tmp_path / "out" / "runs.jsonl").read_text("utf-8").splitlines()) == 9


def test_a_question_with_another_id_is_not_asked_again(
    willows: Corpus, embedder: HashingEmbedder, tmp_path: Path
) -> None:
    first = evaluate({"a": quick()}, DATASET, Given(willows), out=tmp_path / "out")
    embedded = embedder.embedded
    moved = Dataset("moved", tuple(replace(each, id=f"{each.id}0") for each in DATASET.questions))
    again = evaluate({"a": quick()}, moved, Given(willows), out=tmp_path / "out")
    assert embedder.embedded == embedded
    assert [record.question for record in again["a"].records] == [question.id for question in moved.questions]
    assert [record.documents for record in again["a"].records] == [record.documents for record in first["a"].records]
