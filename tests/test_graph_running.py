"""A graph goes where its flow says: in rows, by decisions, in parallel, and round and round."""

from __future__ import annotations

from typing import Any

import pytest
from kittens import asks, cat, cats, details, graph, often, way
from ragloom.rag.generate.types import unknown
from ragloom.rag.graph import Context, GraphError, RagState, StalledError, Turn, Update

yes, no = asks("yes", lambda state: True), asks("no", lambda state: False)


def test_a_row_runs_in_order() -> None:
    state = graph("start -> a -> b -> c -> end", *cats("c b a")).invoke("Who?")
    assert way(state) == ["a", "b", "c"]
    assert (state.question, state.query, state.documents, state.answer) == ("Who?", "Who?", [], None)


def test_a_node_finds_what_the_one_before_it_wrote() -> None:
    def louder(state: RagState, context: Context) -> Update:
        return {"query": state.query + "!"}

    state = graph("start -> a -> b -> end", *cats("a b", louder, writes=["query"])).invoke("Who?")
    assert (state.question, state.query) == ("Who?", "Who?!!")


def test_what_users_nodes_write_is_merged_by_name() -> None:
    one = cat("one", lambda state, context: {"extra": {"one": [1, {"deep": None}]}}, writes=["extra.one"])
    two = cat("two", lambda state, context: {"extra": {"two": state.extra["one"]}}, writes=["extra.two"])
    assert graph("start -> one -> two -> end", one, two).invoke("Who?").extra == {
        "one": [1, {"deep": None}],
        "two": [1, {"deep": None}],
    }


@pytest.mark.parametrize(("when", "taken"), [("yes", "b"), ("no", "c"), ("not yes", "c"), ("not no", "b")])
def test_a_decision_takes_one_way_and_the_trace_says_why(when: str, taken: str) -> None:
    flow = ["start -> a", {"from": "a", "when": when, "then": "b", "else": "c"}, "b -> end", "c -> end"]
    state = graph(flow, yes, no, *cats("a b c")).invoke("Who?")
    assert way(state) == ["a", taken]
    found = "yes" if "yes" in when else "not no"
    assert details(state, "a") == [f"{found} -> {taken}"]


def test_of_several_decisions_the_first_that_holds_is_taken() -> None:
    flow = [
        "start -> a",
        {"from": "a", "when": "no", "then": "b"},
        {"from": "a", "when": "yes", "then": "c"},
        {"from": "a", "when": "yes", "then": "b", "else": "b"},
        "b -> end",
        "c -> end",
    ]
    state = graph(flow, yes, no, *cats("a b c")).invoke("Who?")
    assert way(state) == ["a", "c"]
    assert details(state, "a") == ["not no; yes -> c"]


def test_a_decision_sees_what_its_node_wrote() -> None:
    router = cat("router", lambda state, context: {"route": "b"}, writes=["route"])
    flow = ["start -> router", {"from": "router", "when": "route == b", "then": "b", "else": "end"}, "b -> end"]
    assert way(graph(flow, router, *cats("b")).invoke("Who?")) == ["router", "b"]


@pytest.mark.parametrize(("history", "ways"), [([], ["start", "b"]), ([Turn("user", "Hi.")], ["start", "a", "b"])])
def test_the_first_thing_may_be_a_decision(history: list[Turn], ways: list[str]) -> None:
    flow = [{"from": "start", "when": "follow_up", "then": "a", "else": "b"}, "a -> b -> end"]
    running = graph(flow, *cats("a b"))
    assert way(running.invoke({"question": "Who?", "history": history})) == ways


def test_a_decision_at_the_start_may_fork_or_end_the_run() -> None:
    flow = [{"from": "start", "when": "follow_up", "then": ["a", "b"], "else": "end"}, "[a, b] -> c -> end"]
    running = graph(flow, *cats("a b c"))
    assert way(running.invoke({"question": "Who?", "history": [Turn("user", "Hi.")]})) == ["start", "a", "b", "c"]
    assert details(running.invoke("Who?"), "start") == ["not follow_up -> end"]


def test_a_decision_may_fork() -> None:
    flow = ["start -> a", {"from": "a", "when": "yes", "then": ["b", "c"], "else": "d"}, "[b, c] -> d -> end"]
    state = graph(flow, yes, *cats("a b c d")).invoke("Who?")
    assert way(state) == ["a", "b", "c", "d"]
    assert details(state, "a") == ["yes -> b, c"]


def test_branches_are_joined_and_each_keeps_its_candidates() -> None:
    def find(state: RagState, context: Context) -> Update:
        return {"candidates": {context.node: []}, "documents": []}

    def count(state: RagState, context: Context) -> Update:
        return {"extra": {"found": sorted(state.candidates)}, "documents": []}

    fuse = cat("fuse", count, reads=["candidates"], writes=["extra.found", "documents"])
    finders = cats("one two three", find, writes=["candidates", "documents"])
    state = graph("start -> [one, two, three] -> fuse -> end", fuse, *finders).invoke("Who?")
    assert way(state)[-1] == "fuse"
    assert sorted(way(state)) == ["fuse", "one", "three", "two"]
    assert state.extra == {"found": ["one", "three", "two"]}


