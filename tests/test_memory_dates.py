"""Times in questions and messages, as half-open intervals."""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ragloom.stores.memory.dates import TimeExpression, find_times
from ragloom.stores.memory.interval import Interval

WEDNESDAY = datetime(2024, 5, 15, 14, 30, tzinfo=UTC)


def read(text: str, reference: datetime = WEDNESDAY) -> TimeExpression:
    (found,) = find_times(text, reference)
    return found


def days(text: str, reference: datetime = WEDNESDAY) -> tuple[str, str]:
    """First day and the day after the last, `...` for an open end."""
    interval = read(text, reference).interval
    assert interval is not None
    start, end = interval.start, interval.end
    return start.strftime("%Y-%m-%d") if start else "...", end.strftime("%Y-%m-%d") if end else "..."


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("Where did I live in March 2021?", "2021-03-01", "2021-04-01"),
        ("Who was king in Dec 1964?", "1964-12-01", "1965-01-01"),
        ("on 8 May, 2023", "2023-05-08", "2023-05-09"),
        ("on May 8th, 2023", "2023-05-08", "2023-05-09"),
        ("the 5th of Sept. 2010", "2010-09-05", "2010-09-06"),
        ("am 2021-03-05 umgezogen", "2021-03-05", "2021-03-06"),
        ("2021-12", "2021-12-01", "2022-01-01"),
        ("in 1999", "1999-01-01", "2000-01-01"),
        ("at the end of 1999", "1999-01-01", "2000-01-01"),
        ("as of 1999", "1999-01-01", "2000-01-01"),
        ("in early 1970s", "1970-01-01", "1974-01-01"),
        ("in the mid-1970s", "1974-01-01", "1977-01-01"),
        ("in the late 90s", "1997-01-01", "2000-01-01"),
        ("in the 19th century", "1800-01-01", "1900-01-01"),
        ("in late March 2021", "2021-03-21", "2021-04-01"),
        ("in early 2021", "2021-01-01", "2021-05-01"),
        ("in the winter of 2020", "2020-12-01", "2021-03-01"),
        ("Q3 2021", "2021-07-01", "2021-10-01"),
    ],
)
def test_a_stretch_of_the_calendar_ends_where_the_next_begins(text: str, start: str, end: str) -> None:
    assert days(text) == (start, end)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("before Mar 1811", "...", "1811-03-01"),
        ("prior to 2020", "...", "2020-01-01"),
        ("after Sep 2010", "2010-10-01", "..."),
        ("since 2019", "2019-01-01", "..."),
        ("since 2020-05-06T10:00Z", "2020-05-06", "..."),
        ("before 2020-05-06T10:00:01.5+02:00", "...", "2020-05-06"),
        ("until 2019", "...", "2020-01-01"),
        ("by the end of 2021", "...", "2022-01-01"),
        ("from 1916 to 1920", "1916-01-01", "1921-01-01"),
        ("between Nov 1918 and Jul 1919", "1918-11-01", "1919-08-01"),
        ("1916-1920", "1916-01-01", "1921-01-01"),
        ("from March to May 2021", "2021-03-01", "2021-06-01"),
        ("from November to February 2021", "2020-11-01", "2021-03-01"),
        ("no later than 2020", "...", "2021-01-01"),
        ("no earlier than 2021", "2021-01-01", "..."),
        ("not before 2022", "2022-01-01", "..."),
        ("later than 2020", "2021-01-01", "..."),
    ],
)
def test_words_around_a_date_say_which_side_of_it_is_asked_for(text: str, start: str, end: str) -> None:
    assert days(text) == (start, end)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("yesterday", "2024-05-14", "2024-05-15"),
        ("the day before yesterday", "2024-05-13", "2024-05-14"),
        ("last night", "2024-05-14", "2024-05-15"),
        ("last Friday", "2024-05-10", "2024-05-11"),
        ("last Wednesday", "2024-05-08", "2024-05-09"),
        ("this Friday", "2024-05-17", "2024-05-18"),
        ("next Wednesday", "2024-05-22", "2024-05-23"),
        ("on Friday", "2024-05-10", "2024-05-11"),
        ("last week", "2024-05-06", "2024-05-13"),
        ("last weekend", "2024-05-11", "2024-05-13"),
        ("two weeks ago", "2024-04-29", "2024-05-06"),
        ("a couple of months ago", "2024-03-01", "2024-04-01"),
        ("three years ago", "2021-01-01", "2022-01-01"),
        ("in the last ten days", "2024-05-05", "2024-05-15"),
        ("last year", "2023-01-01", "2024-01-01"),
        ("in June", "2023-06-01", "2023-07-01"),
        ("in May", "2024-05-01", "2024-06-01"),
        ("next month", "2024-06-01", "2024-07-01"),
        ("last summer", "2023-06-01", "2023-09-01"),
        ("on 5 March", "2024-03-05", "2024-03-06"),
        ("on 5 July", "2023-07-05", "2023-07-06"),
        ("half a year ago", "2023-11-01", "2023-12-01"),
        ("half an hour from now", "2024-05-15", "2024-05-15"),
        ("two weeks from today", "2024-05-27", "2024-06-03"),
    ],
)
def test_relative_times_count_from_the_reference(text: str, start: str, end: str) -> None:
    assert days(text) == (start, end)


