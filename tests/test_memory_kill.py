"""A memory in several processes, some of which are killed with -9: nothing that was acknowledged is lost."""

from __future__ import annotations

import random
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from corpus_worker import Slow, Workers, moves, spoken
from fakes import HashingEmbedder
from memories import believed, rows, told
from ragloom.stores.memory import Group, Memory

pytestmark = [
    pytest.mark.kill,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither fork nor kill -9"),
]

POINTS = 50


def kill_later(workers: Workers, pid: int, what: str, most: int) -> list[dict[str, Any]]:
    """Kill a worker at some moment after it has said `what` up to `most` times; all that it said."""
    said = [workers.hear(what) for _ in range(random.randint(1, most))]
    if event := workers.hear(what, wait_s=0.03 * random.random()):
        said.append(event)
    return said + workers.kill(pid)


def check(group: Group) -> None:
    """The file is whole, and words and vectors agree with what is stored."""
    with group.reading() as reading:
        reading.file.check()
    for words, table in (("episode_words", "episodes"), ("fact_words", "facts"), ("entity_words", "aliases")):
        assert rows(group, f"SELECT rowid FROM {words}") == rows(group, f"SELECT key FROM {table} ORDER BY key")
    for kind, table, column in (
        ("episode", "episodes", "key"),
        ("fact", "facts", "key"),
        ("entity", "aliases", "entity"),
    ):
        stored = rows(group, f"SELECT key FROM vectors WHERE kind = '{kind}' ORDER BY key")
        assert stored == rows(group, f"SELECT DISTINCT {column} FROM {table} ORDER BY {column}")


def remembered(group: Group) -> list[int]:
    contents = rows(group, "SELECT content FROM episodes WHERE recorded_to IS NULL")
    return sorted(int(content.split()[0].removeprefix("message")) for (content,) in contents)


def test_every_acknowledged_episode_is_there_once_after_fifty_kills(tmp_path: Path, workers: Workers) -> None:
    random.seed(50)
    path = tmp_path / "memory"
    acknowledged: set[int] = set()
    start = 0
    for _ in range(POINTS):
        pid = workers.start("remember", path=str(path), start=start, stop=10**6)
        said = kill_later(workers, pid, "remembered", most=4)
        acknowledged |= {line["remembered"] for line in said if "remembered" in line}
        with Memory(path, embedder=HashingEmbedder()) as memory:
            group = memory.group("g")
            there = remembered(group)
            assert len(there) == len(set(there))
            # An episode that was being forgotten and remembered again may be either.
            assert {number for number in acknowledged if number % 3} <= set(there)
            check(group)
        start = max(acknowledged) + 1
    assert len(acknowledged) >= POINTS

    with Memory(path, embedder=HashingEmbedder()) as memory:
        group = memory.group("g")
        for number in range(start, start + 2):
            group.remember_facts(moves(number), episode=spoken(number))
        homes = sorted((fact for fact in told(group) if fact[1] == "lives_in"), key=lambda fact: fact[3])
        assert {f"place{number}" for number in remembered(group)} == {home[2] for home in homes}
        assert all(one[4] == other[3] for one, other in pairwise(homes))


def test_an_erasure_that_is_killed_is_whole_or_not_begun_and_leaves_nothing_in_the_files(
    tmp_path: Path, workers: Workers
) -> None:
    random.seed(9)
    path = tmp_path / "memory"
    with Memory(path, embedder=HashingEmbedder()) as memory:
        for number in range(100):
            memory.group("g").remember_facts(moves(number), episode=spoken(number))
    gone: set[int] = set()
    for _ in range(8):
        pid = workers.start("erase", path=str(path), start=max(gone, default=-1) + 1, stop=100)
        said = kill_later(workers, pid, "erased", most=2)
        gone |= {line["erased"] for line in said if "erased" in line}
        with Memory(path, embedder=HashingEmbedder()) as memory:
            check(memory.group("g"))
            gone = set(range(100)) - set(remembered(memory.group("g")))
            on_disk = b"".join(file.read_bytes() for file in tmp_path.glob("memory*"))
            assert not [number for number in gone if f"place{number}\x00".encode() in on_disk + b"\x00"]
            assert not [number for number in gone if f"message{number} ".encode() in on_disk]


def test_a_queue_is_worked_off_after_its_worker_was_killed(tmp_path: Path, workers: Workers) -> None:
    path = tmp_path / "memory"
    with Memory(path, embedder=HashingEmbedder()) as memory:
        for number in range(6):
            assert memory.group("g").remember_later(spoken(number)).is_new
    for _ in range(3):
        pid = workers.start("catch_up", path=str(path))
        workers.hear("extracting")
        workers.hear("extracting")
        workers.kill(pid)
    with Memory(path, embedder=HashingEmbedder()) as memory:
        left = len(memory.group("g").pending())
        assert 0 < left < 6
        assert {each.attempts for each in memory.group("g").pending()} == {0}
    workers.run("catch_up", path=str(path))
    with Memory(path, embedder=HashingEmbedder()) as memory:
        group = memory.group("g")
        assert group.pending() == []
        assert all(len(record.episodes) == 1 for record in believed(group) if record.fact.relation == "lives_in")
        assert {fact[2] for fact in told(group) if fact[1] == "lives_in"} == {f"place{number}" for number in range(6)}
        check(group)


def test_two_processes_that_write_take_turns_and_none_is_lost(tmp_path: Path, workers: Workers) -> None:
    path = tmp_path / "memory"
    workers.start("remember", path=str(path), start=0, stop=40)
    workers.start("remember", path=str(path), start=30, stop=70)
    said = [workers.hear("pid")]
    while sum("exit" in line for line in said) < 2:
        said.append(workers.hear("pid"))
    assert [line["exit"] for line in said if "exit" in line] == [0, 0]
    with Memory(path, embedder=HashingEmbedder(), extractor=Slow()) as memory:
        group = memory.group("g")
        assert remembered(group) == list(range(70))
        check(group)
        homes = sorted((fact for fact in told(group) if fact[1] == "lives_in"), key=lambda fact: fact[3])
        assert [home[2] for home in homes] == [f"place{number}" for number in range(70)]
        starts = rows(group, "SELECT recorded_from FROM episodes ORDER BY key")
        assert starts == sorted(set(starts))
