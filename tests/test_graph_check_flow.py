"""Checking a flow: its lines, its conditions, what no way leads to, loops without an end, joins that never happen."""

from __future__ import annotations

import pytest
from checked import flow_problems, problems
from ragloom.rag.graph.yaml_lines import read_yaml

pytestmark = pytest.mark.usefixtures("in_a_folder")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("find", "7: flow[0]: 'find' leads nowhere; write FROM -> TO"),
        ("start -> -> find", "7: flow[0]: a name is missing in 'start -> -> find'; write FROM -> TO"),
        (
            "start -> find other",
            "7: flow[0]: cannot read 'find other'; write a node's name, or several as [dense, lexical]",
        ),
        (
            "start -> [find, other -> end",
            "7: flow[0]: cannot read '[find'; write a node's name, or several as [dense, lexical]",
        ),
        ("start -> [find, find] -> end", "7: flow[0]: 'find' is repeated in [find, find]"),
        ("start -> find -> [rest, end]", "7: flow[0]: 'end' cannot be in a list"),
        ("start -> end -> find", "7: flow[0]: nothing comes after 'end'; it stands last"),
        ("find -> start", "7: flow[0]: nothing leads to 'start'; it stands first"),
        ("start -> fidn -> end", "7: flow[0]: unknown node 'fidn'; did you mean 'find'?"),
        (
            "{from: start, when: hungry, then: find}",
            "7: flow[0].else: is missing; say where to go from 'start' when 'hungry' does not hold",
        ),
        ("{from: start, when: hungry, else: find}", "7: flow[0].then: is missing"),
        ("{from: start, when: hungry, than: find}", "7: flow[0].than: unknown key 'than'; did you mean 'then'?"),
        ("{from: end, when: hungry, then: find, else: end}", "7: flow[0].from: nothing comes after 'end'"),
        ("{from: start, when: hungry, then: start, else: end}", "7: flow[0].then: nothing leads to 'start'"),
        (
            "{from: start, when: hungry, then: [find, end], else: end}",
            "7: flow[0].then: 'end' cannot be in a list",
        ),
        (
            "{from: start, when: hungry, then: find, at_most: 0, else: end}",
            "7: flow[0].at_most: should be greater than or equal to 1, not 0",
        ),
    ],
)
def test_lines_of_the_flow_that_cannot_be_read(line: str, problem: str) -> None:
    assert problem in flow_problems(line)


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        (
            "__import__('os')",
            "cannot read \"__import__('os')\"; write a condition such as answered, not answered, or documents < 3",
        ),
        ("docments < 3", "unknown predicate 'docments'; did you mean 'documents'?"),
        ("documents", "'documents' is a number; compare it with one, such as documents < 3"),
        ("documents > many", "'documents' is a number; compare it with one, such as documents > 3"),
        ("documents < nan", "'documents' is a number; compare it with one, such as documents < 3"),
        ("hungry < 3", "'hungry' is true or false; write hungry, or not hungry"),
        ("how < 3", "'how' is a word; write how == cited"),
        ("how == quotd", "unknown how 'quotd'; did you mean 'quoted'?"),
    ],
)
def test_conditions_that_cannot_be_read(condition: str, problem: str) -> None:
    line = f'{{from: rest, when: "{condition}", then: find, else: end}}'
    found = flow_problems("start -> other -> rest", line, "find -> more -> end")
    assert found == [f"8: flow[1].when: {problem}"]


def test_decisions_from_one_node_are_tried_in_turn() -> None:
    assert flow_problems(
        "start -> find",
        "{from: find, when: documents > 3, then: other, else: end}",
        "{from: find, when: hungry, then: [rest, more], else: end}",
        "rest, more -> end",
        "other -> end",
    ) == ["9: flow[2].when: is never asked: the decision flow[1] from 'find' has an else already"]
    assert (
        flow_problems(
            "start -> find",
            "{from: find, when: documents > 3, then: other}",
            "{from: find, when: hungry, then: [rest, more], else: end}",
            "rest, more -> end",
            "other -> end",
        )
        == []
    )


def test_nodes_that_no_way_leads_to() -> None:
    assert flow_problems("start -> find -> rest -> end", "other -> more -> end") == [
        "3: nodes.other: 'other' cannot be reached from 'start'; add an edge to it, or delete the node",
        "5: nodes.more: 'more' cannot be reached from 'start'; add an edge to it, or delete the node",
    ]


def test_nothing_leads_from_the_start() -> None:
    assert flow_problems("find -> end") == ["6: flow: nothing leads from 'start'; begin a line with: start ->"]


