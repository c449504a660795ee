"""Adding, replacing and deleting."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fakes import HashingEmbedder, ShortSightedEmbedder
from langchain_core.documents import Document
from ragloom.stores import AddProgress, Chunk, Corpus, Source
from ragloom.stores.adding import COMMIT_CHUNKS
from ragloom.stores.errors import CorpusError, EmbedderError


def chunks_of(source: Source, *texts: str) -> list[Chunk]:
    """Each text is a span of the source."""
    starts = [source.text.index(text) for text in texts]
    return [Chunk(source, start, start + len(text)) for start, text in zip(starts, texts, strict=True)]


def texts(corpus: Corpus) -> list[str]:
    return [document.page_content for document in corpus.get(corpus.ids())]


def lexical_hits(corpus: Corpus, word: str) -> list[str]:
    return [hit.document.page_content for hit in corpus.search(word, mode="lexical", k=50)]


def dense_hits(corpus: Corpus) -> set[str]:
    return {hit.document.page_content for hit in corpus.search("anything", mode="dense", k=1000)}


def test_texts_documents_and_chunks_can_be_added_together(corpus: Corpus) -> None:
    source = Source("book", "A mole and a rat.", "The book", {"year": 1908})
    report = corpus.add(
        ["plain text", Document(page_content="a document", metadata={"lang": "en"}, id="d1"), Chunk(source, 0, 6)]
    )

    assert len(report.added) == len(corpus) == 3
    assert texts(corpus) == ["plain text", "a document", "A mole"]
    (document,) = corpus.get(["d1"])
    assert document.metadata["lang"] == "en"
    (mole,) = corpus.get([report.added[2]])
    assert mole.metadata == {
        "source": "book", "title": "The book", "year": 1908,
        "source_id": "book", "heading": [], "start": 0, "end": 6, "section": [0, 17],
    }  # fmt: skip
    assert corpus.inconsistencies() == ()


def test_what_is_there_already_embeds_and_writes_nothing(corpus: Corpus, embedder: HashingEmbedder) -> None:
    first = corpus.add(["one", "two", "three"])
    embedded, generation = embedder.embedded, corpus.stats().generation

    second = corpus.add(["one", "two", "three"])

    assert (first.added, first.embedded, first.unchanged) == (tuple(corpus.ids()), 3, 0)
    assert (second.added, second.embedded, second.unchanged, second.removed) == ((), 0, 3, 0)
    assert (embedder.embedded, corpus.stats().generation) == (embedded, generation)


def test_metadata_with_a_tuple_is_not_new_the_second_time(corpus: Corpus) -> None:
    corpus.add([Chunk.from_text("text", id="a", metadata={"tags": ("x", "y")})])
    generation = corpus.stats().generation
    corpus.add([Chunk.from_text("text", id="a", metadata={"tags": ("x", "y")})])
    assert corpus.stats().generation == generation


def test_a_changed_source_replaces_its_chunks_and_keeps_the_vectors_of_those_that_stay(
    corpus: Corpus, embedder: HashingEmbedder
) -> None:
    before = Source("book", "Mole digs. Toad drives.", fingerprint="1")
    corpus.add([*chunks_of(before, "Mole digs.", "Toad drives."), "another document"])
    kept_id = chunks_of(before, "Mole digs.")[0].id
    vector, embedded = corpus.vectors([kept_id]), embedder.embedded

    after = Source("book", "Rat rows. Mole digs.", fingerprint="2")
    report = corpus.add(chunks_of(after, "Rat rows.", "Mole digs."))

    assert (report.embedded, report.unchanged, report.removed) == (1, 1, 1)
    assert embedder.embedded == embedded + 1
    assert sorted(texts(corpus)) == ["Mole digs.", "Rat rows.", "another document"]
    assert np.array_equal(corpus.vectors([kept_id]), vector)
    (mole,) = corpus.get([kept_id])
    assert (mole.metadata["start"], mole.metadata["end"]) == (10, 20)
    assert corpus.source("book") == after
    assert lexical_hits(corpus, "toad") == []
    assert dense_hits(corpus) == {"Mole digs.", "Rat rows.", "another document"}
    assert corpus.inconsistencies() == ()


def test_a_source_with_another_fingerprint_drops_the_chunks_that_do_not_come_again(corpus: Corpus) -> None:
    corpus.add(chunks_of(Source("s", "one two three", fingerprint="split 1"), "one two", "three"))
    report = corpus.add(chunks_of(Source("s", "one two three", fingerprint="split 2"), "one", "two three"))
    assert sorted(texts(corpus)) == ["one", "two three"]
    assert (report.removed, report.unchanged, len(report.added)) == (2, 0, 2)


def test_a_source_that_did_not_change_may_come_in_parts(corpus: Corpus) -> None:
    source = Source("s", "one two three")
    corpus.add(chunks_of(source, "one"))
    corpus.add(chunks_of(source, "three"))
    assert texts(corpus) == ["one", "three"]


def test_a_chunk_with_the_same_id_and_another_text_takes_its_place(corpus: Corpus) -> None:
    corpus.add([Chunk.from_text("old words", id="x")])
    report = corpus.add([Chunk.from_text("new words", id="x")])
    assert (report.added, report.removed) == (("x",), 0)
    assert texts(corpus) == ["new words"]
    assert lexical_hits(corpus, "old") == []
    assert corpus.inconsistencies() == ()


def test_a_chunk_that_moves_to_another_source_leaves_no_empty_one_behind(corpus: Corpus) -> None:
    first, second = Source("first", "same words"), Source("second", "same words")
    corpus.add([Chunk(first, 0, 10, id="x")])
    report = corpus.add([Chunk(second, 0, 10, id="x")])
    assert (report.unchanged, report.embedded) == (1, 0)
    assert corpus.source("first") is None
    assert corpus.get(["x"])[0].metadata["source_id"] == "second"


def test_new_metadata_are_stored_without_embedding(corpus: Corpus, embedder: HashingEmbedder) -> None:
    corpus.add([Chunk.from_text("text", id="x", metadata={"year": 1})])
    embedded = embedder.embedded
    corpus.add([Chunk.from_text("text", id="x", metadata={"year": 2})])
    assert embedder.embedded == embedded
    assert corpus.get(["x"])[0].metadata["year"] == 2
    assert [hit.document.id for hit in corpus.search("text", where={"year": 2})] == ["x"]


def test_documents_without_id_that_differ_in_metadata_only_are_both_kept(corpus: Corpus) -> None:
    corpus.add([Document(page_content="footer", metadata={"source": name}) for name in ("a.md", "b.md")])
    assert len(corpus) == 2
    assert len(corpus.search("footer", where={"source": "a.md"})) == 1


def test_a_repeated_paragraph_of_a_source_is_one_chunk(corpus: Corpus) -> None:
    source = Source("s", "again\nagain\n")
    report = corpus.add([Chunk(source, 0, 5), Chunk(source, 6, 11)])
    assert (len(report.added), report.unchanged, len(corpus)) == (1, 1, 1)


def test_deleted_chunks_disappear_everywhere(corpus: Corpus) -> None:
    book = Source("book", "alpha beta")
    corpus.add([*chunks_of(book, "alpha", "beta"), Chunk.from_text("gamma", id="g", metadata={"year": 1}), "delta"])

    assert corpus.delete(sources=["book"]) == 2
    assert corpus.delete(["g", "unknown"]) == 1
    assert corpus.delete(where={"year": 1}) == 0

    assert corpus.source("book") is None
    assert texts(corpus) == ["delta"]
    assert dense_hits(corpus) == {"delta"}
    for word in ("alpha", "beta", "gamma"):
        assert lexical_hits(corpus, word) == []
    assert corpus.inconsistencies() == ()


def test_deleting_says_what_it_needs(corpus: Corpus) -> None:
    corpus.add(["text"])
    for nothing in ({}, {"where": {}}):
        with pytest.raises(TypeError, match=r"delete takes ids=\[...\], sources=\[...\] or where=\{a condition\}"):
            corpus.delete(**nothing)
    assert corpus.delete([]) == corpus.delete(sources=[]) == 0, "a list may be empty"
    assert len(corpus) == 1


def test_deleting_by_metadata_spares_the_source_that_still_has_chunks(corpus: Corpus) -> None:
    source = Source("s", "one two")
    corpus.add([Chunk(source, 0, 3, metadata={"page": 1}), Chunk(source, 4, 7, metadata={"page": 2})])
    assert corpus.delete(where={"page": 1}) == 1
    assert corpus.source("s") == source
    assert texts(corpus) == ["two"]


def test_progress_names_what_is_safe_after_every_commit(tmp_path: Path, embedder: HashingEmbedder) -> None:
    events: list[AddProgress] = []
    count = 2 * COMMIT_CHUNKS + 10
    with Corpus(tmp_path / "index", embedder=embedder) as corpus:

        def check(event: AddProgress) -> None:
            events.append(event)
            assert set(event.ids) <= set(corpus.ids())
            assert corpus.search(f"number{event.done - 1}", mode="lexical")

        report = corpus.add([f"number{i}" for i in range(count)], on_progress=check)

    assert [event.done for event in events] == [COMMIT_CHUNKS, 2 * COMMIT_CHUNKS, count]
    assert {event.total for event in events} == {count}
    assert tuple(id_ for event in events for id_ in event.ids) == report.added
    assert set(report.seconds) == {"embed", "store", "lexical", "dense"}


def test_a_source_is_never_split_over_two_commits(corpus: Corpus) -> None:
    count = COMMIT_CHUNKS + 50
    long = Source("long", "".join(f"{i:05d}" for i in range(count)))
    pieces = [Chunk(long, 5 * i, 5 * i + 5) for i in range(count)]
    sizes: list[int] = []
    corpus.add(["first", *pieces, "last"], on_progress=lambda event: sizes.append(len(event.ids)))
    assert sizes == [1 + count, 1]


def test_what_was_acknowledged_stays_when_the_input_breaks_off(corpus: Corpus) -> None:
    acknowledged: list[str] = []

    def broken() -> Iterator[str]:
        yield from (f"number{i}" for i in range(COMMIT_CHUNKS + 5))
        raise ConnectionError("the crawler lost its way")

    with pytest.raises(ConnectionError):
        corpus.add(broken(), on_progress=lambda event: acknowledged.extend(event.ids))

    assert len(acknowledged) == COMMIT_CHUNKS
    assert set(acknowledged) == set(corpus.ids())
    assert corpus.inconsistencies() == ()
    corpus.add(["the lock is free again"])


def test_adding_nothing_is_no_error(corpus: Corpus) -> None:
    report = corpus.add([])
    assert (report.added, report.unchanged, report.removed, report.embedded) == ((), 0, 0, 0)
    assert corpus.search("anything") == []


@pytest.mark.parametrize("flaw", ["shape", "nan"])
def test_vectors_that_are_none_are_refused_and_nothing_is_stored(tmp_path: Path, flaw: str) -> None:
    class Flawed(HashingEmbedder):
        def encode(self, texts: object) -> np.ndarray:
            vectors = super().encode(list(texts))
            return vectors[:, :5] if flaw == "shape" else vectors * np.nan

    with Corpus(tmp_path / "index", embedder=Flawed()) as corpus:
        with pytest.raises(EmbedderError, match="hashing gave"):
            corpus.add(["text"])
        assert len(corpus) == 0


def test_texts_of_which_the_embedder_reads_only_the_beginning_are_named(tmp_path: Path) -> None:
    under_a_heading = Chunk(Source("s", "five words make this text"), 0, 25, heading=("A heading",))
    fitting = Chunk(Source("t", "five words make this text"), 0, 25)
    with Corpus(tmp_path / "index", embedder=ShortSightedEmbedder(5)) as corpus:
        report = corpus.add([under_a_heading, fitting, "this text has six words altogether"])
        assert report.cut == (report.added[0], report.added[2])
        assert corpus.search("altogether", mode="lexical", k=1)
        again = corpus.add([under_a_heading, "seven words are two words too many"])
        assert again.cut == again.added, "what was there already was told of when it was added"


def test_cut_texts_are_counted_over_many_commits(tmp_path: Path) -> None:
    source = Source("s", "".join(f"{i:04} " for i in range(600)))
    chunks = [Chunk(source, 5 * i, min(5 * i + 5 * (1 + i % 2), len(source.text))) for i in range(600)]
    with Corpus(tmp_path / "index", embedder=ShortSightedEmbedder(1)) as corpus:
        assert len(corpus.add(chunks).cut) == 299


def test_a_repair_tells_how_many_texts_are_too_long_for_another_embedder(tmp_path: Path) -> None:
    with Corpus(tmp_path, embedder=ShortSightedEmbedder(9)) as corpus:
        assert corpus.add(["this text has six words altogether", "two words"]).cut == ()
    with Corpus(tmp_path, embedder=ShortSightedEmbedder(5, name="shorter")) as corpus:
        assert corpus.repair(reembed=True).cut == 1


def test_an_embedder_that_cannot_count_cuts_nothing_that_is_known(corpus: Corpus) -> None:
    assert corpus.add(["word " * 1000]).cut == ()


def test_another_text_under_an_id_within_one_add_is_refused(corpus: Corpus) -> None:
    with pytest.raises(CorpusError, match="source 'x' comes twice with different texts"):
        corpus.add([Chunk.from_text("one", id="x"), Chunk.from_text("two", id="x")])
    source = Source("s", "one two")
    with pytest.raises(CorpusError, match="chunk id 'c' comes twice"):
        corpus.add([Chunk(source, 0, 3, id="c"), Chunk(source, 4, 7, id="c")])
    assert len(corpus) == 0
