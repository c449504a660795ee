"""Several processes with one corpus: one writes, the others see it."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from corpus_worker import Workers, numbered
from fakes import HashingEmbedder
from ragloom.stores import Chunk, Corpus
from ragloom.stores.database import Database
from ragloom.stores.errors import CorpusFullError, CorpusLockedError
from ragloom.stores.query import Mode

pytestmark = [
    pytest.mark.usefixtures("searched_by_chroma"),
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork"),
]

MODES: list[Mode] = ["hybrid", "dense", "lexical"]


def found(corpus: Corpus, text: str, mode: Mode) -> bool:
    return any(hit.document.page_content == text for hit in corpus.search(text, mode=mode, k=1))


def test_vectors_that_are_being_made_again_are_not_searched_by_new_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise CorpusFullError(tmp_path, "no space left")

    with Corpus(tmp_path, embedder=HashingEmbedder()) as reader, Corpus(tmp_path, embedder=HashingEmbedder()) as writer:
        reader.add(numbered(0, 30))
        assert found(reader, numbered(0, 30)[3], "dense")
        monkeypatch.setattr(writer._indexes, "rebuild", fail)
        with pytest.raises(CorpusFullError):
            writer.repair(reembed=True)
        with writer._writer.hold(), pytest.raises(CorpusLockedError):
            reader.search("anything")
        assert found(reader, numbered(0, 30)[3], "dense")


def test_a_reader_sees_what_another_process_added_and_deleted(tmp_path: Path, workers: Workers) -> None:
    texts = numbered(0, 30)
    ids = [Chunk.from_text(text).id for text in texts]
    with Corpus(tmp_path, embedder=HashingEmbedder()) as reader:
        reader.add(["something to begin with"])
        assert reader.search("something")

        workers.run("add", path=str(tmp_path), start=0, stop=20, group=7)
        assert all(found(reader, text, mode) for text in texts[:20] for mode in MODES)
        assert [document.id for document in reader.get(ids)] == ids[:20]

        workers.run("delete", path=str(tmp_path), start=5, stop=10, group=5)
        workers.run("add", path=str(tmp_path), start=20, stop=30, group=10)
        assert not any(found(reader, text, mode) for text in texts[5:10] for mode in MODES)
        assert all(found(reader, text, mode) for text in texts[10:] for mode in MODES)
        assert reader.get(ids[5:10]) == []
        assert len(reader.search("number", mode="dense", k=100)) == len(reader) == 26
        assert reader.inconsistencies() == ()


def test_a_reader_follows_when_another_process_makes_the_indexes_again(tmp_path: Path, workers: Workers) -> None:
    with Corpus(tmp_path, embedder=HashingEmbedder()) as reader:
        reader.add(numbered(0, 20))
        for _ in range(3):
            workers.run("repair", path=str(tmp_path), times=2)
            assert all(found(reader, text, mode) for text in numbered(0, 20)[::7] for mode in MODES)


def test_readers_in_threads_find_every_acknowledged_chunk_while_another_process_adds(
    tmp_path: Path, workers: Workers
) -> None:
    text_of = {Chunk.from_text(text).id: text for text in numbered(0, 100)}
    acknowledged: list[str] = ["number0 among the others"]
    done = threading.Event()
    failures: list[Any] = []
    with Corpus(tmp_path, embedder=HashingEmbedder()) as reader:
        reader.add(acknowledged)

        def look(mode: Mode) -> None:
            try:
                while not done.is_set():
                    text = acknowledged[-1]
                    if not found(reader, text, mode):
                        failures.append((mode, text))
            except BaseException as error:  # noqa: BLE001 - it is reported below
                failures.append(error)

        threads = [threading.Thread(target=look, args=(mode,)) for mode in ("lexical", "dense", "hybrid", "lexical")]
        for thread in threads:
            thread.start()
        workers.start("add", path=str(tmp_path), start=0, stop=100, group=5, save_every=20)
        while "acknowledged" in (said := workers.hear("pid")):
            for id_ in said["acknowledged"]:
                assert found(reader, text_of[id_], "lexical")
                acknowledged.append(text_of[id_])
        done.set()
        for thread in threads:
            thread.join()
        assert said["exit"] == 0
        assert failures == []
        assert len(acknowledged) == 101
        assert reader.inconsistencies() == ()


def test_reading_processes_survive_a_writing_one(tmp_path: Path, workers: Workers) -> None:
    with Corpus(tmp_path, embedder=HashingEmbedder()) as corpus:
        corpus.add(numbered(0, 10))
    for _ in range(2):
        workers.start("read", path=str(tmp_path), until=149)
        workers.hear("reading")
    workers.start("add", path=str(tmp_path), start=10, stop=150, group=7, save_every=20)
    said = [workers.hear("pid")]
    while sum("exit" in line for line in said) < 3:
        said.append(workers.hear("pid"))
    assert [line["exit"] for line in said if "exit" in line] == [0, 0, 0]
    reports = [line for line in said if "inconsistencies" in line]
    assert [(line["inconsistencies"], line["chunks"]) for line in reports] == [([], 150)] * 2


def test_processes_that_make_the_same_corpus_at_once_get_one(tmp_path: Path, workers: Workers) -> None:
    for number in range(5):
        for _ in range(4):
            workers.start("create", path=str(tmp_path / str(number)))
        said = [workers.hear("pid") for _ in range(8)]
        assert [line["exit"] for line in said if "exit" in line] == [0] * 4
        assert [line["chunks"] for line in said if "chunks" in line] == [0] * 4


def test_an_index_that_a_writer_has_not_reached_yet_is_no_inconsistency(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Corpus(tmp_path, embedder=HashingEmbedder()) as writer, Corpus(tmp_path, embedder=HashingEmbedder()) as reader:
        writer.add(["number0"])
        assert reader.search("number0")
        follow = writer._indexes.dense.catch_up
        seen: list[tuple[bool, tuple[str, ...]]] = []

        def look_and_follow(database: Database) -> None:
            seen.append((bool(reader.search("number1", mode="lexical")), reader.inconsistencies()))
            follow(database)

        monkeypatch.setattr(writer._indexes.dense, "catch_up", look_and_follow)
        writer.add(["number1"])
        assert seen[-1] == (True, ()), "the words are there, the vectors come in a moment"
        assert reader.inconsistencies() == ()


def test_two_corpora_of_one_path_in_one_process_see_each_others_writes(tmp_path: Path) -> None:
    with Corpus(tmp_path, embedder=HashingEmbedder()) as one, Corpus(tmp_path, embedder=HashingEmbedder()) as two:
        for number, (writer, reader) in enumerate([(one, two), (two, one)] * 3):
            text = f"number{number} among the others"
            writer.add([text])
            assert all(found(reader, text, mode) for mode in MODES)
        two.delete(one.ids()[:3])
        assert len(one.search("number", mode="dense")) == len(two.search("number", mode="dense")) == 3
        assert one.inconsistencies() == two.inconsistencies() == ()
