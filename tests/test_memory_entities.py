"""Which entity a name stands for, and how that is explained and undone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations
from pathlib import Path

import pytest
from fakes import HashingEmbedder
from memories import Clock, believed, day, rows, told
from ragloom.stores import Embedder
from ragloom.stores.memory import Entity, Episode, Fact, Group, Memory, grams
from ragloom.stores.memory.candidates import alike
from ragloom.stores.memory.errors import MemoryValueError, NotInGroupError
from ragloom.stores.memory.names import acronyms, as_acronym, folded, normal


class Scripted:
    """A judge that knows some names, and notes what it was asked."""

    def __init__(self, same: dict[str, str] | None = None, contradicts: Sequence[tuple[str, str]] = ()) -> None:
        self.same = same or {}
        self.contradicts = set(contradicts)
        self.asked: list[tuple[str, list[str]]] = []
        self.compared: list[tuple[Fact, list[Fact]]] = []

    def same_entity(self, name: str, said: str, others: Sequence[str]) -> int | None:
        self.asked.append((name, list(others)))
        wanted = self.same.get(name)
        return list(others).index(wanted) if wanted in others else None

    def contradicted(self, fact: Fact, others: Sequence[Fact]) -> list[int]:
        self.compared.append((fact, list(others)))
        return [i for i, other in enumerate(others) if (fact.statement, other.statement) in self.contradicts]


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Group]:
    with Memory(tmp_path / "m", embedder=HashingEmbedder(), now=Clock()) as memory:
        yield memory.group("g")


def judged(tmp_path: Path, judge: Scripted, embedder: object = None) -> Group:
    return Memory(tmp_path / "j", embedder=embedder or HashingEmbedder(), judge=judge, now=Clock()).group("g")  # type: ignore[arg-type]


def merged(group: Group, first: str, second: str) -> str:
    """How the second name was found to be the first one's entity; empty: it was not."""
    group.remember_facts([Fact(first, "knows", "somebody else entirely")])
    group.remember_facts([Fact(second, "likes", "quite another thing")])
    return ", ".join(merge.method for merge in group.merges())


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("ACME  Corp.", "acme corp"),
        ("ＡＣＭＥ", "acme"),
        ("“Ann”", "ann"),
        ("STRASSE", "straße"),
        ("...", "..."),
        ("C++", "c++"),
    ],
)
def test_names_that_differ_in_typing_alone_are_the_same(name: str, same: str) -> None:
    assert normal(name) == normal(same)


@pytest.mark.parametrize(
    ("first", "second", "how"),
    [
        ("José García", "Jose Garcia", "spelling"),
        ("Smith, Bob", "Bob Smith", "spelling"),
        ("Сергей Иванов", "Сергеи Иванов", "spelling"),
        ("Jon Smith", "John Smith", "fuzzy"),
        ("Сергей Ивановский", "Сергей Ивановски", "fuzzy"),
        ("北京大学出版社", "北京大學出版社", ""),
        ("World Health Organization", "WHO", "acronym"),
        ("UNESCO", "United Nations Educational, Scientific and Cultural Organization", "acronym"),
        ("Maria Garcia", "Mario Garcia", ""),
        ("Room 12", "Room 13", ""),
        ("Anna", "Anne", ""),
        ("who", "World Health Organization", ""),
    ],
)
def test_another_name_of_a_known_entity_is_found(group: Group, first: str, second: str, how: str) -> None:
    assert merged(group, first, second) == how


def test_what_belongs_to_a_name_is_no_typing() -> None:
    assert len({normal(name) for name in (".NET", "NET", "C", "C++", "C#", "Dr. No", "Dr No")}) == 7


def test_numbers_in_names_must_be_the_same() -> None:
    assert alike("Windows 10 Professional", "Windows 11 Professional") == 0
    assert alike("Windows 10 Professional", "Windows 10 Profesional") > 90


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("World War I", "World War II"),
        ("Disney", "Disney+"),
        ("Visual C++", "Visual C#"),
        ("-5 °C", "5 °C"),
        ("a fee of $100", "a fee of €100"),
        ("he is married", "she is married"),
        ("Martin", "Martina"),
        ("Tom Vance", "TV"),
        ("Anna Ivanova", "AI"),
    ],
)
def test_what_only_looks_alike_is_not_taken_for_one(group: Group, name: str, other: str) -> None:
    group.remember_facts([Fact("Bob", "speaks_of", name), Fact("Bob", "speaks_of", other)])
    assert group.merges() == []
    assert {each[2] for each in told(group)} == {name, other}


