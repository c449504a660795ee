"""Searching a memory: by words, by meaning, by the graph, by time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from memories import day, facts
from ragloom.stores.memory import Entity, Fact, Group, Interval, Memory
from ragloom.stores.memory.errors import MemoryValueError, NaiveDatetimeError, NotInGroupError


def test_a_hit_is_an_episode_a_fact_or_an_entity_and_says_why(group: Group) -> None:
    hits = group.search("Berlin", 20)
    assert {type(hit.record).__name__ for hit in hits} == {"EpisodeRecord", "FactRecord", "EntityRecord"}
    assert all((hit.episode, hit.fact, hit.entity).count(None) == 2 for hit in hits)
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    assert sorted((hit.score for hit in hits), reverse=True) == [hit.score for hit in hits]
    (fact,) = [hit for hit in hits if hit.fact and hit.fact.fact.object == "Berlin"]
    assert fact.why == "words 1st, meaning 1st, near Berlin 1st"


def test_a_search_is_narrowed_by_kind_type_relation_and_entity(group: Group) -> None:
    anything = Interval()
    assert {hit.fact is not None for hit in group.search("Ann Berlin Acme", relations=["Works for"])} <= {True}
    assert facts(group.search("Ann", relations=["works_for"], valid_at=anything)) == ["Ann works for Acme"]
    assert set(facts(group.search("Ann Bob Acme", types=["person"]))) == {"Ann lives in Berlin", "Bob likes jazz"}
    assert group.search("Ann Acme", kinds=["entity"], types=["person"])[0].text == "Ann"
    around = group.search("anything at all", 20, around="Acme", valid_at=anything)
    assert set(facts(around)) == {"Ann works for Acme", "Acme located in Lyon"}
    assert {hit.text for hit in around if hit.entity} == {"Ann", "Acme", "Lyon"}
    assert [hit.text for hit in group.search("anything", around="Ann") if hit.episode] == [
        "I moved to Berlin last Friday."
    ]


def test_a_rare_fact_is_found_among_many_and_nothing_is_looked_through_twice(memory: Memory) -> None:
    group = memory.group("many")
    many = [Fact(f"person {number}", "likes", "tea") for number in range(1500)]
    group.load(
        [*many, Fact("Ann", "grows", "tea", subject_type="gardener"), Fact("Bob", "likes", "tea", valid_to=day(2000))],
        embed=True,
    )
    statements: list[str] = []

    def found(**options: Any) -> list[str]:
        return facts(group.search("Who likes tea?", kinds=["fact"], **options))

    with group.reading() as reading:
        reading.file._connection.set_trace_callback(statements.append)
    for options in ({"relations": ["grows"]}, {"types": ["gardener"]}, {"around": "Ann"}):
        statements.clear()
        assert found(**options) == ["Ann grows tea"]
        passes = [each for each in statements if "coalesce(v.same_as, v.fact)" in each]
        assert len(passes) <= 5  # the best by words and by meaning, those after them, and all
    assert found(valid_at=day(1990), relations=["likes"], around="Bob") == ["Bob likes tea"]


def test_a_narrow_search_asks_for_what_is_wanted_and_not_with_a_list_of_all_keys(memory: Memory) -> None:
    group = memory.group("many")
    group.load((Fact(f"person {number}", "likes", "tea") for number in range(3000)), embed=True)
    statements: list[str] = []
    with group.reading() as reading:
        reading.file._connection.set_trace_callback(statements.append)
    narrow: list[dict[str, Any]] = [
        {"types": ["gardener"]},
        {"relations": ["grows"]},
        {"around": "person 7"},
        {"known_at": day(1990)},
    ]
    for options in narrow:
        group.search("Who likes tea?", **options)
    assert max(map(len, statements)) < 15_000  # characters: of the best 400, not of 3,000 keys


def test_an_alias_finds_the_entity_and_its_facts(group: Group) -> None:
    group.describe(Entity("Bob", aliases=("Robert Smith",)))
    hits = group.search("What about Robert Smith's music?", kinds=["fact"])
    assert facts(hits)[0] == "Bob likes jazz"
    assert "near Robert Smith's 1st" in hits[0].why


def test_what_is_merged_is_found_once_under_its_name(group: Group) -> None:
    group.remember_facts([Fact("Bobby", "plays", "piano")])
    group.merge("Bobby", "Bob")
    hits = group.search("Bobby", kinds=["entity"])
    assert [hit.text for hit in hits].count("Bob") == 1
    assert "Bobby" not in [hit.text for hit in hits]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"query": " "}, MemoryValueError, "the query is empty"),
        ({"query": "half \ud800"}, MemoryValueError, "lone surrogate"),
        ({"k": 0}, MemoryValueError, "k must be a whole number above 0, not 0"),
        ({"kinds": ["facts"]}, MemoryValueError, "unknown kind 'facts'; did you mean 'fact'"),
        ({"kinds": "fact"}, MemoryValueError, r"kinds takes several texts; write kinds=\['fact'\]"),
        ({"relations": "likes"}, MemoryValueError, r"write relations=\['likes'\]"),
        ({"valid_at": datetime(2020, 1, 1)}, NaiveDatetimeError, "valid_at=.* is naive"),
        ({"known_at": datetime(2020, 1, 1)}, NaiveDatetimeError, "known_at=.* is naive"),
        ({"around": "Zoe"}, NotInGroupError, "no entity 'Zoe'"),
        ({"around": 12}, NotInGroupError, "no entity 12"),
    ],
)
def test_what_cannot_be_searched_for_is_told(
    group: Group, options: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        group.search(**{"query": "Ann", **options})  # type: ignore[arg-type]


def test_a_group_that_was_never_written_to_has_nothing(memory: Memory, group: Group) -> None:
    empty = memory.group("nobody")
    assert empty.search("Ann Berlin") == []
    assert empty.as_of().number_of_nodes() == 0
    assert str(empty.context("Ann", 100)) == ""
