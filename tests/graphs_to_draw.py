"""Graphs that are drawn in tests, from one node to fifty, and how each form of a drawing is read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cats import CATS
from drawn import Drawn, Flowchart
from ragloom.rag.graph import Context, NodeTrace, RagState, Update, node, predicate
from ragloom.rag.graph.checking import plan
from ragloom.rag.graph.drawing import mermaid, svg


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
FALLBACKS = {
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
GRAPHS: Mapping[str, Any] = {
    "quick": "quick",
    "default": "default",
    "icr": "icr",
    "decompose": "decompose",
    "iterate": "iterate",
    "main-rag": MAIN_RAG,
    "fan out": FAN_OUT,
    "nested loops": NESTED_LOOPS,
    "fallbacks": FALLBACKS,
    "routes": ROUTES,
    "long names": LONG_NAMES,
    "evil": EVIL,
    "one": ONE,
    "fifty": FIFTY,
}


def drawn(source: Any, trace: Sequence[NodeTrace] = ()) -> Drawn:
    planned, problems = plan(source, registry=REGISTRY)
    assert problems == []
    return Drawn(svg(planned, trace))


def charted(source: Any, trace: Sequence[NodeTrace] = ()) -> Flowchart:
    planned, problems = plan(source, registry=REGISTRY)
    assert problems == []
    return Flowchart(mermaid(planned, trace))
