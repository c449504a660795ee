"""Checking the state: a node reads what was written on every way to it, and branches do not write over each other."""

from __future__ import annotations

import pytest
from checked import problems
from ragloom.rag.graph import Context, RagGraph, RagState, SpecError, Update, node

pytestmark = pytest.mark.usefixtures("in_a_folder")


def test_a_read_of_what_nothing_writes() -> None:
    assert problems("""\
        nodes:
          find: prowl
          check: ground
          rest: nap
        flow:
          - start -> rest -> check
          - {from: check, when: best_verdict < 0, then: find, else: end}
          - find -> end
    """) == [
        "3: nodes.check.use: 'ground' reads answer, which nothing writes on the way start -> rest -> check; "
        "a node of type 'quote' or 'cited' or 'notes' writes it",
        "3: nodes.check.use: 'ground' reads evidence, which nothing writes on the way start -> rest -> check; "
        "a node of type 'gather' or 'gather-memory' writes it",
        "3: nodes.check.use: 'ground' reads quotes, which nothing writes on the way start -> rest -> check; "
        "a node of type 'quote' writes it",
        "7: flow[1].when: 'best_verdict < 0' reads verdicts, which nothing writes on the way start -> rest -> check; "
        "a node of type 'main-rag' or 'weigh' writes it",
    ]


def test_a_node_may_read_what_it_wrote_itself_in_the_round_before() -> None:
    @node("counts", reads={"extra.n"}, writes={"extra.n"})
    def counts(state: RagState, context: Context) -> Update:
        """Count."""
        return {"extra": {"n": state.extra.get("n", 0) + 1}}

    @node("looks", reads={"extra.n"}, writes={"query"})
    def looks(state: RagState, context: Context) -> Update:
        """Look."""
        return {"query": str(state.extra["n"])}

    alone = {"nodes": {"a": "counts"}, "flow": ["start -> a -> end"]}
    assert RagGraph(alone, types=[counts]).invoke("Who?").extra == {"n": 1}
    with pytest.raises(SpecError, match=r"'looks' reads extra\.n, which nothing writes"):
        RagGraph({"nodes": {"a": "looks"}, "flow": ["start -> a -> end"]}, types=[looks])


def test_a_read_of_what_one_of_two_ways_writes() -> None:
    text = """\
        nodes:
          rest: nap
          find: prowl
          say: {{use: purr, volume: 1}}
        flow:
          - start -> rest
          - {decision}
          - find -> say -> end
    """
    assert problems(text.format(decision="{from: rest, when: hungry, then: find, else: say}")) == [
        "4: nodes.say.use: 'purr' reads documents, which nothing writes on the way start -> rest -> say; "
        "'find' writes it elsewhere"
    ]
    assert problems(text.format(decision="{from: rest, when: hungry, then: find, else: end}")) == []


def test_a_join_has_what_any_of_its_branches_wrote() -> None:
    text = """\
        nodes: {{rest: nap, find: prowl, say: {{use: purr, volume: 1}}}}
        flow:
          - start -> [rest, find]
          - {join}
          - say -> end
    """
    assert problems(text.format(join="'[rest, find] -> say'")) == []
    assert problems(text.format(join="'rest -> say'\n          - find -> say")) == [
        "1: nodes.say: runs after 'rest' and again after 'find', which run in parallel; "
        "to let it wait for both write [rest, find] -> say",
        "1: nodes.say.use: 'purr' reads documents, which nothing writes on the way start -> rest -> say; "
        "'find' writes it elsewhere",
    ]


def test_a_node_that_may_be_skipped_has_written_nothing() -> None:
    text = "nodes: {{find: {{use: prowl, on_error: {0}}}, spare: {1}, say: {{use: purr, volume: 1}}}}\n"
    flow = "flow: [start -> find -> say -> end]\n"
    assert problems(text.format("fallback spare", "prowl") + flow) == []
    for on_error, spare in (
        ("skip", "nap"),
        ("fallback spare", "nap"),
        ("fallback spare", "{use: prowl, on_error: skip}"),
    ):
        found = problems(text.format(on_error, spare) + flow)
        told = "1: nodes.say.use: 'purr' reads documents, which nothing writes on the way start -> find -> say; 'find' "
        assert found[-1].startswith(told)


def test_fallbacks() -> None:
    assert problems("""\
        nodes:
          find: {use: prowl, on_error: fallback othr}
          other: {use: nap, on_error: fallback more}
          more: {use: nap, on_error: fallback other}
          rest: {use: nap, on_error: retry}
        flow:
          - start -> find -> other -> more -> rest -> end
    """) == [
        "2: nodes.find.on_error: unknown node 'othr'; did you mean 'other'?",
        "3: nodes.other.on_error: 'other' falls back on itself",
        "4: nodes.more.on_error: 'more' falls back on itself",
        "5: nodes.rest.on_error: should be fail, skip or fallback NODE, not 'retry'",
    ]


def test_a_node_reads_what_another_branch_writes() -> None:
    assert problems("""\
        nodes: {find: prowl, more: prowl, say: {use: purr, volume: 1}}
        flow:
          - start -> find -> [more, say] -> end
    """) == [
        "1: nodes.say.use: reads documents while 'more', on another branch, may be writing it; "
        "let one come after the other"
    ]


def test_a_decision_reads_too() -> None:
    text = """\
        nodes: {{dense: dense, lexical: lexical, fuse: rrf, rest: nap, say: {{use: purr, volume: 1}}}}
        flow:
          - start -> [dense, lexical] -> {0}
          - {{from: {0}, when: documents < 2, then: end, else: {1}}}
          - {1} -> end
    """
    assert problems(text.format("fuse", "say"))[1:] == []  # but for the node that is not used
    torn = "1: nodes.rest.use: 'dense' and 'lexical' write documents in parallel, and 'rest' may find either's; "
    assert torn + "fuse them first, with a node of type 'rrf'" in problems(text.format("rest", "fuse"))


def test_what_branches_write_side_by_side_has_to_be_fused() -> None:
    text = """\
        nodes:
          dense: dense
          lexical: lexical
          fuse: rrf
          say: {{use: purr, volume: 1}}
        flow:
          - {0}
    """
    assert problems(text.format("start -> [dense, lexical] -> fuse -> say -> end")) == []
    assert problems(text.format("start -> [dense, lexical] -> say -> fuse -> end")) == [
        "5: nodes.say.use: 'dense' and 'lexical' write documents in parallel, and 'say' may find either's; "
        "fuse them first, with a node of type 'rrf'"
    ]
    assert problems(text.format("start -> fuse -> [dense, lexical] -> end\n          - start -> say -> end"))[-1] == (
        "6: flow: 'dense' and 'lexical' write documents in parallel, and whoever asked may find either's; "
        "fuse them first, with a node of type 'rrf'"
    )
