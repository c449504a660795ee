"""Tool calls as text: what is read of an answer, however it is cut into pieces and wherever it ends."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessageChunk
from ragloom.rag.llm.answers import Answer
from ragloom.rag.llm.calls import Call, CallForm, CallReader
from ragloom.rag.llm.json_end import JsonEnd
from ragloom.rag.llm.requests import Delta, FinishReason

HERMES = CallForm()
LLAMA = CallForm("", "", "parameters")
LISTED = CallForm("CALL[", "]", "arguments")
NASTY = {"text": 'a "b" \\ } ] </tool_call> <tool_call>\n', "list": [{"x": [1, "]"]}], "none": {}}
CALLS = [Call("add", {"a": 1}, "1"), Call("say", NASTY, "2")]


def deltas(pieces: Sequence[str], finish_reason: FinishReason = "stop") -> list[Delta]:
    return [*(Delta(piece, i + 1) for i, piece in enumerate(pieces)), Delta("", len(pieces), None, finish_reason)]


def streamed(form: CallForm, pieces: Sequence[str], finish_reason: FinishReason = "stop") -> AIMessageChunk:
    answer = Answer("m", 1, CallReader(form))
    chunks = [chunk for delta in deltas(pieces, finish_reason) if (chunk := answer.chunk(delta))]
    first, *rest = chunks
    return first + rest if rest else first


def cut(text: str, places: set[int]) -> list[str]:
    at = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[a:b] for a, b in pairwise(at)]


@given(st.sampled_from([(HERMES, CALLS), (LLAMA, CALLS[1:]), (LISTED, CALLS[1:])]), st.sets(st.integers(0, 400)))
def test_calls_are_read_however_they_are_cut_into_pieces(told: tuple[CallForm, list[Call]], places: set[int]) -> None:
    form, calls = told
    pieces = cut(form.write(calls), places)
    whole, merged = Answer("m", 1, CallReader(form)).message(deltas(pieces)), streamed(form, pieces)
    for message in (whole, merged):
        assert [(call["name"], call["args"]) for call in message.tool_calls] == [call[:2] for call in calls]
        assert len({call["id"] for call in message.tool_calls}) == len(calls)
        assert message.content == ""
        assert message.invalid_tool_calls == []
        assert message.response_metadata["finish_reason"] == "tool_calls"


@given(st.integers(0, 400), st.sets(st.integers(0, 400)))
def test_a_call_that_is_cut_off_is_never_mended(end: int, places: set[int]) -> None:
    text = HERMES.write(CALLS[1:])
    begun = text[: end % len(text)]
    pieces = cut(begun, places)
    whole = Answer("m", 1, CallReader(HERMES)).message(deltas(pieces, "length"))
    merged = streamed(HERMES, pieces, "length")
    is_whole = json.dumps(NASTY, ensure_ascii=False) in begun
    is_call = begun.startswith("<tool_call>")
    for message in (whole, merged):
        assert [call["args"] for call in message.tool_calls] == ([NASTY] if is_whole else [])
        assert len(message.invalid_tool_calls) == (is_call and not is_whole)
        assert message.content == ("" if is_call else begun)
        assert message.response_metadata["finish_reason"] == "length"


@pytest.mark.parametrize(
    ("finish_reason", "advice"),
    [
        ("length", "allow more with max_tokens, or, where the context is full, load the model with a larger n_ctx"),
        ("stop", "the call has one of the `stop` strings in it"),
    ],
)
def test_a_cut_off_call_says_what_to_do(finish_reason: FinishReason, advice: str) -> None:
    begun = deltas(['<tool_call>{"name": "f", "arguments": {"a": "b'], finish_reason)
    (cut_off,) = Answer("m", 1, CallReader(HERMES)).message(begun).invalid_tool_calls
    assert (cut_off["name"], cut_off["args"]) == ("f", '{"a": "b')
    assert cut_off["error"] == f"the answer ended within the call; {advice}"


@pytest.mark.parametrize(
    "text", ["", "Hi", "a < b <tool_cal", "<", "<<tool_call", "\n{}", "</tool_call>", '{"name": 1}']
)
def test_text_without_a_call_stays_what_it_is(text: str) -> None:
    for pieces in ([text], list(text)):
        assert streamed(HERMES, pieces).content == text
        message = Answer("m", 1, CallReader(HERMES)).message(deltas(pieces))
        assert (message.content, message.tool_calls, message.invalid_tool_calls) == (text, [], [])
        assert message.response_metadata["finish_reason"] == "stop"


def test_text_is_shown_as_soon_as_it_cannot_be_a_call() -> None:
    reader = CallReader(HERMES)
    assert [reader.feed(piece)[0] for piece in ("Well <", "b> ", "<tool", "_call>")] == ["Well ", "<b> ", "", ""]


def test_a_call_after_a_text_is_both() -> None:
    message = Answer("m", 1, CallReader(HERMES)).message(deltas(["Let me see.\n" + HERMES.write(CALLS[:1])]))
    assert message.content == "Let me see.\n"
    assert [call["name"] for call in message.tool_calls] == ["add"]


JSONS = [
    '{"text": "<tool_call>{\\"name\\": \\"add\\"}"}',
    '["<tool_call>"]',
    '"CALL["',
    " [1]",
    "3",
    '{"name": "Paris", "parameters": {"a": 1}}',
    '{"name": "add"}',
    '{"name": "add", "age": 3}',
    '{"nam": 1}',
]


@pytest.mark.parametrize("form", [HERMES, LLAMA, LISTED])
@pytest.mark.parametrize("text", JSONS)
def test_an_answer_that_is_json_stays_what_it_is(form: CallForm, text: str) -> None:
    for pieces in ([text], list(text)):
        message = Answer("m", 1, CallReader(form, json_or=["add"])).message(deltas(pieces))
        assert (message.content, message.tool_calls, message.invalid_tool_calls) == (text, [], [])


@given(st.sampled_from([(HERMES, CALLS), (LLAMA, CALLS[1:]), (LISTED, CALLS[1:])]), st.sets(st.integers(0, 400)))
def test_where_an_answer_could_be_json_a_call_is_one(told: tuple[CallForm, list[Call]], places: set[int]) -> None:
    form, calls = told
    message = Answer("m", 1, CallReader(form, json_or=["add", "say"])).message(deltas(cut(form.write(calls), places)))
    assert [(call["name"], call["args"]) for call in message.tool_calls] == [call[:2] for call in calls]
    assert message.content == ""


def test_json_that_can_be_no_call_is_shown_at_once() -> None:
    for form in (HERMES, LLAMA, LISTED):
        reader = CallReader(form, json_or=["add"])
        assert [reader.feed(piece)[0] for piece in ('{"n', 'o": "<tool_', "call>")] == [
            '{"n' if form.marker else "",
            'o": "<tool_' if form.marker else '{"no": "<tool_',
            "call>",
        ]


def test_only_json_s_own_space_comes_before_a_call() -> None:
    for text in ('\u00a0{"name": "x", "parameters": {oops}', '{"name":\u2003"x", "parameters": {}}'):
        message = Answer("m", 1, CallReader(LLAMA)).message(deltas(list(text)))
        assert (message.content, message.tool_calls) == (text, [])


def test_the_end_of_json_is_the_bracket_that_closes_the_first() -> None:
    text = json.dumps(NASTY)
    assert JsonEnd().find(text + "}") == len(text)
    end = JsonEnd()
    assert [end.find(piece) for piece in ('{"a\\', '"}', '": [', "]", "} ")] == [None, None, None, None, 1]


@pytest.mark.parametrize(
    ("begun", "unfit"), [("", "]"), ("{", "]"), ('{"a": [', "}"), ('{"a', '"]'), ('{"a\\', '\\"]')]
)
def test_what_fits_nowhere_is_no_json_whatever_is_added(begun: str, unfit: str) -> None:
    end = JsonEnd()
    assert end.find(begun) is None
    assert end.unfit == unfit


def test_without_a_marker_an_answer_is_a_call_or_a_text() -> None:
    for text in ("The call {} is none", '  a {"name": "add", "parameters": {}}', "", " "):
        message = Answer("m", 1, CallReader(LLAMA)).message(deltas(list(text)))
        assert (message.content, message.tool_calls) == (text, [])


def test_arguments_come_bit_by_bit() -> None:
    answer = Answer("m", 1, CallReader(HERMES))
    chunks = [answer.chunk(delta) for delta in deltas(['<tool_call>{"name": "add", "arguments": {"a"', ": 1", "}}"])]
    told = [chunk.tool_call_chunks[0] for chunk in chunks if chunk and chunk.tool_call_chunks]
    assert [each["args"] for each in told] == ['{"a"', ": 1", "}"]
    assert [each["name"] for each in told] == ["add", None, None]
    assert told[0]["id"]
