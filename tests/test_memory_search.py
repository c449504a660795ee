"""Searching a memory: by words, by meaning, by the graph, by time."""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes import HashingEmbedder
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document
from memories import Clock, day
from ragloom.stores.memory import Entity, Episode, Fact, Group, Interval, Memory, MemoryHit
from ragloom.stores.memory.errors import MemoryValueError, NaiveDatetimeError, NotInGroupError
from ragloom.stores.memory.instants import from_micros
from ragloom.stores.memory.reading import recipes
from ragloom.stores.memory.reading.conversation import neighbours
from ragloom.stores.memory.reading.meaning import KeptVectors
from ragloom.stores.memory.reading.words import by_words


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with Memory(tmp_path / "memory.sqlite3", embedder=HashingEmbedder(), now=Clock()) as opened:
        yield opened


@pytest.fixture
def group(memory: Memory) -> Group:
    group = memory.group("ann")
    group.remember_facts(
        [
            Fact("Ann", "lives_in", "Paris", valid_from=day(2019, 5), subject_type="person"),
            Fact("Ann", "works_for", "Acme", valid_from=day(2018), valid_to=day(2020)),
            Fact("Bob", "likes", "jazz", subject_type="person"),
            Fact("Acme", "located_in", "Lyon", valid_from=day(2010)),
        ]
    )
    moved = Episode("I moved to Berlin last Friday.", day(2021, 3, 8), "Ann")
    group.remember_facts([Fact("Ann", "lives_in", "Berlin", valid_from=day(2021, 3, 5))], episode=moved)
    return group


def facts(hits: Sequence[MemoryHit]) -> list[str]:
    return [hit.text for hit in hits if hit.fact]


def test_a_hit_is_an_episode_a_fact_or_an_entity_and_says_why(group: Group) -> None:
    hits = group.search("Berlin", 20)
    assert {type(hit.record).__name__ for hit in hits} == {"EpisodeRecord", "FactRecord", "EntityRecord"}
    assert all((hit.episode, hit.fact, hit.entity).count(None) == 2 for hit in hits)
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    assert sorted((hit.score for hit in hits), reverse=True) == [hit.score for hit in hits]
    (fact,) = [hit for hit in hits if hit.fact and hit.fact.fact.object == "Berlin"]
    assert fact.why == "words 1st, meaning 1st, near Berlin 1st"


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
        assert len(passes) <= 4  # the best by words and by meaning, those near a name, and all
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
    assert max(map(len, statements)) < 15_000  # characters: of the 1,000 facts around "tea", not of 3,000 keys


def test_an_alias_finds_the_entity_and_its_facts(group: Group) -> None:
    group.describe(Entity("Bob", aliases=("Robert Smith",)))
    hits = group.search("What about Robert Smith's music?", kinds=["fact"])
    assert facts(hits)[0] == "Bob likes jazz"
    assert "near Robert Smith's 1st" in hits[0].why


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


QUERIES = st.lists(
    st.sampled_from(['"', "'", "OR", "NEAR(", "*", ";--", "DROP TABLE facts", "terms:", "^", "(", "{", "%s", "?", "\0"])
    | st.text(string.printable + "é東\u202e", max_size=6),
    min_size=1,
    max_size=8,
).map("".join)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    with Memory(tmp_path_factory.mktemp("shared") / "m.sqlite3", embedder=HashingEmbedder(), now=Clock()) as memory:
        group = memory.group("ann")
        group.remember_facts([Fact("Ann", "likes", 'a "quoted" NEAR( thing OR * terms:x')])
        yield group


@given(query=QUERIES)
@settings(max_examples=200)
def test_sql_and_fts_syntax_in_a_query_is_text(shared: Group, query: str) -> None:
    if query.strip():
        shared.search(query)
    assert len(shared.search("Ann", kinds=["fact"])) == 1


def test_a_page_as_a_query_and_a_name_of_syntax_are_text(shared: Group) -> None:
    assert facts(shared.search('"quoted" NEAR( OR *'))[0].startswith("Ann likes")
    assert facts(shared.search("Ann likes " + "word " * 100_000))


