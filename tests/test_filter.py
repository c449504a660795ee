"""Keeping the documents that meet conditions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from ragloom.rag.graph import Context, RagState, Registry, check
from ragloom.rag.retrieve import keep_hits
from ragloom.stores import Corpus, Hit
from ragloom.stores.errors import QueryError
from ragloom.stores.types import Chunk
from test_stores_where import METADATA, WHERE


def hit(rank: int, **metadata: Any) -> Hit:
    return Hit(Document(f"text {rank}", id=str(rank), metadata=metadata), 1 / rank, rank)


HITS = [hit(1, year=2018), hit(2, year=2020), hit(3, year=2021), hit(4), hit(5, year=2022), hit(6, year=2023)]


def test_hits_are_kept_in_their_order_with_new_ranks_and_old_scores() -> None:
    kept = keep_hits(HITS, where={"year": {"$gte": 2020}}, min_score=0.2, keep=2)
    assert [(each.document.id, each.score, each.rank) for each in kept.hits] == [("2", 1 / 2, 1), ("3", 1 / 3, 2)]
    assert (kept.unmet, kept.low, kept.over) == (2, 1, 1)
    assert str(kept) == "6 -> 2: 2 not meeting the conditions, 1 scoring too low, 1 more than wanted"


def test_without_conditions_nothing_is_dropped() -> None:
    kept = keep_hits(HITS)
    assert (list(kept.hits), str(kept)) == (HITS, "6 -> 6")
    assert str(keep_hits([], keep=3)) == "0 -> 0"


@given(st.lists(METADATA, max_size=5), WHERE, st.integers(0, 5), st.none() | st.integers(1, 5))
def test_everything_dropped_is_accounted_for(
    metadata: list[dict[str, Any]], where: dict[str, Any], worst: int, keep: int | None
) -> None:
    hits = [Hit(Document("text", metadata=each), 1 / rank, rank) for rank, each in enumerate(metadata, start=1)]
    kept = keep_hits(hits, where=where, min_score=1 / worst if worst else None, keep=keep)
    assert len(kept.hits) + kept.unmet + kept.low + kept.over == len(hits)
    assert [each.rank for each in kept.hits] == list(range(1, len(kept.hits) + 1))
    assert keep_hits(kept.hits, where=where, min_score=1 / worst if worst else None, keep=keep).hits == kept.hits


def test_filtering_what_was_found_is_finding_what_the_filter_lets_pass(corpus: Corpus) -> None:
    corpus.add([Chunk.from_text(f"river {year}", metadata={"year": year}) for year in range(2015, 2025)])
    where = {"$or": [{"year": {"$gte": 2022}}, {"year": 2016}]}
    found = corpus.search("river", k=10, mode="dense")
    assert [each.document for each in keep_hits(found, where=where).hits] == [
        each.document for each in corpus.search("river", k=10, mode="dense", where=where)
    ]


def test_a_malformed_condition_is_refused() -> None:
    with pytest.raises(QueryError, match=r"unknown operator '\$gtt'"):
        keep_hits(HITS, where={"year": {"$gtt": 1}})


def test_the_node_says_what_it_dropped_and_why() -> None:
    context, state = Context("recent"), RagState(question="Who?", documents=HITS)
    kept = Registry.installed().nodes["filter"](state, context, where={"year": {"$gte": 2020}}, keep=3)
    assert [each.document.id for each in kept["documents"]] == ["2", "3", "5"]
    assert context.notes == ["6 -> 3: 2 not meeting the conditions, 1 more than wanted"]


def test_a_graph_says_where_a_filter_is_written_wrongly() -> None:
    graph = {
        "nodes": {"find": "hybrid", "recent": {"use": "filter", "where": {"year": {"$gtt": 3}}, "keep": 0}},
        "flow": ["start -> find -> recent -> end"],
    }
    assert list(map(str, check(graph))) == [
        "nodes.recent.where: unknown operator '$gtt'; did you mean '$gt'?",
        "nodes.recent.keep: should be greater than or equal to 1, not 0",
    ]
    assert check({"nodes": {"recent": "filter"}, "flow": ["start -> recent -> end"]})[0].message.startswith(
        "'filter' reads documents, which nothing writes"
    )
