"""What puts the hits of a search in order: what was said beside them, and recipes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from langchain_core.documents import Document
from memories import day, facts
from ragloom.stores.memory import Episode, Group, Interval, Memory
from ragloom.stores.memory.reading import recipes
from ragloom.stores.memory.reading.conversation import neighbours


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
