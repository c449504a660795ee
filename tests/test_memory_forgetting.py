"""Taking back what was remembered, and removing it for good."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from fakes import HashingEmbedder
from memories import Clock, believed, day, rows, told
from ragloom.stores.memory import Entity, Episode, Fact, Group, Memory, erasing
from ragloom.stores.memory.errors import MemoryLockedError, NotInGroupError
from ragloom.stores.sqlite import SqliteFile

PARIS = Fact("Ann", "lives_in", "Paris", valid_from=day(2019))
BERLIN = Fact("Ann", "lives_in", "Berlin", valid_from=day(2021))
MOVED = Episode("I moved to Berlin with Xanthippe!", day(2021), "Ann")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "memory.sqlite3"


@pytest.fixture
def memory(path: Path) -> Iterator[Memory]:
    with Memory(path, embedder=HashingEmbedder(), now=Clock()) as opened:
        yield opened


@pytest.fixture
def group(memory: Memory) -> Group:
    return memory.group("ann")


@pytest.fixture
def moved(group: Group) -> int:
    """Ann lived in Paris, as somebody told, and moved to Berlin, as she said: the id of what she said."""
    group.remember_facts([PARIS])
    episode = group.remember_facts([BERLIN, Fact("Xanthippe", "knows", "Ann")], episode=MOVED).episode
    assert episode is not None
    return episode


def raw(path: Path) -> bytes:
    """Everything that the memory has on disk."""
    return b"".join(file.read_bytes() for file in sorted(path.parent.iterdir()) if file.name.startswith(path.name))


def names(group: Group) -> set[str]:
    """Names of the entities that are believed in."""
    return {name for (name,) in rows(group, "SELECT name FROM entity_versions WHERE recorded_to IS NULL")}


def test_what_an_episode_had_ended_holds_on_when_it_is_forgotten(group: Group, moved: int) -> None:
    forgotten = group.forget(MOVED)
    paris = believed(group)[0]
    assert told(group) == {("Ann", "lives_in", "Paris", "2019-01-01", "")}
    assert (forgotten.episodes, forgotten.restored) == ((moved,), (paris.id,))
    assert len(forgotten.facts) == 2
    assert names(group) == {"Ann", "Paris"}


def test_what_was_forgotten_is_still_there_as_it_was_believed_before(group: Group, moved: int) -> None:
    before = max(record.recorded.start for record in believed(group) if record.recorded.start)
    believed_then = told(group)
    group.forget(moved)
    assert told(group, before) == believed_then
    assert rows(group, "SELECT count(*) FROM episodes") == [(1,)]


def test_a_forgotten_episode_can_be_remembered_again(group: Group, moved: int) -> None:
    before, named = [record.id for record in believed(group)], names(group)
    group.forget(moved)
    again = group.remember_facts([BERLIN, Fact("Xanthippe", "knows", "Ann")], episode=MOVED)
    assert again.is_new
    assert [record.id for record in believed(group)] == before
    assert names(group) == named


def test_what_another_episode_supports_stays(group: Group, moved: int) -> None:
    group.remember_facts([BERLIN], episode=Episode("Ann is in Berlin now", day(2021, 2), "Bob"))
    group.forget(moved)
    assert ("Ann", "lives_in", "Berlin", "2021-01-01", "") in told(group)


def test_an_episode_is_forgotten_once(group: Group, moved: int) -> None:
    group.forget(moved)
    with pytest.raises(NotInGroupError, match="does not remember the episode"):
        group.forget(moved)
    with pytest.raises(NotInGroupError, match="does not remember the episode 'I moved"):
        group.forget(MOVED)


def test_a_described_entity_outlives_its_facts(group: Group, moved: int) -> None:
    group.describe(Entity("Xanthippe", types=("person",)))
    group.forget(moved)
    assert names(group) == {"Ann", "Paris", "Xanthippe"}


def test_a_fact_is_retracted_whatever_it_rests_on(group: Group, moved: int) -> None:
    paris, berlin, _ = believed(group)
    assert group.retract(berlin.id).restored == (paris.id,)
    assert ("Ann", "lives_in", "Paris", "2019-01-01", "") in told(group)
    with pytest.raises(NotInGroupError, match="does not believe the fact"):
        group.retract(berlin.id)


def test_nothing_of_an_erased_episode_is_left_in_any_file(path: Path, group: Group, moved: int) -> None:
    for number in range(200):  # so that its words lie among others, on pages and in segments of their own
        group.remember(Episode(f"number {number} among the others", day(2022), "Bob"))
    assert b"Xanthippe" in raw(path)
    assert b"xanthipp" in raw(path), "the terms of the indexes"
    group.erase(moved)
    assert b"anthipp" not in raw(path)
    assert b"Berlin" not in raw(path)
    assert b"berlin" not in raw(path)
    assert b"Paris" in raw(path)
    assert told(group) == {("Ann", "lives_in", "Paris", "2019-01-01", "")}
    with sqlite3.connect(path) as file:
        for table in ("episode_words", "fact_words", "entity_words", "name_grams"):
            file.execute(f"CREATE VIRTUAL TABLE temp.v_{table} USING fts5vocab(main, {table}, row)")
            terms = {term for (term,) in file.execute(f"SELECT term FROM v_{table}")}
            assert not terms & {"xanthipp", "berlin", "xan", "ber"}
        keys = {key for (key,) in file.execute("SELECT key FROM vectors")}
        assert moved not in keys


def test_an_erased_forgotten_episode_is_gone_too(path: Path, group: Group, moved: int) -> None:
    group.forget(moved)
    group.remember_facts([BERLIN], episode=MOVED)
    group.forget(MOVED)
    group.erase(MOVED)
    assert b"anthipp" not in raw(path)
    with pytest.raises(NotInGroupError):
        group.erase(MOVED)


def test_history_without_an_erased_fact_has_no_end_that_came_of_it(group: Group, moved: int) -> None:
    group.erase(moved)
    assert rows(group, "SELECT valid_to, ended_by FROM fact_versions") == [(None, None)] * 3


def test_erasing_a_name_that_another_was_taken_for_leaves_that_one_its_facts(path: Path, group: Group) -> None:
    erased = group.remember_facts([Fact("Johann Zebedee", "likes", "tea")], episode=MOVED)
    group.remember_facts([Fact("Johan Zebedee", "likes", "rum")])
    assert len(group.merges()) == 1
    assert erased.episode is not None
    group.erase(erased.episode)
    assert told(group) == {("Johan Zebedee", "likes", "rum", "", "")}
    assert group.merges() == []
    assert b"Johann" not in raw(path)
    assert told(group, believed(group)[0].recorded.start) == told(group)


def test_a_summary_goes_with_the_facts_that_it_may_tell(path: Path, group: Group, moved: int) -> None:
    group.describe(Entity("Ann", summary="Ann went off with Xanthippe."))
    group.erase(moved)
    assert b"Xanthippe" not in raw(path)


def test_an_erased_group_is_gone_with_its_name_and_the_others_stay(path: Path, memory: Memory, moved: int) -> None:
    memory.group("zoroaster").remember_facts([Fact("Ann", "likes", "tea")], episode=Episode("Tea", day(2024), "Ann"))
    memory.erase("ann")
    assert memory.groups() == ["zoroaster"]
    assert not any(word in raw(path) for word in (b"Xanthippe", b"xanthipp", b"Berlin", b"Paris"))
    assert told(memory.group("zoroaster")) == {("Ann", "likes", "tea", "", "")}
    assert told(memory.group("ann")) == set()
    memory.erase("zoroaster")
    assert b"zoroaster" not in raw(path)
    with pytest.raises(NotInGroupError, match="unknown group 'ann'"):
        memory.erase("ann")


def test_a_group_of_an_erased_name_begins_with_keys_of_its_own(memory: Memory, moved: int) -> None:
    memory.erase("ann")
    again = memory.group("ann").remember(MOVED).episode
    assert again is not None
    assert again > moved + 1_000_000


@pytest.mark.skipif(sys.platform == "win32", reason="a file in use cannot be rewritten there")
def test_an_erasure_that_a_reader_held_up_is_finished_when_the_memory_is_opened(
    path: Path, group: Group, moved: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    group._parts.file.writer.execute("PRAGMA busy_timeout=0")
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM episodes").fetchone()
    with pytest.raises(MemoryLockedError, match="keeps the write-ahead log"):
        group.erase(moved)
    assert ("Ann", "lives_in", "Berlin", "2021-01-01", "") not in told(group)
    assert b"Xanthippe" in raw(path)
    reader.close()
    with Memory(path, embedder=HashingEmbedder()):
        assert b"Xanthippe" not in raw(path)


def test_two_erasures_at_once_each_leave_nothing_behind(
    path: Path, group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (Episode(text, day(2024), "Ann") for text in ("alpha", "xyzzy plugh"))
    for episode in (first, second, Episode("something else", day(2024), "Ann")):
        group.remember(episode)
    with Memory(path, embedder=HashingEmbedder()) as other:
        deleted: list[bool] = []
        ask = SqliteFile.one

        def one(file: SqliteFile, sql: str, *values: object) -> sqlite3.Row | None:
            """After the first erasure has rewritten the file, and before it takes its note away, the second deletes."""
            row = ask(file, sql, *values)
            if "wal_checkpoint" in sql and not deleted:
                deleted.append(True)
                with monkeypatch.context() as patched:
                    patched.setattr(erasing, "scrub", lambda _: None)
                    other.group("ann").erase(second)
            return row

        monkeypatch.setattr(SqliteFile, "one", one)
        group.erase(first)
        assert deleted
        erasing.scrub(other._file)
    assert b"xyzzy" not in raw(path)
    assert b"plugh" not in raw(path)


def test_erasing_a_link_between_two_names_gives_the_first_its_own_facts_back(group: Group) -> None:
    group.remember_facts([Fact("Quentin", "likes", "rum")])
    group.remember_facts([Fact("Jörg Müller", "likes", "tea")], episode=MOVED)
    group.remember_facts([Fact("Jorg Muller", "likes", "milk")])
    group.merge("Jörg Müller", "Quentin")
    before = max(record.recorded.start for record in believed(group) if record.recorded.start)
    group.erase(MOVED)
    for known_at in (None, before):
        assert [record.fact.object for record in group.timeline("Quentin", known_at=known_at)] == ["rum"]
        assert [record.fact.object for record in group.timeline("Jorg Muller", known_at=known_at)] == ["milk"]


def types(group: Group, name: str, known_at: datetime | None = None) -> tuple[str, ...]:
    graph = group.as_of(known_at=known_at)
    return next(tuple(data["types"]) for _, data in graph.nodes(data=True) if data["name"] == name)


def test_a_type_goes_with_the_last_episode_that_told_it_and_comes_back_with_it(group: Group) -> None:
    likes = Fact("Ann", "likes", "tea", subject_type="person")
    group.remember_facts([likes])
    sung = Fact("Ann", "sings", "fado", subject_type="singer", object_type="genre")
    group.remember_facts([sung, replace(likes, subject_type="singer")], episode=MOVED)
    other = Episode("b", day(2024), "x")
    group.remember_facts([replace(likes, subject_type="drinker")], episode=other)
    before = believed(group)[-1].recorded.start
    assert types(group, "Ann") == ("drinker", "person", "singer")
    group.forget(other)
    assert types(group, "Ann") == ("person", "singer")
    group.forget(MOVED)
    assert types(group, "Ann") == ("person",)
    assert types(group, "Ann", before) == ("person", "singer")
    group.remember_facts([sung], episode=MOVED)
    assert (types(group, "Ann"), types(group, "fado")) == (("person", "singer"), ("genre",))


def test_an_erased_episode_leaves_no_type_and_what_a_caller_told_stays(path: Path, group: Group) -> None:
    group.remember_facts([Fact("Ann", "likes", "tea", subject_type="person")])
    group.remember_facts([Fact("Ann", "takes", "methadone", subject_type="hivpatient")], episode=MOVED)
    group.describe(Entity("Ann", types=("singer",)))
    group.erase(MOVED)
    assert set(rows(group, "SELECT types FROM entity_versions WHERE name = 'Ann'")) == {
        ('["person"]',),
        ('["person", "singer"]',),
    }
    assert types(group, "Ann") == ("person", "singer")
    assert b"hivpatient" not in raw(path)


def test_an_alias_goes_with_the_last_episode_that_used_it_and_comes_back_with_it(group: Group) -> None:
    group.remember_facts([Fact("Jörg Müller", "likes", "tea")])
    group.remember_facts([Fact("Jorg Muller", "likes", "rum")], episode=MOVED)
    before = believed(group)[-1].recorded.start

    def aliases(known_at: datetime | None = None) -> tuple[str, ...]:
        found = [hit.entity.entity for hit in group.search("Müller", known_at=known_at) if hit.entity]
        return next(each.aliases for each in found if each.name == "Jörg Müller")

    assert aliases() == ("Jorg Muller",)
    group.forget(MOVED)
    assert (aliases(), aliases(before)) == ((), ("Jorg Muller",))
    group.remember_facts([Fact("Jorg Muller", "likes", "rum")], episode=MOVED)
    assert aliases() == ("Jorg Muller",)


def test_an_entity_goes_with_the_last_fact_that_is_erased(group: Group) -> None:
    said, heard = Episode("a", day(2024), "x"), Episode("b", day(2024), "x")
    group.remember_facts([Fact("Ann", "likes", "tea")], episode=said)
    group.remember_facts([Fact("Ann", "likes", "milk")], episode=heard)
    group.forget(heard)
    group.erase(said)
    assert names(group) == set()


def test_no_merge_quotes_an_erased_name(path: Path, group: Group) -> None:
    group.remember_facts([Fact("Alexander Hamilton", "likes", "tea")])
    group.remember_facts([Fact("Alexandr Hamiltonn", "likes", "rum")], episode=MOVED)
    group.remember_facts([Fact("Alexandr Hamiltonnn", "likes", "milk")])
    assert "'Alexandr Hamiltonn'" in group.merges()[1].reason
    group.erase(MOVED)
    assert b"'Alexandr Hamiltonn'" not in raw(path)


def test_the_history_of_another_statement_does_not_tell_an_erased_end(group: Group) -> None:
    group.remember_facts([Fact("Ann", "likes", "Paris", valid_from=day(2019))])
    group.remember_facts([Fact("Ann", "likes", "Paris", valid_to=day(2022, 7, 17))], episode=MOVED)
    (paris,) = believed(group)
    assert paris.fact.valid_to == day(2022, 7, 17)
    group.erase(MOVED)
    assert rows(group, "SELECT DISTINCT valid_to FROM fact_versions") == [(None,)]


def test_the_past_keeps_the_ends_that_another_statement_gives_it(group: Group) -> None:
    group.remember_facts([PARIS])
    group.remember_facts([BERLIN], episode=MOVED)
    group.remember_facts([Fact("Ann", "lives_in", "Rome", valid_from=day(2023))])
    before = max(record.recorded.start for record in believed(group) if record.recorded.start)
    group.erase(MOVED)
    expected = {("Ann", "lives_in", "Paris", "2019-01-01", "2023-01-01"), ("Ann", "lives_in", "Rome", "2023-01-01", "")}
    assert told(group) == expected
    assert ("Ann", "lives_in", "Rome", "2023-01-01", "") in told(group, before)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on a file's size")
def test_an_erasure_without_room_leaves_a_memory_that_opens(path: Path) -> None:
    code = f"""
import resource, sys
sys.path.append({str(Path(__file__).parent)!r})
from fakes import HashingEmbedder
from memories import day
from ragloom.stores.memory import Episode, Memory
from ragloom.stores.memory.errors import MemoryFullError
with Memory({str(path)!r}, embedder=HashingEmbedder()) as memory:
    said = [Episode(f"xyzzy {{place}} " + "plugh " * 300, day(2024), "Ann") for place in range(80)]
    for episode in said:
        memory.group("ann").remember(episode)
    size = memory.path.stat().st_size * 6 // 10
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        memory.group("ann").erase(said[0])
    except MemoryFullError:
        print("full")
with Memory({str(path)!r}, embedder=HashingEmbedder()) as memory:
    print(len(memory.group("ann").search("plugh", 5)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["full", "5"]
    Memory(path, embedder=HashingEmbedder()).close()
    assert b"xyzzy 0 " not in raw(path)
