"""Episodes whose facts come later; several threads; a full disk."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from fakes import HashingEmbedder
from memories import Clock, day, rows, told
from ragloom.rag.llm.errors import Cancelled
from ragloom.stores.memory import Episode, Fact, Group, Memory, Remembered
from ragloom.stores.memory.errors import MemoryFullError, MemoryValueError
from ragloom.stores.memory.extracting import Dropped, Extraction


class Moody:
    """An extractor that fails for texts with a given word, and notes what it was given."""

    def __init__(self) -> None:
        self.refused = ""
        self.given: list[str] = []

    def extract(self, episode: Episode) -> Extraction:
        self.given.append(episode.content)
        if self.refused and self.refused in episode.content:
            raise RuntimeError(f"cannot read {self.refused!r}")
        return Extraction((Fact(episode.source, "said", episode.content),))


@pytest.fixture
def extractor() -> Moody:
    return Moody()


@pytest.fixture
def group(tmp_path: Path, extractor: Moody) -> Iterator[Group]:
    with Memory(tmp_path / "m", embedder=HashingEmbedder(), extractor=extractor, now=Clock()) as memory:
        yield memory.group("g")


def said(text: str) -> Episode:
    return Episode(text, day(2024), "Ann")


def test_an_episode_is_there_before_its_facts_are(group: Group, extractor: Moody) -> None:
    later = group.remember_later(said("hello"))
    assert later.is_new
    assert not group.remember_later(said("hello")).is_new
    assert (extractor.given, told(group)) == ([], set())
    assert rows(group, "SELECT content FROM episodes") == [("hello",)]
    assert [waiting.episode for waiting in group.pending()] == [later.episode]
    heard: list[Remembered] = []
    (done,) = group.catch_up(heard.append)
    assert heard == [done]
    assert (done.episode, group.pending()) == (later.episode, [])
    assert told(group) == {("Ann", "said", "hello", "2024-01-01", "")}
    assert group.catch_up() == []


def test_a_memory_without_an_extractor_says_so(tmp_path: Path) -> None:
    with Memory(tmp_path / "other", embedder=HashingEmbedder()) as memory:
        memory.group("g").remember_later(said("hello"))
        with pytest.raises(MemoryValueError, match="this memory has no extractor; open it with"):
            memory.group("g").catch_up()
        assert len(memory.group("g").pending()) == 1


def test_what_fails_is_tried_three_times_and_holds_up_nobody(group: Group, extractor: Moody) -> None:
    extractor.refused = "mumble"
    for text in ("mumble mumble", "hello"):
        group.remember_later(said(text))
    assert len(group.catch_up()) == 1
    for _ in range(4):
        assert group.catch_up() == []
    (waiting,) = group.pending()
    assert (waiting.attempts, waiting.problem) == (3, "RuntimeError: cannot read 'mumble'")
    assert extractor.given.count("mumble mumble") == 3


def test_what_nobody_waits_for_is_no_failed_attempt(group: Group, extractor: Moody, monkeypatch: Any) -> None:
    group.remember_later(said("hello"))

    def cancelled(_: Episode) -> Extraction:
        raise Cancelled

    with monkeypatch.context() as patched:
        patched.setattr(extractor, "extract", cancelled)
        for _ in range(4):
            with pytest.raises(Cancelled):
                group.catch_up()
    assert [waiting.attempts for waiting in group.pending()] == [0]
    assert len(group.catch_up()) == 1


def test_readers_do_not_wait_for_a_write_in_another_thread(tmp_path: Path) -> None:
    with Memory(tmp_path / "m", embedder=HashingEmbedder()) as memory:
        group = memory.group("g")
        group.remember(said("hello"))
        writing, done = threading.Event(), threading.Event()

        def write() -> None:
            with group._parts.file.writing("g"):
                writing.set()
                done.wait(60)

        writer = threading.Thread(target=write)
        writer.start()
        writing.wait(60)
        found: list[object] = []
        reader = threading.Thread(target=lambda: found.extend([memory.groups(), group.search("hello")[0].text]))
        reader.start()
        reader.join(30)
        before_the_write_ended = list(found)
        done.set()
        writer.join()
        reader.join()
    assert before_the_write_ended == [["g"], "hello"]


def test_many_readers_at_once_leave_few_connections(tmp_path: Path) -> None:
    with Memory(tmp_path / "m", embedder=HashingEmbedder()) as memory:
        file = memory.group("g")._parts.file
        with ExitStack() as stack:
            for _ in range(40):
                stack.enter_context(file.reading("g"))
        assert len(file._idle) == 16


def test_what_failed_too_often_is_tried_once_more_when_that_is_asked_for(group: Group, extractor: Moody) -> None:
    extractor.refused = "mumble"
    group.remember_later(said("mumble"))
    for _ in range(3):
        group.catch_up()
    extractor.refused = ""
    assert group.catch_up() == []
    assert len(group.catch_up(again=True)) == 1
    assert group.pending() == []


def test_a_forgotten_or_erased_episode_leaves_the_queue(group: Group) -> None:
    for text in ("one", "two"):
        group.remember_later(said(text))
    group.forget(said("one"))
    group.erase(said("two"))
    assert group.pending() == []


def test_an_episode_that_is_forgotten_while_it_is_read_gets_no_facts(group: Group, extractor: Moody) -> None:
    group.remember_later(said("hello"))
    extract = extractor.extract

    def forget_first(episode: Episode) -> Extraction:
        group.forget(said("hello"))
        return extract(episode)

    extractor.extract = forget_first  # type: ignore[method-assign]
    assert group.catch_up() == []
    assert told(group) == set()


def test_threads_share_a_memory(group: Group) -> None:
    failures: list[BaseException] = []

    def work(name: int) -> None:
        try:
            for number in range(10):
                group.remember_facts([Fact(f"person {name}", "knows", f"person {number}")])
                assert len(told(group)) > number
        except BaseException as error:  # noqa: BLE001 - it is reported below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(told(group)) == 60


def test_a_full_disk_is_said_and_what_was_acknowledged_is_safe(group: Group) -> None:
    group.remember_facts([Fact("Ann", "likes", "tea")])
    file = group._parts.file.writer
    pages = file.one("PRAGMA page_count")
    assert pages is not None
    file.execute(f"PRAGMA max_page_count={pages[0]}")
    with pytest.raises(MemoryFullError, match="what was acknowledged before is safe"):
        group.remember(said("x" * 100_000))
    assert told(group) == {("Ann", "likes", "tea", "", "")}
    file.execute("PRAGMA max_page_count=1000000")
    assert group.remember(said("x" * 100_000)).is_new


def test_what_was_not_kept_is_told_by_whoever_catches_up(tmp_path: Path) -> None:
    class Doubtful:
        def extract(self, episode: Episode) -> Extraction:
            return Extraction((), (Dropped("Ann flies", "not in the text"),))

    with Memory(tmp_path / "d", embedder=HashingEmbedder(), extractor=Doubtful(), now=Clock()) as memory:
        later = memory.group("g")
        later.remember_later(said("hello"))
        assert [dropped.why for done in later.catch_up() for dropped in done.dropped] == ["not in the text"]