def test_a_join_waits_for_the_longest_branch_and_runs_once() -> None:
    flow = ["start -> [a, b]", "a -> a2 -> a3 -> a4", "[a4, b] -> c -> end"]
    state = graph(flow, *cats("a a2 a3 a4 b c")).invoke("Who?")
    assert way(state)[-2:] == ["a4", "c"]
    assert sorted(way(state)) == ["a", "a2", "a3", "a4", "b", "c"]


def test_a_join_may_lead_into_a_join() -> None:
    flow = ["start -> [a, b, c]", "[a, b] -> d", "c -> c2 -> c3 -> c4", "[d, c4] -> e -> end"]
    state = graph(flow, *cats("a b c c2 c3 c4 d e")).invoke("Who?")
    assert way(state)[-1] == "e"
    assert len(way(state)) == 8


def test_a_join_may_be_the_end() -> None:
    state = graph(["start -> [a, b]", "b -> b2", "[a, b2] -> end"], *cats("a b b2")).invoke("Who?")
    assert sorted(way(state)) == ["a", "b", "b2"]


def test_a_branch_inside_a_branch() -> None:
    flow = ["start -> [a, b]", "a -> [c, d] -> e", "[e, b] -> f -> end"]
    assert way(graph(flow, *cats("a b c d e f")).invoke("Who?"))[-2:] == ["e", "f"]


@pytest.mark.parametrize(("wanted", "rounds"), [(0, 1), (1, 2), (2, 3), (9, 3)])
def test_a_loop_ends_when_its_condition_or_its_bound_does(wanted: int, rounds: int) -> None:
    flow = ["start -> a", {"from": "a", "when": "again", "then": "a", "at_most": 2, "else": "b"}, "b -> end"]
    state = graph(flow, asks("again", often("a", wanted)), *cats("a b")).invoke("Who?")
    assert way(state) == ["a"] * rounds + ["b"]


def test_the_trace_says_that_a_bound_was_reached() -> None:
    flow = ["start -> a", {"from": "a", "when": "yes", "then": "a", "at_most": 2, "else": "b"}, "b -> end"]
    state = graph(flow, yes, *cats("a b")).invoke("Who?")
    assert details(state, "a") == ["yes -> a", "yes -> a", "yes, but at most 2 -> b"]


def test_after_the_bound_the_next_decision_is_asked() -> None:
    flow = [
        "start -> a",
        {"from": "a", "when": "yes", "then": "a", "at_most": 1},
        {"from": "a", "when": "yes", "then": "c", "else": "b"},
        "b -> end",
        "c -> end",
    ]
    state = graph(flow, yes, *cats("a b c")).invoke("Who?")
    assert way(state) == ["a", "a", "c"]
    assert details(state, "a")[-1] == "yes, but at most 1; yes -> c"


def test_bounds_hold_for_the_whole_run_also_of_loops_in_loops() -> None:
    flow = [
        "start -> a -> b",
        {"from": "b", "when": "yes", "then": "b", "at_most": 3, "else": "c"},
        {"from": "c", "when": "yes", "then": "a", "at_most": 2, "else": "d"},
        "d -> end",
    ]
    state = graph(flow, yes, *cats("a b c d")).invoke("Who?")
    assert "".join(way(state)) == "abbbbcabcabcd"


def test_two_loops_from_one_node_are_bounded_each() -> None:
    flow = [
        "start -> a -> b",
        {"from": "b", "when": "yes", "then": "b", "at_most": 1},
        {"from": "b", "when": "yes", "then": "a", "at_most": 1, "else": "end"},
    ]
    assert "".join(way(graph(flow, yes, *cats("a b")).invoke("Who?"))) == "abbab"


def test_a_loop_through_a_fork_and_a_join() -> None:
    flow = [
        "start -> a -> [b, c]",
        "b -> b2",
        "[b2, c] -> d",
        {"from": "d", "when": "yes", "then": "a", "at_most": 2, "else": "end"},
    ]
    state = graph(flow, yes, *cats("a b b2 c d")).invoke("Who?")
    rounds = "".join(way(state)).replace("b2", "B").split("a")[1:]
    assert [sorted(each) for each in rounds] == [["B", "b", "c", "d"]] * 3
    assert [each[-1] for each in rounds] == ["d"] * 3


def test_a_loop_on_one_branch_keeps_the_join_waiting() -> None:
    flow = [
        "start -> [a, b]",
        {"from": "a", "when": "yes", "then": "a", "at_most": 4, "else": "c"},
        "[c, b] -> d -> end",
    ]
    state = graph(flow, yes, *cats("a b c d")).invoke("Who?")
    assert sorted(way(state)) == ["a", "a", "a", "a", "a", "b", "c", "d"]
    assert way(state)[-2:] == ["c", "d"]


def test_one_graph_runs_many_times_from_the_beginning() -> None:
    flow = ["start -> a", {"from": "a", "when": "yes", "then": "a", "at_most": 1, "else": "end"}]
    running = graph(flow, yes, *cats("a"))
    assert [way(running.invoke("Who?")) for _ in range(3)] == [["a", "a"]] * 3


