"""Reading a memory at a point in both times: the graph, differences, history, timeline, context and exports."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fakes import HashingEmbedder
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    ChatMessage,
    HumanMessage,
    HumanMessageChunk,
    SystemMessage,
)
from memories import day
from ragloom.stores.memory import Entity, EntityRecord, Episode, Fact, FactRecord, Group, Memory, Moment
from ragloom.stores.memory.errors import MemoryValueError, NotInGroupError


@pytest.fixture
def group(memory: Memory) -> Group:
    group = memory.group("ann")
    group.remember_facts([Fact("Ann", "lives_in", "Paris", valid_from=day(2019, 5)), Fact("Paris", "is_in", "France")])
    group.remember_facts(
        [Fact("Ann", "lives_in", "Berlin", valid_from=day(2021, 3, 5))],
        episode=Episode("I moved to Berlin last Friday.", day(2021, 3, 8), "Ann"),
    )
    return group


def recorded(group: Group) -> datetime:
    """The record time of the last write."""
    from ragloom.stores.memory.instants import from_micros

    with group.reading() as reading:
        return from_micros(reading.recorded)


def edges(group: Group, **at: object) -> set[tuple[str, str, str]]:
    graph = group.as_of(**at)  # type: ignore[arg-type]
    return {
        (graph.nodes[one]["name"], data["relation"], graph.nodes[other]["name"])
        for one, other, data in graph.edges(data=True)
    }


def test_the_graph_has_what_held_then(group: Group) -> None:
    assert edges(group, valid_at=day(2020)) == {("Ann", "lives_in", "Paris"), ("Paris", "is_in", "France")}
    assert edges(group) == {("Ann", "lives_in", "Berlin"), ("Paris", "is_in", "France")}
    assert edges(group, valid_at=day(2001)) == {("Paris", "is_in", "France")}


def test_the_graph_has_what_was_believed_then(group: Group) -> None:
    believed = recorded(group)
    group.forget(Episode("I moved to Berlin last Friday.", day(2021, 3, 8), "Ann"))
    assert ("Ann", "lives_in", "Paris") in edges(group)
    assert ("Ann", "lives_in", "Berlin") in edges(group, known_at=believed)


def test_the_graph_around_an_entity_reaches_as_many_facts_as_asked_for(group: Group) -> None:
    assert edges(group, valid_at=day(2020), around="France") == {("Paris", "is_in", "France")}
    assert len(edges(group, valid_at=day(2020), around="France", hops=2)) == 2
    with pytest.raises(NotInGroupError, match="no entity 'Rome'"):
        group.as_of(around="Rome")


def test_edges_and_nodes_say_all_that_is_known(group: Group) -> None:
    group.describe(Entity("Ann", types=("person",), attributes={"age": 30}))
    graph = group.as_of(around="Ann")
    ((_, _, key, data),) = graph.edges(keys=True, data=True)
    assert isinstance(group.history(key)[0], FactRecord)
    assert (data["statement"], data["valid_from"], data["valid_to"]) == ("Ann lives in Berlin", day(2021, 3, 5), None)
    assert len(data["episodes"]) == 1
    (ann,) = [node for _, node in graph.nodes(data=True) if node["name"] == "Ann"]
    assert (ann["types"], ann["attributes"]) == (("person",), {"age": 30})


def test_a_difference_may_be_in_either_time(group: Group) -> None:
    in_the_world = group.diff(Moment(day(2020)), Moment(day(2022)))
    assert [each.fact.object for each in in_the_world.added] == ["Berlin"]
    assert [each.fact.object for each in in_the_world.removed] == ["Paris"]
    before = recorded(group)
    group.forget(Episode("I moved to Berlin last Friday.", day(2021, 3, 8), "Ann"))
    in_belief = group.diff(Moment(day(2022), before), Moment(day(2022)))
    assert [each.fact.object for each in in_belief.added] == ["Paris"]
    assert [each.fact.object for each in in_belief.removed] == ["Berlin"]
    earlier = group.diff(Moment(day(2020), before), Moment(day(2020)))
    assert [(old.fact.valid_to, new.fact.valid_to) for old, new in earlier.changed] == [(day(2021, 3, 5), None)]
    assert not group.diff(Moment(day(2020)), Moment(day(2020)))


def test_the_history_of_a_fact_is_what_was_believed_of_it(group: Group) -> None:
    paris = group.timeline("Ann")[0]
    first, second = group.history(paris)
    assert isinstance(first, FactRecord)
    assert isinstance(second, FactRecord)
    assert (first.fact.valid_to, second.fact.valid_to) == (None, day(2021, 3, 5))
    assert first.recorded.end == second.recorded.start
    assert second.ended_by == group.timeline("Ann")[1].id


def test_the_history_of_an_entity_is_what_was_known_of_it(group: Group) -> None:
    paris = group.timeline("Ann")[0]
    group.describe(Entity("Ann", types=("person",)))
    first, second = group.history(paris.subject_id)
    assert isinstance(first, EntityRecord)
    assert isinstance(second, EntityRecord)
    assert (first.entity.types, second.entity.types) == ((), ("person",))


def test_there_is_no_history_of_what_is_not_in_the_group(memory: Memory, group: Group) -> None:
    fact = group.timeline("Ann")[0]
    with pytest.raises(NotInGroupError, match="no fact and no entity with the id 5"):
        group.history(5)
    other = memory.group("other")
    other.remember_facts([Fact("Zoe", "likes", "tea")])
    with pytest.raises(NotInGroupError):
        other.history(fact.id)


def test_the_timeline_has_all_that_ever_held_in_its_order(group: Group) -> None:
    assert [record.fact.object for record in group.timeline("Ann")] == ["Paris", "Berlin"]
    assert [record.fact.object for record in group.timeline("Paris")] == ["France", "Paris"]


def test_no_group_reads_another(memory: Memory, group: Group) -> None:
    other = memory.group("other")
    other.remember_facts([Fact("Ann", "likes", "tea")], episode=Episode("Ann likes tea.", day(2024), "Zoe"))
    for searched in ("Ann", "Berlin", "Paris lives tea"):
        assert {hit.text for hit in other.search(searched, 50)} <= {"Ann likes tea", "Ann likes tea.", "Ann", "tea"}
    assert edges(other) == {("Ann", "likes", "tea")}
    assert [record.fact.object for record in other.timeline("Ann")] == ["tea"]
    assert [message.content for message in other.as_chat_history().messages] == ["Ann likes tea."]
    theirs = group.timeline("Ann")[0]
    for read in (other.timeline, lambda key: other.as_of(around=key), lambda key: other.search("Ann", around=key)):
        with pytest.raises(NotInGroupError):
            read(theirs.subject_id)


def test_a_context_has_facts_with_their_validity_and_source_and_then_what_was_said(group: Group) -> None:
    context = group.context("Where does Ann live?", 200)
    assert str(context).splitlines() == [
        "What is remembered (today is 2024-01-01):",
        "- Ann lives in Berlin (2021-03-05 to present; Ann, 2021-03-08)",
        "- Paris is in France (at any time)",
        "- Ann, 2021-03-08: I moved to Berlin last Friday.",
    ]
    assert context.left_out == 0


@pytest.mark.parametrize("budget", [0, 20, 25, 30, 60])
def test_a_context_is_never_longer_than_its_budget(group: Group, budget: int) -> None:
    context = group.context("Where does Ann live?", budget, count_tokens=lambda text: len(text.split()))
    assert len(str(context).split()) == context.tokens <= budget
    assert len(context.hits) + context.left_out == 3


def test_history_and_export_tell_all_that_a_fact_came_to_rest_on(memory: Memory, tmp_path: Path) -> None:
    group = memory.group("twice")
    told = [
        group.remember_facts([Fact("Ann", "likes", "tea")], episode=Episode(text, day(2024), "x")).episode
        for text in ("one", "two")
    ]
    group.describe(Entity("Ann", aliases=("Annie",)))
    (fact,) = group.timeline("Ann")
    assert [record.episodes for record in group.history(fact)] == [tuple(told)]
    group.export(tmp_path / "x.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text("utf-8").splitlines()]
    assert [line["episodes"] for line in lines if line["kind"] == "fact"] == [told]
    assert [line["aliases"] for line in lines if line.get("name") == "Ann"] == [[], ["Annie"]]


def test_an_export_has_every_version_of_everything(group: Group, tmp_path: Path) -> None:
    written = group.export(tmp_path / "ann.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "ann.jsonl").read_text("utf-8").splitlines()]
    assert written == len(lines)
    assert [line["content"] for line in lines if line["kind"] == "episode"] == ["I moved to Berlin last Friday."]
    assert {line["name"] for line in lines if line["kind"] == "entity"} == {"Ann", "Paris", "France", "Berlin"}
    paris = [line for line in lines if line["kind"] == "fact" and line["object"] == "Paris"]
    assert [line["valid_to"] for line in paris] == [None, "2021-03-05T00:00:00+00:00"]
    assert paris[0]["recorded_to"] == paris[1]["recorded_from"]
    with pytest.raises(MemoryValueError, match=r"ends neither in \.jsonl nor in \.html"):
        group.export(tmp_path / "ann.csv")


class Texts(HTMLParser):
    """What a page shows, and the tags and attributes that it is made of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.shown: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.tags: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.shown.append(data)


