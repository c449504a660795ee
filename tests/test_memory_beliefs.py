"""What is believed of facts is a function of what was stated."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ragloom.stores.memory.beliefs import Belief, Ruling, Stated, settle

ANN, PARIS, BERLIN, ROME = 1, 2, 3, 4


def lived(fact: int, place: int, start: int | None = None, end: int | None = None) -> Stated:
    return Stated(fact, ANN, "lives_in", place, start, end, 1.0)


def spans(beliefs: list[Belief]) -> dict[int, tuple[int | None, int | None]]:
    return {each.stated.fact: (each.start, each.end) for each in beliefs if each.same_as is None}


def single(*stated: Stated, rulings: tuple[Ruling, ...] = ()) -> dict[int, tuple[int | None, int | None]]:
    return spans(settle(stated, single_valued=True, rulings=rulings))


def test_a_new_home_ends_the_old_one_where_it_starts() -> None:
    assert single(lived(10, PARIS, 2019), lived(11, BERLIN, 2021)) == {10: (2019, 2021), 11: (2021, None)}


def test_an_older_fact_that_is_told_later_ends_nothing_but_is_ended() -> None:
    assert single(lived(10, BERLIN, 2021), lived(11, PARIS, 2019)) == {10: (2021, None), 11: (2019, 2021)}


def test_what_had_ended_before_keeps_its_end() -> None:
    assert single(lived(10, PARIS, 2015, 2018), lived(11, BERLIN, 2021)) == {10: (2015, 2018), 11: (2021, None)}


def test_a_relation_with_many_values_ends_nothing() -> None:
    stated = [lived(10, PARIS, 2019), lived(11, BERLIN, 2021)]
    assert spans(settle(stated, single_valued=False)) == {10: (2019, None), 11: (2021, None)}


def test_a_fact_without_dates_never_ends_a_dated_one() -> None:
    assert single(lived(10, PARIS, 2019), lived(11, BERLIN))[10] == (2019, None)
    assert single(lived(10, PARIS, 2019), lived(11, BERLIN, None, 2022))[10] == (2019, None)


def test_a_fact_without_dates_is_ended_by_what_still_holds_and_not_by_what_is_over() -> None:
    assert single(lived(10, PARIS), lived(11, BERLIN, 2010, 2012)) == {10: (None, None), 11: (2010, 2012)}
    over_as_told_twice = single(lived(10, PARIS), lived(11, BERLIN, 2010), lived(12, BERLIN, None, 2012))
    assert over_as_told_twice == {10: (None, None), 11: (2010, 2012)}
    homes = single(lived(10, PARIS), lived(11, BERLIN, 2010, 2012), lived(12, ROME, 2015))
    assert homes == {10: (None, 2015), 11: (2010, 2012), 12: (2015, None)}


def test_who_comes_back_lived_there_twice() -> None:
    homes = single(lived(10, PARIS, 2019), lived(11, BERLIN, 2021), lived(12, PARIS, 2023))
    assert homes == {10: (2019, 2021), 11: (2021, 2023), 12: (2023, None)}


def test_homes_that_begin_at_the_same_moment_leave_each_other_alone() -> None:
    homes = single(lived(10, PARIS, 2019), lived(11, BERLIN, 2019), lived(12, ROME, 2020))
    assert homes == {10: (2019, 2020), 11: (2019, 2020), 12: (2020, None)}


def test_since_and_until_are_one_stay() -> None:
    assert single(lived(10, PARIS, 2019), lived(11, PARIS, None, 2022)) == {10: (2019, 2022)}


def test_overlapping_statements_are_one_fact_and_disjoint_ones_two() -> None:
    assert single(lived(10, PARIS, 2010, 2013), lived(11, PARIS, 2012, 2015)) == {10: (2010, 2015)}
    assert single(lived(10, PARIS, 2010, 2012), lived(11, PARIS, 2012, 2015)) == {10: (2010, 2012), 11: (2012, 2015)}


def test_a_statement_without_dates_confirms_the_latest_stay() -> None:
    beliefs = settle([lived(10, PARIS, 2010, 2012), lived(11, PARIS, 2014), lived(12, PARIS)], single_valued=True)
    assert [(each.stated.fact, each.same_as, each.start) for each in beliefs] == [
        (10, None, 2010),
        (11, None, 2014),
        (12, 11, 2014),
    ]


def test_what_ended_a_fact_is_named_by_the_fact_that_stands_for_it() -> None:
    beliefs = settle([lived(10, PARIS, 2019), lived(11, BERLIN, 2022), lived(12, BERLIN, 2021)], single_valued=True)
    assert {each.stated.fact: (each.ended_by, each.same_as) for each in beliefs} == {
        10: (11, None),
        11: (None, None),
        12: (None, 11),
    }


def test_a_ruling_ends_what_still_held_then_and_nothing_else() -> None:
    stated = (lived(10, PARIS, 2010, 2015), lived(11, PARIS, 2018))
    assert single(*stated, rulings=(Ruling(10, 99, 2012),)) == {10: (2010, 2012), 11: (2018, None)}
    assert single(*stated, rulings=(Ruling(10, 99, 2016), Ruling(11, 99, 2018))) == {10: (2010, 2015), 11: (2018, None)}


def test_confidence_is_that_of_the_surest_statement() -> None:
    stated = [Stated(10, ANN, "likes", ROME, None, None, 0.4), Stated(11, ANN, "likes", ROME, 5, None, 0.7)]
    assert {each.confidence for each in settle(stated, single_valued=False)} == {0.7}


def test_times_keep_every_microsecond() -> None:
    start = 253_402_300_799_999_998  # the year 9999, beyond what a float can tell apart
    assert single(lived(10, PARIS, start), lived(11, BERLIN, start + 1)) == {
        10: (start, start + 1),
        11: (start + 1, None),
    }


_year = st.none() | st.integers(0, 12)


@st.composite
def slots(draw: st.DrawFn) -> list[Stated]:
    stated = []
    for fact in range(draw(st.integers(1, 8))):
        start, end = draw(_year), draw(_year)
        if start is not None and end is not None and end <= start:
            start, end = end, start + 1
        stated.append(lived(10 + fact, draw(st.sampled_from([PARIS, BERLIN, ROME])), start, end))
    return stated


@given(slots(), st.randoms(use_true_random=False), st.booleans())
def test_the_order_of_statements_makes_no_difference(stated: list[Stated], rng: random.Random, is_single: bool) -> None:
    shuffled = stated[:]
    rng.shuffle(shuffled)
    assert settle(shuffled, single_valued=is_single) == settle(stated, single_valued=is_single)


@given(slots(), st.booleans(), st.lists(st.tuples(st.integers(10, 17), st.integers(0, 12)), max_size=3))
def test_intervals_never_end_before_they_start(
    stated: list[Stated], is_single: bool, rulings: list[tuple[int, int]]
) -> None:
    for belief in settle(stated, single_valued=is_single, rulings=[Ruling(fact, 99, at) for fact, at in rulings]):
        start, end = belief.start, belief.end
        assert start is None or end is None or start < end


@given(slots())
def test_of_a_single_valued_relation_only_what_began_together_or_at_no_known_time_holds_together(
    stated: list[Stated],
) -> None:
    chiefs = [each for each in settle(stated, single_valued=True) if each.same_as is None]
    for one in chiefs:
        for other in chiefs:
            if one.stated.object != other.stated.object and one.start is not None and other.start is not None:
                assert one.start == other.start or one.end is None or one.end <= other.start or other.start < one.start


@given(slots(), st.booleans())
def test_facts_of_the_same_words_never_overlap(stated: list[Stated], is_single: bool) -> None:
    chiefs = [each for each in settle(stated, single_valued=is_single) if each.same_as is None]
    for one in chiefs:
        for other in chiefs:
            if one.stated.fact < other.stated.fact and one.stated.object == other.stated.object:
                ordered = sorted((one, other), key=lambda each: -1 if each.start is None else each.start)
                assert ordered[0].end is not None
                assert ordered[1].start is not None
                assert ordered[0].end <= ordered[1].start


@pytest.mark.parametrize("is_single", [True, False])
def test_every_statement_is_answered_once(is_single: bool) -> None:
    stated = [
        lived(fact, place, start) for fact, (place, start) in enumerate([(PARIS, 1), (ROME, 2), (PARIS, None)], 10)
    ]
    assert [each.stated.fact for each in settle(stated, single_valued=is_single)] == [10, 11, 12]