def test_small_words_may_be_left_out_of_an_acronym() -> None:
    assert acronyms("United States of America") == {"usoa", "usa"}
    assert [as_acronym(name) for name in ("USA", "U.S.A.", "usa", "Rome", "R2")] == ["usa", "usa", None, None, None]


def test_folding_keeps_the_letters_of_every_script() -> None:
    assert folded("Ångström, Ødegård  東京") == "ødegard 東京 angstrom"


def test_an_acronym_of_two_names_is_neither(group: Group) -> None:
    group.remember_facts(
        [Fact("American Basketball Association", "knows", "x"), Fact("Amateur Boxing Association", "knows", "y")]
    )
    group.remember_facts([Fact("ABA", "likes", "z")])
    assert group.merges() == []
    assert {candidate.method for candidate in group.candidates("ABA")} == {"acronym"}
    assert len(group.candidates("ABA")) == 2


@pytest.mark.model
def test_an_acronym_that_is_far_away_in_vector_space_is_found(tmp_path: Path) -> None:
    embedder = Embedder()
    others = ["World Wildlife Fund", "Who Framed Roger Rabbit", "The Who", "Whoopi Goldberg", "Dr. Who"]
    with Memory(tmp_path / "real", embedder=embedder) as memory:
        group = memory.group("g")
        group.remember_facts([Fact(name, "knows", "Ann") for name in ["World Health Organization", *others]])
        first = group.candidates("WHO")[0]
    near = embedder.encode(["World Health Organization", *others]) @ embedder.encode_query("WHO")
    assert (first.name, first.method) == ("World Health Organization", "acronym")
    assert near.argmax() != 0, "its vector is not the nearest"


def test_two_new_names_of_one_entity_find_each_other_in_one_call(group: Group) -> None:
    group.remember_facts([Fact("Jon Smith", "knows", "Ann"), Fact("John Smith", "likes", "tea")])
    assert {fact[0] for fact in told(group)} == {"Jon Smith"}


def test_a_merge_says_why_and_is_undone_for_good(group: Group) -> None:
    assert merged(group, "Jon Smith", "John Smith") == "fuzzy"
    (merge,) = group.merges()
    assert (merge.name, merge.into_name, round(merge.score)) == ("John Smith", "Jon Smith", 95)
    assert merge.reason == "'John Smith' and 'Jon Smith' are spelt 95 % alike"
    group.unmerge(merge.id)
    assert {fact[0] for fact in told(group)} == {"Jon Smith", "John Smith"}
    group.remember_facts([Fact("John Smith", "knows", "Ann")])
    assert group.merges() == []
    assert group.merges(known_at=merge.recorded.start)[0].id == merge.id
    with pytest.raises(NotInGroupError, match=r"no merge .* that could be undone"):
        group.unmerge(merge.id)


def test_merged_entities_share_what_ends_what(group: Group) -> None:
    group.remember_facts([Fact("Ann Lee", "lives_in", "Paris", valid_from=day(2019))])
    group.remember_facts([Fact("A. L. Smith", "lives_in", "Rome", valid_from=day(2021))])
    merge = group.merge("A. L. Smith", "Ann Lee", "she married")
    assert told(group) == {
        ("Ann Lee", "lives_in", "Paris", "2019-01-01", "2021-01-01"),
        ("Ann Lee", "lives_in", "Rome", "2021-01-01", ""),
    }
    assert group.merges()[0].reason == "she married"
    group.unmerge(merge)
    assert told(group) == {
        ("Ann Lee", "lives_in", "Paris", "2019-01-01", ""),
        ("A. L. Smith", "lives_in", "Rome", "2021-01-01", ""),
    }


