"""Times in a question, and reading at other times than now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from memories import day, facts
from ragloom.stores.memory import Entity, Episode, Group, Interval, Memory
from ragloom.stores.memory.errors import NotInGroupError
from ragloom.stores.memory.instants import from_micros


def test_only_facts_that_hold_now_are_found_unless_others_are_asked_for(group: Group) -> None:
    assert "Ann lives in Paris" not in facts(group.search("Ann lives"))
    assert facts(group.search("Ann lives", valid_at=day(2020, 6)))[0] == "Ann lives in Paris"
    assert {"Ann lives in Paris", "Ann lives in Berlin"} <= set(facts(group.search("Ann lives", valid_at=Interval())))


@pytest.mark.parametrize(
    ("question", "fact", "note"),
    [
        ("Where did Ann live in 2020?", "Ann lives in Paris", "“in 2020” was read as 2020 to 2021"),
        ("Where did Ann live in early 2022?", "Ann lives in Berlin", "“in early 2022” was read as 2022 to 2022-05"),
        ("Where did Ann live before?", "Ann lives in Paris", "“before” was read as what had ended by now"),
        ("Who did Ann work for before Mar 2019?", "Ann works for Acme", "“before Mar 2019” was read as before 2019-03"),
    ],
)
def test_a_time_in_the_question_is_used_and_told(group: Group, question: str, fact: str, note: str) -> None:
    hits = group.search(question, kinds=["fact"])
    assert (facts(hits)[0], hits.notes) == (fact, (note,))
    assert hits.time is not None
    assert hits.time.text in question


def test_an_event_in_the_question_is_looked_up(group: Group) -> None:
    hits = group.search("Where did Ann live before she moved to Berlin?", kinds=["fact"])
    assert facts(hits)[0] == "Ann lives in Paris"
    assert hits.notes == (
        "“she moved to Berlin” was 2021-03-05 to present, as “I moved to Berlin last Friday.” says",
        "“before she moved to Berlin” was read as before 2021-03-05",
    )


def test_an_event_is_looked_up_for_whoever_is_asked_about(group: Group) -> None:
    group.remember(Episode("I moved to Berlin in February 2023.", day(2023, 6), "Bob"))
    hits = group.search("Where did Ann live before she moved to Berlin?", kinds=["fact"])
    assert facts(hits)[0] == "Ann lives in Paris"
    hits = group.search("Where did Bob work before he moved to Berlin?", kinds=["fact"])
    assert hits.notes[-1] == "“before he moved to Berlin” was read as before 2023-02"


@pytest.mark.parametrize(
    "question", ["When did Ann live in Paris?", "Has Ann lived in Paris?", "Did Ann ever live in Paris?"]
)
def test_a_question_about_the_past_looks_at_what_is_over_too(group: Group, question: str) -> None:
    assert "Ann lives in Paris" in facts(group.search(question, kinds=["fact"]))
    assert "Ann lives in Paris" not in facts(group.search("Where does Ann live?", kinds=["fact"]))


def test_a_question_that_looks_ahead_asks_for_the_next_day_of_that_name(group: Group) -> None:
    year = group.now().year  # in January
    for verb, read in (("will", f"{year}-03 to {year}-04"), ("did", f"{year - 1}-03 to {year - 1}-04")):
        (note,) = group.search(f"Where {verb} Ann live in March?", kinds=["fact"]).notes
        assert note == f"“in March” was read as {read}"


def test_after_an_event_that_still_lasts_only_what_held_then_is_found(group: Group) -> None:
    hits = group.search("Who did Ann work for after she moved to Berlin?", kinds=["fact"])
    assert hits.notes[-1] == "“after she moved to Berlin” was read as 2021-03-06 to present"
    assert "Ann works for Acme" not in facts(hits)


def test_an_event_that_nobody_knows_is_told_and_not_used(group: Group) -> None:
    hits = group.search("Where did Ann live before the flood?", kinds=["fact"])
    assert (hits.time, facts(hits)[0]) == (None, "Ann lives in Berlin")
    assert hits.notes == ("“before the flood” was not used: nothing here says when that was",)


def test_a_time_that_is_given_is_used_instead_of_one_in_the_question(group: Group) -> None:
    hits = group.search("Where did Ann live in 2020?", valid_at=day(2022))
    assert (facts(hits)[0], hits.time, hits.notes) == ("Ann lives in Berlin", None, ())


def test_what_was_believed_earlier_is_found_as_it_was_believed(memory: Memory, group: Group) -> None:
    with group.reading() as reading:
        row = reading.file.one("SELECT min(recorded_from) AS first FROM fact_versions")
    assert row is not None
    before = datetime.fromtimestamp(row["first"] / 1e6, UTC)
    found = group.search("Ann lives", known_at=before, kinds=["fact"])
    assert facts(found)[0] == "Ann lives in Paris"
    assert found[0].fact is not None
    assert found[0].fact.fact.valid_to is None
    assert group.search("Ann lives", known_at=before - timedelta(seconds=1)) == []


def test_a_name_that_was_given_later_is_not_known_before(group: Group) -> None:
    with group.reading() as reading:
        before = from_micros(reading.recorded)

    def reads() -> tuple[list[str], list[str]]:
        named, words = (
            group.search("What of Zebulon?", 20, known_at=before, kinds=kinds) for kinds in (["fact"], ["entity"])
        )
        return [hit.why for hit in named], [hit.why for hit in words]

    past = reads()
    group.describe(Entity("Ann", aliases=("Zebulon",)))
    assert reads() == past
    for read in (group.timeline, lambda name, known_at: group.as_of(around=name, known_at=known_at)):
        assert read("Zebulon", known_at=group.now())
        with pytest.raises(NotInGroupError):
            read("Zebulon", known_at=before)


def test_nothing_is_around_an_entity_before_it_was_known(group: Group) -> None:
    with pytest.raises(NotInGroupError):
        group.as_of(around="Ann", known_at=day(2000))
