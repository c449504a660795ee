"""Checking a graph: all that is wrong with its words, each in one line with its path, its line and what to do."""

from __future__ import annotations

import pytest
from checked import flow_problems, problems
from ragloom.rag.graph import GraphSpec, check

pytestmark = pytest.mark.usefixtures("in_a_folder")


def test_a_graph_built_in_python_has_paths_and_no_lines() -> None:
    spec = GraphSpec(nodes={"find": {"use": "hybird"}}, flow=["start -> find -> end"])  # type: ignore[dict-item]
    assert [str(problem) for problem in check(spec)] == [
        "nodes.find.use: unknown node type 'hybird'; did you mean 'hybrid'?"
    ]


def test_all_problems_are_told_at_once_in_the_order_of_their_lines() -> None:
    assert problems("""\
        nmae: cats
        llm: {model: embedded, temprature: 1}
        nodes:
          find: {use: prowll}
          say: {use: purr, volume: loud, sound: meow}
          rest: {use: nap, timeout: 0}
        flow:
          - start -> find -> say -> rest
          - rest -> edn
          - {from: rest, when: hugry, then: find, else: end}
    """) == [
        "1: nmae: unknown key 'nmae'; did you mean 'name'?",
        "2: llm.temprature: unknown key 'temprature'; did you mean 'temperature'?",
        "4: nodes.find.use: unknown node type 'prowll'; did you mean 'prowl'?",
        "5: nodes.say.volume: should be a valid integer, unable to parse string as an integer, not 'loud'",
        "5: nodes.say.sound: unknown key 'sound'; expected one of: volume, cache, corpus, llm, "
        "on_error, retries, timeout, use",
        "6: nodes.rest.timeout: should be greater than 0, not 0",
        "9: flow[1]: unknown node 'edn'; did you mean 'end'?",
        "10: flow[2].from: 'rest' has an edge to 'edn' too; a node goes on by edges or by decisions",
        "10: flow[2].when: unknown predicate 'hugry'; did you mean 'hungry'?",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- a\n- b\n", "1: graph: a graph is a mapping with the keys nodes and flow"),
        ("nodes: {a: [}\n", "1: graph: not valid YAML: did not find expected node content"),
        (
            "flow: !!python/object:os.system []\n",
            "1: graph: not valid YAML: could not determine a constructor for the tag "
            "'tag:yaml.org,2002:python/object:os.system'",
        ),
        ("nodes: {}\nflow: []\n", "2: flow: is empty; write a line such as: start -> NODE -> end"),
        ("nodes: 3\nflow: []\n", "1: nodes: should be a mapping, not 3"),
        (
            "nodes: {a: nap}\nflow: [start -> a -> end, 3]\n",
            "2: flow[1]: should be FROM -> TO, or {from: ..., when: ..., then: ..., else: ...}, not 3",
        ),
        (
            "nodes: {a: nap}\nflow:\n  - start -> a -> end\n  - [start, a]\n",
            "4: flow[1]: should be FROM -> TO, or {from: ..., when: ..., then: ..., else: ...}, not ['start', 'a']",
        ),
        (
            "nodes: {a: nap}\nflow: start -> a -> end\n",
            "2: flow: should be a list, with a - before each item, not 'start -> a -> end'",
        ),
        (
            "nodes: {a: nap}\nflow:\n  from: a\n",
            "2: flow: should be a list, with a - before each item, not {'from': 'a'}",
        ),
        (
            "nodes: {a: nap}\nflow:\n  - start -> a\n  - {from: a, when: hungry, then: [3], else: end}\n",
            "4: flow[1].then[0]: should be a valid string, not 3",
        ),
        (
            "nodes: {a: nap}\nflow:\n  - start -> a\n  - {from: a, when: hungry, then: [], else: end}\n",
            "4: flow[1].then: is empty",
        ),
        (
            "nodes: {a: {use: nap, on_error: fallback zzz}}\nflow: [start -> a -> end]\n",
            "1: nodes.a.on_error: unknown node 'zzz'; there are none to choose from",
        ),
    ],
)
def test_what_cannot_be_read_as_a_graph_is_told_in_one_line(text: str, expected: str) -> None:
    assert problems(text) == [expected]


def test_a_file_that_is_not_there() -> None:
    assert [str(problem) for problem in check("none.yaml")] == [
        "graph: cannot read none.yaml: No such file or directory"
    ]


def test_an_unknown_preset() -> None:
    assert [str(problem) for problem in check("quik")] == [
        "graph: unknown preset 'quik'; did you mean 'quick'? (a file of your own ends in .yaml)"
    ]


def test_a_key_that_stands_twice() -> None:
    assert problems("nodes:\n  a: nap\n  a: nap\nflow:\n  - start -> a -> end\n") == [
        "3: nodes.a: repeats the key of line 2"
    ]


def test_names_of_any_script() -> None:
    written = {
        "nodes": {"über": {"use": "lexical", "on_error": "fallback 検索"}, "検索": "lexical", "हिन्दी": "lexical"}
    }
    assert check({**written, "flow": ["start -> über -> हिन्दी -> end"]}) == []


def test_names_that_a_flow_cannot_spell() -> None:
    found = problems("nodes: {start: nap, a b: nap, a: nap}\nflow: [start -> a -> end]\n")
    assert found[:2] == [
        "1: nodes.start: 'start' is reserved; rename the node",
        "1: nodes.a b: a node cannot be called 'a b'; a name has letters, digits, _ and -, and no digit first",
    ]


def test_parameters_are_checked_by_the_type() -> None:
    assert problems("""\
        nodes:
          a: {use: prowl, nights: 0}
          b: {use: purr}
          c: {use: dense, where: {year: {$gtt: 3}}}
        flow:
          - start -> a -> b -> end
          - start -> c -> end
    """)[:3] == [
        "2: nodes.a.nights: should be greater than or equal to 1, not 0",
        "3: nodes.b.volume: is missing; 'purr' needs it",
        "4: nodes.c.where: unknown operator '$gtt'; did you mean '$gt'?",
    ]


def test_a_node_says_what_it_uses() -> None:
    assert problems("nodes:\n  a: {nights: 3}\nflow:\n  - start -> a -> end\n") == ["2: nodes.a.use: is missing"]


def test_parameters_that_name_nodes() -> None:
    assert problems("""\
        nodes:
          find: prowl
          rest: nap
          pile: {use: pile, of: [find, rest, fnid]}
        flow:
          - start -> [find, rest] -> pile -> end
    """) == [
        "4: nodes.pile.of[1]: the node 'rest' finds no candidates",
        "4: nodes.pile.of[2]: unknown node 'fnid'; did you mean 'find'?",
    ]


def test_a_line_that_begins_with_a_list_needs_quotes() -> None:
    flow = "start -> [rest, more]", "find -> other -> end"
    assert flow_problems(flow[0], "'[rest, more] -> find'", flow[1]) == []
    assert flow_problems(flow[0], "rest, more -> find", flow[1]) == []
    assert flow_problems(flow[0], "[rest, more] -> find", flow[1]) == [
        "8: graph: not valid YAML: did not find expected '-' indicator; "
        "a line of the flow that begins with [ needs quotes around it"
    ]