def test_a_timeline_page_shows_any_text_and_needs_no_network(group: Group, tmp_path: Path) -> None:
    evil = '<script>alert(1)</script> & "quotes" \' ${title}'
    group.remember_facts([Fact(evil, "says", "<img src=x onerror=y>", valid_from=day(2020))])
    group.export(tmp_path / "ann.html")
    page = (tmp_path / "ann.html").read_text("utf-8")
    read = Texts(page)
    assert evil in read.shown
    assert "Ann lives in Paris" in read.shown
    assert not {"script", "img", "link", "iframe"} & set(read.tags)
    assert not [name for name, _ in read.attributes if name in ("src", "href", "onerror")]
    assert not re.search(r"https?:|url\(|@import", page)


def test_bars_lie_within_the_page(group: Group, tmp_path: Path) -> None:
    group.remember_facts([Fact("Ann", "will_visit", "Rome", valid_from=day(2030), valid_to=day(2031))])
    group.export(tmp_path / "ann.html")
    bars = re.findall(r"left:([\d.-]+)%;width:([\d.-]+)%", (tmp_path / "ann.html").read_text("utf-8"))
    assert len(bars) == 4
    assert all(float(left) >= 0 and float(width) >= 0 and float(left) + float(width) <= 100.02 for left, width in bars)


