"""Pictures of graphs: everything that a graph says is in them, and nothing lies over anything else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest
from cats import CATS
from drawn import Box, Drawn, Flowchart, curve, faults
from hypothesis import assume, given
from hypothesis import strategies as st
from ragloom.rag.graph import Context, NodeTrace, RagState, Update, node, predicate
from ragloom.rag.graph.checking import plan
from ragloom.rag.graph.drawing import mermaid, svg
from ragloom.rag.graph.drawing.geometry import Size
from ragloom.rag.graph.drawing.layout import laid_out
from ragloom.rag.graph.drawing.sketch import sketch
from ragloom.rag.graph.drawing.text import fill, shorten, text_width
from test_graph_random import graphs


@node("<script>alert(1)</script>&", writes={"extra.evil"})
def evil(state: RagState, context: Context, *, text: str = "") -> Update:
    """Be <b>evil</b> & proud of it."""
    return {"extra": {"evil": text}}


@predicate("mood")
def mood(state: RagState) -> str:
    """What it is like."""
    return "purring"


REGISTRY = CATS.with_types([evil, mood])

MAIN_RAG = {
    "name": "main-rag",
    "description": "Searches again when nothing helps.",
    "nodes": {
        "dense": {"use": "dense", "k": 50},
        "lexical": {"use": "lexical", "k": 50},
        "fuse": {"use": "rrf", "keep": 20},
        "rerank": {"use": "stare"},
        "filter": {"use": "weigh", "retries": 2},
        "answer": {"use": "cited", "llm": "embedded"},
        "again": "nap",
    },
    "flow": [
        "start -> [dense, lexical] -> fuse -> rerank -> filter",
        {"from": "filter", "when": "best_verdict < 0", "then": "again", "at_most": 2, "else": "answer"},
        "again -> [dense, lexical]",
        "answer -> end",
    ],
}
FAN_OUT = {
    "nodes": {**dict.fromkeys("abcde", "prowl"), "find": "prowl", "pile": "pile"},
    "flow": ["start -> find -> [a, b, c, d, e] -> pile -> end"],
}
NESTED_LOOPS = {
    "nodes": {**dict.fromkeys(["rest", "look", "inner", "outer"], "nap"), "find": "prowl"},
    "flow": [
        "start -> find -> rest -> look -> inner",
        {"from": "inner", "when": "hungry", "then": "look", "at_most": 3, "else": "outer"},
        {"from": "outer", "when": "documents < 3", "then": "find", "at_most": 2, "else": "end"},
    ],
}
STAND_INS = {
    "nodes": {
        "find": {"use": "prowl", "on_error": "fallback spare"},
        "spare": {"use": "prowl", "on_error": "fallback last"},
        "last": "prowl",
        "rest": {"use": "nap", "on_error": "skip"},
        "more": {"use": "nap", "on_error": "fallback find"},
    },
    "flow": ["start -> find -> rest -> more -> end"],
}
ROUTES = {
    "nodes": {"sort": "nap", **dict.fromkeys("abcd", "prowl"), "pile": "pile", "say": {"use": "purr", "volume": 1}},
    "flow": [
        "start -> sort",
        {"from": "sort", "when": "mood == sad", "then": "a"},
        {"from": "sort", "when": "mood == wild", "then": ["b", "c"]},
        {"from": "sort", "when": "not hungry", "then": "end", "else": "d"},
        "a -> say",
        "[b, c] -> pile -> say",
        "d -> say -> end",
    ],
}
LONG = "a_name_that_goes_on_" * 5
WIDE = "cat_" + "数据检索节点名称" * 6
LONG_NAMES = {
    "name": LONG,
    "description": "Words. " * 80,
    "nodes": {LONG + "x": {"use": "prowl", "nights": 10**40}, "y" * 90: "nap", WIDE: "nap"},
    "flow": [
        f"start -> {LONG}x",
        {"from": f"{LONG}x", "when": f"mood == {'wild' * 30}", "then": "y" * 90, "else": WIDE},
        f"{'y' * 90} -> end",
        f"{WIDE} -> end",
    ],
}
SIGNS = "</title><script>\"'&`%%{init: {}}%%#;<b>"
EVIL = {
    "name": f"evil {SIGNS}",
    "description": f"a & b \x1b {SIGNS}",
    "nodes": {"graph": {"use": "<script>alert(1)</script>&", "text": SIGNS}, "end_": "nap", "style": "nap"},
    "flow": [
        "start -> graph",
        {"from": "graph", "when": f"mood == {SIGNS.replace(' ', '')}style:x#y;", "then": "style", "else": "end_"},
        "style -> end",
        "end_ -> end",
    ],
}
ONE = {"nodes": {"find": "prowl"}, "flow": ["start -> find -> end"]}
FIFTY = {
    "nodes": {f"n{place}": "nap" if place else "prowl" for place in range(50)},
    "flow": [
        "start -> n0",
        *(
            {"from": f"n{place}", "when": "hungry", "then": f"n{place - 4}", "at_most": 2, "else": f"n{place + 1}"}
            if place % 7 == 5
            else {"from": f"n{place}", "when": "hungry", "then": f"n{min(place + 6, 49)}", "else": f"n{place + 1}"}
            if place % 3 == 0
            else f"n{place} -> n{place + 1}"
            for place in range(49)
        ),
        "n49 -> end",
    ],
}
EXAMPLES: Mapping[str, Any] = {
    "quick": "quick",
    "default": "default",
    "main-rag": MAIN_RAG,
    "fan out": FAN_OUT,
    "nested loops": NESTED_LOOPS,
    "stand-ins": STAND_INS,
    "routes": ROUTES,
    "long names": LONG_NAMES,
    "evil": EVIL,
    "one": ONE,
    "fifty": FIFTY,
}

ANSWERED = [
    NodeTrace("retrieve", 44.4, documents_out=8),
    NodeTrace("evidence", 12.0, documents_in=8, documents_out=8),
    NodeTrace("quote", 0.31, documents_in=8, documents_out=8),
    NodeTrace("expand", 5, documents_in=8, documents_out=8),
    NodeTrace("draft", 12_300, tokens_in=1210, tokens_out=64, documents_in=8, documents_out=8),
    NodeTrace("ground", 33, documents_in=8, documents_out=8),
]
NOT_ANSWERED = ANSWERED[:3]
TWO_ROUNDS = [
    *(NodeTrace(name, 10, documents_out=50) for name in ["dense", "lexical", "fuse", "rerank"]),
    NodeTrace("filter", 400, tokens_in=900, tokens_out=9, documents_in=50, documents_out=0),
    NodeTrace("again", 10),
    *(NodeTrace(name, 10, documents_out=50) for name in ["dense", "lexical", "fuse", "rerank"]),
    NodeTrace("filter", 600, tokens_in=800, tokens_out=9, documents_in=50, documents_out=4),
    NodeTrace("answer", 999.7, documents_in=4, documents_out=4),
]


def drawn(source: Any, trace: Sequence[NodeTrace] = ()) -> Drawn:
    planned, problems = plan(source, registry=REGISTRY)
    assert problems == []
    return Drawn(svg(planned, trace))


def charted(source: Any, trace: Sequence[NodeTrace] = ()) -> Flowchart:
    planned, problems = plan(source, registry=REGISTRY)
    assert problems == []
    return Flowchart(mermaid(planned, trace))


def trace_of(source: Any) -> list[NodeTrace]:
    planned, _ = plan(source, registry=REGISTRY)
    return [NodeTrace(name, 123.4, tokens_in=12, tokens_out=3, documents_out=7) for name in planned.nodes]


@pytest.mark.parametrize("with_trace", [False, True])
@pytest.mark.parametrize("name", EXAMPLES)
def test_nothing_overlaps_and_no_link_runs_through_a_box(name: str, with_trace: bool) -> None:
    source = EXAMPLES[name]
    picture = drawn(source, trace_of(source) if with_trace else ())
    assert picture.faults() == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_node_decision_and_link_is_drawn_in_both(name: str) -> None:
    planned, _ = plan(EXAMPLES[name], registry=REGISTRY)
    picture, chart = Drawn(svg(planned)), Flowchart(mermaid(planned))
    keys = {"start", "end", *planned.nodes, *(f"decision {decision.item}" for decision in planned.flow.decisions)}
    assert keys == {key for key in picture.boxes if not key.startswith("join ")}
    assert len(chart.items) == len(picture.boxes)
    assert len(chart.links) == len(picture.ways)
    assert [line for line in chart.rest if not line.startswith(("    accTitle: ", "    accDescr: "))] == []


def test_a_preset_as_mermaid_text() -> None:
    chart = charted("default")
    assert chart.shown("start") == ('(["', "start")
    assert chart.shown("retrieve") == ('["', "<b>retrieve</b><br/>hybrid · k 8")
    assert chart.shown("answered") == ('{"', "answered")
    assert chart.links == [
        ("start", "-->", "", "retrieve"),
        ("retrieve", "-->", "", "evidence"),
        ("evidence", "-->", "", "quote"),
        ("quote", "-->", "", "answered"),
        ("answered", "-->", "yes", "expand"),
        ("answered", "-->", "no", "end"),
        ("expand", "-->", "", "draft"),
        ("draft", "-->", "", "ground"),
        ("ground", "-->", "", "end"),
    ]


def test_a_bounded_loop_says_how_often_and_a_join_waits_for_all() -> None:
    chart = charted(MAIN_RAG)
    assert ("best_verdict #lt; 0", "-->", "yes, at most 2", "again") in chart.links
    assert chart.shown("all")[0] == '(("'
    assert [link for link in chart.links if "all" in link] == [
        ("dense", "-->", "", "all"),
        ("lexical", "-->", "", "all"),
        ("all", "-->", "", "fuse"),
    ]
    picture = drawn(MAIN_RAG)
    assert [words for words, _ in picture.labels] == ["yes, at most 2", "no"]
    assert [way[:2] for way in picture.ways if "join dense lexical" in way] == [
        ("dense", "join dense lexical"),
        ("lexical", "join dense lexical"),
        ("join dense lexical", "fuse"),
    ]


def test_the_flow_goes_down_and_loops_go_up() -> None:
    picture = drawn(NESTED_LOOPS)
    rows = ["start", "find", "rest", "look", "inner", "decision 1", "outer", "decision 2", "end"]
    assert [picture.boxes[row].top for row in rows] == sorted(picture.boxes[row].top for row in rows)
    assert len({round(sum(picture.boxes[row][::2])) for row in rows}) == 1, "the main line is straight"
    for source, target in (("decision 1", "look"), ("decision 2", "find")):
        way = next(points for *ends, points in picture.ways if ends == [source, target])
        assert way[-1][1] < way[0][1]
        assert all(x > picture.boxes[target].right for x, y in way if way[-1][1] + 1 < y < way[0][1] - 1)


def test_decisions_from_one_node_are_asked_in_turn() -> None:
    links = charted(ROUTES).links
    assert ("sort", "-->", "", "mood == sad") in links
    assert ("mood == sad", "-->", "no", "mood == wild") in links
    assert [link for link in links if link[0] == "mood == wild"] == [
        ("mood == wild", "-->", "yes", "b"),
        ("mood == wild", "-->", "yes", "c"),
        ("mood == wild", "-->", "no", "not hungry"),
    ]


def test_what_happens_on_errors_is_dashed() -> None:
    chart = charted(STAND_INS)
    assert [link for link in chart.links if link[1] == "-.->"] == [
        ("find", "-.->", "on error", "spare"),
        ("spare", "-.->", "", "rest"),
        ("spare", "-.->", "on error", "last"),
        ("last", "-.->", "", "rest"),
        ("more", "-.->", "on error", "find"),
    ]
    assert chart.shown("rest") == ('["', "<b>rest</b><br/>nap · skipped on error")
    dashed = [line for line in drawn(STAND_INS).root.iter() if line.get("stroke-dasharray")]
    assert len(dashed) == 5


def test_a_node_shows_short_parameters_its_llm_and_retries() -> None:
    nodes = {
        "find": {"use": "dense", "k": 3, "where": {"year": {"$gt": 1908}}, "retries": 1},
        "judge": {"use": "nap", "llm": {"model": "http://cat:miaow@gpu.example/v1", "model_name": "big-cat"}},
        "write": {"use": "cited", "llm": "http://cat:miaow@gpu.example/v1"},
    }
    chart = charted({"nodes": nodes, "flow": ["start -> find -> judge -> write -> end"]})
    assert chart.shown("find")[1] == "<b>find</b><br/>dense · k 3 · … · 1 retry"
    assert chart.shown("judge")[1] == "<b>judge</b><br/>nap · llm big-cat"
    assert chart.shown("write")[1] == "<b>write</b><br/>cited · llm gpu.example"
    assert "miaow" not in chart.text


def test_a_run_is_shown_in_figures() -> None:
    chart, picture = charted(MAIN_RAG, TWO_ROUNDS), drawn(MAIN_RAG, TWO_ROUNDS)
    expected = "1.0 s · 2 runs · tokens 1,700 → 18 · documents 50 → 4"
    assert chart.shown("filter")[1] == f"<b>filter</b><br/>weigh · 2 retries<br/>{expected}"
    assert " · ".join(picture.words("filter").split(" / ")[2:]) == expected
    assert chart.shown("again")[1].endswith("<br/>10 ms")
    assert chart.shown("answer")[1].endswith("<br/>1.0 s · documents 4 → 4")
    assert not any("idle" in line for line in chart.rest), "everything was come to"
    assert charted(MAIN_RAG).shown("filter")[1] == "<b>filter</b><br/>weigh · 2 retries"


def pale(source: Any, trace: Sequence[NodeTrace]) -> tuple[set[str], set[tuple[str, str]]]:
    """The items and links that are pale in Mermaid; those in the SVG are as many."""
    chart = charted(source, trace)
    styles = {line.split()[0]: line.split()[1] for line in chart.rest if line.split()[0] in {"class", "linkStyle"}}
    items = {chart.name(name) for name in styles["class"].split(",")} if "class" in styles else set()
    links = [chart.links[int(place)] for place in styles["linkStyle"].split(",")] if "linkStyle" in styles else []
    picture = drawn(source, trace)
    inks = [group[0].get("stroke") for group in picture.root.iter() if group.get("data-source")]
    assert inks.count("#d3dae4") == len(links)
    return items, {(link[0], link[3]) for link in links}


def test_what_a_run_did_not_come_to_is_pale() -> None:
    assert pale("default", ANSWERED) == (set(), {("answered", "end")})
    assert pale("default", NOT_ANSWERED) == (
        {"expand", "draft", "ground"},
        {("answered", "expand"), ("expand", "draft"), ("draft", "ground"), ("ground", "end")},
    )


def test_a_run_that_took_the_second_of_three_ways() -> None:
    run = [NodeTrace(name, 1) for name in ["sort", "b", "c", "pile", "say"]]
    assert pale(ROUTES, run) == (
        {"a", "not hungry", "d"},
        {
            ("mood == sad", "a"),
            ("mood == wild", "not hungry"),
            ("not hungry", "end"),
            ("not hungry", "d"),
            ("a", "say"),
            ("d", "say"),
        },
    )


def test_a_run_in_which_a_stand_in_stood_in() -> None:
    run = [NodeTrace(name, 1) for name in ["spare", "rest", "more"]]
    assert pale(STAND_INS, run) == (
        {"find", "last"},
        {("find", "rest"), ("spare", "last"), ("last", "rest"), ("more", "find")},
    )


def test_a_stand_in_that_ran_in_its_own_place_stood_in_for_nobody() -> None:
    _, links = pale(STAND_INS, [NodeTrace("find", 1)])
    assert ("start", "find") not in links
    assert {("find", "rest"), ("rest", "more"), ("more", "find"), ("find", "spare")} < links


def test_the_svg_is_accessible_and_needs_nothing_else() -> None:
    picture = drawn("default")
    root = picture.root
    assert root.get("role") == "img"
    assert root.get("aria-label", "").startswith("default: Answers a question from the corpus")
    assert [child.tag.partition("}")[2] for child in root][:3] == ["title", "desc", "rect"]
    assert root[0].text == "default"
    assert root[2].get("fill") == "#ffffff", "a ground of its own"
    tags = {element.tag.partition("}")[2] for element in root.iter()}
    assert tags <= {"svg", "title", "desc", "g", "rect", "path", "text"}
    assert "http" not in picture.text.replace("http://www.w3.org/2000/svg", "")
    hint = picture.group("retrieve").findtext("{http://www.w3.org/2000/svg}title")
    assert hint == "retrieve: Search by meaning and by words at once, fused by RRF"


def test_a_graph_without_a_name_is_called_graph() -> None:
    root = drawn(ONE).root
    assert (root.get("aria-label"), root[0].text) == ("graph", "graph")


def test_signs_of_html_are_text_in_an_svg() -> None:
    picture = drawn(EVIL)
    assert "<script" not in picture.text
    assert "<b>" not in picture.text
    assert picture.root[0].text == f"evil {SIGNS}"
    assert picture.root.findtext("{http://www.w3.org/2000/svg}desc") == f"a & b \N{REPLACEMENT CHARACTER} {SIGNS}"
    assert picture.words("graph").startswith("graph / <script>alert(1)</script>&")


def test_signs_of_mermaid_and_html_are_text_in_mermaid() -> None:
    chart = charted(EVIL)
    texts = [text for _, text in chart.items.values()] + [label for _, _, label, _ in chart.links]
    for text in texts:
        plain = text.replace("<b>", "").replace("</b>", "").replace("<br/>", "")
        assert set('<>&"`%{}[]|:') & set(plain) == set()
    assert chart.shown("graph")[1].startswith("<b>graph</b><br/>#lt;script#gt;alert(1)#lt;/script#gt;#amp;")
    assert chart.rest[0] == "    accTitle: evil /title script init b"
    assert set(chart.items).isdisjoint({"end", "graph", "style", "class"}), "words of Mermaid itself"


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


def test_a_picture_is_the_same_every_time() -> None:
    program = (
        "from ragloom.rag.graph.checking import plan; from ragloom.rag.graph.drawing import mermaid, svg; "
        "graph = plan('default')[0]; print(svg(graph), mermaid(graph))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


@st.composite
def tangles(draw: st.DrawFn) -> dict[str, Any]:
    """Graphs of decisions that jump anywhere, loops and stand-ins; without forks, so that most have no problems."""
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
def test_any_graph_is_drawn_without_faults(graph: dict[str, Any], data: st.DataObject) -> None:
    planned, problems = plan(graph, registry=REGISTRY)
    assume(not problems)
    ran = data.draw(st.lists(st.sampled_from(sorted(planned.nodes)), max_size=12))
    picture = Drawn(svg(planned, [NodeTrace(name, 1, documents_out=1) for name in ran]))
    assert picture.faults() == []
    assert set(planned.nodes) < set(picture.boxes)
    chart = Flowchart(mermaid(planned))
    assert (len(chart.items), len(chart.links)) == (len(picture.boxes), len(picture.ways))


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
