"""Small chunks found, their surroundings given to the LLM."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from fakes import HashingEmbedder
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from ragloom import Chunk, Corpus, Source
from ragloom.rag.retrieve.expansion import _window, expand
from ragloom.stores.types import Hit

TEXT = "One little duck. Two little ducks. Three little ducks. Four little ducks swam away."
CUTS = [0, 17, 35, 55, len(TEXT)]


@pytest.fixture
def ducks(corpus: Corpus) -> Corpus:
    source = Source("ducks", TEXT)
    corpus.add([Chunk(source, start, end) for start, end in pairwise(CUTS)])
    return corpus


def test_a_hit_grows_to_its_section(ducks: Corpus) -> None:
    (expanded,) = expand(ducks, ducks.search("Three", k=1))
    assert expanded.document.page_content == TEXT
    assert (expanded.document.metadata["start"], expanded.document.metadata["end"]) == (0, len(TEXT))


def test_hits_of_one_section_become_one_at_the_better_rank(ducks: Corpus) -> None:
    hits = ducks.search("Three little ducks", k=3)
    expanded = expand(ducks, hits)
    assert [hit.rank for hit in expanded] == [1]
    assert expanded[0].score == hits[0].score


def test_a_section_over_the_budget_becomes_a_window_around_the_chunk(ducks: Corpus) -> None:
    hit = ducks.search("Three", k=1)[0]
    (expanded,) = expand(ducks, [hit], max_characters=40)
    start, end = expanded.document.metadata["start"], expanded.document.metadata["end"]
    assert end - start <= 40
    assert start <= hit.document.metadata["start"] < hit.document.metadata["end"] <= end
    assert expanded.document.page_content == TEXT[start:end]


def test_highlights_stay_on_their_words(ducks: Corpus) -> None:
    hit = ducks.search("Three", k=1)[0]
    at = hit.document.page_content.index("little")
    told = {**hit.document.metadata, "highlights": [[at, at + 6, 0.5]]}
    marked = replace(hit, document=hit.document.model_copy(update={"metadata": told}))
    (expanded,) = expand(ducks, [marked])
    ((start, end, weight),) = expanded.document.metadata["highlights"]
    assert (expanded.document.page_content[start:end], weight) == ("little", 0.5)
    assert start > at


@given(st.lists(st.integers(0, 500), min_size=4, max_size=4), st.integers(1, 600))
def test_a_window_holds_its_chunk_and_stays_in_its_section(cuts: list[int], limit: int) -> None:
    first, start, end, last = sorted(cuts)
    begin, finish = _window(start, end, (first, last), limit)
    assert first <= begin <= start
    assert end <= finish <= last
    assert finish - begin <= max(limit, end - start)


def test_what_is_of_another_corpus_stays_as_it_is(ducks: Corpus, tmp_path: Path) -> None:
    with Corpus(tmp_path / "other", embedder=HashingEmbedder()) as other:
        other.add([Chunk(Source("ducks", "Geese. " + TEXT), 7, 24), Chunk.from_text("A lone swan.", id="swan")])
        strange = other.search("One little duck, a lone swan", k=2)
    strange.append(Hit(Document("Nobody knows where this is from."), 0.1, 3))
    (own,) = ducks.search("Three", k=1)
    expanded = expand(ducks, [*strange, own])
    assert [hit.document for hit in expanded[:3]] == [hit.document for hit in strange]
    assert expanded[3].document.page_content == TEXT
    assert [hit.rank for hit in expanded] == [1, 2, 3, 4]
