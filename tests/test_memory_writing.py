"""Remembering episodes and facts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from fakes import HashingEmbedder
from memories import believed, day, rows, told
from numpy.typing import NDArray
from ragloom.stores.memory import Entity, Episode, Fact, Group, Interval, Memory
from ragloom.stores.memory.errors import (
    MemoryEmbedderError,
    MemoryNotFoundError,
    MemoryStoreError,
    MemoryValueError,
    MemoryVersionError,
    NaiveDatetimeError,
    NotInGroupError,
)
from ragloom.stores.memory.records import entity_records, episode_record


@pytest.fixture
def group(memory: Memory) -> Group:
    return memory.group("ann")


def entity(group: Group, name: str) -> Entity:
    with group.reading() as reading:
        ids = [row["entity"] for row in reading.file.all("SELECT entity FROM aliases WHERE name = ?", name)]
        return entity_records(reading, ids, reading.recorded)[ids[0]].entity


def test_an_episode_is_remembered_once(group: Group) -> None:
    said = Episode("I moved.", day(2024, 3, 5), "Ann")
    first, second = group.remember(said), group.remember(said)
    assert (first.is_new, second.is_new, second.episode) == (True, False, first.episode)
    assert group.remember(Episode("I moved.", day(2024, 3, 6), "Ann")).is_new
    assert rows(group, "SELECT count(*) FROM episodes") == [(2,)]


def test_an_episode_comes_back_as_it_was(group: Group) -> None:
    said = Episode("¿Qué?", datetime(2024, 3, 5, 9, tzinfo=timezone(timedelta(hours=2))), "Ann", "text")
    group.remember(said)
    with group.reading() as reading:
        row = reading.file.one("SELECT * FROM episodes")
        assert row is not None
        record = episode_record(row)
    assert record.episode == said
    assert record.episode.occurred_at.hour == 7
    assert record.recorded.end is None


def test_a_fact_takes_its_words_from_its_parts() -> None:
    fact = Fact(" Ann ", "Lives  in", "Paris")
    assert (fact.subject, fact.relation, fact.statement) == ("Ann", "lives_in", "Ann Lives in Paris")
    assert Fact("Ann", "lives_in", "Paris").statement == "Ann lives in Paris"


def test_a_new_value_of_a_single_valued_relation_ends_the_old_one(group: Group) -> None:
    group.remember_facts([Fact("Ann", "lives_in", "Paris", valid_from=day(2019))])
    moved = group.remember_facts([Fact("ann", "Lives in", "Berlin", valid_from=day(2021))])
    assert told(group) == {
        ("Ann", "lives_in", "Paris", "2019-01-01", "2021-01-01"),
        ("Ann", "lives_in", "Berlin", "2021-01-01", ""),
    }
    paris, berlin = believed(group)
    assert moved.ended == (paris.id,)
    assert paris.ended_by == berlin.id


def test_what_was_believed_before_can_still_be_read(group: Group) -> None:
    group.remember_facts([Fact("Ann", "lives_in", "Paris", valid_from=day(2019))])
    before = believed(group)[0].recorded.start
    group.remember_facts([Fact("Ann", "lives_in", "Berlin", valid_from=day(2021))])
    assert told(group, before) == {("Ann", "lives_in", "Paris", "2019-01-01", "")}


def test_relations_are_single_valued_where_the_memory_is_told_so(tmp_path: Path) -> None:
    with Memory(tmp_path / "m", embedder=HashingEmbedder(), single_valued=["Drives"]) as memory:
        group = memory.group("ann")
        group.remember_facts([Fact("Ann", "lives_in", "Paris", valid_from=day(2019))])
        group.remember_facts([Fact("Ann", "lives_in", "Berlin", valid_from=day(2021))])
        group.remember_facts([Fact("Ann", "drives", "Fiat", valid_from=day(2019))])
        group.remember_facts([Fact("Ann", "drives", "Lancia", valid_from=day(2021))])
        assert {fact[2]: fact[4] for fact in told(group)} == {
            "Paris": "",
            "Berlin": "",
            "Fiat": "2021-01-01",
            "Lancia": "",
        }


def test_the_same_fact_again_adds_support_and_no_fact(group: Group) -> None:
    fact = Fact("Ann", "likes", "tea", confidence=0.5)
    first = group.remember_facts([fact], episode=Episode("Tea!", day(2024), "Ann"))
    second = group.remember_facts([fact], episode=Episode("More tea!", day(2024, 2), "Ann"))
    assert first.facts == second.facts
    (record,) = believed(group)
    assert record.episodes == (first.episode, second.episode)
    assert group.remember_facts([fact], episode=Episode("Tea!", day(2024), "Ann")).facts == first.facts
    assert rows(group, "SELECT count(*) FROM support") == [(2,)]


def test_the_same_words_over_disjoint_intervals_are_two_facts(group: Group) -> None:
    group.remember_facts([Fact("Ann", "lives_in", "Paris", valid_from=day(2010), valid_to=day(2012))])
    group.remember_facts([Fact("Ann", "lives_in", "Paris", valid_from=day(2015))])
    assert len(believed(group)) == 2


def test_a_statement_that_adds_an_end_is_the_same_fact_with_both_episodes(group: Group) -> None:
    since = group.remember_facts(
        [Fact("Ann", "lives_in", "Paris", valid_from=day(2019))], episode=Episode("a", day(2020), "Ann")
    )
    until = group.remember_facts(
        [Fact("Ann", "lives_in", "Paris", "Ann left Paris", valid_to=day(2022))], episode=Episode("b", day(2022), "Ann")
    )
    (record,) = believed(group)
    assert record.id == since.facts[0]
    assert record.episodes == (since.episode, until.episode)
    assert record.fact.valid == Interval(day(2019), day(2022))


def test_facts_given_twice_in_one_call_are_one(group: Group) -> None:
    facts = [Fact("Ann", "likes", "tea", confidence=0.4), Fact("ANN", "likes", "Tea", "Ann likes tea", confidence=0.6)]
    assert len(set(group.remember_facts(facts).facts)) == 1
    assert believed(group)[0].fact.confidence == 0.6


def test_words_and_vectors_are_there_for_everything_that_is_stored(group: Group) -> None:
    group.remember_facts([Fact("Ann", "likes", "tea")], episode=Episode("Tea!", day(2024), "Ann"))
    group.remember_facts([Fact("Ann", "likes", "rum")], embed=False)
    assert rows(group, "SELECT kind, count(*) FROM vectors GROUP BY kind ORDER BY kind") == [
        ("entity", 2),
        ("episode", 1),
        ("fact", 1),
    ]
    for words, table in (("episode_words", "episodes"), ("fact_words", "facts"), ("entity_words", "aliases")):
        assert rows(group, f"SELECT rowid FROM {words}") == rows(group, f"SELECT key FROM {table} ORDER BY key")


def test_record_time_goes_on_when_the_clock_goes_back(tmp_path: Path) -> None:
    times = iter([day(2024), day(2023), day(2022), day(2025)])
    with Memory(tmp_path / "m", embedder=HashingEmbedder(), now=lambda: next(times)) as memory:
        group = memory.group("ann")
        for number in range(4):
            group.remember_facts([Fact("Ann", "likes", f"song {number}")])
        recorded = [record.recorded.start for record in believed(group)]
    step = timedelta(microseconds=1)
    assert recorded == [day(2024), day(2024) + step, day(2024) + 2 * step, day(2025)]


@pytest.mark.parametrize(
    "make",
    [
        lambda naive: Episode("x", naive, "Ann"),
        lambda naive: Fact("Ann", "likes", "tea", valid_from=naive),
        lambda naive: Fact("Ann", "likes", "tea", valid_to=naive),
        lambda naive: Interval(None, naive),
    ],
)
def test_a_naive_datetime_is_an_error_that_says_so(make: object) -> None:
    assert callable(make)
    with pytest.raises(NaiveDatetimeError, match=r"is naive: it has no time zone.*timezone\.utc"):
        make(datetime(2024, 3, 5))


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: Fact("Ann", "likes", " "), "the object of a fact is empty; give it a name"),
        (lambda: Fact("Ann", "likes", "tea", confidence=0), "confidence must be above 0 and at most 1, not 0"),
        (lambda: Fact("Ann", "likes", "tea", valid_from=day(2024), valid_to=day(2024)), "must end after it starts"),
        (lambda: Fact("Ann", "likes", 5), "object must be a text, not int: 5"),  # type: ignore[arg-type]
        (lambda: Episode("x", day(2024), "Ann", "massage"), "unknown kind 'massage'; did you mean 'message'"),
        (lambda: Episode("x", "2024", "Ann"), "occurred_at must be a datetime"),  # type: ignore[arg-type]
        (lambda: Episode("x\ud800y", day(2024), "Ann"), "content contains a lone surrogate"),
    ],
)
def test_a_value_that_cannot_be_kept_is_refused(make: object, problem: str) -> None:
    assert callable(make)
    with pytest.raises(MemoryValueError, match=problem):
        make()


def test_an_instant_beyond_the_calendar_is_refused() -> None:
    ahead = timezone(timedelta(hours=14))
    with pytest.raises(MemoryValueError, match="outside the years 1 to 9999"):
        Episode("x", datetime(1, 1, 1, tzinfo=ahead), "Ann")


def test_a_memory_is_as_it_was_when_it_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "memory.sqlite3"
    with Memory(path, embedder=HashingEmbedder(), language="de") as memory:
        memory.group("ann").remember_facts([Fact("Ann", "likes", "tea")])
    with Memory(path, embedder=HashingEmbedder(), create=False) as memory:
        assert memory.groups() == ["ann"]
        assert len(told(memory.group("ann"))) == 1


def test_a_memory_that_is_not_there_is_not_made_where_none_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(MemoryNotFoundError, match="there is no memory at"):
        Memory(tmp_path / "none", create=False)
    assert not (tmp_path / "none").exists()


def test_another_database_is_left_alone(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "other.sqlite3"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (x)")
    with pytest.raises(MemoryVersionError, match="is a database, but no memory"):
        Memory(path)
    (tmp_path / "text").write_text("not a database at all, by any means " * 40)
    with pytest.raises(MemoryStoreError, match="is damaged"):
        Memory(tmp_path / "text")


def test_a_memory_of_another_version_is_refused(tmp_path: Path) -> None:
    import sqlite3

    Memory(tmp_path / "m").close()
    with sqlite3.connect(tmp_path / "m") as file:
        file.execute("PRAGMA user_version=99")
    with pytest.raises(MemoryVersionError, match="another version of ragloom"):
        Memory(tmp_path / "m")


def test_another_embedder_is_refused_with_both_names(tmp_path: Path) -> None:
    with Memory(tmp_path / "m", embedder=HashingEmbedder()) as memory:
        memory.group("ann").remember(Episode("x", day(2024), "Ann"))
    with Memory(tmp_path / "m", embedder=HashingEmbedder(name="other")) as memory:
        with pytest.raises(MemoryEmbedderError, match=r"vectors of hashing .* the embedder is other"):
            memory.group("ann").remember(Episode("y", day(2024), "Ann"))
        memory.group("ann").remember_facts([Fact("Ann", "likes", "tea")], embed=False)


def test_of_two_embedders_that_begin_a_memory_at_once_the_second_is_refused(tmp_path: Path) -> None:
    class Slow(HashingEmbedder):
        """Another process begins the memory while this one embeds."""

        def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
            with Memory(tmp_path / "m", embedder=HashingEmbedder(8, name="first")) as first:
                first.group("ann").remember(Episode("x", day(2024), "Ann"))
            return super().encode(texts)

    with Memory(tmp_path / "m", embedder=Slow(name="second")) as memory:
        with pytest.raises(MemoryEmbedderError, match=r"vectors of first .* the embedder is second"):
            memory.group("ann").remember(Episode("y", day(2024), "Ann"))
        assert rows(memory.group("ann"), "SELECT content FROM episodes") == [("x",)]


def test_nothing_is_embedded_while_other_writers_wait(tmp_path: Path) -> None:
    class Watching(HashingEmbedder):
        def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
            assert not memory.group("ann")._parts.file.writer._connection.in_transaction
            return super().encode(texts)

    with Memory(tmp_path / "m", embedder=Watching()) as memory:
        group = memory.group("ann")
        group.load([Fact("Ann", "likes", "tea"), Fact("Bob", "likes", "tea")], embed=True)
        group.describe(Entity("Cleo", types=("person",)))
        group.remember_facts([Fact("Dan", "likes", "rum")])
        group.remember(Episode("hello", day(2024), "Ann"))
        assert group.stats().vectors == 10


def test_a_closed_memory_says_so(memory: Memory, group: Group) -> None:
    memory.close()
    memory.close()
    with pytest.raises(MemoryStoreError, match="is closed; open it again"):
        group.remember(Episode("x", day(2024), "Ann"))


def test_a_described_entity_has_what_was_told_of_it(group: Group) -> None:
    group.remember_facts([Fact("Ann", "likes", "tea", subject_type="person")])
    group.describe(Entity("Ann", ("Annie", "Ann"), ("singer",), {"born": 1990}))
    group.describe(Entity("annie", attributes={"eyes": "brown"}, summary="She sings."))
    assert entity(group, "Ann") == Entity(
        "Ann", ("Annie",), ("person", "singer"), {"born": 1990, "eyes": "brown"}, "She sings."
    )


def test_a_described_entity_begins_with_one_version(group: Group) -> None:
    group.describe(Entity("Ann", types=("singer",)))
    assert rows(group, "SELECT name, types, described, recorded_to FROM entity_versions") == [
        ("Ann", '["singer"]', 1, None)
    ]


def test_an_alias_is_the_entity(group: Group) -> None:
    group.describe(Entity("William", ("Bill",)))
    group.remember_facts([Fact("Bill", "likes", "tea")])
    assert told(group) == {("William", "likes", "tea", "", "")}


def test_a_name_of_another_entity_is_no_alias(group: Group) -> None:
    group.remember_facts([Fact("Ann", "knows", "Bill")])
    with pytest.raises(MemoryValueError, match="'Bill' is the name of another entity; merge the two instead"):
        group.describe(Entity("Ann", ("Bill",)))


def test_attributes_that_are_not_json_are_refused(group: Group) -> None:
    with pytest.raises(MemoryValueError, match="attributes must be JSON-serialisable"):
        group.describe(Entity("Ann", attributes={"born": day(1990)}))
    assert rows(group, "SELECT count(*) FROM entity_versions") == [(0,)]


def test_facts_are_loaded_in_batches_and_loading_again_adds_nothing(group: Group) -> None:
    facts = [Fact(f"person {number % 40}", "knows", f"person {number}") for number in range(100)]
    assert group.load(iter(facts), batch=30) == 100
    before = rows(group, "SELECT count(*) FROM fact_versions")
    assert group.load(facts, batch=7) == 100
    assert rows(group, "SELECT count(*) FROM fact_versions") == before == [(100,)]
    assert rows(group, "SELECT count(*) FROM vectors") == [(0,)]


def test_loading_and_remembering_believe_the_same(memory: Memory) -> None:
    facts = [
        Fact("Ann", "lives_in", place, valid_from=day(year)) for place, year in (("Paris", 2019), ("Rome", 2021))
    ] + [Fact("Ann", "likes", "tea")]
    memory.group("loaded").load(facts)
    for fact in reversed(facts):
        memory.group("remembered").remember_facts([fact])
    assert told(memory.group("loaded")) == told(memory.group("remembered"))


def test_an_id_of_another_kind_is_no_episode(group: Group) -> None:
    fact = group.remember_facts([Fact("Ann", "likes", "tea")]).facts[0]
    with pytest.raises(NotInGroupError, match="does not remember the episode"):
        group.forget(fact)
