from __future__ import annotations

import itertools

from hypothesis import example, given
from hypothesis import strategies as st
from ragloom.rag.llm.text import TextStream

LETTERS = st.text("abcé€😀", max_size=20)
STOPS = st.lists(st.text("abcé", min_size=1, max_size=4), max_size=3)


def read(data: bytes, cuts: list[int], stops: list[str]) -> tuple[str, bool]:
    stream = TextStream(stops)
    edges = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    shown = ""
    for start, end in itertools.pairwise(edges):
        shown += stream.feed(data[start:end])
        if stream.stopped:
            break
    return shown + stream.finish(), stream.stopped


@given(text=LETTERS, cuts=st.lists(st.integers(0, 60)))
def test_text_survives_any_cut_between_its_bytes(text: str, cuts: list[int]) -> None:
    assert read(text.encode(), cuts, []) == (text, False)


@given(text=LETTERS, cuts=st.lists(st.integers(0, 60)), stop=st.text("abcé", min_size=1, max_size=4))
@example(text="aab", cuts=[1, 2], stop="ab")
def test_text_ends_exactly_before_the_stop_string(text: str, cuts: list[int], stop: str) -> None:
    assert read(text.encode(), cuts, [stop]) == (text.split(stop, maxsplit=1)[0], stop in text)


@given(text=LETTERS, cuts=st.lists(st.integers(0, 60)), stops=STOPS)
def test_no_stop_string_is_ever_shown(text: str, cuts: list[int], stops: list[str]) -> None:
    shown, stopped = read(text.encode(), cuts, stops)
    assert text.startswith(shown)
    assert stopped == any(stop in text for stop in stops)
    assert not any(stop in shown for stop in stops)


def test_what_cannot_begin_a_stop_string_is_shown_at_once() -> None:
    stream = TextStream(["\n\n"])
    assert [stream.feed(piece) for piece in (b"one", b"\n", b"two", b"\n")] == ["one", "", "\ntwo", ""]
    assert stream.finish() == "\n"


def test_bytes_that_are_not_utf_8_become_replacement_characters() -> None:
    assert TextStream().feed(b"a\xff\xe2\x82b") == "a\ufffd\ufffdb"


def test_a_text_that_ends_within_a_character_ends_before_it() -> None:
    stream = TextStream(["cd"])
    assert stream.feed("bc€".encode()[:-1]) + stream.finish() == "bc"
