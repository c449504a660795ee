"""Small chunks found, their surroundings given to the LLM."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ragloom import Chunk, Corpus, Source
from ragloom.rag.retrieve.expansion import _window, expand

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