def test_the_last_weekend_is_over_on_a_sunday_too() -> None:
    assert days("last weekend", datetime(2024, 5, 19, tzinfo=UTC)) == ("2024-05-11", "2024-05-13")


def test_the_29th_of_february_is_that_of_the_last_leap_year() -> None:
    assert days("on 29 February", datetime(2023, 5, 1, tzinfo=UTC)) == ("2020-02-29", "2020-03-01")
    assert days("on 29 February", datetime(2024, 2, 28, tzinfo=UTC)) == ("2020-02-29", "2020-03-01")


def test_days_are_those_of_the_references_time_zone_and_come_in_utc() -> None:
    tokyo = timezone(timedelta(hours=9))
    assert read("yesterday", datetime(2024, 5, 15, 1, tzinfo=tokyo)).interval == Interval(
        datetime(2024, 5, 13, 15, tzinfo=UTC), datetime(2024, 5, 14, 15, tzinfo=UTC)
    )


@pytest.mark.parametrize(
    "text",
    [
        "I ran 1500 meters",
        "may I march on?",
        "31 February 2020",
        "5000 years ago",
        "3.1999",
        "a company of 1500 people",
        "about 1500 employees",
        "for 2000 dollars",
        "over 1200 square feet",
        "at 1999 m",
        "in 1500 words",
        "by 2000 people",
        "around 1500 visitors",
        "from 1500 employees",
        "from 1500 to 2000 words",
        "between 1000 and 2000 euros",
        "from 1500 m up",
    ],
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert find_times(text, WEDNESDAY) == []


@pytest.mark.parametrize(
    "text", ["in 2019 she moved", "in 2019 is over", "since 2015 his job", "in 1990, dollars fell"]
)
def test_a_year_before_other_words_is_one(text: str) -> None:
    assert len(find_times(text, WEDNESDAY)) == 1


def test_an_event_has_no_interval_until_somebody_knows_when_it_was() -> None:
    event = read("Where did I work before I moved to Paris?")
    assert (event.text, event.event, event.interval) == ("before I moved to Paris", "I moved to Paris", None)
    moved = Interval(datetime(2021, 3, 1, tzinfo=UTC), None)
    assert event.anchored(moved).interval == Interval(None, moved.start)


MARCH, MAY = (datetime(2021, month, 1, tzinfo=UTC) for month in (3, 5))
NEXT_DAY = MARCH + timedelta(days=1)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("after she moved to Paris", Interval(NEXT_DAY, None)),
        ("until she moved to Paris", Interval(None, NEXT_DAY)),
        ("when she moved to Paris", Interval(MARCH, NEXT_DAY)),
        ("after she lived in Paris", Interval(MAY, None)),
        ("while she lived in Paris", Interval(MARCH, MAY)),
    ],
)
def test_what_begins_is_meant_by_its_start_and_what_lasts_by_its_whole(text: str, asked: Interval) -> None:
    assert read(text).anchored(Interval(MARCH, MAY)).interval == asked


@pytest.mark.parametrize(
    ("text", "asked"),
    [("after she lived in Paris", Interval(MARCH, None)), ("until she lived in Paris", Interval(None, MARCH))],
)
def test_what_has_not_ended_has_sides_at_its_start(text: str, asked: Interval) -> None:
    assert read(text).anchored(Interval(MARCH, None)).interval == asked


def test_an_event_with_a_date_is_of_that_date() -> None:
    assert days("before I moved to Paris in 2020") == ("...", "2020-01-01")


@pytest.mark.parametrize(
    "text", ["Where did I live before?", "Who did I formerly work for?", "Where did I used to swim?"]
)
def test_what_is_over_had_ended_by_the_reference(text: str) -> None:
    assert (read(text).relation, read(text).interval) == ("over", Interval(None, WEDNESDAY))


@pytest.mark.parametrize(
    "text", ["When did I move?", "When was the party?", "the hall formerly known as Rex", "after that"]
)
def test_not_every_such_word_names_a_time(text: str) -> None:
    assert find_times(text, WEDNESDAY) == []


TIMES = st.sampled_from(
    [
        "before",
        "after",
        "since",
        "in",
        "on",
        "last",
        "next",
        "from",
        "to",
        "1990",
        "march",
        "2021",
        "early",
        "70s",
        "week",
    ]
)
WORDS = st.text(string.printable + "é日\u202e", max_size=8) | TIMES


@given(st.lists(WORDS, max_size=14).map(" ".join), st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)))
def test_any_text_gives_times_that_stand_in_it_and_end_after_they_begin(text: str, moment: datetime) -> None:
    for time in find_times(text, moment.replace(tzinfo=UTC)):
        assert text[time.start : time.end] == time.text
        interval = time.anchor
        if interval and interval.start and interval.end:
            assert interval.start < interval.end


@pytest.mark.parametrize(
    "text",
    [
        "What happened 1500 years ago?",
        "in the last 1300 years",
        "from 1500 years ago to 1999",
        "What was new in the past 0 days?",
    ],
)
def test_times_before_all_calendars_are_no_error(text: str) -> None:
    for found in find_times(text, WEDNESDAY):
        assert found.interval is not None
