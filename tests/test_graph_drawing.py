"""Pictures of graphs: everything that a graph says is in them, in both forms."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from drawn import Drawn, Flowchart
from graphs_to_draw import EVIL, FALLBACKS, GRAPHS, MAIN_RAG, ONE, REGISTRY, ROUTES, SIGNS, charted, drawn
from ragloom.rag.graph.checking import plan
from ragloom.rag.graph.drawing import mermaid, svg


@pytest.mark.parametrize("name", GRAPHS)
def test_every_node_decision_and_link_is_drawn_in_both(name: str) -> None:
    planned, _ = plan(GRAPHS[name], registry=REGISTRY)
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
    chart = charted(FALLBACKS)
    assert [link for link in chart.links if link[1] == "-.->"] == [
        ("find", "-.->", "on error", "spare"),
        ("spare", "-.->", "", "rest"),
        ("spare", "-.->", "on error", "last"),
        ("last", "-.->", "", "rest"),
        ("more", "-.->", "on error", "find"),
    ]
    assert chart.shown("rest") == ('["', "<b>rest</b><br/>nap · skipped on error")
    dashed = [line for line in drawn(FALLBACKS).root.iter() if line.get("stroke-dasharray")]
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
