"""`ragloom eval` and `ragloom tune`: from a file of questions to a table, a report and a better graph."""

from __future__ import annotations

import builtins
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from command import here
from ragloom.rag.graph import check

pytest.importorskip("optuna", reason="the extra 'eval' is not installed")
pytest.importorskip("matplotlib", reason="the extra 'eval' is not installed")

LEXICAL = """\
nodes:
  retrieve: {use: lexical, k: 2}
  evidence: gather
  quote: {use: quote, min_confidence: 0.0}
flow:
  - start -> retrieve -> evidence -> quote -> end
"""

QUESTIONS = """\
question,answer,evidence,split
How many weeks of leave do parents get?,sixteen weeks,leave.md,train
What is served on Fridays?,crème brûlée,café.txt,test
"""


@pytest.fixture
def files(index: Path, tmp_path: Path) -> Path:
    (tmp_path / "lexical.yaml").write_text(LEXICAL)
    (tmp_path / "questions.csv").write_text(QUESTIONS, "utf-8")
    (tmp_path / "space.yaml").write_text("nodes.quote.min_confidence: [0.2, 1.0]\n")
    return tmp_path


def run(command: str, *args: object) -> Any:
    return here(command, *args, "--data", "questions.csv", "--index", "index", "--out", "out")


def test_eval_prints_a_table_and_writes_runs_and_a_report(files: Path) -> None:
    done = run("eval", "-g", "lexical.yaml", "-g", "quick")
    assert (done.code, done.out.splitlines()[0]) == (0, "questions: 2 questions")
    head, *rows = done.out.splitlines()[1:-2]
    assert head.split() == ["measure", "graph", "value", "95%", "less", "lexical", "95%", "of", "that"]
    assert rows[0].split()[:3] == ["nDCG@10", "lexical", "1.000"]
    assert done.out.splitlines()[-2:] == [
        "* hardly chance: the interval of the difference does not hold 0",
        "report: out/report.html",
    ]
    assert done.err.splitlines()[-1] == "evaluating: 4/4 runs, 0 s left"
    assert (files / "out" / "report.html").is_file()
    assert len((files / "out" / "runs.jsonl").read_text().splitlines()) == 4


def test_json_has_null_where_there_is_no_interval(files: Path) -> None:
    done = run("eval", "-g", "lexical.yaml", "--json")
    assert "NaN" not in done.out
    assert done.document["rows"][0]["low"] is None


