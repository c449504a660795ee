"""Nodes that rerank and fuse: they do what the rerankers do, tell what it cost, and keep the rules of graphs."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cats import CATS
from chat_server import serving, top
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from ragloom import Corpus, load
from ragloom.rag.graph import Context, GraphError, RagGraph, RagState, Registry, SpecError, Update, check, node
from ragloom.rag.graph.testing import check_node
from ragloom.rag.llm import ChatModel
from ragloom.rag.rerank import CrossEncoderReranker, IcrReranker, fuse
from ragloom.stores.types import Hit
from tiny_cross_encoder import write_tiny_cross_encoder
from tiny_models import write_tiny

pytestmark = pytest.mark.model

QUESTION = "What does the cat do?"
TEXTS = ["Rain is wet.", "Trains run late.", "The cat sleeps all day.", "Bread is baked at night."]
DOCUMENTS = [
    Document(text, id=f"d{at}", metadata={"source": f"{at}.md", "title": "Facts"}) for at, text in enumerate(TEXTS)
]
STATE = RagState(question=QUESTION, documents=[Hit(each, 1 / at, at) for at, each in enumerate(DOCUMENTS, start=1)])
NODES = Registry.installed().nodes


@pytest.fixture(scope="module")
def llm() -> Iterator[ChatModel]:
    with load("embedded", n_ctx=768) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_cross_encoder(tmp_path_factory.mktemp("tiny"), [QUESTION, *TEXTS]))


def texts(hits: list[Hit]) -> list[str]:
    return [hit.document.page_content for hit in hits]


@pytest.mark.parametrize("options", [{}, {"cached": True, "heads": [[3, 1], [12, 0]]}, {"task": "search", "layers": 9}])
def test_icr_ranks_as_the_reranker_does(options: dict[str, Any], llm: ChatModel) -> None:
    context = Context("rank", load_llm=lambda: llm)
    update = NODES["icr"](STATE, context, keep=3, **options)
    ranking = IcrReranker(llm=llm, keep=3, **options).rank(QUESTION, DOCUMENTS)
    assert [(hit.document, hit.rank) for hit in update["documents"]] == [(each.document, each.rank) for each in ranking]
    assert [hit.score for hit in update["documents"]] == pytest.approx([each.score for each in ranking], rel=0.05)
    assert update["candidates"] == {"rank": update["documents"]}
    assert context.notes[-1].startswith("4 -> 3, ")
    assert "tokens read" in context.notes[-1]


def test_icr_tells_what_drew_attention_and_keeps_the_metadata(llm: ChatModel) -> None:
    update = NODES["icr"](STATE, Context("rank", load_llm=lambda: llm), explain=True)
    best = update["documents"][0].document
    start, end, weight = best.metadata["highlights"][0]
    assert best.page_content == TEXTS[2]
    assert best.page_content[start:end] in TEXTS[2].split()
    assert weight > 0
    assert (best.id, best.metadata["source"], best.metadata["title"]) == ("d2", "2.md", "Facts")
    assert "highlights" not in DOCUMENTS[2].metadata
    assert json.loads(json.dumps(best.metadata)) == best.metadata


@pytest.mark.parametrize("use", ["icr", "first", "compress", "main-rag"])
def test_the_trace_counts_what_the_llm_read_without_answering(use: str, llm: ChatModel, corpus: Corpus) -> None:
    corpus.add(TEXTS)
    nodes = {"find": {"use": "hybrid", "k": 4}, "rank": {"use": use}}
    with RagGraph({"nodes": nodes, "flow": ["start -> find -> rank -> end"]}, corpus=corpus, llm=llm) as graph:
        find, rank = graph.invoke(QUESTION).trace
        (_, again) = asyncio.run(graph.ainvoke(QUESTION)).trace
    assert (find.tokens_in, find.tokens_reused) == (0, 0)
    assert rank.tokens_in > 4 * llm.count_tokens(min(TEXTS, key=len))
    assert rank.tokens_reused <= rank.tokens_in
    assert again.tokens_in == rank.tokens_in
    assert again.tokens_reused >= rank.tokens_reused


def test_tokens_of_icr_are_those_of_the_ranking(llm: ChatModel, corpus: Corpus) -> None:
    corpus.add(TEXTS)
    nodes = {"find": {"use": "hybrid", "k": 4}, "rank": {"use": "icr", "layers": 2}}
    with RagGraph({"nodes": nodes, "flow": ["start -> find -> rank -> end"]}, corpus=corpus, llm=llm) as graph:
        state = graph.invoke(QUESTION)
    found = [hit.document for hit in state.candidates["find"]]
    ranking = IcrReranker(llm=llm, layers=2).rank(QUESTION, found)
    assert state.trace[1].tokens_in == ranking.evaluated + ranking.reused


def test_what_is_cut_is_told(llm: ChatModel) -> None:
    context = Context("rank", load_llm=lambda: llm)
    long = Document("The cat sleeps all day. " * 200)
    state = STATE.model_copy(update={"documents": [Hit(long, 1, 1), *STATE.documents]})
    NODES["icr"](state, context, layers=2)
    assert context.notes[-1].startswith("1 of 5 documents cut to ")
    NODES["compress"](state, context, layers=2)
    assert re.fullmatch(r"5 documents read in \d+ pieces", context.notes[-1])


def test_the_cross_encoder_ranks_as_the_reranker_does_and_is_loaded_once_a_graph(tiny: str) -> None:
    ranking = CrossEncoderReranker(model=tiny).rank(QUESTION, DOCUMENTS)
    kept: dict[Any, Any] = {}

    def keep_it(key: Any, make: Callable[[], Any]) -> Any:
        if key not in kept:
            kept[key] = make()
        return kept[key]

    context = Context("rank", keep=keep_it)
    for keep in (4, 2):
        update = NODES["cross-encoder"](STATE, context, model=tiny, keep=keep)
        assert texts(update["documents"]) == [each.document.page_content for each in ranking][:keep]
    assert len(kept) == 1
    assert context.notes[-1].startswith("4 -> 2, ")


def test_a_graph_keeps_its_cross_encoder(tiny: str, monkeypatch: pytest.MonkeyPatch, corpus: Corpus) -> None:
    loads: list[str] = []
    real = CrossEncoderReranker._load
    monkeypatch.setattr(CrossEncoderReranker, "_load", lambda self: loads.append(str(self.model)) or real(self))
    corpus.add(TEXTS)
    nodes = {
        "find": {"use": "lexical", "k": 4},
        "rank": {"use": "cross-encoder", "model": tiny},
        "again": {"use": "cross-encoder", "model": tiny, "keep": 1, "batch_size": 1},
    }
    with RagGraph({"nodes": nodes, "flow": ["start -> find -> rank -> again -> end"]}, corpus=corpus) as graph:
        for _ in range(2):
            assert len(graph.invoke(QUESTION).documents) == 1
    assert loads == [tiny]


def test_without_documents_nothing_is_loaded() -> None:
    state = RagState(question=QUESTION)
    for name, params in {"icr": {}, "first": {}, "cross-encoder": {"model": "no/such"}}.items():
        assert NODES[name](state, Context("rank"), **params) == {"documents": [], "candidates": {"rank": []}}


def test_the_rules_of_graphs_are_kept(llm: ChatModel, tiny: str) -> None:
    params = {"keep": 2, "layers": 2, "explain": True}
    check_node(NODES["icr"], states=[STATE, RagState(question="?")], params=params, llm=llm)
    check_node(NODES["cross-encoder"], states=[STATE], params={"model": tiny})
    both = STATE.model_copy(update={"candidates": {"a": STATE.documents, "b": STATE.documents[::-1]}})
    check_node(NODES["fuse"], states=[both, RagState(question="?")], params={"weights": {"a": 0.3}})
    check_node(NODES["fuse"], states=[both], params={"of": ["a", "b"], "method": "rrf"})


def test_an_llm_that_is_not_ragloom_s_is_refused() -> None:
    context = Context("rank", load_llm=lambda: FakeListChatModel(responses=[""]))
    with pytest.raises(GraphError, match="'rank' looks into its LLM, which FakeListChatModel does not allow"):
        NODES["icr"](STATE, context)


def test_fuse_is_fusion_of_the_candidates() -> None:
    found = [Hit(DOCUMENTS[at], score, at + 1) for at, score in enumerate((9.0, 8.0, 1.0))]
    marked = Document(TEXTS[2], id="d2", metadata={"highlights": [[0, 3, 0.5]]})
    ranked = [Hit(marked, 0.9, 1), Hit(DOCUMENTS[1], 0.2, 2)]
    state = RagState(question=QUESTION, candidates={"find": found, "rank": ranked, "other": found[:1]})
    context = Context("fuse")
    update = NODES["fuse"](state, context, of=["find", "rank"], weights={"find": 0.4, "rank": 0.6}, keep=2)
    scored = {"find": [("d0", 9.0), ("d1", 8.0), ("d2", 1.0)], "rank": [("d2", 0.9), ("d1", 0.2)]}
    expected = fuse(scored, {"find": 0.4, "rank": 0.6})[:2]
    assert [(hit.document.id, hit.score) for hit in update["documents"]] == expected
    assert [hit.rank for hit in update["documents"]] == [1, 2]
    assert next(hit for hit in update["documents"] if hit.document.id == "d2").document is marked
    assert context.notes == ["3 of find, 2 of rank -> 2 of 3"]


def test_fuse_by_default_fuses_all_and_what_has_not_run_counts_as_empty() -> None:
    state = RagState(question=QUESTION, candidates={"a": STATE.documents, "b": STATE.documents[:1]})
    context = Context("fuse")
    NODES["fuse"](state, context, weights={"skipped": 2})
    assert context.notes == ["4 of a, 1 of b, 0 of skipped -> 4 of 4"]


def problems(**fuse_params: Any) -> list[str]:
    nodes = {
        "find": "dense",
        "words": "lexical",
        "weigh": "gather",
        "mix": {"use": "fuse", **fuse_params},
    }
    flow = ["start -> [find, words] -> mix -> weigh -> end"]
    return [str(problem) for problem in check({"nodes": nodes, "flow": flow}) if "mix" in problem.path]


def test_names_in_weights_are_checked_with_the_graph() -> None:
    assert problems(weights={"find": 0.4, "words": 0.6}) == []
    assert problems(weights={"fidn": 0.4}) == ["nodes.mix.weights.fidn: unknown node 'fidn'; did you mean 'find'?"]
    assert problems(weights={"weigh": 0.4}) == ["nodes.mix.weights.weigh: the node 'weigh' finds no candidates"]
    assert problems(of=["find"], weights={"words": 0.4}) == [
        "nodes.mix: weights an unknown node 'words'; expected one of: find"
    ]
    assert problems(weights={"find": -1}) == ["nodes.mix.weights.find: should be greater than or equal to 0, not -1"]
    assert problems(method="sum") == ["nodes.mix.method: should be 'zscore' or 'rrf', not 'sum'"]


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"use": "icr", "heads": 0}, "nodes.rank.heads"),
        ({"use": "icr", "heads": [[1]]}, "nodes.rank.heads"),
        ({"use": "icr", "heads": []}, "nodes.rank.heads"),
        ({"use": "icr", "window": 1}, "nodes.rank.window: should be greater than or equal to 2, not 1"),
        ({"use": "icr", "task": "serach"}, "nodes.rank.task: should be 'question' or 'search', not 'serach'"),
        ({"use": "icr", "first_stage": 2}, "nodes.rank.first_stage: should be less than or equal to 1, not 2"),
        ({"use": "icr", "kep": 2}, "nodes.rank.kep: unknown key 'kep'; did you mean 'keep'?"),
        ({"use": "first", "step": 20}, "nodes.rank: step should be less than window=20, so that windows overlap"),
        ({"use": "cross-encoder"}, "nodes.rank.model: is missing; 'cross-encoder' needs it"),
    ],
)
def test_options_are_checked_with_the_graph(params: dict[str, Any], problem: str) -> None:
    found = check({"nodes": {"find": "dense", "rank": params}, "flow": ["start -> find -> rank -> end"]})
    assert [str(each)[: len(problem)] for each in found] == [problem] * len(found)
    assert found


@pytest.mark.parametrize("use", ["icr", "first"])
def test_a_server_is_refused_when_the_graph_is_checked(use: str) -> None:
    nodes = {"find": "dense", "rank": {"use": use, "llm": "http://host/v1"}}
    (problem,) = check({"nodes": nodes, "flow": ["start -> find -> rank -> end"]})
    assert "which the server http://host/v1 does not give" in str(problem)
    with pytest.raises(SpecError, match="which FakeListChatModel does not give"):
        RagGraph(
            {"nodes": {"find": "prowl", "rank": use}, "flow": ["start -> find -> rank -> end"]},
            registry=CATS,
            llm=FakeListChatModel(responses=[""]),
        )


@node("given", reads={"query"}, writes={"documents"})
def given_documents(state: RagState, context: Context) -> Update:
    """Find what is asked about."""
    return {"documents": STATE.documents}


@pytest.mark.parametrize("given", [False, True])
def test_a_server_that_goes_on_with_an_answer_ranks_by_its_logits(given: bool) -> None:
    with serving() as server:
        server.logprobs = top(("B", -0.5), ("A", -1.0), ("C", -3.0))
        flow = ["start -> find -> rank -> end"]
        first = {"use": "first", "keep": 1} | ({} if given else {"llm": {"model": server.url, "continues": True}})
        llm = load(server.url, continues=True) if given else None
        spec = {"nodes": {"find": "given", "rank": first}, "flow": flow}
        with RagGraph(spec, types=[given_documents], llm=llm) as graph:
            assert texts(graph.invoke(QUESTION).documents) == [TEXTS[1]]
        assert server.requests[-1]["continue_final_message"] is True
        with pytest.raises(SpecError, match=r"which ChatServer does not give; .* of which continues: true says"):
            RagGraph({"nodes": {"find": "prowl", "rank": "first"}, "flow": flow}, registry=CATS, llm=load(server.url))


def with_node(use: str, model: str | Path | None = None, **params: Any) -> dict[str, Any]:
    llm = {"llm": str(model)} if model else {}
    nodes = {"find": "prowl", "rank": {"use": use, **params, **llm}}
    return {"nodes": nodes, "flow": ["start -> find -> rank -> end"]}


@pytest.mark.parametrize("use", ["icr", "compress"])
@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"heads": 4}, "nobody knows the best heads of tiny-llama yet"),
        ({"heads": 4, "cached": True}, "nobody knows the best heads of tiny-llama yet"),
        ({"layers": 4}, "layers=4 is out of range; tiny-llama has 3 layers"),
        ({"heads": [[3, 0]]}, "is in no layer that is read; layers of tiny-llama go from 0 to 2"),
        ({"heads": [[1, 0]], "layers": 1}, "is in no layer that is read; layers of tiny-llama go from 0 to 0"),
        ({"heads": [[2, 4]]}, "there is no Head(layer=2, head=4); heads of tiny-llama go from 0 to 3 in each layer"),
    ],
)
def test_heads_that_a_model_has_not_are_told_when_the_graph_is_checked(
    use: str, params: dict[str, Any], told: str, tmp_path: Path
) -> None:
    tiny = write_tiny(tmp_path, "llama", template="{{ messages }}")
    (problem,) = check(with_node(use, tiny, **params), registry=CATS)
    assert problem.path == "nodes.rank.use"
    assert told in problem.message
    with pytest.raises(SpecError, match=re.escape(told)):
        RagGraph(with_node(use, **params), registry=CATS, llm=tiny)


def test_heads_that_a_model_has_pass_the_check(tmp_path: Path) -> None:
    tiny = write_tiny(tmp_path, "llama", template="{{ messages }}")
    for params in ({}, {"layers": 3}, {"heads": [[2, 3], [0, 0]]}):
        assert check(with_node("icr", tiny, **params), registry=CATS) == []
    assert check(with_node("icr", "embedded", heads=4, cached=True), registry=CATS) == []
    (problem,) = check(with_node("icr", "embedded", heads=4, layers=31), registry=CATS)
    assert "layers=31 is out of range" in problem.message


def test_a_loaded_model_whose_attention_or_heads_are_not_there_is_refused_with_the_graph(
    llm: ChatModel, tmp_path: Path
) -> None:
    plain = "{% for message in messages %}{{ message.content }}{% endfor %}"
    with load(write_tiny(tmp_path, "mpt", template=plain), n_ctx=64) as biased, pytest.raises(SpecError, match="ALiBi"):
        RagGraph(with_node("icr"), registry=CATS, llm=biased)
    with load(write_tiny(tmp_path, "llama", template=plain), n_ctx=64) as tiny:
        with pytest.raises(SpecError, match="nobody knows the best heads of tiny-llama yet"):
            RagGraph(with_node("icr", heads=4), registry=CATS, llm=tiny)
        RagGraph(with_node("icr"), registry=CATS, llm=tiny).close()
    with pytest.raises(SpecError, match="layers=31 is out of range"):
        RagGraph(with_node("icr", layers=31), registry=CATS, llm=llm)


def test_the_preset_icr_answers_from_what_attention_ranks_first(llm: ChatModel, tmp_path: Path) -> None:
    with Corpus(tmp_path / "index") as corpus:
        corpus.add([*TEXTS, *(f"Shelf {at} holds the books of class {at}." for at in range(8))])
        state = RagGraph("icr", corpus=corpus, llm=llm).invoke("What does the cat do all day?")
    assert state.answer is not None
    assert state.answer.known
    assert "cat sleeps all day" in state.answer.text
    ranked = state.candidates["rerank"]
    assert texts(ranked)[0] == TEXTS[2]
    assert (len(state.candidates["retrieve"]), len(ranked)) == (12, 8)
    detail = next(trace.detail for trace in state.trace if trace.node == "rerank")
    assert detail.startswith("12 -> 8, ")
