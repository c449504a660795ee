"""What every reranker does, whatever scores the passages: order, duplicates, what is empty, LangChain's compressor."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda
from pydantic import PrivateAttr, ValidationError
from ragloom.rag.llm.errors import AskedError
from ragloom.rag.rerank import Highlight, Reranker, RerankError
from ragloom.rag.rerank.types import Passage, Scores

PETS = ["dog", "the cat", "a cat and another cat", "bird"]


class CountsCats(Reranker):
    """The more cats, the better."""

    notes: tuple[str, ...] = ()
    _asked: list[tuple[str, ...]] = PrivateAttr(default_factory=list)

    def _score(self, query: str, passages: Sequence[Passage]) -> Scores:
        texts = [str(passage) for passage in passages]
        self._asked.append(tuple(texts))
        spans = [
            tuple(Highlight(at, at + 3, 1.0) for at in range(len(text)) if text[at : at + 3] == query) for text in texts
        ]
        return Scores([float(text.count(query)) for text in texts], len(texts), 7, self.notes, tuple(spans))


def given_of(reranker: Reranker, documents: Sequence[Document | str]) -> list[int]:
    return [ranked.given for ranked in reranker.rank("cat", documents)]


def test_the_best_come_first_and_equals_in_the_order_in_which_they_came() -> None:
    ranking = CountsCats().rank("cat", PETS)
    assert [ranked.document.page_content for ranked in ranking] == [PETS[2], PETS[1], PETS[0], PETS[3]]
    assert [(ranked.score, ranked.rank, ranked.given) for ranked in ranking] == [
        (2, 1, 3), (1, 2, 2), (0, 3, 1), (0, 4, 4)
    ]  # fmt: skip
    assert (ranking.evaluated, ranking.reused, ranking.notes) == (4, 7, ())


def test_texts_are_documents_without_metadata_and_documents_come_back_as_they_are() -> None:
    document = Document("the cat", id="x", metadata={"a": 1})
    ranking = CountsCats().rank("cat", [document, "dog"])
    assert ranking[0].document is document
    assert ranking[1].document == Document("dog")


def test_only_the_best_are_kept() -> None:
    assert given_of(CountsCats(keep=2), PETS) == [3, 2]
    assert given_of(CountsCats(keep=9), PETS) == [3, 2, 1, 4]


def test_the_same_passage_is_scored_once_and_ranked_as_often_as_it_came() -> None:
    reranker = CountsCats()
    assert given_of(reranker, ["dog", "the cat", "dog", "the cat"]) == [2, 4, 1, 3]
    assert reranker._asked == [("dog", "the cat")]


def test_a_title_makes_another_passage_and_is_read_first() -> None:
    reranker = CountsCats()
    titled = Document("dog", metadata={"title": " the\n cat "})
    assert given_of(reranker, ["dog", titled]) == [2, 1]
    assert reranker._asked == [("dog", "the cat\ndog")]


def test_headings_are_read_with_the_title_and_white_space_around_a_text_is_not() -> None:
    reranker = CountsCats()
    document = Document("\n the cat \n", metadata={"title": "Pets", "heading": ["Pets", "Cats"]})
    (ranked,) = reranker.rank("cat", [document])
    assert reranker._asked == [("Pets > Cats\nthe cat",)]
    assert [document.page_content[start:end] for start, end, _ in ranked.highlights] == ["cat"]
    assert given_of(reranker, ["dog", "the cat", "the cat\n"]) == [2, 3, 1]
    assert reranker._asked[1] == ("dog", "the cat")


def test_what_has_only_a_title_is_ranked_by_it() -> None:
    reranker = CountsCats()
    assert given_of(reranker, ["dog", Document(" ", metadata={"title": "The cat"}), ""]) == [2, 1, 3]
    assert reranker._asked == [("dog", "The cat")]


def test_what_says_nothing_is_not_scored_and_comes_last() -> None:
    reranker = CountsCats(first_stage=1.0)
    assert given_of(reranker, [" \n", "dog", "", "the cat"])[2:] == [1, 3]
    assert reranker._asked == [("dog", "the cat")]
    reranker = CountsCats()
    assert [ranked.score for ranked in reranker.rank("cat", ["", " "])] == [0, 0]
    assert reranker._asked == []


@pytest.mark.parametrize("first_stage", [0.5, 1.0])
def test_what_says_nothing_has_no_higher_score_than_what_stands_before_it(first_stage: float) -> None:
    ranking = CountsCats(first_stage=first_stage).rank("cat", ["", "dog", "the cat"])
    assert not ranking[-1].document.page_content
    scores = [ranked.score for ranked in ranking]
    assert scores == sorted(scores, reverse=True)


def test_one_text_is_no_list_of_documents() -> None:
    with pytest.raises(AskedError, match=r"write \[text\] for one text"):
        CountsCats().rank("cat", "the cat")


def test_a_copy_with_other_options_is_checked_like_a_new_one() -> None:
    reranker = CountsCats(keep=1, notes=("cut",))
    copy = reranker.model_copy(update={"keep": 2})
    assert (copy.keep, copy.notes, reranker.keep) == (2, ("cut",), 1)
    for wrong in ({"keep": 0}, {"kep": 1}):
        with pytest.raises(ValidationError):
            reranker.model_copy(update=wrong)


def test_no_documents_no_ranking() -> None:
    ranking = CountsCats().rank("cat", [])
    assert (list(ranking), ranking.evaluated) == ([], 0)


def test_the_first_stage_counts_as_much_as_it_may() -> None:
    assert given_of(CountsCats(first_stage=0), PETS) == [3, 2, 1, 4]
    assert given_of(CountsCats(first_stage=1), PETS) == [1, 2, 3, 4]
    assert given_of(CountsCats(first_stage=0.5), PETS)[-1] == 4


@pytest.mark.parametrize("query", ["", " \n"])
def test_an_empty_query_is_refused(query: str) -> None:
    with pytest.raises(RerankError, match="the query is empty"):
        CountsCats().rank(query, PETS)


@pytest.mark.parametrize("option", [{"keep": 0}, {"first_stage": 1.1}, {"first_stage": -0.1}, {"kep": 3}])
def test_options_that_make_no_sense_are_refused(option: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        CountsCats(**option)  # type: ignore[arg-type]


def test_highlights_are_places_in_the_text_without_those_in_the_title() -> None:
    titled = Document("my cat", metadata={"title": "cat"})
    (ranked,) = CountsCats().rank("cat", [titled])
    assert ranked.highlights == (Highlight(3, 6, 1.0),)
    assert ranked.as_document().metadata == {"title": "cat", "relevance_score": 2.0, "highlights": [[3, 6, 1.0]]}


def test_compressed_documents_are_copies_with_their_score() -> None:
    documents = [Document("dog", id="d"), Document("the cat", id="c", metadata={"a": 1})]
    best, worst = CountsCats().compress_documents(documents, "cat")
    assert (best.id, best.page_content) == ("c", "the cat")
    assert (best.metadata["a"], best.metadata["relevance_score"], worst.metadata) == (1, 1.0, {"relevance_score": 0.0})
    assert (documents[0].metadata, documents[1].metadata) == ({}, {"a": 1})


def test_notes_are_logged_where_nobody_would_see_them(caplog: pytest.LogCaptureFixture) -> None:
    reranker = CountsCats(notes=("2 of 3 documents cut",))
    with caplog.at_level(logging.WARNING):
        reranker.compress_documents([Document("dog")], "cat")
    assert "CountsCats: 2 of 3 documents cut" in caplog.text


def test_async_and_runnable_rank_the_same() -> None:
    reranker, documents = CountsCats(keep=2), [Document(text) for text in PETS]
    expected = reranker.compress_documents(documents, "cat")
    asked = {"query": "cat", "documents": documents}

    async def all_of_it() -> list[object]:
        return [
            [ranked.as_document() for ranked in await reranker.arank("cat", documents)],
            await reranker.acompress_documents(documents, "cat"),
            await reranker.as_runnable().ainvoke(asked),
        ]

    assert asyncio.run(all_of_it()) == [expected] * 3
    assert reranker.as_runnable().invoke(asked) == expected
    chain = RunnableLambda(lambda query: {"query": query, "documents": documents}) | reranker.as_runnable()
    assert chain.invoke("cat") == expected
    assert chain.batch(["cat", "dog"])[1][0].page_content == "dog"


@given(st.lists(st.text("cat ", max_size=12), max_size=12), st.floats(0, 1), st.integers(1, 12))
def test_every_document_has_one_place(texts: list[str], first_stage: float, keep: int) -> None:
    ranking = CountsCats(first_stage=first_stage).rank("cat", texts)
    assert sorted(ranked.given for ranked in ranking) == list(range(1, len(texts) + 1))
    assert [ranked.rank for ranked in ranking] == list(range(1, len(texts) + 1))
    kept = CountsCats(first_stage=first_stage, keep=keep).rank("cat", texts)
    assert list(kept) == ranking[:keep]
