"""Values that a memory cannot keep or read at: each is told in words, before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fakes import HashingEmbedder
from memories import Clock, day
from ragloom.stores.memory import Entity, Episode, Fact, Group, Memory
from ragloom.stores.memory.errors import MemoryValueError, NotInGroupError

FAR = 10**30
LAST = datetime.max.replace(tzinfo=UTC)
TEXT: Any = "Annie"
ONE_FACT: Any = Fact("Ann", "likes", "tea")
NO_FACT: Any = "Ann likes tea"


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Group]:
    with Memory(tmp_path / "m", embedder=HashingEmbedder(), now=Clock()) as memory:
        group = memory.group("ann")
        group.remember_facts([Fact("Ann", "likes", "tea", valid_from=day(1))])
        yield group


@pytest.mark.parametrize(
    "act",
    [
        lambda group: group.forget(FAR),
        lambda group: group.forget("x"),
        lambda group: group.erase(FAR),
        lambda group: group.retract(FAR),
        lambda group: group.unmerge(FAR),
        lambda group: group.history(FAR),
        lambda group: group.timeline(FAR),
    ],
)
def test_a_number_that_nothing_has_is_not_in_the_group(group: Group, act: Callable[[Group], object]) -> None:
    with pytest.raises(NotInGroupError):
        act(group)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda group: group.remember(NO_FACT), "Episode expected, not str: 'Ann likes tea'"),
        (lambda group: group.remember_later(None), "Episode expected, not NoneType"),
        (lambda group: group.remember_facts([NO_FACT]), "Fact expected, not str: 'Ann likes tea'"),
        (lambda group: group.remember_facts([], episode=NO_FACT), "Episode expected"),
        (lambda group: group.load([NO_FACT]), "Fact expected"),
        (lambda group: group.load([], batch=0), "batch must be a whole number above 0, not 0"),
        (lambda group: group.remember_facts(ONE_FACT), r"several are expected; write \[Fact\(...\)\] for one"),
        (lambda group: group.history(TEXT), "a history is of a fact or an entity, or of its id, not of 'Annie'"),
        (lambda group: group.remember_facts([Fact("X", " _ ", "Y")]), "the relation of a fact is empty"),
        (lambda group: group.describe(Entity(" ")), "an entity has a name without a letter"),
        (lambda group: group.describe(Entity("Ann", aliases=["?", ""])), "an entity has a name without a letter"),
        (lambda group: group.describe(Entity("Ann", aliases=TEXT)), "aliases takes several texts; write aliases="),
        (lambda group: group.describe(Entity("Ann", types=TEXT)), "types takes several texts; write types="),
        (lambda group: group.as_chat_history(last=-1), "last must be a whole number above 0, not -1"),
    ],
)
def test_what_is_no_such_thing_is_told(group: Group, act: Callable[[Group], object], message: str) -> None:
    before = group.stats()
    with pytest.raises(MemoryValueError, match=message):
        act(group)
    assert group.stats() == before


@pytest.mark.parametrize("given", [[7], "lives_in", ["half \ud800"]])
def test_relations_that_are_none_are_told_and_no_file_is_begun(tmp_path: Path, given: Any) -> None:
    with pytest.raises(MemoryValueError):
        Memory(tmp_path / "new", single_valued=given)
    assert not (tmp_path / "new").exists()


def test_the_first_and_the_last_instant_can_be_asked_about_and_drawn(group: Group, tmp_path: Path) -> None:
    assert group.search("Ann", kinds=["fact"], valid_at=LAST)[0].text == "Ann likes tea"
    assert group.as_of(valid_at=LAST).number_of_edges() == 1
    assert group.search("Ann", known_at=LAST)
    assert group.export(tmp_path / "ann.html") == 1


def test_the_day_after_the_last_is_no_date(group: Group) -> None:
    assert group.remember(Episode("Tomorrow I move.", datetime(9999, 12, 31, tzinfo=UTC), "Ann")).is_new
