"""Damaged files: one clear line that names the file and the way out, nothing lost, and `repair` heals."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import HashingEmbedder
from ragloom.stores import Corpus, vectors
from ragloom.stores.errors import CorpusCorruptError
from ragloom.stores.marks import first_changed, mark_files

pytestmark = pytest.mark.usefixtures("searched_by_chroma")

TEXTS = [f"number{i} among the others" for i in range(60)]

GARBAGE = random.Random(1).randbytes
HARM: dict[str, Callable[[bytes], bytes]] = {
    "garbage": lambda content: GARBAGE(len(content)),
    "half": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "garbage in the middle": lambda content: (
        content[: len(content) // 3] + GARBAGE(len(content) // 3) + content[len(content) // 3 * 2 :]
    ),
}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus whose graph Chroma has saved."""
    folder = tmp_path_factory.mktemp("damage") / "index"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(vectors.HNSW, "sync_threshold", 20)  # type: ignore[misc]
        patch.setitem(vectors.HNSW, "batch_size", 20)  # type: ignore[misc]
        with Corpus(folder, embedder=HashingEmbedder()) as corpus:
            corpus.add(TEXTS[:30])
            corpus.add(TEXTS[30:])
            corpus.delete(corpus.ids()[:1])
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "index"))


def check_healthy(folder: Path) -> None:
    with Corpus(folder, embedder=HashingEmbedder()) as corpus:
        assert len(corpus) == len(TEXTS) - 1
        assert corpus.inconsistencies() == ()
        for mode in ("lexical", "dense", "hybrid"):
            assert corpus.search(TEXTS[7], mode=mode, k=1)[0].document.page_content == TEXTS[7]
        corpus.add(TEXTS)
        assert len(corpus) == len(TEXTS)


def check_refused_then_repaired(folder: Path, place: str) -> None:
    with Corpus(folder, embedder=HashingEmbedder()) as corpus:
        for use in (lambda: corpus.search(TEXTS[7]), lambda: corpus.add(["new"]), corpus.inconsistencies):
            with pytest.raises(CorpusCorruptError) as caught:
                use()
            message = str(caught.value)
            assert "\n" not in message
            assert place in message
            assert f"ragloom corpus repair {folder}" in message
        assert len(corpus.get(corpus.ids())) == len(TEXTS) - 1
        assert corpus.repair().inconsistencies == ()
        assert corpus.search(TEXTS[7], mode="lexical", k=1)[0].document.page_content == TEXTS[7]
    check_healthy(folder)


def test_the_original_has_every_file_that_is_harmed_below(original: Path) -> None:
    for pattern in (*DENSE, *LEXICAL):
        assert [file for file in original.glob(pattern) if file.stat().st_size > 100 or "header" in file.name], pattern
    check_healthy(Path(shutil.copytree(original, original.parent / "copy")))


DENSE = [
    "dense-*/*/data_level0.bin",
    "dense-*/*/header.bin",
    "dense-*/*/length.bin",
    "dense-*/*/index_metadata.pickle",
    "dense-*/chroma.sqlite3",
]
LEXICAL = ["lexical-*/meta.json", "lexical-*/*.idx", "lexical-*/*.term", "lexical-*/*.fast", "lexical-*/*.fieldnorm"]


@pytest.mark.parametrize("harm", HARM)
@pytest.mark.parametrize("pattern", DENSE)
def test_damaged_vectors_are_noticed_before_chroma_trips_over_them(folder: Path, pattern: str, harm: str) -> None:
    for file in folder.glob(pattern):
        file.write_bytes(HARM[harm](file.read_bytes()))
    check_refused_then_repaired(folder, f"{folder}/dense-")


@pytest.mark.parametrize("harm", ["garbage", "half", "empty"])
@pytest.mark.parametrize("pattern", LEXICAL)
def test_a_damaged_lexical_index_is_noticed(folder: Path, pattern: str, harm: str) -> None:
    for file in folder.glob(pattern):
        file.write_bytes(HARM[harm](file.read_bytes()))
    check_refused_then_repaired(folder, f"{folder}/lexical-")


@pytest.mark.parametrize("pattern", [DENSE[0], DENSE[3], *LEXICAL[:3]])
def test_a_file_that_is_gone_is_noticed(folder: Path, pattern: str) -> None:
    for file in folder.glob(pattern):
        file.unlink()
    check_refused_then_repaired(folder, f"{folder}/{pattern.split('-', maxsplit=1)[0]}-")


@pytest.mark.parametrize("index", ["lexical", "dense"])
@pytest.mark.parametrize("content", [b"", b"\xff\x00garbage", b"[]", b"{}", b'{"folder": "x"}', b'{"marks": {"a": 1}}'])
def test_a_damaged_pointer_is_named(folder: Path, index: str, content: bytes) -> None:
    (folder / f"{index}.json").write_bytes(content)
    check_refused_then_repaired(folder, f"{folder}/{index}.json is damaged")


