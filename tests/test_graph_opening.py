"""What a graph is given and opens: refused at once where it can be nothing, and closed with the graph."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kittens import cat, cats, graph
from langchain_core.language_models import FakeListChatModel
from ragloom import Corpus
from ragloom.errors import RagloomError
from ragloom.rag.graph import Context, GraphError, RagGraph, RagState, Update, node
from ragloom.stores.errors import CorpusError

LLM = FakeListChatModel(responses=["Toad."])


@pytest.fixture
def index(tmp_path: Path) -> Path:
    Corpus(tmp_path / "index").close()
    return tmp_path / "index"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"corpus": 5}, "corpus is a Corpus or the folder of one, not int"),
        ({"llm": 5}, "llm is a LangChain chat model or what ragloom.load takes, not int"),
        ({"checkpoints": 5}, "checkpoints is a SQLite file or one of langgraph's savers, not int"),
        ({"cache": 5}, "cache is a SQLite file, or an object with keeps, key, get, put and close, not int"),
        ({"types": 5}, r"types is a list of node types and predicates, not 5; write types=\[...\]"),
        ({"types": [print]}, "is no node type; make it one with @node"),
        ({"source": 5}, "a graph is a preset's name, a YAML file, a mapping or a GraphSpec, not int"),
        ({"corpus": "nope"}, "there is no index at nope; make one with: ragloom ingest FOLDER --into nope"),
        ({"llm": "nope.gguf"}, "nope.gguf"),
        ({"llm": "embeded"}, "embeded"),
        ({"llm": "hf:nope"}, "cannot read 'hf:nope'; write hf:owner/repo/file.gguf"),
    ],
)
def test_what_cannot_be_used_is_refused_at_once_in_one_line(index: Path, given: dict[str, Any], message: str) -> None:
    arguments = {"source": "default", "corpus": index, "llm": LLM, **given}
    with pytest.raises(RagloomError, match=message) as caught:
        RagGraph(**arguments)
    assert "\n" not in str(caught.value)


def test_what_no_node_needs_is_not_looked_for() -> None:
    running = graph("start -> a -> end", *cats("a"), corpus="nope", llm="nope.gguf")
    assert running.invoke("Who?").trace[0].node == "a"


def test_a_given_model_is_looked_for_where_the_program_is_not_where_the_graph_is(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "graphs").mkdir()
    file = tmp_path / "graphs" / "g.yaml"
    file.write_text("nodes: {a: hybrid, b: cited}\nflow: [start -> a -> b -> end]\n")
    (tmp_path / "big.gguf").write_bytes(b"GGUF")
    monkeypatch.chdir(tmp_path)
    RagGraph(file, corpus="index", llm="big.gguf")
    with pytest.raises(RagloomError, match=r"graphs.big\.gguf"):
        RagGraph(file, corpus="index", llm="graphs/big.gguf")


def looks(seen: list[Corpus]) -> Any:
    @node("look", writes=["extra.looked"], needs=["corpus"])
    def look(state: RagState, context: Context) -> Update:
        """Look into the corpus, and remember it."""
        seen.append(context.corpus)
        return {"extra": {"looked": len(context.corpus.search("Toad"))}}

    return look


def test_a_graph_closes_what_it_opened(index: Path) -> None:
    seen: list[Corpus] = []
    with graph("start -> look -> end", looks(seen), corpus=index) as running:
        running.invoke("Who?")
        seen[0].search("Toad")
    with pytest.raises(CorpusError):
        seen[0].search("Toad")
    running.close()


def test_a_graph_leaves_open_what_it_was_given(corpus: Corpus) -> None:
    with graph("start -> look -> end", looks([]), corpus=corpus) as running:
        running.invoke("Who?")
    assert corpus.search("Toad") == []


def test_a_graph_closes_its_node_cache(tmp_path: Path) -> None:
    kept = tmp_path / "nodes.sqlite"
    with graph("start -> a -> end", *cats("a"), settings={"a": {"cache": True}}, cache=kept) as running:
        running.invoke("Who?")
        assert sorted(file.name for file in tmp_path.iterdir()) == [kept.name, f"{kept.name}-shm", f"{kept.name}-wal"]
    assert [file.name for file in tmp_path.iterdir()] == [kept.name], "SQLite tidies up when nobody has the file open"


CALLS: list[Callable[[RagGraph], Any]] = [
    lambda running: running.invoke("Who?"),
    lambda running: asyncio.run(running.ainvoke("Who?")),
    lambda running: list(running.stream("Who?")),
    lambda running: running.resume("one"),
    lambda running: asyncio.run(running.aresume("one")),
]


@pytest.mark.parametrize("call", CALLS)
def test_a_closed_graph_does_not_run(call: Callable[[RagGraph], Any], tmp_path: Path) -> None:
    with graph("start -> a -> end", *cats("a"), checkpoints=tmp_path / "runs.sqlite") as running:
        running.invoke("Who?", thread="one")
    with pytest.raises(GraphError, match="the graph is closed; make a new RagGraph"):
        call(running)


def test_a_closed_graph_within_another_opens_nothing(index: Path) -> None:
    with graph("start -> look -> end", looks([]), corpus=index) as running:
        pass
    with pytest.raises(GraphError, match="the graph is closed"):
        running.compiled.invoke({"question": "Who?"})


def test_graphs_that_share_open_a_corpus_once_and_the_first_closes_it(corpus: Corpus) -> None:
    seen: list[Corpus] = []

    def look(state: RagState, context: Context) -> None:
        seen.append(context.corpus)

    written = {"nodes": {"look": "look"}, "flow": ["start -> look -> end"]}
    first = RagGraph(written, types=[cat("look", look)], corpus=corpus.path)
    second = RagGraph(written, types=[cat("look", look)], corpus=corpus.path, shares=first)
    second.invoke("Who?")
    second.close()
    first.invoke("Who?")
    assert seen[0] is seen[1]
    assert len(seen[0]) == 0
    with pytest.raises(GraphError, match="the graph is closed"):
        second.invoke("Who?")
    first.close()


def test_nobody_waits_for_what_another_node_loads(index: Path) -> None:
    begun, over = threading.Event(), threading.Event()

    def load() -> FakeListChatModel:
        begun.set()
        assert over.wait(10)
        return FakeListChatModel(responses=["?"])

    def look(state: RagState, context: Context) -> None:
        assert begun.wait(10)
        assert len(context.corpus) == 0
        over.set()

    @node("imagine", needs=["llm"])
    def imagine(state: RagState, context: Context) -> None:
        """Load the LLM."""
        assert context.llm

    with graph("start -> [look, imagine] -> end", cat("look", look), imagine, corpus=index, llm=load) as running:
        running.invoke("Who?")
