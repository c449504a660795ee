"""What the query attends to is kept, within a budget; the rest is left out."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from command import here
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from ragloom import Chunk, Corpus, Source, load
from ragloom.rag.rerank import Highlight, IcrCompressor, IcrReranker, Ranked
from ragloom.rag.rerank.compressing import compress
from ragloom.rag.rerank.marking import mark
from ragloom.rag.rerank.pieces import rank_in_pieces
from ragloom.rag.rerank.units import units
from ragloom.stores.types import Hit

TEXT = "Rain is wet. The cat sleeps all day. Trains run late in winter.\n\n    print('a cat')\n\nBread is baked."


def ranked(text: str, weights: dict[str, float], *, rank: int = 1, **metadata: object) -> Ranked:
    """A document whose words weigh nothing but where it is said."""
    words = re.finditer(r"\S+", text)
    highlights = tuple(Highlight(word.start(), word.end(), weights.get(word[0], 0.0)) for word in words)
    return Ranked(Document(id="d", page_content=text, metadata=metadata), 1.0, rank, rank, highlights)


def count_words(text: str) -> int:
    return len(text.split())


def test_the_heaviest_sentences_are_kept_in_their_order() -> None:
    (first, second) = compress([ranked(TEXT, {"cat": 1.0, "baked.": 2.0})], 8, count_words)
    assert (first.page_content, second.page_content) == ("The cat sleeps all day.", "Bread is baked.")


def test_neighbours_are_one_document_with_their_place() -> None:
    (part,) = compress([ranked(TEXT, {"cat": 1.0, "late": 2.0}, start=100, end=203, title="t")], 11, count_words)
    assert part.page_content == "The cat sleeps all day. Trains run late in winter."
    at = TEXT.index("The cat")
    assert part.metadata == {"start": 100 + at, "end": 100 + at + len(part.page_content), "title": "t"}
    assert part.id == f"d[{at}:{at + len(part.page_content)}]"


def test_code_between_sentences_can_be_kept_too() -> None:
    assert [each.page_content for each in compress([ranked(TEXT, {"print('a": 1.0})], 2, count_words)] == [
        "print('a cat')"
    ]


def test_what_fits_as_a_whole_stays_as_it_is() -> None:
    (whole,) = compress([ranked("One thing. Another thing.", {})], 100, count_words)
    assert (whole.id, whole.page_content) == ("d", "One thing. Another thing.")


def test_documents_stay_in_the_order_of_their_rank() -> None:
    parts = compress([ranked("First one.", {}), ranked("Second one.", {"one.": 5.0}, rank=2)], 100, count_words)
    assert [part.page_content for part in parts] == ["First one.", "Second one."]


def test_what_was_not_read_is_not_kept() -> None:
    whole = ranked("Read and dull. Never read.", {"dull.": -1.0})
    read = replace(whole, highlights=tuple(each for each in whole.highlights if each.start < 14))
    assert [part.page_content for part in compress([read], 100, count_words)] == ["Read and dull."]


def test_where_no_sentence_fits_nothing_is_kept() -> None:
    assert compress([ranked(TEXT, {"cat": 1.0})], 1, count_words) == []
    assert compress([], 100, count_words) == []


@given(st.lists(st.text("ab .\n#*`", max_size=60), max_size=4), st.integers(1, 30))
def test_the_budget_holds_and_every_part_is_a_stretch_of_its_document(texts: list[str], budget: int) -> None:
    parts = compress([ranked(text, {}, start=0) for text in texts], budget, count_words)
    assert sum(count_words(part.page_content) for part in parts) <= budget
    for part in parts:
        assert any(text[part.metadata["start"] :].startswith(part.page_content) for text in texts)


@given(st.lists(st.text("ab .\n#", max_size=40), max_size=4), st.integers(1, 60))
def test_what_stands_between_neighbours_counts_too(texts: list[str], budget: int) -> None:
    parts = compress([ranked(text, {}) for text in texts], budget, len)
    assert sum(len(part.page_content) for part in parts) <= budget


def test_a_text_that_came_twice_is_kept_once() -> None:
    twice = [
        ranked(TEXT, {"cat": 1.0}),
        ranked("One more.", {"more.": 0.5}, rank=2),
        ranked(TEXT, {"cat": 1.0}, rank=3),
    ]
    assert [each.page_content for each in compress(twice, 7, count_words)] == ["The cat sleeps all day.", "One more."]


@pytest.mark.model
def test_of_a_text_that_came_twice_only_one_counts_as_kept(caplog: pytest.LogCaptureFixture) -> None:
    with load("embedded", n_ctx=512) as llm:
        reranker = IcrReranker(llm=llm, keep=2)
        texts = ["The cat sleeps all day.", "Rain is wet."]
        documents = [Document(text) for text in (texts[0], texts[0], texts[1])]
        kept = IcrCompressor(reranker=reranker, max_tokens=50).compress_documents(documents, "What does the cat do?")
        assert [each.page_content for each in kept] == texts
        assert not caplog.records
        few = IcrCompressor(reranker=reranker, max_tokens=2)
        assert few.compress_documents(documents, "What does the cat do?") == []
    assert "nothing is kept: no sentence has 2 tokens or fewer" in caplog.text


def test_highlights_of_the_whole_text_are_not_those_of_a_part() -> None:
    (part,) = compress([ranked(TEXT, {"cat": 1.0}, highlights=[[17, 20, 1.0]])], 5, count_words)
    assert part.metadata == {}


FACT = "Alexander Graham Bell was granted the patent for the telephone."
DULL = "Nothing much happened on that day in the town, and it rained a lot. "


@pytest.mark.model
@pytest.mark.parametrize("cached", [False, True])
def test_a_document_longer_than_the_context_is_read_to_its_end(cached: bool, caplog: pytest.LogCaptureFixture) -> None:
    long = Document(DULL * 60 + FACT, metadata={"title": "News", "start": 7})
    short = Document("Bread is baked from flour and water.")
    with load("embedded", n_ctx=512) as llm:
        assert llm.count_tokens(long.page_content) > 512
        compressor = IcrCompressor(reranker=IcrReranker(llm=llm, heads=8, cached=cached, keep=1), max_tokens=30)
        kept = compressor.compress_documents([short, long], "Who invented the telephone?")
    (found,) = [part for part in kept if FACT in part.page_content]
    assert long.page_content[found.metadata["start"] - 7 :].startswith(found.page_content)
    assert short.page_content not in [part.page_content for part in kept]
    assert "2 documents read in " in caplog.text
    assert "documents ranked in" not in caplog.text  # but pieces
    assert " cut to " not in caplog.text


@pytest.mark.model
def test_all_words_of_all_pieces_have_a_weight() -> None:
    documents = [Document("a-word-without-end-" * 300), Document(DULL * 40), Document("Rain is wet.")]
    with load("embedded", n_ctx=512) as llm:
        ranking = rank_in_pieces(IcrReranker(llm=llm, explain=True), "Was it wet?", documents)
    assert sorted(ranked.given for ranked in ranking) == [1, 2, 3]
    for ranked in ranking:
        text = ranked.document.page_content
        read = "".join(text[each.start : each.end] for each in sorted(ranked.highlights))
        assert read == "".join(text.split())


@pytest.mark.model
def test_the_answer_survives_a_small_budget() -> None:
    text = " ".join([*["Nothing much happened on that day in the town."] * 3, FACT, *["It rained a lot."] * 4])
    documents = [Document(text), Document("Bread is baked from flour and water.")]
    with load("embedded", n_ctx=1024) as llm:
        compressor = IcrCompressor(reranker=IcrReranker(llm=llm), max_tokens=30)
        kept = compressor.compress_documents(documents, "Who invented the telephone?")
        assert sum(llm.count_tokens(part.page_content) for part in kept) <= 30
    assert any(FACT in part.page_content for part in kept)


@pytest.mark.model
def test_search_marks_the_words_that_the_model_attends_to(scripted_command: None, tmp_path: object) -> None:
    from fakes import HashingEmbedder

    folder = tmp_path / "index"  # type: ignore[operator]
    text = "Alexander Graham Bell was granted the patent for the telephone in 1876."
    with Corpus(folder, embedder=HashingEmbedder()) as corpus:
        corpus.add([Chunk(Source("bell", text, "Bell"), 0, len(text)), "Bread is baked from flour."])
    shown = here("search", "Who invented the telephone?", "--index", folder, "--explain")
    assert shown.code == 0, shown.err
    assert re.search(r"\*\*(telephone|patent|Bell)\*\*", shown.out)
    found = here("search", "Who invented the telephone?", "--index", folder, "--explain", "--json").document
    (start, end, weight) = found[0]["metadata"]["highlights"][0]
    assert weight > 0
    assert found[0]["text"][start:end].strip()


@pytest.mark.model
def test_marking_tells_what_was_cut() -> None:
    hits = [Hit(Document("The cat sleeps all day on the sofa. " * 60), 1.0, 1), Hit(Document("Rain is wet."), 0.5, 2)]
    with load("embedded", n_ctx=256) as llm:
        marked, notes = mark("What does the cat do?", hits, llm)
    assert [hit.rank for hit in marked] == [1, 2]
    assert marked[0].document.metadata["highlights"]
    assert notes[0].startswith("1 of 2 documents cut to ")


def test_the_mark_of_a_list_belongs_to_its_item() -> None:
    text = "# Pets\n\n- The cat eats fish every day.\n- Dogs bark at night.\n\n1. First feed the cat.\n> It is well."
    assert [text[unit.start : unit.end] for unit in units(text, "en")] == [
        "# Pets",
        "- The cat eats fish every day.",
        "- Dogs bark at night.",
        "1. First feed the cat.",
        "> It is well.",
    ]
