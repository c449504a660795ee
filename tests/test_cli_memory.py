"""`ragloom memory`."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import here
from fakes import HashingEmbedder
from memories import day
from ragloom.stores.memory import Fact, Memory


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ragloom.stores.memory.vectors.as_embedder", lambda _given: HashingEmbedder())
    return tmp_path


@pytest.fixture
def facts(folder: Path) -> None:
    with Memory("ragloom-memory.sqlite3") as memory:
        lived = [("Paris", day(2019)), ("Berlin", day(2021))]
        memory.group("default").remember_facts([Fact("Ann", "lives_in", city, valid_from=at) for city, at in lived])


def test_what_is_remembered_is_found_until_it_is_forgotten() -> None:
    first = here("memory", "remember", "I moved to Berlin.", "--from", "Ann", "--at", "2021-03-05", "--json").document
    again = here("memory", "remember", "I moved to Berlin.", "--from", "Ann", "--at", "2021-03-05", "--json").document
    assert (first["is_new"], again["is_new"], first["episode"]) == (True, False, again["episode"])
    (found,) = here("memory", "search", "Berlin", "--json").document
    assert (found["text"], found["occurred_at"]) == ("I moved to Berlin.", "2021-03-05T00:00:00+00:00")
    assert here("memory", "forget", first["episode"]).code == 0
    missed = here("memory", "search", "Berlin")
    assert (missed.code, missed.out.strip().splitlines()[-1]) == (1, "nothing found")


def test_facts_that_are_given_hold_from_the_time_that_the_text_names() -> None:
    said = ["memory", "remember", "I moved to Berlin last Friday.", "--from", "Ann", "--at", "2024-06-05"]
    told = here(*said, "--fact", "Ann | lives in | Berlin").out
    assert "Ann lives in Berlin" in told
    assert "2024-05-31 to present" in told
    assert [each["object"] for each in here("memory", "timeline", "Ann", "--json").document] == ["Berlin"]
    wrong = here(*said, "--fact", "Ann lives in Berlin")
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)
    assert "write it like 'Ann | lives in | Berlin'" in wrong.err
    assert "leave --fact or --llm out" in here(*said, "--fact", "a | b | c", "--llm", "embedded").err


@pytest.mark.model
def test_an_llm_finds_facts_and_what_it_invents_is_told() -> None:
    told = here("memory", "remember", "I live in Paris.", "--from", "Ann", "--llm", "embedded", "--json").document
    assert all("Paris" in fact or "Ann" in fact for fact in told["facts"])
    assert told["facts"] or told["dropped"]


def test_facts_are_found_at_a_time_and_the_time_in_the_question_is_told(facts: None) -> None:
    now = here("memory", "search", "Where does Ann live?", "--kind", "fact")
    assert "Ann lives in Berlin (2021 to present)" in now.out
    assert "Paris" not in now.out
    then = here("memory", "search", "Where did Ann live in 2020?", "--kind", "fact")
    assert "Ann lives in Paris (2019 to 2021)" in then.out
    assert then.err.strip() == "“in 2020” was read as 2020 to 2021"
    given = here("memory", "search", "Ann", "--kind", "fact", "--valid-at", "2020-06-01", "--json").document
    assert [each["object"] for each in given] == ["Paris"]


def test_the_timeline_and_the_history_show_both_times(facts: None) -> None:
    timeline = here("memory", "timeline", "Ann", "--json").document
    assert [each["object"] for each in timeline] == ["Paris", "Berlin"]
    history = here("memory", "history", timeline[0]["id"], "--json").document
    assert [each["valid_to"] for each in history][-1] == "2021-01-01T00:00:00+00:00"
    assert "Ann lives in Paris" in here("memory", "timeline", "Ann").out


def test_exports_counts_and_erasure(facts: None, folder: Path) -> None:
    assert here("memory", "stats", "--json").document["default"]["facts"] == 2
    written = here("memory", "export", "all.jsonl", "--json").document["records"]
    assert written == len((folder / "all.jsonl").read_text("utf-8").splitlines()) >= 5
    assert here("memory", "export", "page.html").code == 0
    assert here("memory", "erase", "--all").code == 0
    assert here("memory", "stats", "--json").document == {}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["search", "Ann", "--valid-at", "soon"], "--valid-at is no date or time: 'soon'"),
        (["search", "Ann", "--kind", "facts"], "unknown kind 'facts'; did you mean 'fact'"),
        (["timeline", "Zoe"], "no entity 'Zoe'"),
        (["erase"], "say what to erase"),
        (["erase", "5", "--all"], "say what to erase"),
        (["stats", "--memory", "none.sqlite3"], "there is no memory at none.sqlite3"),
        (["export", "x.csv"], "ends neither in .jsonl nor in .html"),
    ],
)
def test_faults_are_told_in_one_line(facts: None, arguments: list[str], told: str) -> None:
    here("memory", *arguments).check_fault(told)


def test_a_group_that_is_not_there_is_told_with_those_that_are(facts: None) -> None:
    for command in (["search", "Berlin"], ["timeline", "Ann"], ["export", "out.jsonl"]):
        here("memory", *command, "--group", "anne").check_fault("there is no group 'anne' in ", "there are: default")


def test_an_empty_text_and_an_empty_part_of_a_fact_are_refused_in_one_line() -> None:
    here("memory", "remember", " ").check_fault("the text is empty")
    here("memory", "remember", "I live.", "--fact", "Ann | lives in | ").check_fault("the object of a fact is empty")
    assert "Fact(" not in here("memory", "remember", "I live.", "--fact", "Ann | lives in | ").err


def test_a_memory_that_is_not_there_is_begun_by_the_command_told() -> None:
    here("memory", "stats").check_fault("there is no memory at", "ragloom memory remember TEXT")
