"""Choosing the corpus that a question belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
from cats import CATS
from command import AS_EMBEDDER
from fakes import HashingEmbedder
from hypothesis import given
from hypothesis import strategies as st
from kittens import details, way
from ragloom import Corpus
from ragloom.rag.graph import Context, RagGraph, RagState, Registry, check, node
from ragloom.rag.graph.node_type import WITH_CORPUS
from ragloom.rag.retrieve import RoutingError, route, routing
from ragloom.rag.retrieve.routing import centroids, spherical_k_means
from ragloom.stores.errors import EmbedderMismatchError

RIVER = ["Mole meets Rat at the river.", "Otter swims in the river.", "The river runs to the sea."]
ROAD = ["Toad steals a motor-car.", "The motor-car runs on the road.", "A road leads to prison."]


@pytest.fixture
def library(tmp_path: Path) -> Iterator[dict[str, Corpus]]:
    embedder = HashingEmbedder()
    with Corpus(tmp_path / "river", embedder=embedder) as river, Corpus(tmp_path / "road", embedder=embedder) as road:
        river.add(RIVER)
        road.add(ROAD)
        yield {"river": river, "road": road}


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_a_question_goes_to_the_corpus_that_speaks_of_it(library: dict[str, Corpus]) -> None:
    first, second = route("Who swims in the river?", library)
    assert (first.name, second.name) == ("river", "road")
    assert 1 >= first.score > second.score
    assert route("Which road has a motor-car?", library)[0].name == "road"


def test_the_score_is_the_cosine_of_the_nearest_centroid(library: dict[str, Corpus]) -> None:
    for count in (1, 2, 3):
        for each in route("Toad", library, count=count):
            corpus = library[each.name]
            described = centroids(corpus, count=count)
            assert described.shape == (count, 32)
            assert each.score == pytest.approx(max(described @ corpus.embedder.encode_query("Toad")))
    vectors = library["river"].vectors(library["river"].ids())
    assert np.allclose(centroids(library["river"], count=1), unit(vectors.sum(axis=0)[None]), atol=1e-6)
    each_alone = centroids(library["river"], count=9)
    assert np.allclose(np.sort((vectors @ each_alone.T).max(axis=1)), 1, atol=1e-6)
    assert len(each_alone) == 3


def test_a_corpus_is_described_once_until_it_is_written_to(library: dict[str, Corpus]) -> None:
    river = library["river"]
    question = "Badger sleeps all winter"
    before, far = centroids(river), route(question, library)[0].score
    assert centroids(river) is before
    river.add(["Badger sleeps all winter in the Wild Wood."])
    assert centroids(river) is not before
    assert route(question, library)[0].score > far + 0.3


def test_a_large_corpus_is_sampled_and_described_alike_each_time(
    library: dict[str, Corpus], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routing, "SAMPLE", 2)
    river = library["river"]
    with Corpus(river.path, embedder=HashingEmbedder()) as again:
        described = centroids(again)
    assert np.array_equal(described, centroids(river))
    assert (described @ river.vectors(river.ids()).T > 1 - 1e-6).sum(axis=1).tolist() == [1, 1]


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 9))
def test_each_round_of_k_means_ends_in_unit_vectors_that_own_what_is_nearest(size: int, count: int, seed: int) -> None:
    vectors = unit(np.random.default_rng(seed).normal(size=(size, 4)))
    found = spherical_k_means(vectors, count, seed=seed)
    assert len(found) == min(size, count)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert np.array_equal(found, spherical_k_means(vectors, count, seed=seed))
    one = spherical_k_means(vectors, 1)
    assert (vectors @ found.T).max(axis=1).sum() >= (vectors @ one.T).sum() - 1e-3


def test_k_means_finds_the_heaps_that_there_are() -> None:
    heaps = np.eye(5)[:3]
    vectors = unit(np.repeat(heaps, 20, axis=0) + 0.05 * np.random.default_rng(0).normal(size=(60, 5)))
    found = spherical_k_means(vectors, 3)
    assert np.allclose(np.sort((heaps @ found.T).max(axis=1)), 1, atol=0.01)
    assert len(spherical_k_means(np.repeat(vectors[:1], 9, axis=0), 3)) == 1


def test_what_cannot_be_compared(library: dict[str, Corpus], tmp_path: Path) -> None:
    with Corpus(tmp_path / "new", embedder=HashingEmbedder()) as new:
        with pytest.raises(RoutingError, match="the corpus of 'new' is empty, so nothing says what it is about"):
            route("Who?", {**library, "new": new})
        new.add(["text"])
        new.delete(new.ids())
        with pytest.raises(RoutingError, match="the corpus of 'new' is empty"):
            route("Who?", {"new": new, **library})
    with Corpus(tmp_path / "far", embedder=HashingEmbedder(name="far")) as far:
        far.add(["text"])
        with pytest.raises(
            RoutingError, match=r"'river' and 'far' cannot be .* by hashing \(32 .* by far \(32 .*repair"
        ):
            route("Who?", {**library, "far": far})
    other = HashingEmbedder(name="far")
    with (
        Corpus(library["road"].path, embedder=other) as road,
        pytest.raises(EmbedderMismatchError, match="road holds vectors of hashing"),
    ):
        route("Who?", {"road": road, "river": library["river"]})
    with pytest.raises(RoutingError, match="there is no corpus to choose"):
        route("Who?", {})


def test_the_node_writes_where_to_go_and_remarks_how_near_all_were(library: dict[str, Corpus]) -> None:
    context = Context("choose", open_corpus_of=library.__getitem__)
    chosen = Registry.installed().nodes["route"](RagState(question="Who swims?"), context, among=["road", "river"])
    assert chosen == {"route": "river"}
    (note,) = context.notes
    assert note.startswith("river 0.")
    assert ", road " in note


GRAPH = """\
nodes:
  route: {{use: route, among: {among}}}
  search_library: {{use: hybrid, corpus: ./river}}
  search_news: {{use: dense, corpus: {{path: ./road}}}}
  plain: hybrid
