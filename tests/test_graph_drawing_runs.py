"""A run in a picture: each node has its figures, and what the run did not come to is pale."""

from __future__ import annotations

import random
import re
from itertools import pairwise
from typing import Any

import pytest
from cats import Purr, pile, prowl
from drawn import Drawn, Flowchart
from graphs_to_draw import mood
from hypothesis import given, settings
from hypothesis import strategies as st
from kittens import Does, asks, cat, cats, graph, often, way
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel, FakeMessagesListChatModel
from langchain_core.messages import AIMessage
from ragloom import Corpus
from ragloom.rag.graph import Context, NodeError, RagGraph, RagState, SpecError, Update, node
from ragloom.rag.graph.drawing.sketch import sketch
from ragloom.stores.types import Hit
from test_graph_drawing_layout import tangles
from test_graph_random import graphs, moody

HIT = Hit(Document("Toad."), 1.0, 1)

Links = set[tuple[str, str]]


def fail(state: RagState, context: Context) -> None:
    raise OSError("the cat is out")


def pale(running: RagGraph, state: RagState) -> tuple[set[str], Links]:
    """The items and links that are pale in Mermaid; those in the SVG are as many."""
    chart = Flowchart(running.draw(trace=state.trace))
    styles = {line.split()[0]: line.split()[1] for line in chart.rest if line.split()[0] in {"class", "linkStyle"}}
    items = {chart.name(name) for name in styles["class"].split(",")} if "class" in styles else set()
    links = [chart.links[int(place)] for place in styles["linkStyle"].split(",")] if "linkStyle" in styles else []
    picture = Drawn(running.draw("svg", trace=state.trace))
    inks = [group[0].get("stroke") for group in picture.root.iter() if group.get("data-source")]
    assert inks.count("#d3dae4") == len(links)
    return items, {(link[0], link[3]) for link in links}


def finds(*numbers: int) -> Does:
    """Find so many documents, other numbers each time."""
    left = iter(numbers)
    return lambda state, context: {"documents": [HIT] * next(left)}


def says(state: RagState, context: Context) -> None:
    context.llm.invoke("Who?")


def test_a_run_is_shown_in_figures() -> None:
    spoken = AIMessage("Toad.", usage_metadata={"input_tokens": 850, "output_tokens": 9, "total_tokens": 859})
    running = graph(
        ["start -> find -> judge", {"from": "judge", "when": "again", "then": "find", "at_most": 3, "else": "end"}],
        cat("find", finds(50, 4), writes=["documents"]),
        cat("judge", says, writes=[]),
        asks("again", often("judge", 1)),
        llm=FakeMessagesListChatModel(responses=[spoken]),
    )
    state = running.invoke("Who?")
    chart, picture = Flowchart(running.draw(trace=state.trace)), Drawn(running.draw("svg", trace=state.trace))
    for shown in (chart.shown("judge")[1].split("<br/>")[-1], picture.words("judge").replace(" / ", " · ")):
        assert re.search(r"[\d.]+ ms · 2 runs · tokens 1,700 → 18 · documents 4 → 4$", shown)
    assert chart.shown("find")[1].endswith(" · 2 runs · documents 50 → 4")
    assert chart.shown("start")[1] == "start"
    assert "ms" not in running.draw()


def test_a_graph_of_which_everything_ran_has_nothing_pale() -> None:
    running = graph("start -> a -> [b, c] -> d -> end", *cats("a b c d"))
    assert pale(running, running.invoke("Who?")) == (set(), set())


@pytest.mark.parametrize("text", ["Toad steals a motor-car.", "Ovens are hot."])
def test_what_a_preset_did_not_come_to_is_pale(corpus: Corpus, text: str) -> None:
    corpus.add([text])
    running = RagGraph("default", corpus=corpus, llm=FakeListChatModel(responses=["Toad does."]))
    if text.startswith("Toad"):
        expected: tuple[set[str], Links] = set(), {("answered", "end")}
    else:
        expected = {"expand", "draft", "ground"}, set(pairwise(["answered", "expand", "draft", "ground", "end"]))
    assert pale(running, running.invoke("Toad steals a motor-car?")) == expected


def test_a_run_that_took_the_second_of_three_ways() -> None:
    running = graph(
        [
            "start -> sort",
            {"from": "sort", "when": "sad", "then": "a"},
            {"from": "sort", "when": "wild", "then": ["b", "c"]},
            {"from": "sort", "when": "tired", "then": "end", "else": "d"},
            "a -> say",
            "[b, c] -> pile -> say",
            "d -> say -> end",
        ],
        *cats("sort a b c d pile say"),
        *(asks(name, lambda state, name=name: name == "wild") for name in ("sad", "wild", "tired")),  # type: ignore[misc]
    )
    assert pale(running, running.invoke("Who?")) == (
        {"a", "tired", "d"},
        {("sad", "a"), ("wild", "tired"), ("tired", "end"), ("tired", "d"), ("a", "say"), ("d", "say")},
    )


