"""What somebody found who used graphs for an afternoon: it must not come back."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from kittens import cat, cats, details, graph, way
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.checkpoint.memory import InMemorySaver
from ragloom import Corpus, RagGraph, load
from ragloom.rag.graph import Context, GraphSpec, RagState, Registry, ThreadError, Token, check, node, predicate
from ragloom.rag.graph.plan import PlannedNode
from ragloom.rag.graph.running.caching import NodeCache
from ragloom.rag.graph.running.resources import Resources
from ragloom.rag.graph.spec import NodeSpec


def test_many_runs_at_once_are_kept_in_one_file(tmp_path: Path) -> None:
    running = graph("start -> a -> b -> end", *cats("a b"), checkpoints=tmp_path / "runs.sqlite")

    async def all_at_once() -> list[RagState]:
        return await asyncio.gather(*(running.ainvoke("Who?", thread=f"{n}") for n in range(80)))

    assert all(way(state) == ["a", "b"] for state in asyncio.run(all_at_once()))


def test_two_servers_never_share_a_cached_result(tmp_path: Path) -> None:
    cited = Registry.installed().nodes["cited"]
    planned = PlannedNode("a", NodeSpec(use="cited"), cited, cited.params())
    cache = NodeCache(tmp_path / "cache.sqlite")
    keys = set()
    for port in (18081, 18082):
        llm = load(f"http://127.0.0.1:{port}/v1", model_name="m")
        keys.add(cache.key(planned, RagState(question="Who?"), Context("a", load_llm=lambda llm=llm: llm)))  # type: ignore[misc]
    assert len(keys) == 2


def test_a_cached_node_that_cannot_load_its_llm_goes_its_way_on_error(corpus: Corpus, tmp_path: Path) -> None:
    def no_gpu() -> Any:
        raise OSError("no GPU")

    corpus.add(["Toad steals a motor-car."])
    spec = {
        "nodes": {
            "find": "lexical",
            "draft": {"use": "cited", "cache": True, "on_error": "fallback plain"},
            "weigh": "gather",
            "plain": "quote",
        },
        "flow": ["start -> find -> weigh -> draft -> end"],
    }
    state = RagGraph(spec, corpus=corpus, llm=no_gpu, cache=tmp_path / "cache.sqlite").invoke("What does Toad steal?")
    assert state.trace[-1].ran == "plain"
    assert "the cache was not used" in details(state, "draft")[0]


def no_mice(state: RagState, context: Context) -> None:
    raise ValueError("no mice")


def test_a_run_is_not_resumed_by_another_graph(tmp_path: Path) -> None:
    kept = tmp_path / "runs.sqlite"
    broken = cat("b", no_mice)
    with pytest.raises(Exception, match="no mice"):
        graph("start -> a -> b -> end", *cats("a"), broken, checkpoints=kept).invoke("Who?", thread="one")
    other = graph("start -> b -> a -> end", *cats("a b"), checkpoints=kept)
    with pytest.raises(ThreadError, match="of another graph, or its nodes or flow have changed"):
        other.resume("one")
    assert way(graph("start -> a -> b -> end", *cats("a b"), checkpoints=kept).resume("one")) == ["a", "b"]


def test_a_state_that_a_run_ended_with_asks_its_question_anew() -> None:
    running = graph("start -> a -> end", *cats("a"))
    first = running.invoke("Who?")
    second = running.invoke(first.model_copy(update={"question": "Where?"}))
    assert (second.question, second.query, way(second)) == ("Where?", "Where?", ["a"])


def test_runs_stay_in_the_file_that_was_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    running = graph("start -> a -> end", *cats("a"), checkpoints="runs.sqlite")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    running.invoke("Who?", thread="one")
    assert (tmp_path / "runs.sqlite").is_file()


def test_modules_beside_a_graph_are_found(tmp_path: Path) -> None:
    (tmp_path / "beside_the_graph.py").write_text(
        "from ragloom.rag.graph import node\n"
        "@node('honey', writes={'query'})\n"
        "def honey(state, context):\n    'Look for honey.'\n    return {'query': 'honey'}\n"
    )
    file = tmp_path / "bee.yaml"
    file.write_text("imports: [beside_the_graph]\nnodes: {a: honey}\nflow: [start -> a -> end]\n")
    assert check(file, allow_imports=True) == []


def test_a_bomb_of_anchors_is_told_in_a_short_line() -> None:
    levels = "\n".join(f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 8))
    bomb = f"x:\n  a0: &a0 [lol]\n{levels}\nnodes: {{a: {{use: dense, where: {{f: {{$in: *a7}}}}}}}}\n"
    assert max(len(str(problem)) for problem in check(bomb)) < 500


@pytest.mark.model
def test_weights_that_differ_in_sampling_alone_are_loaded_once() -> None:
    nodes = {
        name: {"use": "cited", "llm": {"model": "embedded", "max_tokens": n}} for n, name in enumerate("ab", start=7)
    }
    resources = Resources(load_spec_of(nodes))
    try:
        one, other = (opening() for name in "ab" if (opening := resources.llm_of(name)))
        assert (one.max_tokens, other.max_tokens) == (7, 8)  # type: ignore[attr-defined]
        assert one._engine is other._engine  # type: ignore[attr-defined]
    finally:
        resources.close()


def load_spec_of(nodes: dict[str, Any]) -> GraphSpec:
    return GraphSpec(nodes=nodes, flow=["start -> a -> b -> end"])


def test_a_saver_of_langgraph_gives_states_back_without_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    saver = InMemorySaver()
    running = graph("start -> a -> end", *cats("a"), checkpoints=saver)
    state = running.invoke("Who?", thread="one")
    assert running.resume("one") == state
    assert "unregistered" not in caplog.text


def test_a_slow_predicate_does_not_block_the_event_loop() -> None:
    asked = threading.Event()

    @predicate("slow")
    def slow(state: RagState) -> bool:
        """Whether it was asked on the loop's own thread."""
        asked.set()
        return threading.current_thread() is threading.main_thread()

    flow = ["start -> a", {"from": "a", "when": "slow", "then": "b", "else": "end"}, "b -> end"]
    state = asyncio.run(graph(flow, slow, *cats("a b")).ainvoke("Who?"))
    assert asked.is_set()
    assert way(state) == ["a"]


class Whole(BaseChatModel):
    """A model that says everything at once."""

    @property
    def _llm_type(self) -> str:
        return "whole"

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **options: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage("Toad steals it."))])


def test_what_a_model_says_at_once_is_one_token() -> None:
    @node("say", writes={"query"}, needs={"llm"})
    def say(state: RagState, context: Context) -> dict[str, str]:
        """Ask the LLM."""
        return {"query": context.llm.invoke(state.question).text}

    told = list(graph("start -> say -> end", say, llm=Whole()).stream("Who?"))
    assert [event for event in told if isinstance(event, Token)] == [Token("say", "Toad steals it.")]