def test_eval_gives_json_of_one_part_by_another_measure(files: Path) -> None:
    told = run("eval", "-g", "lexical.yaml", "--split", "test", "--measure", "R@1", "--json").document
    assert (told["questions"], told["rows"][0]["measure"], told["rows"][0]["value"]) == (1, "R@1", 1.0)


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("eval", "-g", "lexical.yaml", "--split", "dev"), "unknown split 'dev'"),
        (("eval", "-g", "lexcial.yaml"), "cannot read lexcial.yaml"),
        (("eval", "-g", "lexical.yaml", "--measure", "good"), "unknown measure 'good'"),
        (("eval",), "Missing option '--graph'"),
        (("tune", "lexical.yaml", "--space", "space.yaml", "--budget", "soon"), "'soon' is no time"),
        (("tune", "lexical.yaml", "--space", "nowhere.yaml"), "cannot read nowhere.yaml"),
        (("tune", "lexical.yaml", "--space", "space.yaml", "--measure", "goodness"), "'goodness' cannot be told"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line_and_leaves_nothing(
    files: Path, args: tuple[str, ...], told: str
) -> None:
    run(*args).check_fault(told)
    assert not (files / "out").exists()


def test_a_space_that_is_no_yaml_names_its_line(files: Path) -> None:
    (files / "space.yaml").write_text("nodes.quote.passages: [1]\nnodes.quote\nnodes.retrieve.k: [1]\n")
    run("tune", "lexical.yaml", "--space", "space.yaml").check_fault("space.yaml:3: not valid YAML: could not find")
    assert not (files / "out").exists()


def test_eval_without_an_index_says_which_is_missing(files: Path) -> None:
    here("eval", "-g", "lexical.yaml", "--data", "questions.csv", "--out", "out").check_fault("ragloom-index")


def test_tune_writes_a_graph_that_says_what_it_gained(files: Path) -> None:
    done = run("tune", "lexical.yaml", "--space", "space.yaml", "--measure", "F1", "--budget", "1m")
    assert done.code == 0
    assert done.err.splitlines()[0].endswith("  as it is written")
    assert done.out.splitlines()[-1] == "written to out/tuned.yaml"
    written = (files / "out" / "tuned.yaml").read_text()
    assert written.startswith(
        "# Tuned from lexical.yaml for F1 on questions.csv train (1), tested on test (1), 3 trials.\n"
    )
    assert check(files / "out" / "tuned.yaml") == []
    assert len((files / "out" / "trials.jsonl").read_text().splitlines()) == 3


def test_a_search_that_cannot_begin_leaves_the_last_one_s_trials(files: Path) -> None:
    assert run("tune", "lexical.yaml", "--space", "space.yaml").code == 0
    trials = (files / "out" / "trials.jsonl").read_text()
    (files / "space.yaml").write_text("nodes.qoute.min_confidence: [0.2]\n")
    run("tune", "lexical.yaml", "--space", "space.yaml").check_fault("unknown node 'qoute'")
    assert (files / "out" / "trials.jsonl").read_text() == trials


def test_another_search_in_the_same_folder_begins_its_trials_anew(files: Path) -> None:
    for _ in range(2):
        run("tune", "lexical.yaml", "--space", "space.yaml")
    assert len((files / "out" / "trials.jsonl").read_text().splitlines()) == 3


def test_tune_writes_to_a_folder_of_its_own_where_none_is_named(files: Path) -> None:
    done = here("tune", "lexical.yaml", "--space", "space.yaml", "--data", "questions.csv", "--index", "index")
    assert done.out.splitlines()[-1] == "written to tuned/tuned.yaml"


def test_tune_gives_json(files: Path) -> None:
    told = run("tune", "lexical.yaml", "--space", "space.yaml", "--json").document
    assert (told["measure"], told["trials"], told["graph"]) == ("F1", 3, "out/tuned.yaml")
    assert set(told["gains"]) == {"train", "test"}


def test_trials_are_json_where_the_measure_cannot_be_told(files: Path) -> None:
    assert run("tune", "lexical.yaml", "--space", "space.yaml", "--measure", "K-precision").code == 0
    trials = [json.loads(line) for line in (files / "out" / "trials.jsonl").read_text().splitlines()]
    assert {str(each["settings"]): each["value"] for each in trials}["{'nodes.quote.min_confidence': 1.0}"] is None


@pytest.mark.parametrize(
    ("missing", "args"),
    [
        ("ir_measures", ("eval", "-g", "lexical.yaml")),
        ("matplotlib", ("eval", "-g", "lexical.yaml")),
        ("optuna", ("tune", "lexical.yaml", "--space", "space.yaml")),
    ],
)
def test_a_missing_extra_is_told_with_the_command_that_installs_it(
    files: Path, monkeypatch: pytest.MonkeyPatch, missing: str, args: tuple[str, ...]
) -> None:
    real = builtins.__import__

    def absent(name: str, *rest: Any, **options: Any) -> Any:
        if name.partition(".")[0] == missing:
            raise ImportError(name)
        return real(name, *rest, **options)

    for module in [each for each in sys.modules if each.partition(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(builtins, "__import__", absent)
    done = run(*args)
    assert done.code == 2
    assert "is not installed; install it with: pip install 'ragloom[eval]'" in done.err
    assert not (files / "out" / "runs.jsonl").exists()  # told before anything is run
