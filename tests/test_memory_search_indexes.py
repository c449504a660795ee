"""Finding by words and by meaning: terms, scores, vectors, and syntax that is text."""

from __future__ import annotations

import string
from collections.abc import Iterator

import pytest
from fakes import HashingEmbedder
from hypothesis import given, settings
from hypothesis import strategies as st
from memories import Clock, day, facts
from ragloom.stores.memory import Episode, Fact, Group, Memory
from ragloom.stores.memory.reading.meaning import KeptVectors
from ragloom.stores.memory.reading.words import by_words

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