def test_an_export_asks_for_many_records_at_once(memory: Memory, tmp_path: Path) -> None:
    group = memory.group("many")
    group.load([Fact(f"person {number}", "likes", "tea") for number in range(300)])
    statements: list[str] = []
    with group.reading() as reading:
        reading.file._connection.set_trace_callback(statements.append)
    assert group.export(tmp_path / "all.jsonl") == 601
    assert len(statements) < 30


def test_a_chat_history_keeps_what_people_and_the_assistant_say(memory: Memory) -> None:
    history = memory.group("chat").as_chat_history()
    history.add_messages(
        [SystemMessage("Be kind."), HumanMessage("Hi"), AIMessage("Hello"), HumanMessage("Hi", name="Bob")]
    )
    assert [(type(each), each.content, each.name) for each in history.messages] == [
        (HumanMessage, "Hi", None),
        (AIMessage, "Hello", None),
        (HumanMessage, "Hi", "Bob"),
    ]
    assert [each.content for each in memory.group("chat").as_chat_history(last=1).messages] == ["Hi"]
    history.clear()
    assert history.messages == []


def test_a_chat_history_keeps_the_same_words_twice_though_the_clock_stands_still(tmp_path: Path) -> None:
    with Memory(tmp_path / "m", embedder=HashingEmbedder(), now=lambda: day(2024)) as memory:
        history = memory.group("chat").as_chat_history()
        for text in ("yes", "ok", "yes"):
            history.add_user_message(text)
        assert [each.content for each in history.messages] == ["yes", "ok", "yes"]


def test_clearing_a_chat_history_is_one_write(memory: Memory) -> None:
    group = memory.group("chat")
    group.as_chat_history().add_messages([HumanMessage("Hi"), AIMessage("Hello")])
    group.remember(Episode("a page", day(2020), "book", kind="text"))
    before = group.stats().generation
    group.as_chat_history().clear()
    assert (group.stats().generation - before, group.stats().episodes) == (1, 1)


def test_a_retriever_takes_what_search_takes(group: Group) -> None:
    retriever = group.as_retriever(k=1, kinds=["fact"])
    (now,) = retriever.invoke("Where does Ann live?")
    (then,) = retriever.invoke("Where does Ann live?", valid_at=day(2020))
    assert (now.page_content, then.page_content) == (
        "Ann lives in Berlin (2021-03-05 to present)",
        "Ann lives in Paris (2019-05 to 2021-03-05)",
    )
    assert now.metadata["subject"] == "Ann"
    with pytest.raises(MemoryValueError, match="unknown option 'kk'; did you mean 'k'"):
        group.as_retriever(kk=2)


def test_readers_in_threads_see_what_was_acknowledged(group: Group) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def write_and_find(number: int) -> bool:
        said = Episode(f"number{number} is here", day(2022) + timedelta(hours=number), "Ann")
        group.remember(said)
        return any(hit.episode and hit.episode.episode == said for hit in group.search(f"number{number}"))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(write_and_find, range(40)))


def test_a_chat_history_keeps_what_was_streamed_and_who_said_it(memory: Memory) -> None:
    history = memory.group("chat").as_chat_history()
    history.add_messages(
        [
            HumanMessageChunk(content="Hi"),
            AIMessageChunk(content="Hello"),
            HumanMessage("I am here.", name="Ann"),
            AIMessage("So am I.", name="helper"),
            HumanMessage("Me too.", name="assistant"),
            ChatMessage(content="Fine.", role="assistant"),
            ChatMessage(content="Yes.", role="user"),
            ChatMessage(content="No.", role="critic"),
        ]
    )
    assert [(type(each), each.content, each.name) for each in history.messages] == [
        (HumanMessage, "Hi", None),
        (AIMessage, "Hello", None),
        (HumanMessage, "I am here.", "Ann"),
        (AIMessage, "So am I.", "helper"),
        (HumanMessage, "Me too.", None),
        (AIMessage, "Fine.", None),
        (HumanMessage, "Yes.", None),
    ]


async def test_a_retriever_that_is_awaited_takes_the_same(group: Group) -> None:
    retriever = group.as_retriever(k=1, kinds=["fact"])
    (then,) = await retriever.ainvoke("Where does Ann live?", valid_at=day(2020))
    assert then.page_content == "Ann lives in Paris (2019-05 to 2021-03-05)"
