"""Facts of episodes: what is kept, when it held, and records by a mapping."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import HashingEmbedder
from langchain_core.language_models import FakeListChatModel
from memories import Clock, day, plain, told
from ragloom.agents import FactExtractor, MemoryJudge
from ragloom.rag.llm import ChatLocal, load
from ragloom.stores.memory import Episode, Fact, FactTemplate, Group, Memory, RecordMapping
from ragloom.stores.memory.dating import dated
from ragloom.stores.memory.errors import MemoryValueError
from ragloom.stores.memory.extracting import Dropped, Extraction, occurs, only_said

TUESDAY = day(2024, 3, 5)


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Group]:
    with Memory(tmp_path / "m", embedder=HashingEmbedder(), now=Clock()) as memory:
        yield memory.group("g")


def says(text: str, source: str = "Ann") -> Episode:
    return Episode(text, TUESDAY, source)


class Scripted:
    """Gives these facts of every episode."""

    def __init__(self, *facts: Fact) -> None:
        self.facts = facts

    def extract(self, episode: Episode) -> Extraction:
        return only_said(episode, self.facts)


@pytest.mark.parametrize(
    ("name", "text", "is_there"),
    [
        ("New York", "I love new  york!", True),
        ("Zoë", "ZOE sings", True),
        ("York", "Yorkshire", False),
        ("東京", "私は 東京 に住む", True),
        ("?", "what?", False),
        ("", "anything", False),
    ],
)
def test_a_name_occurs_by_its_words(name: str, text: str, is_there: bool) -> None:
    assert occurs(name, text) == is_there


def test_only_facts_whose_ends_occur_are_kept_and_the_others_reported() -> None:
    given = [Fact("Ann", "lives_in", "Berlin"), Fact("Ida", "works_for", "Equinor"), Fact("Berlin", "is_in", "Germany")]
    extraction = only_said(says("I moved to Berlin."), given)
    assert [fact.statement for fact in extraction.facts] == ["Ann lives in Berlin"]
    assert extraction.dropped == (
        Dropped("Ida works for Equinor", "'Ida' does not occur in the text"),
        Dropped("Berlin is in Germany", "'Germany' does not occur in the text"),
    )


def test_a_fact_about_a_thing_and_itself_is_dropped() -> None:
    extraction = only_said(says("I moved to Berlin."), [Fact("Berlin", "works_for", "berlin")])
    assert extraction == Extraction((), (Dropped("Berlin works for berlin", "its subject is its object"),))


def test_the_first_person_of_a_message_is_its_sender() -> None:
    (fact,) = only_said(says("I like tea"), [Fact("I", "like", "tea", confidence=0.5)]).facts
    assert only_said(says("I am Ann"), [Fact("I", "is", "Ann")]).dropped[0].why == "its subject is its object"
    assert (fact.subject, fact.statement, fact.confidence) == ("Ann", "Ann like tea", 0.5)
    text = Episode("I like tea", TUESDAY, "Ann", "text")
    assert only_said(text, [Fact("I", "like", "tea")]).facts[0].subject == "I"


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("I moved to Berlin last Friday.", "2024-03-01", ""),
        ("I have lived in Berlin since 2019.", "2019-01-01", ""),
        ("I lived in Berlin from 2016 to 2018.", "2016-01-01", "2019-01-01"),
        ("I lived in Berlin until March 2021.", "", "2021-04-01"),
        ("I live in Berlin.", "2024-03-05", ""),
        ("I was born in 1990. I live in Berlin.", "2024-03-05", ""),
        ("I will move to Berlin in July.", "2024-07-01", ""),
        ("I'm moving to Berlin on Friday.", "2024-03-08", ""),
        ("I moved to Berlin in July.", "2023-07-01", ""),
        ("I took leave and went to Berlin in July.", "2023-07-01", ""),
        ("I don't live in Paris any more, I live in Berlin.", "2024-03-05", ""),
        ("I no longer live in Paris, I moved to Berlin last month.", "2024-02-01", ""),
        ("I lived in Paris until 2019, then I moved to Berlin.", "2024-03-05", ""),
        ("I lived in Paris from 2016 to 2018 and in Berlin from 2019 to 2022.", "2019-01-01", "2023-01-01"),
        ("I lived in Berlin from 2016 to 2018 and at sea from 2019 to 2022.", "2016-01-01", "2019-01-01"),
        ("I moved to Rome in 2019 and then to Berlin in 2021.", "2021-01-01", ""),
        ("I lived in Berlin (2016-2018).", "2016-01-01", "2019-01-01"),
        ("I lived in Berlin between 2016 and 2018.", "2016-01-01", "2019-01-01"),
        ("I left Berlin in January.", "", "2024-01-01"),
        ("I left Berlin.", "", "2024-03-05"),
        ("I stopped living in Berlin in 2022.", "", "2022-01-01"),
        ("I left Paris for Berlin in January.", "2024-01-01", ""),
        ("I am used to Berlin by now.", "2024-03-05", ""),
        ("I got used to Berlin.", "2024-03-05", ""),
        ("In 2019, I moved to Berlin.", "2019-01-01", ""),
        ("When I was a child in 1990, I lived in Berlin.", "1990-01-01", ""),
        ("I have been in Berlin from the start of July on.", "2023-07-01", ""),
        ("I will live in Berlin in two weeks.", "2024-03-18", ""),
        ("I learnt all of Berlin's streets in two weeks.", "2024-03-05", ""),
        ("I live in Berlin until Friday.", "", "2024-03-09"),
        ("I lived in Berlin until Friday.", "", "2024-03-02"),
        ("I am living in Berlin since May.", "2023-05-01", ""),
        ("I came to Berlin no later than 2020.", "2024-03-05", ""),
        ("I lived in Berlin during 2019.", "2019-01-01", "2020-01-01"),
        ("I was born in 1990. Berlin is where I live since 2020.", "2020-01-01", ""),
    ],
)
def test_a_fact_holds_when_its_sentence_says(text: str, start: str, end: str) -> None:
    assert plain(dated(Fact("Ann", "lives_in", "Berlin"), says(text)))[3:] == (start, end)


def test_a_fact_with_a_date_keeps_it() -> None:
    fact = Fact("Ann", "lives_in", "Berlin", valid_to=day(2020))
    assert dated(fact, says("I moved to Berlin last Friday.")) == fact


def test_an_episode_is_remembered_with_its_facts_dated_and_resolved(group: Group) -> None:
    group.remember(says("I live in Paris."), extractor=Scripted(Fact("Ann", "lives_in", "Paris")))
    moved = group.remember(
        Episode("I moved to Berlin last Friday.", day(2024, 6, 4), "Ann"),
        extractor=Scripted(Fact("I", "lives_in", "Berlin"), Fact("Ann", "lives_in", "Rome")),
    )
    assert told(group) == {
        ("Ann", "lives_in", "Paris", "2024-03-05", "2024-05-31"),
        ("Ann", "lives_in", "Berlin", "2024-05-31", ""),
    }
    assert [dropped.what for dropped in moved.dropped] == ["Ann lives in Rome"]


def test_what_cannot_be_extracted_is_not_half_remembered(group: Group) -> None:
    class Broken:
        def extract(self, episode: Episode) -> Extraction:
            raise RuntimeError("no model")

    with pytest.raises(RuntimeError, match="no model"):
        group.remember(says("I live in Paris."), extractor=Broken())
    assert group.remember(says("I live in Paris.")).is_new


RECORD = {"name": "Ann", "job": {"company": "Acme", "since": "2021-03-01", "until": None}, "id": 7}
MAPPING = RecordMapping(
    [
        FactTemplate("{name}", "works for", "{job.company}", valid_from="{job.since}", valid_to="{job.until}"),
        FactTemplate("{name}", "has_number", "no. {id}", statement="{name} has the number {id}"),
    ]
)


def record(content: object) -> Episode:
    return Episode(json.dumps(content), TUESDAY, "hr", "json")


def test_records_become_facts_by_a_mapping(group: Group) -> None:
    group.remember(record([RECORD, {**RECORD, "name": "Bob"}]), extractor=MAPPING)
    assert told(group) == {
        ("Ann", "works_for", "Acme", "2021-03-01", ""),
        ("Ann", "has_number", "no. 7", "2024-03-05", ""),
        ("Bob", "works_for", "Acme", "2021-03-01", ""),
        ("Bob", "has_number", "no. 7", "2024-03-05", ""),
    }


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"job": {}}, "the record has no 'job.company'"),
        ({"job": None}, "the record has no 'job.company'"),
        ({"job": {"company": ["Acme"]}}, "'job.company' is no single value: ['Acme']"),
        ({"job": {"company": "Acme", "since": "spring"}}, "'spring' is no ISO date"),
        ({"job": {"company": "Acme", "since": "2021-03-01T09:00:00"}}, "is naive: it has no time zone"),
        ({"name": " "}, "the subject of a fact is empty"),
    ],
)
def test_a_record_that_lacks_something_is_reported(changed: dict[str, object], why: str) -> None:
    extraction = MAPPING.extract(record({**RECORD, **changed}))
    assert any(why in dropped.why for dropped in extraction.dropped)
    assert len(extraction.facts) + len(extraction.dropped) == 2


def test_fields_are_values_and_nothing_more() -> None:
    mapping = RecordMapping([FactTemplate("{name.__class__}", "is", "{name}")])
    assert mapping.extract(record({"name": "{id}", "id": 1})).facts == ()
    assert (
        RecordMapping([FactTemplate("{name}", "is", "x")]).extract(record({"name": "{id}"})).facts[0].subject == "{id}"
    )


@pytest.mark.parametrize("episode", [says("I live in Paris."), Episode("{", TUESDAY, "hr", "json")])
def test_what_is_no_record_is_refused(episode: Episode) -> None:
    with pytest.raises(MemoryValueError, match=r"a mapping is for episodes of kind 'json'|the episode is not JSON"):
        MAPPING.extract(episode)


def reply(*facts: tuple[str, str, str]) -> str:
    return json.dumps({"facts": [dict(zip(("subject", "relation", "object"), fact, strict=True)) for fact in facts]})


def test_an_llm_is_held_to_the_text() -> None:
    llm = FakeListChatModel(responses=[reply(("I", "Lives in", "Berlin"), ("Ida", "works_for", "Equinor"))])
    extraction = FactExtractor(llm).extract(says("I moved to Berlin."))
    assert [fact.statement for fact in extraction.facts] == ["Ann lives in Berlin"]
    assert [dropped.what for dropped in extraction.dropped] == ["Ida works for Equinor"]


@pytest.mark.parametrize(
    "answer", ["Berlin, I think.", "[]", '{"facts": "none"}', '{"facts": [3, {"subject": "Ann"}]}']
)
def test_an_answer_that_is_no_list_of_facts_gives_none(answer: str) -> None:
    extraction = FactExtractor(FakeListChatModel(responses=[answer])).extract(says("I moved to Berlin."))
    assert extraction.facts == ()


def test_a_long_text_is_read_in_windows() -> None:
    llm = FakeListChatModel(responses=[reply(("Ann", "likes", "tea")), reply(("Ann", "likes", "rum")), reply()])
    text = "Ann likes tea. " + "She talks and talks. " * 6 + "Ann likes rum."
    extraction = FactExtractor(llm, window=100).extract(says(text))
    assert {fact.object for fact in extraction.facts} == {"tea", "rum"}


def test_a_judge_chooses_among_what_it_is_shown() -> None:
    judge = MemoryJudge(
        FakeListChatModel(responses=['{"same": "München"}', '{"same": "Oslo"}', '{"same": null}', "what?"])
    )
    asked = [judge.same_entity("Munich", "I was in Munich", ["Berlin", "München"]) for _ in range(4)]
    assert asked == [1, None, None, None]
    judge = MemoryJudge(FakeListChatModel(responses=['{"ended": ["2", "7", "2"]}', '{"ended": 2}', "all"]))
    facts = [Fact("Ann", "likes", "tea"), Fact("Ann", "is_the_wife_of", "Bob", valid_from=day(2012))]
    assert [judge.contradicted(Fact("Ann", "is", "divorced"), facts) for _ in range(3)] == [[1], [], []]


def test_a_judge_sees_the_dates() -> None:
    seen: list[str] = []

    class Listening(FakeListChatModel):
        def _call(self, messages: list[object], *args: object, **kwargs: object) -> str:
            seen.append(str(messages))
            return '{"ended": []}'

    facts = [
        Fact("Ann", "likes", "tea"),
        Fact("Ann", "lives_in", "Rome", valid_from=day(2012), valid_to=day(2013)),
        Fact("Ann", "lives_in", "Oslo", valid_from=day(2013)),
    ]
    MemoryJudge(Listening(responses=[""])).contradicted(facts[2], facts[:2])
    assert "Ann likes tea (at any time)" in seen[0]
    assert "Ann lives in Rome (2012 to 2013)" in seen[0]
    assert "New fact: Ann lives in Oslo (2013 to present)" in seen[0]


@pytest.fixture(scope="module")
def llm() -> Iterator[ChatLocal]:
    with load("embedded", n_ctx=2048, temperature=0) as loaded:
        assert isinstance(loaded, ChatLocal)
        yield loaded


@pytest.mark.model
def test_the_embedded_model_finds_a_home_and_what_it_invents_is_dropped(llm: ChatLocal, group: Group) -> None:
    extractor = FactExtractor(llm, relations=["lives_in", "works_for", "likes"])
    moved = group.remember(says("I moved to Berlin last Friday."), extractor=extractor)
    assert ("Ann", "lives_in", "Berlin", "2024-03-01", "") in told(group)
    assert all(dropped.why.endswith("does not occur in the text") for dropped in moved.dropped)
    asked = group.remember(says("How are you?"), extractor=extractor)
    assert asked.facts == ()


@pytest.mark.model
def test_the_embedded_model_judges_within_its_choices(llm: ChatLocal) -> None:
    judge = MemoryJudge(llm)
    assert judge.same_entity("Munich", "I went to Munich", ["München", "Berlin"]) in {0, 1, None}
    facts = [Fact("Ann", "likes", "tea"), Fact("Ann", "is_the_wife_of", "Bob", valid_from=day(2012))]
    assert set(judge.contradicted(Fact("Ann", "is", "divorced", valid_from=day(2022)), facts)) <= {0, 1}
