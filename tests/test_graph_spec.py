"""Graphs as they are written: YAML and Python say the same, lines are kept, editors get a schema."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from cats import CATS
from kittens import cats, graph
from ragloom.rag.graph import DecisionSpec, GraphError, GraphSpec, NodeSpec, SpecError, json_schema, load_spec, presets
from ragloom.rag.graph.conditions import read_condition
from ragloom.rag.graph.errors import ConditionError
from ragloom.rag.graph.flow import Edge
from ragloom.rag.graph.problem import spelt
from ragloom.rag.graph.state import RagState

YAML = """\
name: cats
llm: embedded
nodes:
  find: {use: prowl, nights: 3, retries: 2}
  rest: nap
flow:
  - start -> find
  - {from: find, when: documents < 3, then: [rest], at_most: 2, else: end}
  - rest -> find
"""


def test_yaml_and_python_say_the_same(tmp_path: Path) -> None:
    file = tmp_path / "cats.yaml"
    file.write_text(YAML)
    built = GraphSpec(
        name="cats",
        llm={"model": "embedded"},  # type: ignore[arg-type]
        nodes={"find": NodeSpec(use="prowl", retries=2, params={"nights": 3}), "rest": NodeSpec(use="nap")},
        flow=(
            "start -> find",
            DecisionSpec(source="find", when="documents < 3", then=("rest",), at_most=2, otherwise=("end",)),
            "rest -> find",
        ),
    )
    assert load_spec(file) == load_spec(yaml.safe_load(YAML)) == built
    assert GraphSpec.model_validate(built.model_dump(by_alias=True)) == built
    assert GraphSpec.model_validate_json(built.model_dump_json(by_alias=True)) == built


def test_every_key_has_its_line(tmp_path: Path) -> None:
    file = tmp_path / "cats.yaml"
    file.write_text(YAML)
    origin = load_spec(file).origin
    expected = {"graph": 1, "name": 1, "nodes": 3, "nodes.find.nights": 4, "nodes.rest": 5, "flow[1].at_most": 8}
    found = {spelt(keys): line for keys, line in origin.lines.items()}
    assert {path: found[path] for path in expected} == expected
    assert origin.problem(("nodes", "find", "no", "such"), "x").line == 4, "that of the node it would be in"


def test_aliases_that_hold_themselves_come_to_an_end(tmp_path: Path) -> None:
    file = tmp_path / "loop.yaml"
    file.write_text("nodes: {a: {use: nap, x: &x [*x]}}\nflow: [start -> a -> end]\n")
    assert list(load_spec(file).nodes) == ["a"]


def test_load_tells_all_that_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "cats.yaml"
    file.write_text("nmae: cats\nnodes: {a: {timeout: 0}}\nflow: [{}]\n")
    with pytest.raises(SpecError) as raised:
        load_spec(file)
    assert [problem.path for problem in raised.value.problems] == [
        "nodes.a.use", "nodes.a.timeout", "flow[0].from", "flow[0].when", "flow[0].then", "nmae"
    ]  # fmt: skip
    assert str(raised.value).splitlines()[-1] == f"{file}:1: nmae: unknown key 'nmae'; did you mean 'name'?"


def test_presets_come_with_the_package() -> None:
    assert list(presets()) == [
        "chat",
        "decompose",
        "default",
        "feedback",
        "hyde",
        "icr",
        "iterate",
        "main-rag",
        "memory",
        "notes",
        "quick",
    ]
    assert [load_spec(name).name for name in presets()] == list(presets())


def test_a_list_is_waited_for_and_runs_in_parallel() -> None:
    flow = graph("start -> [a, b] -> [c, d] -> end", *cats("a b c d")).plan.flow
    assert flow.edges == (
        Edge(("start",), "a", 0),
        Edge(("start",), "b", 0),
        Edge(("a", "b"), "c", 0),
        Edge(("a", "b"), "d", 0),
        Edge(("c", "d"), "end", 0),
    )
    assert flow.targets("a") == ("c", "d")


def test_brackets_may_be_left_out() -> None:
    flow = graph(["start -> a, b", "a, b -> c -> end"], *cats("a b c")).plan.flow
    assert flow.edges == graph(["start -> [a, b]", "[a, b] -> c -> end"], *cats("a b c")).plan.flow.edges


def test_a_flow_says_which_line_cannot_be_read() -> None:
    with pytest.raises(SpecError, match=r"flow\[1\]: 'a' leads nowhere"):
        graph(["start -> a -> end", "a"], *cats("a"))


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("documents < 1", True),
        ("not documents < 1", False),
        ("documents >= 1e3", False),
        ("best_score < 0", True),
        ("best_verdict != -1.5", True),
        ("answered", False),
        ("not  answered", True),
        ("how == 'unknown'", True),
        ("how != unknown", False),
        ("confidence <= 0", True),
        ("dropped == 0", True),
        ("follow_up", False),
    ],
)
def test_conditions_of_a_state_in_which_nothing_has_happened(text: str, holds: bool) -> None:
    assert read_condition(text, CATS.predicates).ask(RagState(question="Who?"))[0] is holds


def test_the_schema_accepts_what_can_be_loaded_and_nothing_misspelt() -> None:
    schema = json_schema(registry=CATS)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(json.loads(json.dumps(schema)))
    good = [yaml.safe_load(YAML), *(yaml.safe_load(file.read_text("utf-8")) for file in presets().values())]
    assert [list(validator.iter_errors(graph)) for graph in good] == [[]] * len(good)
    for bad in (
        {"nmae": "x"},
        {"nodes": {"a": {"use": "prowll"}}},
        {"nodes": {"a": {"use": "prowl", "nihgts": 3}}},
        {"nodes": {"a": {"use": "prowl", "nights": 0}}},
        {"nodes": {"a": "purr"}},
        {"nodes": {"a": {"use": "purr"}}},
        {"flow": [{"from": "a"}]},
    ):
        assert list(validator.iter_errors(bad)), bad


def test_the_schema_describes_types_and_parameters() -> None:
    node = json_schema()["$defs"]["NodeSpec"]["anyOf"][1]
    types = {each["const"]: each["description"] for each in node["properties"]["use"]["oneOf"]}
    assert types["lexical"] == "Search by words: BM25"
    assert list(types) == [
        "cited", "compress", "cross-encoder", "decompose", "dense", "expand", "feedback", "filter", "first", "fuse",
        "gather", "gather-memory", "ground", "ground-memory", "hybrid", "hyde", "icr", "iterate", "lexical",
        "main-rag", "mmr", "notes", "quote", "recall", "remember", "remember-facts", "reranker-feedback", "rewrite",
        "route", "rrf", "self-query", "subsearch",
    ]  # fmt: skip
    (of_lexical,) = [each["then"] for each in node["allOf"] if each["if"]["properties"]["use"]["const"] == "lexical"]
    assert of_lexical["properties"]["k"]["description"] == "how many chunks to find."


def test_a_text_of_several_lines_is_yaml() -> None:
    text = "nodes: {find: prowl}\nflow: [start -> find -> end]\n"
    assert load_spec(text).nodes.keys() == {"find"}
    with pytest.raises(SpecError, match=r"^line 2: floww: unknown key 'floww'; did you mean 'flow'"):
        load_spec("nodes: {find: prowl}\nfloww: []\n")


def test_a_graph_is_changed_where_it_is_said_and_nowhere_else() -> None:
    quick = load_spec("quick")
    changed = quick.changed(retrieve={"use": "dense", "k": 3})
    assert (changed.nodes["retrieve"].use, changed.nodes["retrieve"].params) == ("dense", {"k": 3})
    assert changed.nodes["quote"] == quick.nodes["quote"]
    assert quick.nodes["retrieve"].use == "hybrid"
    with pytest.raises(GraphError, match="unknown node 'retreive'; did you mean 'retrieve'"):
        quick.changed(retreive={"k": 3})
    with pytest.raises(GraphError, match=r"nodes\.retrieve\.retries should be greater than or equal to 0, not -1"):
        quick.changed(retrieve={"retries": -1})


def test_a_number_that_can_never_be_is_compared_with_in_vain() -> None:
    with pytest.raises(ConditionError, match="'confidence' is between 0 and 1, never 61"):
        read_condition("confidence >= 61", CATS.predicates)


def test_a_date_is_the_text_that_it_is_written_as() -> None:
    find = "find: {use: hybrid, where: {day: {$gte: 2020-01-01}, at: 2020-01-01 10:00:00}}"
    spec = load_spec(f"nodes:\n  {find}\nflow: [start -> find -> end]\n")
    assert spec.nodes["find"].params["where"] == {"day": {"$gte": "2020-01-01"}, "at": "2020-01-01 10:00:00"}
