"""Groups of one memory never meet, and weird texts harm nobody."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from fakes import HashingEmbedder
from hypothesis import given
from hypothesis import strategies as st
from memories import Clock, believed, day, plain, rows, told
from ragloom.stores.memory import Entity, Episode, Fact, Group, Interval, Memory
from ragloom.stores.memory.errors import MemoryValueError, NotInGroupError
from ragloom.stores.memory.reading.history import Moment
from ragloom.stores.memory.records import entity_records, episode_record
from ragloom.stores.memory.schema import PER_GROUP

SECRET = Episode("My sister Xanthippe lives in Rome.", day(2024), "Ann")
SECRETS = [
    Fact("Ann", "lives_in", "Rome", valid_from=day(2020)),
    Fact("Xanthippe", "knows", "Ann"),
    Fact("Xantippe", "likes", "tea"),
]


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with Memory(tmp_path / "memory.sqlite3", embedder=HashingEmbedder(), now=Clock()) as opened:
        opened.group("hers").remember_facts(SECRETS, episode=SECRET)
        yield opened


@pytest.fixture
def hers(memory: Memory) -> Group:
    return memory.group("hers")


@pytest.fixture
def mine(memory: Memory) -> Group:
    memory.group("mine").remember(Episode("Nothing of note.", day(2024), "Bob"))
    return memory.group("mine")


def everything(memory: Memory, group: Group) -> list[Any]:
    """All rows of a group, of every table."""
    with group.reading() as reading:
        tables = reading.file.all(
            "SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE TABLE%key INTEGER PRIMARY KEY%'"
        )
        between = f"key BETWEEN {reading.low} AND {reading.high}"
        names = [row["name"] for row in tables if row["name"] != "groups"]
        return [
            tuple(row) for name in names for row in reading.file.all(f"SELECT '{name}', * FROM {name} WHERE {between}")
        ]


def test_the_same_in_two_groups_is_two(memory: Memory, hers: Group) -> None:
    mine = memory.group("mine").remember_facts(SECRETS, episode=SECRET)
    assert mine.is_new
    assert told(memory.group("mine")) == told(hers)
    assert not {record.id for record in believed(hers)} & {record.id for record in believed(memory.group("mine"))}


def test_names_of_another_group_are_unknown(hers: Group, mine: Group) -> None:
    assert mine.candidates("Xanthipe") == []
    mine.remember_facts([Fact("Xanthipe", "likes", "rum"), Fact("Ann", "lives_in", "Oslo", valid_from=day(2022))])
    assert mine.merges() == []
    assert ("Ann", "lives_in", "Rome", "2020-01-01", "") in told(hers)


_CROSSINGS: dict[str, Callable[[Group, Group], Any]] = {
    "forget": lambda mine, hers: mine.forget(SECRET),
    "forget by id": lambda mine, hers: mine.forget(believed(hers)[0].episodes[0]),
    "erase": lambda mine, hers: mine.erase(SECRET),
    "erase by id": lambda mine, hers: mine.erase(believed(hers)[0].episodes[0]),
    "retract": lambda mine, hers: mine.retract(believed(hers)[0].id),
    "unmerge": lambda mine, hers: mine.unmerge(hers.merges()[0].id),
    "merge": lambda mine, hers: mine.merge(believed(hers)[0].subject_id, believed(hers)[0].object_id),
    "merge by name": lambda mine, hers: mine.merge("Ann", "Rome"),
}


@pytest.mark.parametrize("crossing", _CROSSINGS)
def test_no_id_or_name_of_another_group_is_taken(memory: Memory, hers: Group, mine: Group, crossing: str) -> None:
    before = everything(memory, hers)
    with pytest.raises(NotInGroupError):
        _CROSSINGS[crossing](mine, hers)
    assert everything(memory, hers) == before


def test_writing_to_one_group_changes_no_row_of_another(memory: Memory, hers: Group, mine: Group) -> None:
    before = everything(memory, hers)
    again = Episode("again", day(2024), "Bob")
    mine.remember_facts(SECRETS, episode=SECRET)
    mine.load(SECRETS)
    mine.describe(Entity("Ann", ("Annie",)))
    merge = mine.merge("Rome", "Ann")
    mine.unmerge(merge)
    mine.remember_later(again)
    mine.forget(again)
    mine.retract(believed(mine)[0].id)
    mine.forget_all("message")
    mine.erase(SECRET)
    memory.erase("mine")
    assert everything(memory, hers) == before
    assert (hers.pending(), memory.groups()) == ([], ["hers"])


_LOOKS: dict[str, Callable[[Group, Group], Any]] = {
    "search": lambda mine, hers: mine.search("Xanthippe Rome Ann tea", 50),
    "search around": lambda mine, hers: mine.search("Rome", around=believed(hers)[0].subject_id),
    "as_of": lambda mine, hers: list(mine.as_of(Interval()).nodes),
    "as_of around": lambda mine, hers: mine.as_of(around=believed(hers)[0].subject_id),
    "diff": lambda mine, hers: mine.diff(Moment(day(2000)), Moment(day(2030))),
    "history": lambda mine, hers: mine.history(believed(hers)[0]),
    "timeline": lambda mine, hers: mine.timeline("Xanthippe"),
    "timeline by id": lambda mine, hers: mine.timeline(believed(hers)[0].subject_id),
    "context": lambda mine, hers: "Xanthippe" in str(mine.context("Where does Xanthippe live?", 1000)),
    "summary": lambda mine, hers: mine.summary("Xanthippe"),
    "summarize": lambda mine, hers: mine.summarize(believed(hers)[0].subject_id),
    "candidates": lambda mine, hers: mine.candidates("Xanthipe"),
    "merges": lambda mine, hers: mine.merges(),
    "pending": lambda mine, hers: mine.pending(),
    "retriever": lambda mine, hers: mine.as_retriever(k=50).invoke("Xanthippe Rome Ann tea"),
    "told by": lambda mine, hers: any(mine.told_by(hers.search("Xanthippe", 50, kinds=["fact"])).values()),
    "chat history": lambda mine, hers: mine.as_chat_history().messages,
    "stats": lambda mine, hers: mine.stats().facts,
}


@pytest.mark.parametrize("look", _LOOKS)
def test_nothing_of_another_group_can_be_read(memory: Memory, hers: Group, look: str) -> None:
    with suppress(NotInGroupError):
        assert not _LOOKS[look](memory.group("empty"), hers)


@pytest.mark.parametrize("ending", [".jsonl", ".html"])
def test_an_export_holds_one_group(tmp_path: Path, memory: Memory, hers: Group, ending: str) -> None:
    assert memory.group("empty").export(tmp_path / f"none{ending}") == 0
    assert "Xanthippe" not in (tmp_path / f"none{ending}").read_text("utf-8")
    hers.export(tmp_path / f"hers{ending}")
    assert "Xanthippe" in (tmp_path / f"hers{ending}").read_text("utf-8")


def test_every_method_of_a_group_is_tried_above() -> None:
    writes = {"remember", "remember_facts", "load", "describe", "remember_later", "catch_up", "forget_all"}
    by_id = {"forget", "erase", "retract", "unmerge", "merge"}
    looks = {
        "search",
        "as_of",
        "diff",
        "history",
        "timeline",
        "context",
        "summary",
        "summarize",
        "candidates",
        "merges",
        "told_by",
    }
    looks |= {"pending", "as_retriever", "as_chat_history", "stats", "export", "reading", "now"}
    own = {name for name, _ in inspect.getmembers(Group, inspect.isfunction) if not name.startswith("_")}
    assert own == writes | by_id | looks


def test_a_reader_of_a_group_that_is_not_there_finds_nothing(memory: Memory) -> None:
    assert told(memory.group("nobody")) == set()
    assert memory.group("nobody").merges() == []
    assert memory.groups() == ["hers"]


def test_keys_tell_their_group(memory: Memory, hers: Group, mine: Group) -> None:
    with hers.reading() as first, mine.reading() as second:
        assert {row[1] // PER_GROUP for row in everything(memory, hers)} == {first.group}
        assert {row[1] // PER_GROUP for row in everything(memory, mine)} == {second.group}


@pytest.mark.parametrize("name", ["", "a b", "x'; DROP TABLE groups; --", "\x00", "نورا", "🦊" * 500])
def test_any_text_names_a_group(memory: Memory, name: str) -> None:
    memory.group(name).remember(SECRET)
    assert memory.groups() == ["hers", name]


def test_a_group_is_named_by_a_text(memory: Memory) -> None:
    with pytest.raises(MemoryValueError, match="group must be a text, not int: 7"):
        memory.group(7)  # type: ignore[arg-type]


WEIRD = {
    "a megabyte": "word " * 200_000 + "the end",
    "one word of a megabyte": "x" * 1_000_000,
    "NUL": "before\x00after",
    "right to left": "אני גר בתל אביב \u200f\u202e",
    "control": "".join(map(chr, range(32))),
    "combining": "e" + "\u0301" * 5000,
    "quotes": '"\'`; DROP TABLE episodes; -- " NEAR( * ^ col:',
    "emoji": "👩‍👩‍👧‍👦" * 1000,
    "nothing": "",
}


@pytest.mark.parametrize("text", WEIRD.values(), ids=WEIRD)
def test_any_text_comes_back_as_it_was_and_goes_when_it_is_erased(memory: Memory, text: str) -> None:
    group = memory.group("weird")
    said = Episode(text, day(2024), text[:1000])
    fact = Fact("Ann", "said", f"x{text[:2000]}x", statement=f"s{text[:5000]}s")
    group.remember_facts([fact], episode=said)
    with group.reading() as reading:
        row = reading.file.one("SELECT * FROM episodes WHERE key > ?", reading.low)
        assert row is not None
        assert episode_record(row).episode == said
    assert {plain(record.fact)[2] for record in believed(group)} == {fact.object}
    group.remember_facts([Fact(fact.object, "likes", "tea")])
    group.forget(said)
    group.erase(said)
    assert rows(group, "SELECT rowid FROM episode_words") == rows(group, "SELECT key FROM episodes ORDER BY key")


def test_a_megabyte_is_found_by_its_last_words(memory: Memory) -> None:
    memory.group("weird").remember(Episode(WEIRD["a megabyte"], day(2024), "Ann"))
    assert rows(memory.group("weird"), "SELECT count(*) FROM episode_words WHERE episode_words MATCH 'end'") == [(1,)]


@pytest.mark.parametrize("make", [lambda bad: Episode(bad, day(2024), "a"), lambda bad: Fact(bad, "likes", "tea")])
def test_a_lone_surrogate_is_refused_with_its_place(make: Callable[[str], Any]) -> None:
    with pytest.raises(MemoryValueError, match=r"lone surrogate .*'left.*right'; decode it with errors='replace'"):
        make("left \ud83d right")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30), min_size=2, max_size=6))
def test_any_names_are_kept_and_found_exactly(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    usable = [name for name in names if name.split()]
    with Memory(tmp_path_factory.mktemp("m") / "m", embedder=HashingEmbedder(dimension=4)) as memory:
        group = memory.group("g")
        for name in usable:
            entity = group.describe(Entity(" ".join(name.split())))
            assert group.describe(Entity(" ".join(name.split()))) == entity
        with group.reading() as reading:
            known = [row["entity"] for row in reading.file.all("SELECT DISTINCT entity FROM entity_versions")]
            held = entity_records(reading, known, reading.recorded)
        assert {" ".join(name.split()) for name in usable} >= {record.entity.name for record in held.values()}
