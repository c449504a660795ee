"""`ragloom graph` and `ragloom ask --graph`: look at graphs, run them, resume them, and say what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from command import here
from ragloom.rag.graph import json_schema, presets
from tiny_models import write_tiny

pytestmark = pytest.mark.usefixtures("scripted_command")

QUESTION = "How many weeks of leave do parents get?"
ANSWER = "Parents get sixteen weeks of leave. [1]"

SEARCH = """\
name: search
nodes:
  dense: {use: dense, k: 2}
  lexical: {use: lexical, k: 2}
  fuse: {use: rrf, keep: 1}
flow:
  - start -> [dense, lexical] -> fuse -> end
"""

WRONG = """\
nodes:
  find: {use: hybird}
  quote: {use: quote, spread: wide}
flow:
  - start -> find -> qoute -> end
"""


@pytest.fixture
def search(tmp_path: Path) -> Path:
    file = tmp_path / "search.yaml"
    file.write_text(SEARCH)
    return file


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    file = tmp_path / "wrong.yaml"
    file.write_text(WRONG)
    return file


def test_list_tells_what_graphs_can_be_made_of() -> None:
    told = here("graph", "list", "--json").document
    assert [preset["name"] for preset in told["presets"]] == list(presets())
    (rrf,) = (kind for kind in told["nodes"] if kind["name"] == "rrf")
    assert rrf["params"]["keep"]["description"] == "how many documents to keep."
    shown = here("graph", "list").out
    assert all(f"\n  {each['name']} " in shown for each in (*told["nodes"], *told["predicates"]))


def test_schema_is_the_schema() -> None:
    assert here("graph", "schema").document == json_schema()


def test_validate_tells_every_problem_with_its_line(wrong: Path, search: Path) -> None:
    done = here("graph", "validate", wrong)
    assert done.code == 1
    assert [line.partition(": ")[0] for line in done.out.splitlines()] == [f"{wrong}:{n}" for n in (2, 3, 5)]
    problems = here("graph", "validate", wrong, "--json").document
    assert [problem["path"] for problem in problems] == ["nodes.find.use", "nodes.quote.spread", "flow[0]"]
    assert here("graph", "validate", search).out == "search: 3 nodes, nothing wrong\n"


@pytest.mark.parametrize("command", [("graph", "run"), ("graph", "draw"), ("ask", "-g")])
def test_a_wrong_graph_is_not_run_but_told_a_line_each(wrong: Path, index: Path, command: tuple[str, ...]) -> None:
    args = [QUESTION, wrong] if command[0] == "ask" else [wrong, *([QUESTION] if command[1] == "run" else [])]
    done = here(command[0], *args[:1], command[1], *args[1:]) if command[0] == "ask" else here(*command, *args)
    assert done.code == 2
    lines = done.err.splitlines()
    assert len(lines) == 3
    assert all(line.startswith(f"ragloom: {wrong}:") for line in lines)


def test_a_graph_without_an_answer_shows_its_documents(search: Path, index: Path) -> None:
    done = here("graph", "run", search, QUESTION, "--index", index, "--trace")
    assert done.out.splitlines()[0].startswith("1. pages/leave.md (Leave > Parents) [21:56]")
    assert [line.split()[0] for line in done.out.splitlines()[-5:]] == ["node", "dense", "lexical", "fuse", "total"]
    found = here("graph", "run", search, QUESTION, "--index", index, "--json").document
    assert (found["answer"], len(found["documents"]), len(found["trace"])) == (None, 1, 3)


def test_ask_runs_a_graph_over_a_folder(tmp_path: Path, pages: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "nodes: {find: {use: dense, k: 3}, weigh: gather, say: quote}\nflow: [start -> find -> weigh -> say -> end]\n"
    )
    assert here("ask", QUESTION, "--over", pages, "--graph", file).out.splitlines()[0] == ANSWER


def test_the_quick_preset_is_ask_without_an_llm(index: Path) -> None:
    quick = here("ask", QUESTION, "--index", index, "--graph", "quick").out
    assert quick == here("ask", QUESTION, "--index", index, "--quote").out


def test_options_of_the_presets_are_refused_for_a_file(search: Path, index: Path) -> None:
    for option in (("-k", 3), ("--mode", "dense"), ("--where", "{}"), ("--quote",)):
        here("ask", QUESTION, "--index", index, "-g", search, *option).check_fault(option[0], "search.yaml")


def test_heads_that_nobody_has_looked_for_are_told_before_the_model_is_loaded(index: Path, tmp_path: Path) -> None:
    tiny = write_tiny(tmp_path, "llama", template="{{ messages }}")
    done = here("ask", "Who approves travel?", "--graph", "icr", "--index", index, "--model", tiny)
    done.check_fault("nodes.rerank.use: nobody knows the best heads of tiny-llama yet")
    served = here("ask", "Who?", "--graph", "icr", "--index", index, "--model", "http://localhost:9/v1")
    served.check_fault("the server http://localhost:9/v1 does not give")


def test_a_run_is_kept_and_given_again(index: Path, tmp_path: Path) -> None:
    first = here("graph", "run", "quick", QUESTION, "--index", index, "--thread", "one")
    again = here("graph", "run", "quick", "--index", index, "--resume", "one")
    assert first.out == again.out
    assert (tmp_path / "ragloom-runs.sqlite").is_file()
    here("graph", "run", "quick", "--index", index, "--resume", "two").check_fault("no run 'two'")


def test_what_cannot_be_run_is_said_in_a_line(index: Path, tmp_path: Path) -> None:
    here("graph", "run", "quick").check_fault("ask a question, or resume")
    here("graph", "run", "quick", QUESTION, "--resume", "one").check_fault("ask a question, or resume")
    here("graph", "run", "quick", "--resume", "one", "--checkpoints", "none.sqlite").check_fault("none.sqlite")
    here("graph", "run", "quikc", QUESTION).check_fault("did you mean 'quick'")
    here("graph", "run", tmp_path / "no.yaml", QUESTION).check_fault("No such file")
    here("graph", "run", "quick", " ", "--index", index).check_fault("empty")
    here("graph", "run", "quick", QUESTION, "--index", tmp_path / "none").check_fault("none")
    (tmp_path / "text.sqlite").write_text("no database at all, but a text that is long enough to be looked at")
    kept = ("--thread", "one", "--checkpoints", tmp_path / "text.sqlite")
    here("graph", "run", "quick", QUESTION, "--index", index, *kept).check_fault("text.sqlite", "not a database")


def test_a_drawing_bears_the_times_of_the_last_run_if_asked(search: Path, index: Path, tmp_path: Path) -> None:
    here("graph", "draw", search, "--times").check_fault("no run of", "ragloom graph run")
    assert here("graph", "run", search, QUESTION, "--index", index).code == 0
    plain, timed = here("graph", "draw", search).out, here("graph", "draw", search, "--times").out
    assert "ms" not in plain
    assert "ms" in timed
    assert plain == plain.rstrip() + "\n"
    assert here("graph", "draw", search, "--svg", "-o", tmp_path / "search.svg").out == ""
    assert ElementTree.parse(tmp_path / "search.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_what_graphs_keep_is_listed_and_cleared(index: Path) -> None:
    here("graph", "run", "quick", QUESTION, "--index", index)
    assert [entry["name"] for entry in here("cache", "info", "--json").document["entries"]] == ["graphs/runs"]
    assert here("cache", "clear", "--json").document["freed_bytes"] > 0
    assert json.loads(here("cache", "info", "--json").out)["entries"] == []


def test_modules_are_imported_only_when_that_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cats.yaml"
    file.write_text("imports: [cats]\nnodes: {find: prowl}\nflow: [start -> find -> end]\n")
    assert "--allow-imports" in here("graph", "validate", file).out
    assert here("graph", "validate", file, "--allow-imports").code == 0


@pytest.mark.parametrize("name", ["no-such.yaml", "no-such"])
def test_a_graph_that_is_not_there_is_no_graph_with_problems(name: str) -> None:
    here("graph", "validate", name).check_fault(name)