@pytest.mark.parametrize("holds", [True, False])
def test_of_two_ways_to_one_node_the_one_that_was_taken_is_shown(holds: bool) -> None:
    running = graph(
        [
            "start -> a",
            {"from": "a", "when": "one", "then": "b", "else": "c"},
            {"from": "c", "when": "other", "then": "b", "else": "end"},
            "b -> end",
        ],
        *cats("a b c"),
        asks("one", lambda state: holds),
        asks("other", lambda state: True),
    )
    items, links = pale(running, running.invoke("Who?"))
    assert items == ({"c", "other"} if holds else set())
    assert (("one", "b") in links, ("other", "b") in links) == (not holds, holds)


def test_a_decision_at_the_start_is_shown_as_it_was_taken() -> None:
    flow = [{"from": "start", "when": "one", "then": "a", "else": "b"}, "a -> end", "b -> end"]
    running = graph(flow, *cats("a b"), asks("one", lambda state: False))
    assert pale(running, running.invoke("Who?")) == ({"a"}, {("one", "a"), ("a", "end")})


@pytest.mark.parametrize("does", [fail, lambda state, context: None])
def test_a_node_that_failed_is_shown_to_lead_to_its_fallback(does: Does) -> None:
    running = graph(
        "start -> a -> b -> end",
        cat("a", does),
        *cats("b spare last"),
        settings={"a": {"on_error": "fallback spare"}, "spare": {"on_error": "fallback last"}},
    )
    state = running.invoke("Who?")
    spare = {("a", "spare"), ("spare", "b")}
    items, links = pale(running, state)
    assert items == ({"last"} if does is fail else {"spare", "last"})
    assert links == {("spare", "last"), ("last", "b")} | ({("a", "b")} if does is fail else spare)
    chart = Flowchart(running.draw(trace=state.trace))
    with_time = [name for name in ("a", "spare", "last") if " ms" in chart.shown(name)[1]]
    assert with_time == ["spare" if does is fail else "a"]


def test_a_fallback_of_two_nodes_goes_on_after_the_one_that_failed() -> None:
    both = {name: {"on_error": "fallback spare"} for name in "ab"}
    running = graph("start -> a -> b -> c -> end", *cats("a c spare"), cat("b", fail), settings=both)
    _, links = pale(running, running.invoke("Who?"))
    assert links == {("a", "spare"), ("spare", "b"), ("b", "c")}


def test_a_fallback_that_has_its_own_place_is_gone_on_from_where_it_was_needed() -> None:
    running = graph("start -> a -> b -> end", *cats("a"), cat("b", fail), settings={"b": {"on_error": "fallback a"}})
    state = running.invoke("Who?")
    assert pale(running, state) == (set(), set())
    assert "2 runs" in Flowchart(running.draw(trace=state.trace)).shown("a")[1]
    calm = graph("start -> a -> b -> end", *cats("a b"), settings={"b": {"on_error": "fallback a"}})
    assert pale(calm, calm.invoke("Who?")) == (set(), {("b", "a")})


def test_a_node_that_was_skipped_was_come_to() -> None:
    running = graph("start -> a -> b -> end", cat("a", fail), *cats("b"), settings={"a": {"on_error": "skip"}})
    assert pale(running, running.invoke("Who?")) == (set(), set())


def clumsy(seed: int) -> Any:
    """A nap that sometimes fails."""
    dice = random.Random(seed)

    @node("nap", writes={"extra.rested"})
    def nap(state: RagState, context: Context) -> Update:
        """Do nothing for a while."""
        if dice.random() < 0.3:
            raise OSError("it cannot sleep")
        return {"extra": {"rested": True}}

    return nap


@settings(max_examples=40)
@given(st.one_of(graphs(), tangles()), st.integers(0, 99))
def test_what_is_not_pale_leads_from_the_start_to_the_end(spec: dict[str, Any], seed: int) -> None:
    try:
        running = RagGraph(spec, types=[prowl, pile, Purr, clumsy(seed), moody(seed), mood])
        state = running.invoke("Who?")
    except (SpecError, NodeError):
        return
    picture = sketch(running.plan, state.trace)
    live = {item.key for item in picture.items if not item.idle}
    taken = [link for link in picture.links if not link.idle]
    assert {*way(state), "start", "end"} <= live
    fallbacks = {name for node in running.plan.nodes for name in running.plan.fallbacks(node)}
    assert live - {link.source for link in taken} <= {"end", *fallbacks}, "the flow goes on after what failed"
    assert {link.target for link in taken} == live - {"start"}
    assert Drawn(running.draw("svg", trace=state.trace)).faults() == []
