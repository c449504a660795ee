"""Feedback: the formulas are those of the papers, and what says nothing moves nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from fakes import HashingEmbedder
from numpy.typing import NDArray
from pydantic import ValidationError
from ragloom import Corpus
from ragloom.rag.rerank import Reranker
from ragloom.rag.rerank.types import Passage, Scores
from ragloom.rag.retrieve import Feedback, FeedbackRetriever, RerankerFeedback, Rocchio

TEXTS = [
    "Toad steals a motor-car and is sent to prison.",
    "The motor-car is found in a pond.",
    "Mole meets Rat at the river.",
    "Badger sleeps all winter in the Wild Wood.",
]
QUERY = "Who steals a motor-car?"
BOTH: list[Feedback] = [Rocchio(), RerankerFeedback()]


def units(number: int, dimension: int = 6, seed: int = 0) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(size=(number, dimension)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_rocchio_adds_the_mean_of_the_first_documents() -> None:
    query, *documents = units(6)
    moved = Rocchio(alpha=0.7, beta=0.2, depth=3).move(query, np.stack(documents), [5, 4, 3, 2, 1])
    assert np.allclose(moved, 0.7 * query + 0.2 * (documents[0] + documents[1] + documents[2]) / 3)


def by_torch(
    query: NDArray[np.float32], documents: NDArray[np.float32], scores: Sequence[float], steps: int, rate: float
) -> NDArray[np.float32]:
    """The same by autograd and torch's Adam: RankNet's loss, each pair weighted by 1 / the sum of both ranks."""
    vector = torch.tensor(query, dtype=torch.float64, requires_grad=True)
    rows, wanted = torch.tensor(documents, dtype=torch.float64), torch.tensor(scores, dtype=torch.float64)
    cosines = rows @ vector.detach()
    scale = (wanted.max() - wanted.min()) / (cosines.max() - cosines.min())
    ranks = wanted.argsort(descending=True).argsort() + 1
    pairs = [(i, j) for i in range(len(rows)) for j in range(len(rows)) if wanted[i] > wanted[j]]
    optimizer = torch.optim.Adam([vector], lr=rate)
    for _ in range(steps):
        optimizer.zero_grad()
        own = scale / 2 * rows @ vector
        terms = [torch.nn.functional.softplus(own[j] - own[i]) / (ranks[i] + ranks[j]) for i, j in pairs]
        (torch.stack(terms).sum() / len(pairs)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return vector.detach().numpy().astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
def test_reranker_feedback_is_gradient_descent_on_the_loss_of_the_paper(seed: int) -> None:
    query, *documents = units(8, seed=seed)
    rows, scores = np.stack(documents), np.random.default_rng(seed).normal(size=7).tolist()
    moved = RerankerFeedback(steps=30, rate=0.01).move(query, rows, scores)
    assert np.allclose(moved, by_torch(query, rows, scores, 30, 0.01), atol=1e-5)
    assert not np.allclose(moved, query, atol=1e-2)


def test_the_cosines_come_to_order_the_documents_as_the_scores_do() -> None:
    query, *documents = units(6, dimension=12)
    rows, scores = np.stack(documents), [1.0, 2.0, 3.0, 4.0, 5.0]
    moved = RerankerFeedback(steps=400, rate=0.01).move(query, rows, scores)
    assert list(np.argsort(rows @ query)) != [0, 1, 2, 3, 4]
    assert list(np.argsort(rows @ moved)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("feedback", BOTH, ids=lambda each: type(each).__name__)
def test_without_documents_the_vector_stays(feedback: Feedback) -> None:
    (query,) = units(1)
    assert feedback.move(query, np.zeros((0, 6), np.float32), []) is query


@pytest.mark.parametrize(
    ("documents", "scores"),
    [
        (units(1, seed=1), [3.0]),
        (np.repeat(units(1, seed=1), 4, axis=0), [4.0, 3.0, 2.0, 1.0]),
        (units(4, seed=1), [1.0, 1.0, 1.0, 1.0]),
    ],
    ids=["one", "identical", "equal scores"],
)
def test_a_reranker_that_tells_nothing_apart_moves_nothing(documents: Any, scores: list[float]) -> None:
    (query,) = units(1)
    assert np.array_equal(RerankerFeedback().move(query, documents, scores), query)
    assert np.isfinite(Rocchio().move(query, documents, scores)).all()


def test_a_score_of_minus_infinity_is_the_lowest() -> None:
    query, *documents = units(4)
    moved = RerankerFeedback().move(query, np.stack(documents), [2.0, 1.0, float("-inf")])
    assert np.isfinite(moved).all()
    assert not np.array_equal(moved, query)


@pytest.mark.parametrize(
    ("kind", "options"),
    [(Rocchio, {"alpha": -1}), (Rocchio, {"depth": 0}), (RerankerFeedback, {"rate": 0}), (Rocchio, {"gamma": 1})],
)
def test_an_option_that_cannot_be_is_refused(kind: type[Feedback], options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        kind(**options)


class ByLength(Reranker):
    """The longest document is the best."""

    def _score(self, query: str, passages: Sequence[Passage]) -> Scores:
        return Scores([float(len(passage.text)) for passage in passages])


@pytest.fixture
def full(corpus: Corpus) -> Corpus:
    corpus.add(TEXTS)
    return corpus


def test_the_retriever_searches_moves_and_searches(full: Corpus, embedder: HashingEmbedder) -> None:
    first = full.search(QUERY, k=2)
    vectors = full.vectors([str(hit.document.id) for hit in first])
    moved = Rocchio(depth=2).move(embedder.encode_query(QUERY), vectors, [2, 1])
    expected = full.search(QUERY, vector=moved, k=3)
    retriever = FeedbackRetriever(corpus=full, feedback=Rocchio(depth=2), k=3)
    assert retriever.invoke(QUERY) == [hit.as_document() for hit in expected]
    assert retriever.vector(QUERY).made_from == tuple(str(hit.document.id) for hit in first)


def test_words_and_meaning_are_interpolated_before_after_both_or_not_at_all(full: Corpus) -> None:
    for before in ("dense", "hybrid", "lexical"):
        retriever = FeedbackRetriever(corpus=full, feedback=Rocchio(depth=3), k=2, before=before, after="dense")
        ids = [str(hit.document.id) for hit in full.search(QUERY, k=3, mode=before)]
        assert retriever.vector(QUERY).made_from == tuple(ids)
        found = full.search(vector=retriever.vector(QUERY).values, k=2)
        assert retriever.invoke(QUERY) == [hit.as_document() for hit in found]


def test_a_reranker_s_scores_move_the_vector(full: Corpus, embedder: HashingEmbedder) -> None:
    retriever = FeedbackRetriever(corpus=full, reranker=ByLength(), k=2)
    moved, own = retriever.vector(QUERY), embedder.encode_query(QUERY)
    vectors = full.vectors(list(moved.made_from))
    lengths = [len(document.page_content) for document in full.get(list(moved.made_from))]
    assert lengths == sorted(lengths, reverse=True)
    assert np.corrcoef(lengths, vectors @ moved.values)[0, 1] > np.corrcoef(lengths, vectors @ own)[0, 1]
    assert len(retriever.invoke(QUERY)) == 2


def test_the_best_of_what_a_reranker_reads_move_the_vector(full: Corpus) -> None:
    retriever = FeedbackRetriever(corpus=full, reranker=ByLength(), feedback=Rocchio(depth=1))
    (best,) = full.get(list(retriever.vector("river").made_from))
    assert best.page_content == max(TEXTS, key=len)


def test_an_empty_corpus_gives_nothing(corpus: Corpus) -> None:
    assert FeedbackRetriever(corpus=corpus).invoke(QUERY) == []


def test_weights_that_leave_no_vector_are_refused() -> None:
    with pytest.raises(ValidationError, match="alpha and beta are both 0"):
        Rocchio(alpha=0, beta=0)


def test_options_can_be_given_to_each_search(full: Corpus) -> None:
    retriever = FeedbackRetriever(corpus=full, feedback=Rocchio(depth=2), k=3)
    found = retriever.invoke(QUERY, k=1, before="lexical", after="dense")
    (hit,) = full.search(vector=retriever.vector(QUERY, before="lexical").values, k=1)
    assert found == asyncio.run(retriever.ainvoke(QUERY, k=1, before="lexical", after="dense")) == [hit.as_document()]
    with pytest.raises(TypeError, match="foo"):
        retriever.invoke(QUERY, foo=1)