@pytest.mark.parametrize("gone", ["lexical-*", "dense-*", "lexical.json", "dense.json", "[ld]e*"])
def test_a_derived_index_that_is_gone_is_made_again_silently(folder: Path, gone: str) -> None:
    for path in folder.glob(gone):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    check_healthy(folder)


def test_an_index_that_vanishes_under_an_open_corpus_is_made_again_at_the_next_write(folder: Path) -> None:
    with Corpus(folder, embedder=HashingEmbedder()) as corpus:
        assert corpus.search(TEXTS[7])
        for path in folder.glob("*-*"):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else None
        corpus.add(["new"])
        assert corpus.inconsistencies() == ()
    with Corpus(folder, embedder=HashingEmbedder()) as corpus:
        corpus.delete(corpus.ids()[-1:])
    check_healthy(folder)


@pytest.mark.parametrize("harm", HARM)
def test_a_damaged_database_is_named_and_left_as_it_is(folder: Path, harm: str) -> None:
    database = folder / "corpus.sqlite3"
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    damaged = HARM[harm](database.read_bytes())
    database.write_bytes(damaged)

    refused = pytest.raises(CorpusCorruptError, match=rf"{database} is .*; restore it from a backup, or")
    with refused as caught, Corpus(folder, embedder=HashingEmbedder()) as corpus:
        corpus.repair()
    assert "\n" not in str(caught.value)
    assert database.read_bytes() == damaged


def test_an_index_that_disagrees_with_the_database_is_told_and_repaired(folder: Path) -> None:
    with sqlite3.connect(folder / "corpus.sqlite3") as database:
        key = database.execute("SELECT min(key) FROM chunks").fetchone()
        database.execute("DELETE FROM vectors WHERE key = ?", key)
        database.execute("DELETE FROM chunks WHERE key = ?", key)
    database.close()
    with Corpus(folder, embedder=HashingEmbedder()) as corpus:
        assert corpus.inconsistencies() == tuple(
            f"{name} index: 0 chunks missing, 1 too many" for name in ("lexical", "dense")
        )
        assert corpus.repair().inconsistencies == ()


def test_a_database_that_is_gone_is_not_replaced_by_an_empty_one(folder: Path) -> None:
    for file in folder.glob("corpus.sqlite3*"):
        file.unlink()
    with pytest.raises(CorpusCorruptError, match="is missing, though its indexes are there; restore it from a backup"):
        Corpus(folder)
    assert not (folder / "corpus.sqlite3").exists()


def test_a_restored_older_database_gets_indexes_of_its_own(folder: Path) -> None:
    backup = folder.parent / "backup.sqlite3"
    with sqlite3.connect(folder / "corpus.sqlite3") as now, sqlite3.connect(backup) as then:
        now.backup(then)
    now.close()
    then.close()
    with Corpus(folder, embedder=HashingEmbedder()) as corpus:
        corpus.delete(corpus.ids()[:20])
        corpus.add(["something newer"])
    for file in folder.glob("corpus.sqlite3*"):
        file.unlink()
    shutil.copy(backup, folder / "corpus.sqlite3")
    check_healthy(folder)


def test_a_copied_corpus_works_though_its_files_have_other_times(folder: Path) -> None:
    for file in folder.rglob("*"):
        os.utime(file, ns=(1, 1))
    check_healthy(folder)


def test_folders_left_by_a_rebuild_that_died_are_removed_by_the_next(folder: Path) -> None:
    (folder / "dense-deadbeef").mkdir()
    with Corpus(folder, embedder=HashingEmbedder()) as corpus:
        corpus.repair()
    assert len(list(folder.glob("dense-*"))) == 1


def test_a_pointer_that_says_half_written_is_followed_up(folder: Path) -> None:
    pointer = folder / "dense.json"
    written = json.loads(pointer.read_text())
    pointer.write_text(json.dumps({**written, "whole": False}))
    check_healthy(folder)
    assert json.loads(pointer.read_text())["folder"] == written["folder"], "its files had not changed"


def test_a_graph_that_was_being_saved_is_made_again(folder: Path) -> None:
    pointer = folder / "dense.json"
    written = json.loads(pointer.read_text())
    pointer.write_text(json.dumps({**written, "whole": False}))
    (graph,) = folder.glob("dense-*/*/data_level0.bin")
    graph.write_bytes(GARBAGE(graph.stat().st_size))
    check_healthy(folder)
    assert json.loads(pointer.read_text())["folder"] != written["folder"]


def test_marks_tell_changed_files_from_touched_ones(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"content")
    marks = mark_files(tmp_path, ["file"], {})
    assert first_changed(tmp_path, marks) is None
    os.utime(file, ns=(5, 5))
    assert first_changed(tmp_path, marks) is None
    file.write_bytes(b"CONTENT")
    assert first_changed(tmp_path, marks) == "file"
    assert mark_files(tmp_path, ["file"], marks) != marks
    file.unlink()
    assert first_changed(tmp_path, marks) == "file"
    assert first_changed(tmp_path, marks, missing_ok=True) is None