def test_the_same_fact_of_merged_entities_is_one(group: Group) -> None:
    group.remember_facts([Fact("Ann", "likes", "tea")], episode=Episode("a", day(2024), "x"))
    group.remember_facts([Fact("Lady A", "likes", "tea")], episode=Episode("b", day(2024), "x"))
    merge = group.merge("Lady A", "Ann")
    (record,) = believed(group)
    assert len(record.episodes) == 2
    group.unmerge(merge)
    assert [len(record.episodes) for record in believed(group)] == [1, 1]


def test_merges_may_follow_each_other(group: Group) -> None:
    group.remember_facts([Fact(name, "likes", "tea") for name in ("Ann", "Beth", "Cleo")])
    first = group.merge("Cleo", "Beth")
    group.merge("Beth", "Ann")
    assert {fact[0] for fact in told(group)} == {"Ann"}
    with pytest.raises(MemoryValueError, match="are one entity already"):
        group.merge("Cleo", "Ann")
    group.unmerge(first)
    assert {fact[0] for fact in told(group)} == {"Ann", "Cleo"}


def test_an_unknown_entity_cannot_be_merged(group: Group) -> None:
    group.remember_facts([Fact("Ann", "likes", "tea")])
    with pytest.raises(NotInGroupError, match="has no entity 'Bob'"):
        group.merge("Bob", "Ann")


def test_a_forgotten_entity_is_no_candidate(group: Group) -> None:
    said = Episode("a", day(2024), "x")
    group.remember_facts([Fact("Jon Smith", "knows", "Ann")], episode=said)
    group.forget(said)
    assert group.candidates("John Smith") == []


def test_a_forgotten_entity_that_another_is_taken_for_is_believed_in_again(group: Group) -> None:
    said = Episode("a", day(2024), "x")
    group.remember_facts([Fact("Bob", "likes", "tea")], episode=said)
    group.remember_facts([Fact("Robert", "likes", "rum")])
    group.forget(said)
    merge = group.merge("Robert", "Bob")
    assert [record.fact.subject for record in group.timeline("Robert")] == ["Bob"]
    group.unmerge(merge)
    assert rows(group, "SELECT name FROM entity_versions WHERE recorded_to IS NULL") == [("Robert",), ("rum",)]


def test_a_name_is_looked_for_by_its_rare_trigrams_alone(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grams, "POSTINGS", 10)
    group.load([Fact(f"person {letter}{letter}", "likes", "tea") for letter in "abcdefghijkl"])
    group.remember_facts([Fact("person zwicky", "likes", "tea")])
    with group.reading() as reading:
        assert grams.rarest(reading, ["per", "zwi", "wic", "qqq"]) == ['"wic"', '"zwi"']
        assert grams.rarest(reading, ["qqq"]) == []
    assert group.candidates("person zwickl")[0].name == "person zwicky"


def test_of_common_trigrams_alone_a_name_is_found_by_two_at_once(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grams, "POSTINGS", 10)
    group.load([Fact("xaver yilmaz", "likes", "tea")])
    group.load([Fact(f"xaver {letter * 4}", "knows", f"{letter * 4} yilmaz") for letter in "abcdefghijkl"])
    with group.reading() as reading:
        assert grams.rarest(reading, ["xav", "yil"]) == ['"xav" AND "yil"']
        assert len(grams.sharing(reading, "xavero yilmaz", 50)) <= 10
    assert group.candidates("xavero yilmaz")[0].name == "xaver yilmaz"


def test_ten_thousand_aliases_are_all_known(group: Group) -> None:
    group.describe(Entity("Ann", tuple(f"alias number {number}" for number in range(10_000))))
    group.remember_facts([Fact("alias number 9876", "likes", "tea")])
    assert told(group) == {("Ann", "likes", "tea", "", "")}
    assert group.merges() == []


