"""Input that cannot be used: one clear line, and nothing lost."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import HashingEmbedder, ShortSightedEmbedder
from langchain_core.documents import Document
from ragloom.stores import Chunk, Corpus, Source
from ragloom.stores.errors import (
    CorpusCorruptError,
    CorpusError,
    CorpusNotFoundError,
    CorpusVersionError,
    EmbedderError,
    EmbedderMismatchError,
    QueryError,
)


def one_line(error: BaseException) -> str:
    assert "\n" not in str(error)
    return str(error)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"query": ""}, "the query is empty"),
        ({"query": " \n"}, "the query is empty"),
        ({}, "the query is empty"),
        ({"query": "  ", "vector": [1.0] * 32}, "the query is empty"),
        ({"query": 3}, "the query must be a text, not int"),
        ({"query": b"bytes"}, "the query must be a text, not bytes"),
        ({"query": "x\ud800y"}, "contains a lone surrogate"),
        ({"query": "x", "k": 0}, "k must be a whole number above 0, not 0"),
        ({"query": "x", "k": -1}, "not -1"),
        ({"query": "x", "k": 2.5}, "not 2.5"),
        ({"query": "x", "k": True}, "not True"),
        ({"query": "x", "k": "5"}, "not '5'"),
        ({"query": "x", "mode": "fuzzy"}, "unknown mode 'fuzzy'; use one of hybrid, dense, lexical"),
        ({"query": "x", "mode": None}, "unknown mode None"),
        ({"vector": [1.0] * 32, "mode": "lexical"}, "a lexical search needs words"),
        ({"vector": [1.0] * 31}, r"the vector has shape \(31,\), the corpus' vectors have \(32,\)"),
        ({"vector": [[1.0] * 32]}, r"shape \(1, 32\)"),
        ({"vector": ["a"] * 32}, "the vector must hold numbers"),
        ({"vector": [float("nan")] * 32}, "NaN or infinity"),
    ],
)
def test_a_question_that_cannot_be_asked_is_one_clear_error(
    corpus: Corpus, asked: dict[str, Any], message: str
) -> None:
    corpus.add(["something"])
    with pytest.raises(QueryError, match=message) as caught:
        corpus.search(**asked)
    one_line(caught.value)


def test_a_query_longer_than_the_embedder_reads_is_refused_with_both_numbers(tmp_path: Path) -> None:
    with Corpus(tmp_path, embedder=ShortSightedEmbedder(3)) as corpus:
        corpus.add(["who takes it?"])
        for mode in ("hybrid", "dense"):
            assert corpus.search("who takes it?", mode=mode)
            with pytest.raises(
                QueryError, match=r"the query has 4 tokens, but the embedder reads 3 .*[(]mode lexical[)]"
            ):
                corpus.search("who takes the car?", mode=mode)
        assert corpus.search("who takes the car?", mode="lexical")
        assert corpus.search("who takes the car?", vector=[1.0] * 32)


def test_numpy_numbers_are_numbers(corpus: Corpus) -> None:
    corpus.add(["something"])
    assert corpus.search("something", k=np.int64(3))  # type: ignore[arg-type]


@pytest.mark.parametrize("item", [3, None, b"bytes", ["nested"], {"text": "x"}])
def test_an_item_that_is_no_document_is_named(corpus: Corpus, item: Any) -> None:
    with pytest.raises(TypeError, match=f"add takes chunks, LangChain documents or texts, not {type(item).__name__}"):
        corpus.add(["fine", item])
    assert len(corpus) == 0


@pytest.mark.parametrize("item", ["text", b"bytes", Document(page_content="x"), Chunk.from_text("x")])
def test_a_single_item_has_to_be_put_into_a_list(corpus: Corpus, item: Any) -> None:
    with pytest.raises(TypeError, match="put the one"):
        corpus.add(item)
    for method in (corpus.get, corpus.vectors, corpus.delete):
        with pytest.raises(TypeError, match="put the one 'id' into a list"):
            method("id")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"when": np.float32(1)}, "metadata 'when' holds .* which has no JSON form"),
        ({"a": 1, "b": {1, 2}}, "metadata 'b' holds {1, 2} \\(set\\)"),
        ({"price": float("nan")}, "metadata 'price' holds nan \\(float\\)"),
        ({"deep": [{"x": float("inf")}]}, "metadata 'deep'"),
        ({3: "x"}, "the metadata's name 3 is not a text"),
        ({"half": "\udcff"}, "metadata 'half'"),
        ({"half\udcff": 1}, "half"),
    ],
)
def test_metadata_without_json_form_are_refused_before_anything_is_embedded(
    corpus: Corpus, embedder: HashingEmbedder, metadata: dict[Any, Any], message: str
) -> None:
    with pytest.raises(CorpusError, match=message) as caught:
        corpus.add([Chunk.from_text("text", metadata=metadata)])
    one_line(caught.value)
    assert (len(corpus), embedder.embedded) == (0, 0)
    corpus.add(["the corpus still works"])


def test_chunk_metadata_are_checked_like_those_of_the_source(corpus: Corpus) -> None:
    with pytest.raises(CorpusError, match="metadata 'page' holds"):
        corpus.add([Chunk(Source("s", "text"), 0, 4, metadata={"page": object()})])


@pytest.mark.parametrize(
    "chunk",
    [
        Chunk.from_text("broken \ud83d text"),
        Chunk.from_text("text", title="\udc80"),
        Chunk(Source("/files/\udce4.txt", "text"), 0, 4),
        Chunk(Source("s", "text"), 0, 4, heading=("\ud800",)),
        Chunk(Source("s", "text"), 0, 4, id="\ud800"),
    ],
)
def test_half_a_character_is_refused_before_anything_is_embedded(
    corpus: Corpus, embedder: HashingEmbedder, chunk: Chunk
) -> None:
    with pytest.raises(CorpusError, match="contains a lone surrogate") as caught:
        corpus.add([chunk])
    one_line(caught.value)
    str(caught.value).encode()
    assert (len(corpus), embedder.embedded) == (0, 0)


@pytest.mark.parametrize(
    "text", ["before\0after", "\0", "", " \n\t ", "a\r\nb", "\ufffe\uffff", "𝔘 🧵 e\u0301", "x" * 100_000]
)
def test_any_other_text_is_stored_exactly(corpus: Corpus, text: str) -> None:
    source = Source("id\0x", text + "|" + text, title="ti\0tle")
    half = len(text)
    corpus.add([text, Chunk(source, half + 1, 2 * half + 1, heading=("h\0",), metadata={"note": "a\0b"})])

    first, second = corpus.get(corpus.ids())
    assert (first.page_content, second.page_content) == (text, text)
    assert (second.metadata["note"], second.metadata["heading"]) == ("a\0b", ["h\0"])
    stored = corpus.source("id\0x")
    assert stored is not None
    assert (stored.text, stored.title) == (source.text, source.title)
    again = corpus.add([text, Chunk(source, half + 1, 2 * half + 1, heading=("h\0",), metadata={"note": "a\0b"})])
    assert (again.added, again.unchanged) == ((), 2)
    assert corpus.inconsistencies() == ()


def test_words_around_nul_are_found(corpus: Corpus) -> None:
    corpus.add(["before\0after"])
    assert corpus.search("after", mode="lexical")


def test_half_a_character_is_in_no_corpus(corpus: Corpus) -> None:
    with pytest.raises(CorpusError, match="contains a lone surrogate"):
        corpus.get(["\ud800"])


def test_a_span_outside_its_source_cannot_be_made() -> None:
    with pytest.raises(ValueError, match=r"chunk \[2:9\] of 's' lies outside its 4 characters"):
        Chunk(Source("s", "text"), 2, 9)


def test_an_unknown_language_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="unknown language 'klingon'; use 'other' or one of ar, da"):
        Corpus(tmp_path / "index", language="klingon")
    assert not (tmp_path / "index").exists()


def test_a_corpus_keeps_its_language(tmp_path: Path) -> None:
    Corpus(tmp_path / "index", language="de").close()
    with pytest.raises(CorpusError, match="is indexed in language 'de', not 'en'; ingest again into a new index"):
        Corpus(tmp_path / "index", language="en")


def test_a_missing_corpus_is_not_made_by_who_only_wants_to_read(tmp_path: Path) -> None:
    with pytest.raises(CorpusNotFoundError, match=r"there is no index at .*; make one with: ragloom ingest"):
        Corpus(tmp_path / "index", create=False)
    assert not (tmp_path / "index").exists()


def test_a_path_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(CorpusError, match=f"cannot use {path}: "):
            Corpus(path)
    assert (tmp_path / "file").read_text() == "not a folder"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, embedder: HashingEmbedder) -> None:
    with Corpus(tmp_path / "index", embedder=embedder) as corpus:
        corpus.add(["text"])
    (tmp_path / "index").chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(CorpusError, match="a folder that can be written"), Corpus(tmp_path / "index") as corpus:
        corpus.add(["more"])


def test_a_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "corpus.sqlite3"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE recipes (name TEXT)")
    other.close()
    with pytest.raises(CorpusCorruptError, match="is a database, but not one of ragloom's"):
        Corpus(tmp_path)
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT count(*) FROM sqlite_master").fetchone() == (1,)
    other.close()


@pytest.mark.parametrize(
    "difference",
    [
        "UPDATE meta SET value = '99' WHERE name = 'schema'",
        "ALTER TABLE chunks RENAME COLUMN context TO title",
        "ALTER TABLE chunks ADD COLUMN heading TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE sources DROP COLUMN fingerprint",
        "DROP TABLE removed",
        "DROP TABLE files",
    ],
)
def test_a_corpus_of_another_version_is_told_and_not_touched(tmp_path: Path, difference: str) -> None:
    Corpus(tmp_path).close()
    with sqlite3.connect(tmp_path / "corpus.sqlite3") as database:
        database.execute(difference)
    database.close()
    before = (tmp_path / "corpus.sqlite3").read_bytes()
    with pytest.raises(CorpusVersionError, match=f"another version of ragloom; use that one, or delete {tmp_path}"):
        Corpus(tmp_path)
    assert (tmp_path / "corpus.sqlite3").read_bytes() == before


def test_tables_of_somebody_else_do_no_harm(tmp_path: Path) -> None:
    Corpus(tmp_path).close()
    with sqlite3.connect(tmp_path / "corpus.sqlite3") as database:
        database.execute("CREATE TABLE replication (position INTEGER)")
    database.close()
    with Corpus(tmp_path, embedder=HashingEmbedder()) as corpus:
        corpus.add(["A text."])
        assert len(corpus.search("text")) == 1
    with sqlite3.connect(tmp_path / "corpus.sqlite3") as database:
        assert database.execute("SELECT count(*) FROM replication").fetchone() == (0,)
    database.close()


def test_a_closed_corpus_says_so(corpus: Corpus) -> None:
    corpus.close()
    for use in (lambda: corpus.search("x"), lambda: corpus.add(["x"]), lambda: len(corpus), corpus.ids):
        with pytest.raises(CorpusError, match="is closed; open it again"):
            use()


def test_another_embedder_is_refused_with_both_names(tmp_path: Path, embedder: HashingEmbedder) -> None:
    with Corpus(tmp_path, embedder=embedder) as corpus:
        corpus.add(["one", "two"])
    other = HashingEmbedder(16, "other")
    with Corpus(tmp_path, embedder=other) as corpus:
        for use in (lambda: corpus.search("one"), lambda: corpus.add(["three"])):
            with pytest.raises(EmbedderMismatchError) as caught:
                use()
            message = one_line(caught.value)
            assert "hashing (32 dimensions" in message
            assert "other (16 dimensions" in message
            assert f"ragloom corpus repair {tmp_path} --reembed" in message
        assert corpus.search("one", mode="lexical")
        assert len(corpus.get(corpus.ids())) == 2

        assert corpus.repair(reembed=True).inconsistencies == ()
        assert corpus.search("one", k=1)[0].document.page_content == "one"
        corpus.add(["three"])
        assert corpus.embedder_fingerprint == other.fingerprint
    with (
        Corpus(tmp_path, embedder=embedder) as corpus,
        pytest.raises(EmbedderMismatchError, match="open it with other"),
    ):
        corpus.search("one")


def test_an_embedder_of_the_wrong_type_is_named(tmp_path: Path) -> None:
    with Corpus(tmp_path, embedder=42) as corpus, pytest.raises(EmbedderError, match="not 42"):  # type: ignore[arg-type]
        corpus.add(["text"])


def test_whole_numbers_of_more_than_64_bits_are_compared_as_numbers_and_shown_as_texts(corpus: Corpus) -> None:
    own = {"least": -(2**63), "most": 2**63 - 1, "big": [{"deep": 10**40}, 2**63], "text": "9" * 40}
    corpus.add([Document(page_content="something", metadata=own)])
    (hit,) = corpus.search("something", mode="lexical", where={"most": 2**63 - 1, "big": {"$contains": 2**63}})
    shown = {**own, "big": [{"deep": str(10**40)}, str(2**63)]}
    assert shown.items() <= hit.document.metadata.items()
