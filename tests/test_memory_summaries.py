"""What an entity is, in a few sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from fakes import HashingEmbedder
from langchain_core.language_models import FakeListChatModel
from memories import Clock, believed, day
from ragloom.agents import EntitySummarizer
from ragloom.stores.memory import Entity, Episode, Fact, Group, Memory
from ragloom.stores.memory.errors import MemoryValueError, NotInGroupError

FACTS = [
    Fact("Ann", "lives_in", "Paris", valid_from=day(2015)),
    Fact("Ann", "lives_in", "Rome", valid_from=day(2020)),
    Fact("Ann", "likes", "tea", "Ann likes tea."),
    Fact("Bob", "knows", "Ann"),
]


def test_a_summary_says_what_still_holds_before_what_is_over(tmp_path: Path) -> None:
    with Memory(tmp_path / "m", embedder=HashingEmbedder(), now=Clock()) as memory:
        group = memory.group("g")
        group.remember_facts(FACTS)
        before = believed(group)[0].recorded.start
        assert group.summary("Ann") == "Ann lives in Rome. Ann likes tea. Bob knows Ann."
        group.remember_facts([FACTS[3]], episode=Episode("I know her", day(2024), "Bob"))
        assert group.summary("ann") == "Bob knows Ann. Ann lives in Rome. Ann likes tea."
        assert group.summary("ann", known_at=before) == "Ann lives in Rome. Ann likes tea. Bob knows Ann."
        assert group.summarize("Paris") == "Ann lives in Paris."
        with pytest.raises(NotInGroupError, match="has no entity 'Cleo'"):
            group.summary("Cleo")


def test_what_a_caller_tells_goes_before_the_facts(tmp_path: Path) -> None:
    with Memory(tmp_path / "m", embedder=HashingEmbedder(), now=Clock()) as memory:
        group = memory.group("g")
        group.remember_facts(FACTS)
        group.describe(Entity("Ann", summary="A singer."))
        assert group.summary("Ann") == "A singer."


def test_a_summarizer_is_shown_the_facts_and_its_text_is_a_version(tmp_path: Path) -> None:
    shown: list[tuple[str, list[str]]] = []

    class Scripted:
        def summarize(self, name: str, statements: Sequence[str]) -> str:
            shown.append((name, sorted(statements)))
            return "She moved to Rome."

    with Memory(tmp_path / "m", embedder=HashingEmbedder(), now=Clock(), summarizer=Scripted()) as memory:
        group = memory.group("g")
        group.remember_facts(FACTS)
        before = believed(group)[0].recorded.start
        assert group.summarize("Ann") == group.summary("Ann") == "She moved to Rome."
        assert shown == [
            (
                "Ann",
                [
                    "Ann likes tea. (at any time)",
                    "Ann lives in Paris (2015 to 2020)",
                    "Ann lives in Rome (2020 to present)",
                    "Bob knows Ann (at any time)",
                ],
            )
        ]
        assert group.summary("Ann", known_at=before).startswith("Ann lives in Rome.")


def test_the_llm_is_shown_what_is_known() -> None:
    assert (
        EntitySummarizer(FakeListChatModel(responses=[" She sings.\n"])).summarize("Ann", ["Ann sings"]) == "She sings."
    )


class Quoting:
    """A summarizer that says what it is shown; while it writes, an episode may be erased."""

    def __init__(self) -> None:
        self.meanwhile: Callable[[], object] = lambda: None

    def summarize(self, name: str, statements: Sequence[str]) -> str:
        self.meanwhile()
        return " ".join(statements)


def test_a_summary_goes_with_the_erased_facts_of_another_name(tmp_path: Path) -> None:
    with Memory(tmp_path / "m", embedder=HashingEmbedder(), now=Clock(), summarizer=Quoting()) as memory:
        group, secret = memory.group("g"), Episode("x", day(2024), "x")
        group.remember_facts([Fact("Jörg Müllerstein", "likes", "tea")])
        group.remember_facts([Fact("Jorg Mullerstein", "takes", "methadone")], episode=secret)
        assert "methadone" in group.summarize("Jörg Müllerstein")
        group.erase(secret)
        assert group.summary("Jörg Müllerstein") == "Jörg Müllerstein likes tea."


@pytest.mark.parametrize("removes", [Group.forget, Group.erase])
def test_a_summary_of_what_is_removed_while_it_is_written_is_not_stored(
    tmp_path: Path, removes: Callable[[Group, Episode], object]
) -> None:
    summarizer = Quoting()
    with Memory(tmp_path / "m", embedder=HashingEmbedder(), now=Clock(), summarizer=summarizer) as memory:
        group, secret = memory.group("g"), Episode("x", day(2024), "x")
        group.remember_facts([Fact("Ann", "likes", "tea")])
        group.remember_facts([Fact("Ann", "takes", "methadone")], episode=secret)
        summarizer.meanwhile = lambda: removes(group, secret)
        with pytest.raises(MemoryValueError, match="forgotten or erased meanwhile"):
            group.summarize("Ann")
        assert group.summary("Ann") == "Ann likes tea."
        summarizer.meanwhile = lambda: group.remember_facts([Fact("Ann", "likes", "rum")])
        assert group.summarize("Ann") == group.summary("Ann")