@pytest.mark.parametrize("name", ["answer", "question", "trace", "_ended", "_rounds", "__start__", "__input__", "self"])
def test_a_node_may_be_called_as_it_likes(name: str) -> None:
    say = cat(name, lambda state, context: {"answer": unknown("Who?", "a cat")}, writes=["answer"])
    flow = [f"start -> a -> {name}", {"from": name, "when": "yes", "then": name, "at_most": 1, "else": "end"}]
    events = list(graph(flow, say, yes, *cats("a")).stream("Who?"))
    state = events[-1]
    assert isinstance(state, RagState)
    assert way(state) == ["a", name, name]
    assert state.answer == unknown("Who?", "a cat")
    assert [event.node for event in events[:-1] if hasattr(event, "node")] == ["a", "a", name, name, name, name]


def stalling() -> list[Any]:
    """Whatever `a` and `b` choose, two joins need both of their ways."""
    return [
        "start -> [a, b]",
        {"from": "a", "when": "yes", "then": "c", "else": "x"},
        {"from": "b", "when": "no", "then": "y", "else": "z"},
        "[c, y] -> d",
        "[x, z] -> e",
    ]


def test_a_run_that_waits_in_vain_says_what_waits_for_what() -> None:
    running = graph([*stalling(), "d -> end", "e -> end"], yes, no, *cats("a b c x y z d e"))
    with pytest.raises(StalledError, match="'d' waits for 'y', which did not run after 'c' had"):
        running.invoke("Who?")
    with pytest.raises(StalledError, match="'d' waits for 'y'"):
        list(running.stream("Who?"))


def test_a_run_that_waits_in_vain_in_a_later_round_says_so_too() -> None:
    flow = [
        "start -> f -> [a, b]",
        {"from": "a", "when": "no", "then": "x", "else": "a2"},
        {"from": "b", "when": "first", "then": "b2", "else": "lost"},
        "[a2, b2] -> again",
        "[x, lost] -> never -> end",
        {"from": "again", "when": "yes", "then": "f", "at_most": 1, "else": "end"},
    ]
    running = graph(flow, yes, no, asks("first", often("again", 1)), *cats("f a b x a2 b2 lost again never"))
    with pytest.raises(StalledError, match="'again' waits for 'b2', which did not run after 'a2' had"):
        running.invoke("Who?")


def test_a_join_may_wait_in_vain_where_another_branch_comes_to_the_end() -> None:
    flow = ["start -> [a, b]", {"from": "a", "when": "yes", "then": "end", "else": "c"}, "[c, b] -> d -> end"]
    assert sorted(way(graph(flow, yes, *cats("a b c d")).invoke("Who?"))) == ["a", "b"]


def test_branches_of_different_length_may_each_come_to_the_end() -> None:
    flow = ["start -> [a, b]", "a -> end", "b -> b2 -> b3 -> end"]
    assert sorted(way(graph(flow, *cats("a b b2 b3")).invoke("Who?"))) == ["a", "b", "b2", "b3"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("", "the question is empty"),
        (" \n", "the question is empty"),
        (RagState(question=""), "the question is empty"),
        (None, "which run is to be resumed"),
        (["Who?"], r"expected a question, or \{'question': ...\}, not list"),
        ({}, "the field 'question' is missing"),
        ({"question": 3}, "question should be a valid string, not 3"),
        ({"question": "Who?", "histroy": []}, "unknown field 'histroy'; did you mean 'history'"),
        ({"question": "Who?", "history": [{"role": "cat", "text": "Meow."}]}, r"history\.0\.role should be 'user'"),
    ],
)
def test_what_is_no_question_is_refused(asked: Any, message: str) -> None:
    running = graph("start -> a -> end", *cats("a"))
    for ask in (running.invoke, lambda given: list(running.stream(given))):
        with pytest.raises(GraphError, match=message) as told:
            ask(asked)
        assert "\n" not in str(told.value)


def test_what_the_caller_gave_stays_as_it_was() -> None:
    history = [Turn("user", "Hi.")]
    given = {"question": "Who?", "history": history}
    graph("start -> a -> end", *cats("a")).invoke(given)
    assert given == {"question": "Who?", "history": [Turn("user", "Hi.")]}


def test_the_trace_counts_documents_and_keeps_remarks() -> None:
    from langchain_core.documents import Document
    from ragloom.stores.types import Hit

    def find(state: RagState, context: Context) -> Update:
        context.note("looked")
        context.note("everywhere")
        return {"documents": [Hit(Document("Toad."), 1.0, 1), Hit(Document("Rat."), 0.5, 2)]}

    finder = cat("a", find, writes=["documents"])
    state = graph("start -> a -> b -> end", finder, *cats("b")).invoke("Who?")
    first, second = state.trace
    assert (first.documents_in, first.documents_out, second.documents_in, second.documents_out) == (0, 2, 2, 2)
    assert first.detail == "looked; everywhere"
    assert first.milliseconds >= 0
