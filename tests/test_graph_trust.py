"""A graph that somebody else wrote: what it names is not trusted with the user's key, nor taken for something else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from chat_server import Server, serving
from fakes import HashingEmbedder
from langchain_core.language_models import FakeListChatModel
from ragloom import Corpus
from ragloom.rag.graph import RagGraph, SpecError, Turn, check, load_spec
from ragloom.rag.llm import load


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("RAGLOOM_API_KEY", "s3cret")
    with serving() as server:
        yield server


def written(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / "graph.yaml"
    file.write_text(text)
    return file


REWRITE = "nodes: {{say: rewrite}}\nflow: [start -> say -> end]\n{}\n"
ASKED = {"question": "And who?", "history": [Turn("user", "Who steals?"), Turn("assistant", "Toad.")]}


def test_a_server_that_only_a_file_names_is_sent_no_key(server: Server, tmp_path: Path) -> None:
    file = written(tmp_path, REWRITE.format(f"llm: {server.url}"))
    for options in ({}, {"allow_imports": True}, {"llm": server.url}):
        with RagGraph(file, **options) as graph:
            graph.invoke(ASKED)
    with RagGraph({"nodes": {"say": "rewrite"}, "flow": ["start -> say -> end"], "llm": server.url}) as graph:
        graph.invoke(ASKED)
    for source in (file.read_text(), load_spec(file.read_text()), load_spec(file)):
        with RagGraph(source) as graph:
            graph.invoke(ASKED)
    assert server.keys == ["Bearer none", *["Bearer s3cret"] * 3, *["Bearer none"] * 3]


def test_a_key_may_be_given_and_openai_s_own_goes_nowhere_else(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    load(server.url, api_key="other").invoke("Hi")
    load(server.url, api_key="").invoke("Hi")
    monkeypatch.delenv("RAGLOOM_API_KEY")
    monkeypatch.setenv("OPENAI_API_KEY", "0penai")
    load(server.url).invoke("Hi")
    assert server.keys == ["Bearer other", "Bearer none", "Bearer none"]
    key = load("https://api.openai.com/v1").openai_api_key  # type: ignore[attr-defined]
    assert key.get_secret_value() == "0penai"


def test_modules_of_one_name_are_not_taken_for_each_other(tmp_path: Path) -> None:
    for name in ("old", "new"):
        file = written(tmp_path / name, "imports: [trusted_cats]\nnodes: {a: hide}\nflow: [start -> a -> end]\n")
        (file.parent / "trusted_cats.py").write_text(
            "from ragloom.rag.graph import node\n"
            "@node('hide', writes={'query'})\n"
            f"def hide(state, context):\n    'Hide.'\n    return {{'query': '{name}'}}\n"
        )
    assert RagGraph(tmp_path / "old" / "graph.yaml", allow_imports=True).invoke("Who?").query == "old"
    assert RagGraph(tmp_path / "old" / "graph.yaml", allow_imports=True).invoke("Who?").query == "old"
    (tmp_path / "linked").symlink_to(tmp_path / "old")
    assert check(tmp_path / "linked" / "graph.yaml", allow_imports=True) == []
    (problem,) = check(tmp_path / "new" / "graph.yaml", allow_imports=True)
    assert "this process has the" in problem.message


def test_what_is_given_stands_in_for_what_is_missing(tmp_path: Path, corpus: Corpus) -> None:
    corpus.add(["Toad steals a motor-car."])
    text = (
        "corpus: ./gone\nllm: ./gone.gguf\nnodes: {find: lexical, say: rewrite}\nflow: [start -> find -> say -> end]\n"
    )
    file = written(tmp_path, text)
    assert len(check(file)) == 2
    with pytest.raises(SpecError, match=r"gone\.gguf"):
        RagGraph(file, corpus=corpus)
    with RagGraph(file, corpus=corpus, llm=FakeListChatModel(responses=["?"])) as graph:
        assert len(graph.invoke("Who steals?").documents) == 1


def test_a_memory_of_a_file_is_beside_it_and_closed_with_the_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ragloom.stores.memory.vectors.as_embedder", lambda _given: HashingEmbedder())
    monkeypatch.chdir(tmp_path)
    file = written(tmp_path / "sub", "nodes: {keep: {use: recall, path: m.sqlite3}}\nflow: [start -> keep -> end]\n")
    with RagGraph(file) as graph:
        graph.invoke("Who?")
        assert (file.parent / "m.sqlite3").is_file()
    assert [each.name for each in file.parent.glob("m.sqlite3*")] == ["m.sqlite3"]  # the log has been written back
