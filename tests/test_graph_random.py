"""Any graph: one that is made to be valid has no problems, and whatever is done to it, `check` says where it hurts."""

from __future__ import annotations

import asyncio
import copy
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import yaml
from cats import CATS, Purr, nap, pile, prowl
from hypothesis import given, settings
from hypothesis import strategies as st
from ragloom.rag.graph import GraphSpec, NodeEnded, RagGraph, RagState, check, load_spec, predicate
from ragloom.rag.graph.running.building import longest_run

CONDITIONS = ["hungry", "not hungry", "documents < 3", "best_score >= 0.5", "not documents == 2"]


@dataclass
class Drawing:
    """A graph being drawn. Each piece begins at one node and ends at another, so pieces can be put together."""

    draw: Any
    names: Iterator[int] = field(default_factory=count)
    nodes: dict[str, Any] = field(default_factory=dict)
    flow: list[Any] = field(default_factory=list)

    def node(self, use: str, **params: Any) -> str:
        name = f"n{next(self.names)}"
        self.nodes[name] = {"use": use, **params} if params or self.draw(st.booleans()) else use
        return name

    def piece(self, depth: int) -> tuple[str, str]:
        kinds = ["leaf", "row", "branches", "choice", "loop"] if depth > 0 else ["leaf"]
        return getattr(self, self.draw(st.sampled_from(kinds)))(depth - 1)  # type: ignore[no-any-return]

    def leaf(self, _depth: int = 0) -> tuple[str, str]:
        use = self.draw(st.sampled_from(["nap", "prowl"]))
        name = self.node(use, nights=self.draw(st.integers(1, 9))) if use == "prowl" else self.node(use)
        return name, name

    def row(self, depth: int) -> tuple[str, str]:
        (first, last), (begin, end) = self.piece(depth), self.piece(depth)
        self.flow.append(f"{last} -> {begin}")
        return first, end

    def branches(self, _depth: int) -> tuple[str, str]:
        heads = [self.node("prowl") for _ in range(self.draw(st.integers(2, 4)))]
        before, after = self.node("nap"), self.node("pile", of=self.draw(st.permutations(heads)))
        line = f"[{', '.join(heads)}] -> {after}"
        if self.draw(st.booleans()):
            self.flow.append(f"{before} -> {line}")
        else:
            self.flow += [f"{before} -> [{', '.join(heads)}]", line]
        return before, after

    def choice(self, depth: int) -> tuple[str, str]:
        before, after = self.node("nap"), self.node("nap")
        (one, one_end), (other, other_end) = self.piece(depth), self.piece(depth)
        self.flow.append({"from": before, "when": self.draw(st.sampled_from(CONDITIONS)), "then": one, "else": other})
        self.flow += [f"{one_end} -> {after}", f"{other_end} -> {after}"]
        return before, after

    def loop(self, depth: int) -> tuple[str, str]:
        (begin, end), after = self.piece(depth), self.node("nap")
        when, at_most = self.draw(st.sampled_from(CONDITIONS)), self.draw(st.integers(1, 3))
        self.flow.append({"from": end, "when": when, "then": begin, "at_most": at_most, "else": after})
        return begin, after


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Any]:
    """Graphs with nothing wrong, as plain values."""
    drawing = Drawing(draw)
    begin, end = drawing.piece(4)
    first, last = drawing.node("prowl"), drawing.node("purr", volume=1)
    drawing.flow += [f"start -> {first} -> {begin}", f"{end} -> {last} -> end"]
    return {"name": "cats", "nodes": drawing.nodes, "flow": draw(st.permutations(drawing.flow))}


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value within a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield (*way, key)
        yield from places(each, (*way, key))


JUNK = st.one_of(
    st.sampled_from(
        [None, "", "end", "start", "n0", "n1 -> n0", "start -> n1", "purr", "skip", "fallback n0", -1, 0, 9, True]
    ),
    st.text(max_size=9),
    st.floats(),
    st.lists(st.sampled_from(["n0", "n1", "end", 3]), max_size=3),
    st.dictionaries(st.sampled_from(["use", "from", "when", "then", "else", "model", "path"]), st.text(max_size=5)),
)


@given(graphs())
def test_a_valid_graph_has_no_problems(graph: dict[str, Any]) -> None:
    assert check(graph, registry=CATS) == []
    assert check(GraphSpec.model_validate(graph), registry=CATS) == []


@given(graphs(), st.data())
def test_a_changed_graph_is_fine_or_says_where_it_hurts(graph: dict[str, Any], data: st.DataObject) -> None:
    changed = copy.deepcopy(graph)
    for _ in range(data.draw(st.integers(1, 3))):
        ways = list(places(changed))
        if not ways:
            break
        *way, last = data.draw(st.sampled_from(ways))
        holder = changed
        for key in way:
            holder = holder[key]
        change = data.draw(st.sampled_from(["delete", "replace", "add"]))
        if change == "delete":
            del holder[last]
        elif change == "replace":
            holder[last] = data.draw(JUNK)
        elif isinstance(holder, list):
            holder.insert(last, data.draw(JUNK))
        else:
            holder[data.draw(st.text(max_size=6))] = data.draw(JUNK)
    for problem in check(changed, registry=CATS):
        assert problem.path
        assert problem.message
        assert "\n" not in str(problem)


@given(graph=graphs())
def test_a_graph_in_a_file_says_the_same(graph: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "graph.yaml"
    file.write_text(yaml.safe_dump(graph), "utf-8")
    assert load_spec(file) == GraphSpec.model_validate(graph)
    graph["nodes"]["n0"] = {"use": "napp", "x": 1}
    file.write_text(yaml.safe_dump(graph), "utf-8")
    problems = check(file, registry=CATS)
    assert "unknown node type 'napp'; did you mean 'nap'?" in [problem.message for problem in problems]
    assert all(problem.line for problem in problems)


def moody(seed: int) -> Any:
    """Whether it is hungry, which changes from one node to the next, but is the same in every run."""

    @predicate("hungry")
    def hungry(state: RagState) -> bool:
        """Whether it is hungry."""
        return random.Random(f"{seed} {[trace.node for trace in state.trace]}").random() < 0.5

    return hungry


@settings(max_examples=30)
@given(graphs(), st.integers(0, 99))
def test_a_valid_graph_comes_to_its_end_within_its_bound(graph: dict[str, Any], seed: int) -> None:
    running = RagGraph(graph, types=[prowl, pile, Purr, nap, moody(seed)])
    told = list(running.stream("Who?"))
    state = told[-1]
    assert isinstance(state, RagState)
    way = [trace.node for trace in state.trace]
    assert way == [trace.node for trace in running.invoke("Who?").trace]
    assert sorted(way) == sorted(event.node for event in told if isinstance(event, NodeEnded))
    again = asyncio.run(running.ainvoke("Who?"))
    assert [(trace.node, trace.detail) for trace in again.trace] == [(t.node, t.detail) for t in state.trace]
    assert again.model_copy(update={"trace": []}) == state.model_copy(update={"trace": []})
    assert len(way) <= longest_run(running.plan)
    for decision in running.plan.flow.decisions:
        asked = [taken for trace in state.trace for item, taken in trace.decisions if item == decision.item]
        assert len(asked) <= [trace.node for trace in state.trace].count(decision.spec.source)
        if decision.spec.at_most is not None:
            assert asked.count(True) <= decision.spec.at_most
