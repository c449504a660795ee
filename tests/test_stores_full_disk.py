"""A disk that fills up, and a disk that cannot be written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import HashingEmbedder
from ragloom.stores import Corpus
from ragloom.stores.errors import CorpusError, CorpusFullError

pytestmark = pytest.mark.usefixtures("searched_by_chroma")

TEXTS = [f"number{i} {i * i} {i % 97} " + "padding" * 12 for i in range(3000)]
GROUP = 100


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20M", "none", tmp_path], check=False)
    if mounted.returncode != 0:
        pytest.skip("this container may not mount a file system")
    yield tmp_path
    subprocess.run(["umount", "--lazy", tmp_path], check=True)


def remount(disk: Path, options: str) -> None:
    """As soon as the disk is not busy: Chroma closes its database in a thread of its own, milliseconds later."""
    late = time.monotonic() + 10
    while subprocess.run(["mount", "-o", f"remount,{options}", disk], check=False).returncode:
        assert time.monotonic() < late
        time.sleep(0.01)


def check_found(corpus: Corpus, texts: list[str]) -> None:
    for text in texts[::20]:
        for mode in ("lexical", "dense"):
            assert corpus.search(text, mode=mode, k=1)[0].document.page_content == text


def leave_room(disk: Path, size: int) -> Path:
    """Fill the disk but for `size` bytes; removing the file makes room again."""
    filler = disk / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(disk).free - size))
    return filler


@pytest.mark.parametrize("megabytes", [1, 2, 3, 5])
def test_a_disk_that_fills_up_loses_nothing_and_the_same_add_goes_on(disk: Path, megabytes: int) -> None:
    remount(disk, f"size={megabytes}M")
    embedder = HashingEmbedder()
    acknowledged: set[str] = set()
    with Corpus(disk / "index", embedder=embedder) as corpus:

        def add_all() -> None:
            for start in range(0, len(TEXTS), GROUP):
                corpus.add(TEXTS[start : start + GROUP], on_progress=lambda event: acknowledged.update(event.ids))

        with pytest.raises(CorpusFullError, match=r"no room to write to .*; free some space and run the same again"):
            add_all()
        assert acknowledged <= set(corpus.ids())
        if acknowledged:
            assert corpus.search(TEXTS[0], k=1)[0].document.page_content == TEXTS[0]

    remount(disk, "size=40M")
    with Corpus(disk / "index", embedder=embedder) as corpus:
        stored, before = len(corpus), embedder.embedded
        assert acknowledged <= set(corpus.ids())
        report = corpus.add(TEXTS[: stored + 2 * GROUP])
        assert (report.unchanged, report.embedded) == (stored, 2 * GROUP)
        assert embedder.embedded == before + 2 * GROUP
        assert corpus.inconsistencies() == ()
        assert corpus.search(TEXTS[0], k=1)[0].document.page_content == TEXTS[0]


@pytest.mark.parametrize("kilobytes", [0, 8, 40, 80, 120, 200, 400])
def test_every_stage_calls_a_full_disk_full_and_finishes_when_there_is_room(disk: Path, kilobytes: int) -> None:
    """The add brings Chroma to save its graph, and it does not notice by itself that it was cut short."""
    embedder = HashingEmbedder(256)
    with Corpus(disk / "index", embedder=embedder) as corpus:
        corpus.add(TEXTS[:1000])
        filler = leave_room(disk, kilobytes * 1024)
        with pytest.raises(CorpusFullError):
            corpus.add(TEXTS[1000:1030])
        assert corpus.search(TEXTS[5], k=1)[0].document.page_content == TEXTS[5]
        filler.unlink()
        corpus.add(TEXTS[1000:1030])
        assert embedder.embedded in {1030, 1060}, "embedded once more only where SQLite had no room"
        assert corpus.inconsistencies() == ()
        check_found(corpus, TEXTS[:1030])
    with Corpus(disk / "index", embedder=embedder) as corpus:
        check_found(corpus, TEXTS[:1030])


def test_a_repair_without_room_leaves_the_old_indexes(disk: Path) -> None:
    with Corpus(disk / "index", embedder=HashingEmbedder()) as corpus:
        corpus.add(TEXTS[:500])
        filler = leave_room(disk, 100 * 1024)
        with pytest.raises(CorpusFullError):
            corpus.repair()
        filler.unlink()
        assert corpus.search(TEXTS[5], k=1)[0].document.page_content == TEXTS[5]
        assert corpus.repair().inconsistencies == ()
        assert len(list((disk / "index").glob("dense-*"))) == 1


def test_a_disk_without_room_for_a_corpus_says_so(disk: Path) -> None:
    leave_room(disk, 0)
    with pytest.raises(CorpusError), Corpus(disk / "index", embedder=HashingEmbedder()) as corpus:
        corpus.add(["text"])


def test_a_disk_that_cannot_be_written_is_named(disk: Path) -> None:
    with Corpus(disk / "index", embedder=HashingEmbedder()) as corpus:
        corpus.add(["text"])
    remount(disk, "ro")
    refused = pytest.raises(CorpusError, match="a folder that can be written")
    with refused as caught, Corpus(disk / "index", embedder=HashingEmbedder()) as corpus:
        corpus.search("text")
    assert str(disk / "index") in str(caught.value)
    with pytest.raises(CorpusError, match=r"cannot use .*: Read-only file system; a corpus needs a folder"):
        Corpus(disk / "other")
    remount(disk, "rw")
    with Corpus(disk / "index", embedder=HashingEmbedder()) as corpus:
        assert corpus.search("text")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on a file's size")
def test_a_file_that_may_not_grow_is_a_full_disk(tmp_path: Path) -> None:
    """The same without a mount: the limit stops SQLite's log."""
    code = f"""
import resource, sys
sys.path.append({str(Path(__file__).parent)!r})
from fakes import HashingEmbedder
from ragloom.stores import Corpus
from ragloom.stores.errors import CorpusFullError
from test_stores_full_disk import TEXTS
corpus = Corpus({str(tmp_path)!r}, embedder=HashingEmbedder())
corpus.add(TEXTS[:100])
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
try:
    for start in range(100, 3000, 100):
        corpus.add(TEXTS[start : start + 100])
        print("acknowledged", start + 100)
except CorpusFullError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *acknowledged, error = done.stdout.splitlines()
    assert error.startswith(f"no room to write to {tmp_path}")
    with Corpus(tmp_path, embedder=HashingEmbedder()) as corpus:
        assert len(corpus) >= (int(acknowledged[-1].split()[1]) if acknowledged else 100)
        corpus.add(TEXTS[: len(corpus) + 100])
        assert corpus.inconsistencies() == ()
        check_found(corpus, TEXTS[: len(corpus)])
