"""What holds of a memory whatever is done to it."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

from fakes import HashingEmbedder
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule
from memories import Clock, Plain, believed, day, rows, told
from ragloom.stores.memory import Entity, Episode, Fact, Memory
from ragloom.stores.memory.errors import MemoryValueError, NotInGroupError
from ragloom.stores.memory.instants import from_micros

_names = st.sampled_from(
    ["Ann", "ann ", "Johann Meier", "Johan Meier", "WHO", "World Health Organization", "Rome", "R2"]
)
_years = st.none() | st.integers(2000, 2008)


@st.composite
def facts(draw: st.DrawFn) -> Fact:
    start, end = draw(_years), draw(_years)
    if start is not None and end is not None and end <= start:
        end = None
    relation = draw(st.sampled_from(["lives_in", "knows"]))
    times = [None if year is None else day(year) for year in (start, end)]
    label = draw(st.sampled_from(["", "person", "place"]))
    return Fact(draw(_names), relation, draw(_names), valid_from=times[0], valid_to=times[1], subject_type=label)


class Remembering(RuleBasedStateMachine):
    """Remembers, forgets, merges and erases, in any order, with a clock that may go backwards."""

    episodes = Bundle("episodes")

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.clock = Clock()
        self.memory = Memory(Path(self.folder.name) / "m", embedder=HashingEmbedder(dimension=4), now=self.clock)
        self.group = self.memory.group("g")
        self.seen: dict[datetime, set[Plain]] = {}
        self.number = 0

    def teardown(self) -> None:
        if hasattr(self, "memory"):
            self.memory.close()
            self.folder.cleanup()

    @rule(target=episodes, given=st.lists(facts(), min_size=1, max_size=3))
    def remember(self, given: list[Fact]) -> tuple[Episode, list[Fact]]:
        self.number += 1
        episode = Episode(f"episode {self.number}", day(2020), "Ann")
        self.group.remember_facts(given, episode=episode)
        return episode, given

    @rule(given=st.lists(facts(), min_size=1, max_size=3))
    def remember_on_the_callers_word(self, given: list[Fact]) -> None:
        self.group.remember_facts(given)

    @rule(remembered=episodes)
    def forget_and_remember_again_changes_nothing(self, remembered: tuple[Episode, list[Fact]]) -> None:
        episode, given = remembered
        self.group.remember_facts(given, episode=episode)  # some of it may have been retracted
        before = told(self.group)
        self.group.forget(episode)
        self.look()
        self.group.remember_facts(given, episode=episode)
        assert told(self.group) == before

    @rule(remembered=consumes(episodes))
    def forget(self, remembered: tuple[Episode, list[Fact]]) -> None:
        self.group.forget(remembered[0])

    @rule(remembered=consumes(episodes))
    def erase(self, remembered: tuple[Episode, list[Fact]]) -> None:
        self.group.erase(remembered[0])
        self.seen.clear()

    @rule(name=_names, other=_names)
    def merge(self, name: str, other: str) -> None:
        with suppress(NotInGroupError, MemoryValueError):  # one of them is unknown yet, or they are one already
            self.group.merge(name, other)

    @rule(name=_names, label=st.sampled_from(["person", "place"]))
    def describe(self, name: str, label: str) -> None:
        self.group.describe(Entity(name, types=(label,)))

    @rule(data=st.data())
    def retract(self, data: st.DataObject) -> None:
        if records := believed(self.group):
            self.group.retract(data.draw(st.sampled_from(records)).id)

    @rule(data=st.data())
    def undo_a_merge(self, data: st.DataObject) -> None:
        if merges := self.group.merges():
            self.group.unmerge(data.draw(st.sampled_from(merges)).id)

    @rule()
    def set_the_clock_back(self) -> None:
        self.clock.time -= timedelta(days=300)

    @rule()
    def look(self) -> None:
        """What is believed at this record time has to be believed of it for ever."""
        with self.group.reading() as reading:
            if reading.group:
                self.seen[from_micros(reading.recorded)] = told(self.group)

    @invariant()
    def what_was_believed_at_a_record_time_never_changes(self) -> None:
        for at, then in getattr(self, "seen", {}).items():
            assert told(self.group, at) == then

    @invariant()
    def record_intervals_of_one_thing_never_overlap(self) -> None:
        if not hasattr(self, "group"):
            return
        for table, column in (("fact_versions", "fact"), ("entity_versions", "entity"), ("merges", "entity")):
            spans: dict[int, list[tuple[int, int]]] = defaultdict(list)
            for thing, start, end in rows(self.group, f"SELECT {column}, recorded_from, recorded_to FROM {table}"):
                spans[thing].append((start, 2**63 if end is None else end))
            for versions in spans.values():
                versions.sort()
                assert all(start < end for start, end in versions)
                assert all(one[1] <= other[0] for one, other in pairwise(versions))

    @invariant()
    def intervals_end_after_they_start_and_point_to_what_is_there(self) -> None:
        if not hasattr(self, "group"):
            return
        assert rows(self.group, "SELECT * FROM fact_versions WHERE valid_to <= valid_from") == []
        believed = "FROM fact_versions WHERE recorded_to IS NULL"
        stands = f"SELECT fact {believed} AND same_as IS NULL"
        assert rows(self.group, f"SELECT 1 {believed} AND same_as NOT IN ({stands})") == []
        named = "SELECT entity FROM entity_versions WHERE recorded_to IS NULL"
        assert rows(self.group, f"SELECT 1 {believed} AND (subject NOT IN ({named}) OR object NOT IN ({named}))") == []

    @invariant()
    def a_fact_is_between_the_entities_that_those_it_was_stated_of_are_taken_for(self) -> None:
        if not hasattr(self, "group"):
            return
        merged = dict(rows(self.group, "SELECT entity, into_entity FROM merges WHERE recorded_to IS NULL"))

        def root(entity: int) -> int:
            return root(merged[entity]) if entity in merged else entity

        ends = (
            "SELECT v.subject, v.object, f.subject, f.object FROM fact_versions AS v JOIN facts AS f ON f.key = v.fact"
        )
        for subject, target, stated_subject, stated_object in rows(self.group, f"{ends} WHERE v.recorded_to IS NULL"):
            assert (subject, target) == (root(stated_subject), root(stated_object))

    @invariant()
    def an_entity_is_believed_in_where_a_fact_is_about_it_or_somebody_has_described_it(self) -> None:
        if not hasattr(self, "group"):
            return
        ends = "SELECT {} FROM fact_versions WHERE recorded_to IS NULL"
        alone = (
            "SELECT name FROM entity_versions WHERE recorded_to IS NULL AND NOT described "
            "AND entity NOT IN (SELECT entity FROM merges WHERE recorded_to IS NULL) "
            "AND entity NOT IN (SELECT into_entity FROM merges AS m JOIN entity_versions AS e USING (entity) "
            "WHERE m.recorded_to IS NULL AND e.recorded_to IS NULL AND e.described) "
            f"AND entity NOT IN ({ends.format('subject')}) AND entity NOT IN ({ends.format('object')})"
        )
        assert rows(self.group, alone) == []

    @invariant()
    def an_entity_has_the_types_that_are_told_of_it(self) -> None:
        if not hasattr(self, "group"):
            return
        told = defaultdict(set)
        for entity, label in rows(
            self.group,
            "SELECT entity, label FROM labels AS l LEFT JOIN support AS s ON s.key = l.support "
            "WHERE l.recorded_to IS NULL AND (l.support IS NULL OR s.recorded_to IS NULL)",
        ):
            told[entity].add(label)
        versions = "SELECT entity, types FROM entity_versions WHERE recorded_to IS NULL"
        assert all(set(json.loads(types)) == told[entity] for entity, types in rows(self.group, versions))

    @invariant()
    def words_agree_with_what_is_stored(self) -> None:
        if not hasattr(self, "group"):
            return
        for words, table in (("episode_words", "episodes"), ("fact_words", "facts"), ("entity_words", "aliases")):
            assert rows(self.group, f"SELECT rowid FROM {words}") == rows(
                self.group, f"SELECT key FROM {table} ORDER BY key"
            )


Remembering.TestCase.settings = settings(max_examples=40, stateful_step_count=12, deadline=None)
TestRemembering = Remembering.TestCase