def test_a_judge_decides_what_the_letters_leave_open(tmp_path: Path) -> None:
    judge = Scripted({"Maria Garcías": "Maria Garcia"})
    group = judged(tmp_path, judge)
    group.remember_facts([Fact("Maria Garcia", "knows", "Ann")])
    group.remember_facts([Fact("Maria Garcés", "likes", "tea"), Fact("Mario Garcia", "likes", "tea")])
    assert [name for name, _ in judge.asked] == ["Maria Garcés", "Mario Garcia"]
    assert group.merges() == []
    judge.same = {"Maria Gracia": "Maria Garcia"}
    group.remember_facts([Fact("Maria Gracia", "likes", "rum")])
    (merge,) = group.merges()
    assert merge.method == "judge"
    assert merge.reason.endswith("; a judge took them for one")


def test_a_judge_is_shown_names_that_are_near_in_meaning(tmp_path: Path) -> None:
    judge = Scripted({"the river bank": "bank river"})
    group = judged(tmp_path, judge)
    group.remember_facts([Fact("bank river", "knows", "Ann")])
    group.remember_facts([Fact("the river bank", "likes", "tea")])
    assert ("the river bank", ["bank river"]) in judge.asked
    assert group.merges()[0].into_name == "bank river"


def test_a_judge_is_not_asked_about_names_that_are_known(tmp_path: Path) -> None:
    judge = Scripted()
    group = judged(tmp_path, judge)
    for _ in range(2):
        group.remember_facts([Fact("Maria Garcia", "knows", "Mario Garcia")])
    assert len(judge.asked) <= 1


DIVORCED = Fact("Ann", "is", "divorced", valid_from=day(2022))
HUSBAND = Fact("Ann", "is_the_wife_of", "Bob", valid_from=day(2012))


def test_a_judge_ends_what_it_finds_contradicted_at_the_new_facts_start(tmp_path: Path) -> None:
    judge = Scripted(contradicts=[(DIVORCED.statement, HUSBAND.statement)])
    group = judged(tmp_path, judge)
    group.remember_facts([HUSBAND, Fact("Ann", "likes", "tea", valid_from=day(2010))])
    said = Episode("I am divorced.", day(2022), "Ann")
    group.remember_facts([DIVORCED], episode=said)
    assert ("Ann", "is_the_wife_of", "Bob", "2012-01-01", "2022-01-01") in told(group)
    assert [fact.valid_from for fact in judge.compared[-1][1]] == [day(2010), day(2012)], "it sees the dates"
    group.forget(said)
    assert ("Ann", "is_the_wife_of", "Bob", "2012-01-01", "") in told(group)
    group.remember_facts([DIVORCED], episode=said)
    assert ("Ann", "is_the_wife_of", "Bob", "2012-01-01", "2022-01-01") in told(group)


def test_a_judge_is_asked_only_about_facts_that_share_an_end_and_still_held(tmp_path: Path) -> None:
    judge = Scripted()
    group = judged(tmp_path, judge)
    group.remember_facts(
        [
            Fact("Bob", "likes", "rum", valid_from=day(2010)),
            Fact("Ann", "likes", "tea", valid_from=day(2010), valid_to=day(2015)),
            Fact("Ann", "likes", "cats", valid_from=day(2023)),
        ],
    )
    judge.compared.clear()
    group.remember_facts([DIVORCED, Fact("Ann", "likes", "dogs")])
    assert judge.compared == []


def test_a_fact_without_dates_is_never_put_to_the_judge(tmp_path: Path) -> None:
    judge = Scripted(contradicts=[("Ann is divorced", HUSBAND.statement)])
    group = judged(tmp_path, judge)
    group.remember_facts([HUSBAND])
    group.remember_facts([Fact("Ann", "is", "divorced")])
    assert judge.compared == []
    assert ("Ann", "is_the_wife_of", "Bob", "2012-01-01", "") in told(group)


@pytest.mark.parametrize("names", list(permutations(["US", "United States", "Unknown Soldier"])))
def test_an_acronym_has_one_meaning_whatever_came_first(group: Group, names: tuple[str, ...]) -> None:
    for name in names:
        group.remember_facts([Fact(name, "is", f"there {name}")])
    mixed = {fact.fact.object for fact in group.timeline("Unknown Soldier")}
    assert "there United States" not in mixed
    assert names[-1] == "US" or "there US" not in mixed or names.index("Unknown Soldier") < names.index("United States")