def test_a_flow_without_a_node() -> None:
    assert (
        flow_problems("start -> end")[-1]
        == "6: flow: leads past every node; write a line such as: start -> NODE -> end"
    )


@pytest.mark.parametrize("line", ["b -> c", "[b, a] -> c", "{from: b, when: hungry, then: end, else: c}"])
def test_what_only_stands_in_has_no_line_of_its_own(line: str) -> None:
    nodes = "nodes: {a: {use: prowl, on_error: fallback b}, b: prowl, c: nap}\nflow:\n  - start -> a -> c -> end\n"
    assert problems(f"{nodes}  - {line!r}\n" if line[0] != "{" else f"{nodes}  - {line}\n")[0] == (
        "4: flow[1]: 'b' only stands in for another node, and what follows that follows it; leave it out"
    )


def test_no_way_leads_to_the_end() -> None:
    assert flow_problems("start -> [find, rest]", "rest -> more -> end", "rest -> other") == [
        "2: nodes.find: nothing follows 'find'; write find -> end, or what comes next",
        "3: nodes.other: nothing follows 'other'; write other -> end, or what comes next",
    ]


def test_loops_without_a_bound() -> None:
    assert flow_problems(
        "start -> find -> rest",
        "{from: rest, when: hungry, then: find, else: more}",
        "more -> other -> end",
    ) == ["8: flow[1].at_most: is missing; the loop find -> rest -> find needs a bound, such as at_most: 3"]
    assert flow_problems(
        "start -> find -> rest",
        "{from: rest, when: not hungry, then: more, at_most: 3, else: find}",
        "more -> other -> end",
    ) == [
        "8: flow[1].else: the loop find -> rest -> find is not bounded; only 'then' can be: invert the condition "
        "and write when: hungry, then: find, at_most: 3, else: more"
    ]
    assert flow_problems("start -> find -> other -> rest -> more -> rest", "more -> end") == [
        "7: flow[0]: the loop rest -> more -> rest never ends; make the step back a decision with at_most"
    ]


def test_a_bounded_loop_is_fine() -> None:
    assert (
        flow_problems(
            "start -> find -> other -> rest",
            "{from: rest, when: hungry, then: find, at_most: 2, else: more}",
            "more -> end",
        )
        == []
    )


def test_a_join_of_nodes_that_never_both_run() -> None:
    assert flow_problems(
        "start -> find",
        "{from: find, when: hungry, then: rest, else: more}",
        "rest, more -> other -> end",
    ) == [
        "9: flow[2]: 'other' waits for 'rest' and 'more', but a run takes one or the other; "
        "write rest -> other and more -> other, a line each"
    ]


@pytest.mark.parametrize(
    "flow",
    [
        ["start -> find -> rest -> more", "find, more -> other -> end"],
        ["start -> find", "{from: find, when: hungry, then: [rest, more], else: other}", "rest, more -> other -> end"],
    ],
)
def test_joins_that_can_happen(flow: list[str]) -> None:
    assert flow_problems(*flow) == []


def test_branches_may_be_run_again() -> None:
    assert (
        problems("""\
        nodes: {dense: dense, lexical: lexical, fuse: {use: rrf, of: [dense, lexical]}, filter: weigh, again: nap}
        flow:
          - start -> [dense, lexical] -> fuse -> filter
          - {from: filter, when: "best_verdict < 0", then: again, at_most: 2, else: end}
          - again -> [dense, lexical]
    """)
        == []
    )


def test_nodes_may_have_names_that_yaml_takes_for_other_values() -> None:
    assert (
        problems("""\
        nodes: {yes: prowl, no: nap, off: nap}
        flow:
          - start -> yes
          - {from: yes, when: hungry, then: no, else: off}
          - no -> end
          - off -> end
    """)
        == []
    )


@pytest.mark.parametrize("text", ["[" * 200_000, "nodes: " + "{a: " * 300])
def test_what_is_nested_without_measure_is_told(text: str) -> None:
    (problem,) = problems(text)
    assert "nested deeper than 100 times" in problem


def test_a_condition_that_holds_itself_is_told() -> None:
    (problem,) = problems("""\
        nodes: {find: {use: dense, where: &w {$and: [*w]}}}
        flow: [start -> find -> end]
    """)
    assert "nested without end" in problem


def test_a_condition_on_metadata_may_be_true_or_false_whatever_its_field_is_called() -> None:
    text = "nodes: {find: {use: dense, where: {from: true, of: false}}}\nflow: [start -> find -> end]\n"
    assert problems(text) == []
    assert read_yaml(text).value["nodes"]["find"]["where"] == {"from": True, "of": False}