def test_a_conversations_neighbours_are_found(memory: Memory) -> None:
    group = memory.group("talk")
    said = ["Where did you go for the holidays?", "To Lisbon!", "How nice.", "Yes."]
    for place, text in enumerate(said):
        group.remember(Episode(text, day(2021, 3, 8) + timedelta(seconds=place), "AB"[place % 2]))
    later = Episode("Nothing happened here.", day(2021, 3, 9), "A")
    group.remember(later)
    plain, known = (group.search("holidays", recipe=recipe) for recipe in (recipes.rrf, recipes.conversation))
    places = [[hit.text for hit in hits].index("To Lisbon!") for hits in (plain, known)]
    assert places[1] == 1 < places[0] or places == [1, 1]
    assert known[0].text == said[0]


def test_what_the_one_named_speaker_said_comes_first(memory: Memory) -> None:
    group = memory.group("talk")
    for place, speaker in enumerate(["Bob", "Ann", "Bob", "Ann"]):
        group.remember(Episode(f"I like tea, number {place}.", day(2021, 3, 8 + place), speaker))
    hits = group.search("What tea does Ann like?", 2, recipe=recipes.conversation)
    assert {hit.episode.episode.source for hit in hits if hit.episode} == {"Ann"}


def test_a_hit_tells_that_it_was_said_by_whom_and_when_the_question_asks(memory: Memory) -> None:
    group = memory.group("talk")
    for place, speaker in enumerate(["Bob", "Ann", "Bob", "Ann"]):
        group.remember(Episode(f"I like tea, number {place}.", day(2021, 3 + place), speaker))
    why = {hit.text: hit.why for hit in group.search("What did Ann say about tea in June 2021?")}
    by_ann = {text for text, reasons in why.items() if "said by Ann" in reasons}
    assert by_ann == {"I like tea, number 1.", "I like tea, number 3."}
    assert {text for text, reasons in why.items() if "said then 1st" in reasons} == {"I like tea, number 3."}


def test_who_has_no_name_is_not_named_by_the_question(memory: Memory) -> None:
    group = memory.group("talk")
    for place, speaker in enumerate(["", "Ann", ""]):
        group.remember(Episode(f"I like tea, number {place}.", day(2021, 3, 8 + place), speaker))
    assert not [hit for hit in group.search("Who likes tea?") if "said by" in hit.why]


def test_beside_a_forgotten_turn_stands_the_one_after_it(memory: Memory) -> None:
    group = memory.group("talk")
    said = [
        Episode(text, day(2021, 3, 8) + timedelta(seconds=place), "Ann")
        for place, text in enumerate(["Where did you go?", "forget me", "not me", "To Lisbon!"])
    ]
    for each in said:
        group.remember(each)
    group.forget(said[1])
    group.forget(said[2])
    with group.reading() as reading:
        keys = [row["key"] for row in reading.file.all("SELECT key FROM episodes ORDER BY key")]
        assert neighbours(reading, keys[:1], reading.recorded) == {keys[0]: [(keys[3], 0.3)]}


def test_mmr_leaves_out_what_says_the_same_again(group: Group) -> None:
    for month in range(1, 6):
        group.remember(Episode("Tea is the best drink", day(2022, month), "Ann"))
    group.remember(Episode("Coffee drink", day(2022, 7), "Ann"))
    found = [
        {hit.text for hit in group.search("best drink", 2, kinds=["episode"], recipe=recipe)}
        for recipe in (recipes.conversation, recipes.Mmr(0.3))
    ]
    assert [len(texts) for texts in found] == [1, 2]


def test_near_orders_by_facts_between(group: Group) -> None:
    hits = group.search("Acme Ann Bob", kinds=["fact"], valid_at=Interval(), recipe=recipes.near("Lyon"))
    assert facts(hits)[0] == "Acme located in Lyon"
    assert facts(hits)[1] == "Ann works for Acme"
    assert facts(hits)[-1] == "Bob likes jazz"


@dataclass(frozen=True)
class Ranked:
    given: int
    score: float


class Backwards:
    """Turns the order round."""

    def rank(self, query: str, documents: Sequence[Document | str]) -> list[Ranked]:
        return [Ranked(place, float(place)) for place in range(len(documents), 0, -1)]


