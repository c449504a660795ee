"""The cache of documents' KV keeps what it was given, within its bounds, whatever happens to its files."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from dataclasses import fields, replace
from pathlib import Path

import pytest
from ragloom.rag.llm.attention.document_kv import DocumentKV
from ragloom.rag.llm.attention.kv_key import Origin

ORIGIN = Origin(model="a", version="1", device="CPU", layout="f16", rope="0")


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_memory_is_bounded_and_the_least_recently_used_go_first() -> None:
    cache = DocumentKV(memory=250)
    for key in "abc":
        cache.put(key, [b"x" * 60, b"y" * 40])
    assert cache.get("a") is None
    assert cache.get("b") == (b"x" * 60, b"y" * 40)
    cache.put("d", [b"z" * 100])
    assert cache.get("c") is None
    assert cache.get("b") is not None
    stats = cache.stats()
    assert (stats.in_memory, stats.hits, stats.misses) == (stats.bytes, 2, 2)
    assert stats.in_memory <= 250


def test_an_entry_that_is_too_large_for_the_memory_drives_nothing_out_of_it(tmp_path: Path) -> None:
    cache = DocumentKV(tmp_path, memory=250)
    for key, size in (("a", 100), ("b", 150), ("huge", 251)):
        cache.put(key, [b"x" * size])
    assert cache.stats().in_memory == 250
    assert cache.get("huge") == (b"x" * 251,)  # from the disk
    cache.put("a", [b"x" * 251])
    assert (cache.stats().in_memory, cache.get("a")) == (150, (b"x" * 251,))


def test_several_that_write_into_one_folder_see_each_others_entries(tmp_path: Path) -> None:
    caches = [DocumentKV(tmp_path, memory=0, disk=8000) for _ in range(4)]
    for at in range(200):
        caches[at % 4].put(str(at), [b"x" * 100])
    assert caches[0].stats().bytes <= 8000 * (1 + 4 / 8)


def test_what_is_put_again_or_dropped_takes_no_room(tmp_path: Path) -> None:
    cache = DocumentKV(tmp_path, memory=0, disk=1000)
    for key in "abcd":
        cache.put(key, [b"x" * 100])
    for _ in range(20):
        cache.put("d", [b"x" * 100])
        cache.put("e", [b"x" * 100])
        cache.drop("e")
    assert files(tmp_path) == ["a.kv", "b.kv", "c.kv", "d.kv"]


def test_replacing_an_entry_does_not_count_it_twice() -> None:
    cache = DocumentKV(memory=250)
    for _ in range(5):
        cache.put("a", [b"x" * 100])
    assert (cache.stats().entries, cache.stats().bytes) == (1, 100)


def test_the_disk_is_bounded_and_the_least_recently_used_go_first(tmp_path: Path) -> None:
    cache = DocumentKV(tmp_path, memory=0, disk=500)
    for age, key in enumerate("abc"):
        cache.put(key, [b"x" * 100])
        os.utime(tmp_path / f"{key}.kv", (1000 + age, 1000 + age))
    assert cache.get("a") is not None  # used now
    cache.put("d", [b"x" * 100])
    assert files(tmp_path) == ["a.kv", "c.kv", "d.kv"]
    cache.put("huge", [b"x" * 501])
    assert files(tmp_path) == ["a.kv", "c.kv", "d.kv"]
    assert cache.stats().bytes <= 500


def test_another_object_finds_what_was_kept(tmp_path: Path) -> None:
    DocumentKV(tmp_path).put("a", [b"", b"one", b"two" * 1000])
    cache = DocumentKV(tmp_path)
    assert cache.get("a") == (b"", b"one", b"two" * 1000)
    (tmp_path / "a.kv").unlink()
    assert cache.get("a") is not None  # in memory now
    cache.drop("a")
    assert cache.get("a") is None
    cache.drop("a")


@pytest.mark.parametrize("damage", [b"", b"RLKV", b"?" * 200, None])
def test_a_damaged_entry_is_a_miss_and_removed(
    tmp_path: Path, damage: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    cache = DocumentKV(tmp_path, memory=0)
    cache.put("a", [b"x" * 100])
    path = tmp_path / "a.kv"
    path.write_bytes(path.read_bytes()[:-1] if damage is None else damage)
    assert cache.get("a") is None
    assert "the KV of a document is computed again" in caplog.text
    assert files(tmp_path) == []


def test_a_folder_that_cannot_be_written_leaves_the_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    cache = DocumentKV(tmp_path / "file" / "kv")
    cache.put("a", [b"x"])
    assert cache.get("a") == (b"x",)
    assert "cannot keep the KV of a document in" in caplog.text
    cache.clear()
    assert cache.stats().entries == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")
def test_a_full_disk_leaves_no_half_file(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path; resource.setrlimit(resource.RLIMIT_FSIZE, (10**5, 10**5))\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from ragloom.rag.llm.attention.document_kv import DocumentKV; cache = DocumentKV(Path(sys.argv[1]))\n"
        "cache.put('a', [bytes(10**6)]); print(len(cache.get('a')[0]))"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1000000"
    assert files(tmp_path) == []


def test_clear_forgets_everything_and_old_half_files_are_removed(tmp_path: Path) -> None:
    cache = DocumentKV(tmp_path)
    (tmp_path / "new.part").touch()
    (tmp_path / "old.part").touch()
    os.utime(tmp_path / "old.part", (time.time() - 10_000,) * 2)
    (tmp_path / "mine.txt").touch()
    cache.put("a", [b"x"])
    assert files(tmp_path) == ["a.kv", "mine.txt", "new.part"]
    cache.clear()
    assert files(tmp_path) == ["mine.txt"]
    assert cache.get("a") is None


def test_two_processes_write_one_entry(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from ragloom.rag.llm.attention.document_kv import DocumentKV\n"
        "cache = DocumentKV(Path(sys.argv[1]), memory=0); sys.stdin.read(1)\n"
        "for at in range(200):\n"
        "    cache.put('a', [bytes([at]) * 100_000])\n"
        "    found = cache.get('a')\n"
        "    assert found is not None and len(set(found[0])) == 1 and len(found[0]) == 100_000"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, tmp_path], stdin=-1, stderr=-1, text=True) for _ in range(2)]
    errors = [process.communicate("x")[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    assert "computed again" not in "".join(errors)
    assert files(tmp_path) == ["a.kv"]


def test_the_key_depends_on_everything_that_the_numbers_depend_on() -> None:
    keys = {
        ORIGIN.key([1], [2, 3], 4),
        ORIGIN.key([1, 2], [3], 4),
        ORIGIN.key([], [1, 2, 3], 4),
        ORIGIN.key([1], [2, 3], 5),
        ORIGIN.key([1], [23], 4),
        *(replace(ORIGIN, **{field.name: "?"}).key([1], [2, 3], 4) for field in fields(Origin)),
    }
    assert len(keys) == 10
    assert ORIGIN.key((1,), (2, 3), 4) in keys
