"""Semantic routing: which of several corpora a question belongs to.

A corpus is described by centroids of its chunks' vectors, and the corpus with the centroid nearest to the question is
chosen. Gao et al., "Modular RAG: Transforming RAG Systems into LEGO-like Reconfigurable Frameworks", 2024, route by
meaning in their orchestration module (section IV), with routes that somebody described; here the documents speak for
themselves. The centroids are those of spherical k-means: Dhillon and Modha, "Concept Decompositions for Large Sparse
Text Data using Clustering", Machine Learning 42, 2001, section 3.

Among four corpora the right one was found for .87 of 255 questions with 8 centroids each, .80 with one and .89 with 32;
8 were chosen on other questions (`benchmarks/routing.py`). Chunks are sampled, so that a corpus of any size is
described in a moment, and the same corpus always alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...stores.corpus import Corpus
from .errors import RoutingError

CENTROIDS = 8
"""How many centroids describe a corpus."""

SAMPLE = 2000
"""So many of a corpus' chunks are looked at."""

_ROUNDS = 20
"""Most rounds of k-means; by then hardly a vector changes its cluster."""


@dataclass(frozen=True, slots=True)
class Route:
    """A corpus and how near the question is to it.

    Attributes:
        name: what the caller calls the corpus.
        score: the cosine of the question and the corpus' nearest centroid.
    """

    name: str
    score: float


def route(query: str, corpora: Mapping[str, Corpus], *, count: int = CENTROIDS) -> list[Route]:
    """Compare a question with corpora, nearest first; of equally near ones, the one that was named first.

    ```python
    from ragloom import Corpus
    from ragloom.rag.retrieve import route

    animals, machines = Corpus("./animals"), Corpus("./machines")
    animals.add(["Mole meets Rat at the river.", "Badger sleeps all winter."])
    machines.add(["A motor-car has an engine.", "Trains run on rails."])
    print(route("Where do moles live?", {"animals": animals, "machines": machines})[0].name)  # -> animals
    ```

    Args:
        query: the question; of one that is longer than what the embedder reads, the beginning.
        corpora: by name, all embedded by the same model.
        count: how many centroids describe a corpus.

    Raises:
        RoutingError: there is no corpus, one is empty, or two were embedded by different models.
        EmbedderMismatchError: a corpus was opened with another embedder than it was made with.
    """
    _check(corpora)
    first = next(iter(corpora.values()))
    first.check_embedder()
    return nearest(first.embedder.encode_query(query), corpora, count=count)


def nearest(vector: NDArray[np.float32], corpora: Mapping[str, Corpus], *, count: int = CENTROIDS) -> list[Route]:
    """Compare a unit vector with corpora whose embedder made it, nearest first; see `route`."""
    routes = [Route(name, float((centroids(corpus, count=count) @ vector).max())) for name, corpus in corpora.items()]
    return sorted(routes, key=lambda each: each.score, reverse=True)


def _check(corpora: Mapping[str, Corpus]) -> None:
    if not corpora:
        raise RoutingError("there is no corpus to choose")
    prints = {name: corpus.embedder_fingerprint for name, corpus in corpora.items()}
    first, recorded = next(iter(prints.items()))
    for name, other in prints.items():
        if other is None or not len(corpora[name]):
            raise RoutingError(
                f"the corpus of {name!r} is empty, so nothing says what it is about; ingest into it first"
            )
        if recorded is not None and not recorded.matches(other):
            raise RoutingError(
                f"{first!r} and {name!r} cannot be compared: their corpora were embedded by {recorded.describe()} and"
                f" by {other.describe()}; embed one of them again: ragloom corpus repair {corpora[name].path} --reembed"
            )


def centroids(corpus: Corpus, *, count: int = CENTROIDS) -> NDArray[np.float32]:
    """Unit vectors that describe what a corpus is about, shape (at most `count`, dimension).

    They are made once, and again after the corpus has been written to; of a corpus with more than `SAMPLE` chunks, from
    so many of them.
    """
    return corpus.remember(f"{count} centroids", lambda: _centroids(corpus, count))


def _centroids(corpus: Corpus, count: int) -> NDArray[np.float32]:
    ids = corpus.ids()
    if len(ids) > SAMPLE:
        ids = [ids[place] for place in np.random.default_rng(0).choice(len(ids), SAMPLE, replace=False)]
    return spherical_k_means(corpus.vectors(ids), count)


def spherical_k_means(vectors: NDArray[np.float32], count: int, *, seed: int = 0) -> NDArray[np.float32]:
    """Unit vectors such that each of `vectors` is near one of them, shape (at most `count`, dimension).

    The first centroids are drawn as k-means++ does, those far from the ones before rather than others: Arthur and
    Vassilvitskii, "k-means++: The Advantages of Careful Seeding", SODA 2007.

    Args:
        vectors: unit vectors, shape (vectors, dimension), at least one.
        count: how many centroids.
        seed: of the drawing.
    """
    found = _first(vectors, count, np.random.default_rng(seed))
    owner = np.full(len(vectors), -1)
    for _ in range(_ROUNDS):
        nearest = (vectors @ found.T).argmax(axis=1)
        if np.array_equal(nearest, owner):
            break
        owner = nearest
        sums = np.stack([vectors[owner == place].sum(axis=0) for place in range(len(found))])
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        found = np.where(lengths > 0, sums / np.maximum(lengths, 1e-12), found).astype(np.float32)
    return found


def _first(vectors: NDArray[np.float32], count: int, random: np.random.Generator) -> NDArray[np.float32]:
    chosen = [int(random.integers(len(vectors)))]
    distance = np.full(len(vectors), np.inf)
    while len(chosen) < count:
        distance = np.minimum(distance, np.maximum(1 - vectors @ vectors[chosen[-1]], 0))
        distance[distance < 1e-6] = 0  # those that are there already
        if not distance.any():
            break
        chosen.append(int(random.choice(len(vectors), p=distance / distance.sum())))
    return vectors[chosen]