def test_a_reranker_has_the_last_word(group: Group) -> None:
    first = [hit.id for hit in group.search("Ann Berlin", 5)]
    assert [hit.id for hit in group.search("Ann Berlin", 5, recipe=recipes.Reranked(Backwards(), depth=5))] == first[
        ::-1
    ]


def test_new_and_forgotten_things_are_seen_by_the_next_search(memory: Memory, group: Group) -> None:
    said = Episode("Zebras sleep standing up.", day(2022), "Ann")
    assert not [hit for hit in group.search("zebras") if hit.episode and hit.episode.episode == said]
    group.remember(said)
    other = memory.group("ann")
    assert other.search("zebras")[0].text == said.content
    group.forget(said)
    assert said.content not in [hit.text for hit in other.search("zebras")]
    group.remember(said)
    group.erase(said)
    assert said.content not in [hit.text for hit in other.search("zebras")]


def test_erased_vectors_do_not_stay_in_the_process(memory: Memory, group: Group) -> None:
    kept = group._parts.kept
    said = Episode("Zebras sleep standing up.", day(2022), "Ann")
    group.remember(said)
    group.search("zebras")
    assert kept.bytes > 0
    group.erase(said)
    assert kept.bytes == 0
    group.search("Ann")
    memory.erase("ann")
    assert kept.bytes == 0


def test_vectors_of_many_groups_take_no_more_room_than_is_given(memory: Memory) -> None:
    kept = KeptVectors(most=20_000)
    for number in range(20):
        group = memory.group(f"user {number}")
        group.remember(Episode("Hello.", day(2022), "Ann"))
        with group.reading() as reading:
            assert len(kept.of(reading).keys) == 1
        assert kept.bytes <= 20_000
    for number in (0, 19):  # one that had to go, and one that is there
        with memory.group(f"user {number}").reading() as reading:
            assert len(kept.of(reading).keys) == 1


def test_what_other_groups_say_changes_neither_order_nor_scores(memory: Memory) -> None:
    group, others = memory.group("fruit"), memory.group("others")
    for place, text in enumerate(("apple pear", "apple plum plum", "kiwi pear pear", "plum kiwi")):
        group.remember(Episode(text, day(2022, 1, 1 + place), "Ann"))
    group.remember_facts([Fact("Ann", "likes", "apple pie"), Fact("Bob", "grows", "pears")])

    def found() -> list[tuple[str, float, str]]:
        return [(hit.text, hit.score, hit.why) for hit in group.search("apple pear", 20)]

    def by_words_alone() -> list[tuple[int, float]]:
        with group.reading() as reading:
            return by_words(reading, "episode_words", ["appl", "pear"])

    before = found(), by_words_alone()
    for number in range(40):
        others.remember(Episode(f"apple {number} " * (1 + number % 3), day(2022), "Zoe"))
        others.remember_facts([Fact("Zoe", "likes", f"apple {number}")])
    assert (found(), by_words_alone()) == before


def test_a_rare_word_counts_for_more_than_a_common_one_and_a_short_text_for_more_than_a_long_one(
    memory: Memory,
) -> None:
    group = memory.group("fruit")
    of_fruit = ["apple pie", "apple", "apple cake", "kiwi with much cream on top of it", "kiwi"]
    for place, text in enumerate([*of_fruit, "plum", "pear", "fig", "lime", "quince"]):
        group.remember(Episode(text, day(2022, 1, 1 + place), "Ann"))
    with group.reading() as reading:
        found = [key for key, _ in by_words(reading, "episode_words", ["appl", "kiwi"])]
        text = {row["key"]: row["content"] for row in reading.file.all("SELECT key, content FROM episodes")}
    assert [text[key] for key in found[:2]] == ["kiwi", "apple"]


def test_a_group_that_was_never_written_to_has_nothing(memory: Memory, group: Group) -> None:
    empty = memory.group("nobody")
    assert empty.search("Ann Berlin") == []
    assert empty.as_of().number_of_nodes() == 0
    assert str(empty.context("Ann", 100)) == ""
