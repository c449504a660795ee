"""`ragloom cache` lists and deletes what ragloom made, and nothing else."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import pytest
from command import here
from fakes import HashingEmbedder
from ragloom.rag import cache
from ragloom.stores import Corpus

MODEL = "SmolLM2-135M-Instruct-0123456789ab-Q8_0.gguf"
EMBEDDER = "all-MiniLM-L6-v2-0123456789ab.onnx"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with an LLM, an embedder and an index over a folder."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("RAGLOOM_CACHE", str(folder))
    (folder / "models").mkdir(parents=True)
    (folder / "models" / MODEL).write_bytes(b"x" * 1_000_000)
    (folder / "models" / ".lock").touch()
    (folder / "models" / "0123456789abcdef.sha256").write_text("0" * 64)
    (folder / "embedders").mkdir()
    (folder / "embedders" / EMBEDDER).write_bytes(b"x" * 500_000)
    (folder / "embedders" / "other-0123456789ab.refused").touch()
    with Corpus(cache.index_over(tmp_path / "docs"), embedder=HashingEmbedder()) as corpus:
        corpus.add(["A text."])
    return folder


def test_info_lists_models_and_indexes_with_their_sizes(root: Path, tmp_path: Path) -> None:
    document = here("cache", "info", "--json").document
    sizes = {entry["name"]: entry["bytes"] for entry in document["entries"]}
    over = cache.index_over(tmp_path / "docs").relative_to(root).as_posix()
    assert document["folder"] == str(root)
    assert sizes.keys() == {f"models/{MODEL}", f"embedders/{EMBEDDER}", over}
    assert sizes[f"models/{MODEL}"] == 1_000_000
    assert sizes[f"embedders/{EMBEDDER}"] == 500_000
    assert sizes[over] > 10_000


def test_an_index_in_the_cache_of_another_version_is_begun_anew(root: Path, tmp_path: Path) -> None:
    index = cache.index_over(tmp_path / "docs")
    with sqlite3.connect(index / "corpus.sqlite3") as database:
        database.execute("ALTER TABLE sources ADD COLUMN colour TEXT")
    database.close()
    with cache.open_index(index) as corpus:
        assert len(corpus) == 0
    with Corpus(index, embedder=HashingEmbedder()) as corpus:
        assert corpus.inconsistencies() == ()


def test_clear_leaves_nothing_of_its_own_behind(root: Path) -> None:
    assert here("cache", "clear", "--json").document["freed_bytes"] > 1_000_000
    assert list(root.iterdir()) == []
    assert here("cache", "clear", "--json").document["freed_bytes"] == 0


def test_clear_never_deletes_what_ragloom_did_not_make(root: Path, tmp_path: Path) -> None:
    index = cache.index_over(tmp_path / "docs")
    outside = tmp_path / "outside"
    with Corpus(outside, embedder=HashingEmbedder()) as corpus:
        corpus.add(["A text."])
    own = [
        root / "models" / "mine.gguf",
        root / "models" / "thesis.tex",
        root / "embedders" / "mine.onnx",
        root / "demo" / "slides.txt",
        root / "demo" / "python-course" / "lesson.txt",
        root / "over" / "notes-0123456789" / "corpus.txt",
        root / "wheels" / "llama.whl",
        root / "notes.txt",
        index / "notes.txt",
    ]
    for path in own:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    if sys.platform != "win32":  # where making a link is a privilege
        (root / "over" / "linked-0123456789").symlink_to(outside)
    assert here("cache", "clear").code == 0
    assert all(path.read_text() == "mine" for path in own)
    assert len(Corpus(outside, embedder=HashingEmbedder())) == 1
    assert [path.name for path in index.iterdir()] == ["notes.txt"]


def test_a_cache_that_does_not_exist_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAGLOOM_CACHE", str(tmp_path / "absent"))
    assert here("cache", "info", "--json").document["entries"] == []
    assert here("cache", "clear").out == "freed 0.0 MB\n"
    assert not (tmp_path / "absent").exists()