flow:
  - start -> route
  - {{from: route, when: {when}, then: search_library, else: search_news}}
  - search_library -> plain -> end
  - search_news -> end
"""


def problems(folder: Path, among: str, when: str = "route == search_library") -> list[str]:
    file = folder / "graph.yaml"
    file.write_text(GRAPH.format(among=among, when=when))
    return [str(problem).removeprefix(f"{file}:") for problem in check(file, registry=CATS)]


def test_a_graph_that_routes_has_no_problems(library: dict[str, Corpus], tmp_path: Path) -> None:
    assert problems(tmp_path, "[search_library, search_news]") == []
    assert problems(tmp_path, "[search_library, search_news]", "route != 'search_news'") == []


@pytest.fixture
def running(library: dict[str, Corpus], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RagGraph]:
    """A graph that routes, with a cached route."""
    monkeypatch.setattr(AS_EMBEDDER, lambda _given: HashingEmbedder())
    file = tmp_path / "graph.yaml"
    among = "[search_library, search_news], cache: true"
    file.write_text(GRAPH.format(among=among, when="route == search_library"))
    with RagGraph(file, corpus=library["road"], cache=tmp_path / "cache.sqlite") as graph:
        yield graph


def test_a_run_searches_where_the_question_leads(running: RagGraph) -> None:
    state = running.invoke("Who swims in the river?")
    assert way(state) == ["route", "search_library", "plain"]
    assert state.route == "search_library"
    assert details(state, "route")[0].startswith("search_library 0.")
    assert way(running.invoke("Which road has a motor-car?")) == ["route", "search_news"]


def test_a_cached_route_is_forgotten_when_one_of_its_corpora_changes(
    running: RagGraph, library: dict[str, Corpus]
) -> None:
    question = "Where does Badger sleep in winter?"
    chosen = [running.invoke(question).route for _ in range(2)]
    other = {"search_library": "road", "search_news": "river"}[chosen[0]]
    library[other].add(["Badger sleeps: where? In the Wild Wood, in winter.", question])
    assert chosen[0] == chosen[1] != running.invoke(question).route


@pytest.mark.parametrize(
    ("among", "problem"),
    [
        ("[search_library, plain]", "among[1]: the node 'plain' has no corpus of its own; write corpus: FOLDER in it"),
        ("[search_library, route]", "among[1]: the node 'route' has no corpus of its own; write corpus: FOLDER in it"),
        ("[search_libary, search_news]", "among[0]: unknown node 'search_libary'; did you mean 'search_library'?"),
        ("[search_library]", "among: should name at least two nodes to choose from"),
        ("[search_library, search_library]", "among: names 'search_library' twice"),
        ("search_library", "among: should be a list, not 'search_library'"),
        ("[search_library, search_news], centroids: 0", "centroids: should be greater than or equal to 1, not 0"),
    ],
)
def test_what_cannot_be_routed_among_is_told_with_its_place(
    library: dict[str, Corpus], tmp_path: Path, among: str, problem: str
) -> None:
    assert problems(tmp_path, among) == [f"2: nodes.route.{problem}"]


def test_a_node_that_cannot_be_read_is_not_blamed_for_its_corpus_too(
    library: dict[str, Corpus], tmp_path: Path
) -> None:
    file = tmp_path / "graph.yaml"
    file.write_text(
        GRAPH.format(among="[search_library, search_news]", when="route == search_news").replace("path", "pth")
    )
    assert [problem.path for problem in check(file)] == [
        "nodes.search_news.corpus.path",
        "nodes.search_news.corpus.pth",
    ]


def test_a_route_that_nothing_chooses_is_told(library: dict[str, Corpus], tmp_path: Path) -> None:
    assert problems(tmp_path, "[search_library, search_news]", "route == serch_library") == [
        "8: flow[1].when: unknown route 'serch_library'; did you mean 'search_library'?"
    ]
    assert problems(tmp_path, "[search_library, search_news]", "not route == plain") == [
        "8: flow[1].when: unknown route 'plain'; expected one of: search_library, search_news"
    ]


def test_a_node_of_ones_own_may_choose_any_route() -> None:
    @node("toss", writes={"route"})
    def toss(state: RagState, context: Context) -> dict[str, str]:
        """Choose by chance."""
        return {"route": "heads"}

    decision = {"from": "toss", "when": "route == heads", "then": "a", "else": "b"}
    graph = {
        "nodes": {"toss": "toss", "a": "nap", "b": "nap"},
        "flow": ["start -> toss", decision, "a -> end", "b -> end"],
    }
    assert check(graph, registry=CATS.with_types([toss])) == []


def test_nodes_of_ones_own_name_nodes_with_corpora_too() -> None:
    @node("peek")
    def peek(state: RagState, context: Context, *, at: Annotated[str | None, WITH_CORPUS] = None) -> dict[str, str]:
        """Look at another node's corpus."""
        return {}

    assert peek.names_corpora == ["at"]
    for at, expected in (("rest", ["nodes.peek.at"]), (None, [])):
        graph = {"nodes": {"peek": {"use": "peek", "at": at}, "rest": "nap"}, "flow": ["start -> peek -> rest -> end"]}
        assert [problem.path for problem in check(graph, registry=CATS.with_types([peek]))] == expected
