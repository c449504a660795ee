"""Where the parts of a picture stand: the flow goes down, and nothing lies over anything else."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest
from drawn import Box, curve, faults
from graphs_to_draw import GRAPHS, LONG, LONG_NAMES, NESTED_LOOPS, REGISTRY, drawn
from hypothesis import assume, given
from hypothesis import strategies as st
from ragloom.rag.graph import NodeTrace
from ragloom.rag.graph.checking import plan
from ragloom.rag.graph.drawing.layout.geometry import Size
from ragloom.rag.graph.drawing.layout.layout import laid_out
from ragloom.rag.graph.drawing.sketch import sketch
from ragloom.rag.graph.drawing.text import fill, shorten, text_width
from test_graph_random import graphs


def trace_of(source: Any) -> list[NodeTrace]:
    """A run that makes every node as big as it can be; that such a run cannot happen is no matter here."""
    planned, _ = plan(source, registry=REGISTRY)
    return [NodeTrace(name, 123.4, tokens_in=12, tokens_out=3, documents_out=7) for name in planned.nodes]


@pytest.mark.parametrize("with_trace", [False, True])
@pytest.mark.parametrize("name", GRAPHS)
def test_nothing_overlaps_and_no_link_runs_through_a_box(name: str, with_trace: bool) -> None:
    source = GRAPHS[name]
    picture = drawn(source, trace_of(source) if with_trace else ())
    assert picture.faults() == []


def test_the_flow_goes_down_and_loops_go_up() -> None:
    picture = drawn(NESTED_LOOPS)
    rows = ["start", "find", "rest", "look", "inner", "decision 1", "outer", "decision 2", "end"]
    assert [picture.boxes[row].top for row in rows] == sorted(picture.boxes[row].top for row in rows)
    assert len({round(sum(picture.boxes[row][::2])) for row in rows}) == 1, "the main line is straight"
    for source, target in (("decision 1", "look"), ("decision 2", "find")):
        way = next(points for *ends, points in picture.ways if ends == [source, target])
        assert way[-1][1] < way[0][1]
        assert all(x > picture.boxes[target].right for x, y in way if way[-1][1] + 1 < y < way[0][1] - 1)


def test_long_names_are_shortened_in_the_middle() -> None:
    picture = drawn(LONG_NAMES)
    assert re.fullmatch("y{9,}…y{9,}", picture.words("y" * 90).split(" / ")[0])
    first, second, *_ = picture.words(f"{LONG}x").split(" / ")
    assert first == "a_name_that_goes_on_a_"
    assert second.endswith("_goes_on_x")
    assert max(box.right - box.left for box in picture.boxes.values()) < 400


@pytest.mark.parametrize(
    ("text", "bold", "width"),
    [
        ("retrieve", True, 449),
        ("passages 3 · max_sentences 5 · spread 0.1", False, 2158),
        ("tokens 16,420 → 180 · documents 20 → 10", False, 2137),
        ("yes, at most 3", False, 714),
        ("best_verdict < 0", False, 823),
        ("illicit jollity", False, 536),
        ("Ärger mit Füßen", False, 805),
    ],
)
def test_texts_are_about_as_wide_as_in_dejavu_sans(text: str, bold: bool, width: float) -> None:
    assert 0.97 < text_width(text, 100, bold=bold) / width < 1.1


def test_wide_and_combining_characters_count_as_what_they_are() -> None:
    assert text_width("数据", 10) == 20
    assert text_width("e\N{COMBINING ACUTE ACCENT}", 10) == text_width("e", 10)


@given(st.text(max_size=60), st.floats(20, 300))
def test_what_is_filled_or_shortened_fits(text: str, width: float) -> None:
    assert text_width(shorten(text, 12, width), 12) <= width
    assert all(text_width(line, 12) <= width for line in fill(text.split(" "), " ", 12, width))


@st.composite
def tangles(draw: st.DrawFn) -> dict[str, Any]:
    """Graphs of decisions that jump anywhere, loops and fallbacks; without forks, so that most have no problems."""
    names = [f"n{place}" for place in range(draw(st.integers(1, 10)))]
    nodes: dict[str, Any] = {}
    flow: list[Any] = ["start -> n0"]
    for place, name in enumerate(names):
        later = [*names[place + 1 : place + 5], "end"]
        on_error = draw(st.sampled_from(["fail", "fail", "skip", "fallback s", *(f"fallback {n}" for n in later[:-1])]))
        nodes[name] = {"use": "nap", "on_error": on_error}
        step = draw(st.sampled_from(["edge", "decision", "loop"]))
        if step == "edge":
            flow.append(f"{name} -> {later[0]}")
            continue
        flow += [
            {"from": name, "when": "mood == calm", "then": draw(st.sampled_from(later))}
            for _ in range(draw(st.integers(0, 2)))
        ]
        back = draw(st.sampled_from(names[: place + 1]))
        then = {"then": draw(st.sampled_from(later))} if step == "decision" else {"then": back, "at_most": 2}
        flow.append({"from": name, "when": "not hungry", **then, "else": later[0]})
    if any(spec["on_error"] == "fallback s" for spec in nodes.values()):
        nodes["s"] = "nap"
    return {"nodes": nodes, "flow": flow}


@given(st.one_of(graphs(), tangles()), st.data())
def test_items_of_any_size_are_laid_out_without_faults(graph: dict[str, Any], data: st.DataObject) -> None:
    planned, problems = plan(graph, registry=REGISTRY)
    assume(not problems)
    picture = sketch(planned)
    side = st.floats(60, 500)
    sizes = {item.key: Size(data.draw(side), data.draw(side)) for item in picture.items if item.kind != "join"}
    sizes |= {item.key: Size(200, 7) for item in picture.items if item.kind == "join"}
    layout = laid_out(picture, sizes, [40.0 if link.label else 0.0 for link in picture.links])
    boxes = {
        key: Box(box.x - box.width / 2, box.y - box.height / 2, box.x + box.width / 2, box.y + box.height / 2)
        for key, box in layout.boxes.items()
    }
    ways = [
        [
            route.start,
            *(
                point
                for before, step in pairwise(((route.start,), *route.steps))
                for point in curve([before[-1], *step])
            ),
        ]
        for route in layout.routes
    ]
    assert faults(boxes, [], ways, Box(-2, -2, layout.size.width + 2, layout.size.height + 2)) == []
