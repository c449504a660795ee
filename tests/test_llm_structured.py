"""Answers that fit a JSON Schema, whatever the model would rather say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any, Literal, TypedDict

import jsonschema
import pytest
from langchain_core.exceptions import OutputParserException
from pydantic import BaseModel, Field
from ragloom.rag.llm import ChatLocal, ModelError
from ragloom.rag.llm.batching.constraint import Constraint
from ragloom.rag.llm.grammar import grammar_of
from ragloom.rag.llm.structured import as_schema

pytestmark = pytest.mark.model

COLOUR = {"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}}, "required": ["colour"]}
ODD = 'x "y" \\n\n\t{z} ü 😀 \u0007'
SCHEMAS: list[dict[str, Any]] = [
    COLOUR,
    {"enum": [1, 2.5, None, True, "a", ["b"]]},
    {"type": "object", "properties": {ODD: {"enum": [ODD]}}, "required": [ODD], "additionalProperties": False},
    {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 3},
    {"type": "string", "maxLength": 40},
    {
        "type": "object",
        "properties": {
            "year": {"anyOf": [{"type": "null"}, {"type": "integer"}]},
            "names": {"type": "array", "items": {"$ref": "#/$defs/name"}, "maxItems": 2},
            "sure": {"type": "boolean"},
        },
        "required": ["year", "names"],
        "additionalProperties": False,
        "$defs": {"name": {"type": "string", "maxLength": 12}},
    },
]


class Animal(BaseModel):
    kind: Literal["cat", "dog"]
    legs: int = Field(le=4)


class Named(TypedDict):
    name: Literal["Ada", "Rat"]


@pytest.fixture(scope="module")
def llm() -> Iterator[ChatLocal]:
    with ChatLocal(n_ctx=1024, max_tokens=400, batch_invariant=True) as llm:
        yield llm


@pytest.mark.parametrize("schema", SCHEMAS, ids=range(len(SCHEMAS)))
def test_every_answer_is_json_that_fits(llm: ChatLocal, schema: dict[str, Any]) -> None:
    for seed in range(4):
        options = {"temperature": 2.0, "top_p": 1.0, "seed": seed}
        answer = llm.with_structured_output(schema, include_raw=True, **options).invoke("Say something unexpected!")
        assert answer["parsing_error"] is None
        jsonschema.validate(answer["parsed"], schema)
        assert answer["parsed"] == json.loads(answer["raw"].text)


def test_within_the_schema_the_model_decides(llm: ChatLocal) -> None:
    asked = llm.with_structured_output(COLOUR)
    assert asked.invoke("Which colour has the sky?") == {"colour": "blue"}
    assert asked.invoke("Which colour has blood? Say red.") == {"colour": "red"}


def test_asking_the_grammar_about_one_token_first_changes_no_answer(
    llm: ChatLocal, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = llm.with_structured_output({"type": "string", "maxLength": 30})
    quick = asked.invoke("Name three colours.")
    monkeypatch.setattr(Constraint, "_allows", lambda *_: False)
    assert asked.invoke("Name three colours.") == quick


def test_a_penalty_counts_what_the_grammar_let_through(llm: ChatLocal) -> None:
    words = {"type": "array", "items": {"enum": ["cat", "dog"]}, "minItems": 24, "maxItems": 24}
    schema = {"type": "object", "properties": {"words": words}, "required": ["words"]}
    found = llm.with_structured_output(schema).invoke("Write cat again and again.", frequency_penalty=2)
    assert 24 > found["words"].count("cat") > 0


def test_models_and_typed_dicts_say_what_comes_out(llm: ChatLocal) -> None:
    animal = llm.with_structured_output(Animal, temperature=1.0, seed=3).invoke("What purrs? Name its kind and legs.")
    assert isinstance(animal, Animal)
    assert llm.with_structured_output(Named).invoke("Who wrote the first program?")["name"] in {"Ada", "Rat"}


TITLED: list[dict[str, Any]] = [
    {"title": "Colour", "enum": ["red", "blue"]},
    {"title": "Colours", "type": "array", "items": {"enum": ["red", "blue"]}, "maxItems": 1},
    {"title": "Colour", "anyOf": [{"const": "red"}, {"const": "blue"}]},
    {"title": "Colour", "$ref": "#/$defs/colour", "$defs": {"colour": {"enum": ["red", "blue"]}}},
    {"title": "Map", "type": "object", "additionalProperties": {"type": "null"}, "maxProperties": 1},
    {"type": "object", "properties": {"parameters": {"type": "null"}}, "parameters": {}, "function": 3, "name": 3},
]


@pytest.mark.parametrize("schema", TITLED, ids=range(len(TITLED)))
def test_a_schema_is_used_as_it_is_whatever_else_it_has(llm: ChatLocal, schema: dict[str, Any]) -> None:
    assert as_schema(schema) == schema
    asked = llm.with_structured_output(schema, temperature=1.5, seed=1)
    jsonschema.validate(asked.invoke("Say something unexpected!"), schema)


@pytest.mark.parametrize(
    "tool",
    [
        {"name": "Colour", "description": "which", "parameters": COLOUR},
        {"type": "function", "function": {"name": "Colour", "description": "which", "parameters": COLOUR}},
        {"name": "Colour", "description": "which", "input_schema": COLOUR},
        {"toolSpec": {"name": "Colour", "description": "which", "inputSchema": {"json": COLOUR}}},
    ],
)
def test_what_a_tool_takes_is_a_schema_too(tool: dict[str, Any]) -> None:
    assert as_schema(tool) == {"title": "Colour", "description": "which", **COLOUR}


@pytest.mark.parametrize("other", [3, {"type": "function", "function": {}}, {"toolSpec": {}}, int])
def test_what_is_no_schema_is_refused_when_it_is_given(llm: ChatLocal, other: Any) -> None:
    with pytest.raises(ModelError, match="is no schema: ") as caught:
        llm.with_structured_output(other)
    assert "\n" not in str(caught.value)


def test_json_of_any_kind(llm: ChatLocal) -> None:
    options = {"method": "json_mode", "temperature": 1.0, "seed": 0}
    assert isinstance(llm.with_structured_output({}, **options).invoke("Describe a cat in JSON."), dict)


def test_a_stream_and_a_task_keep_to_the_schema_too(llm: ChatLocal) -> None:
    bound = llm.bind(response_format={"type": "json_schema", "json_schema": {"schema": COLOUR}})
    whole = bound.invoke("Which colour has the sky?").text
    assert "".join(chunk.text for chunk in bound.stream("Which colour has the sky?")) == whole
    assert asyncio.run(bound.ainvoke("Which colour has the sky?")).text == whole
    assert llm.invoke("Hi", response_format={"type": "text"}).text == "Hello! How can I assist you today?"


def test_json_that_was_cut_off_is_an_error_and_never_mended(llm: ChatLocal) -> None:
    with pytest.raises(OutputParserException, match="cut off before its JSON was whole"):
        llm.with_structured_output(COLOUR, max_tokens=2).invoke("Hi")
    answer = llm.with_structured_output(COLOUR, include_raw=True, max_tokens=2).invoke("Hi")
    assert answer["parsed"] is None
    assert isinstance(answer["parsing_error"], OutputParserException)


def test_json_that_is_whole_when_the_tokens_are_spent_is_taken(llm: ChatLocal) -> None:
    enough = llm.bind(response_format={"type": "json_schema", "json_schema": {"schema": COLOUR}}).invoke("Hi")
    assert enough.usage_metadata is not None
    spent = enough.usage_metadata["output_tokens"]
    answer = llm.with_structured_output(COLOUR, include_raw=True, max_tokens=spent).invoke("Hi")
    assert answer["raw"].response_metadata["finish_reason"] == "length"
    assert answer["parsed"] == json.loads(enough.text)
    with pytest.raises(OutputParserException, match="cut off before its JSON was whole: '1'"):
        llm.with_structured_output({"enum": [11111]}, max_tokens=1).invoke("Hi")  # 1 is JSON, and is not what was meant


def test_what_no_grammar_says_the_model_class_checks(llm: ChatLocal) -> None:
    class Spider(Animal):
        legs: int = Field(ge=10**17)  # longer than the grammar's whole numbers

    with pytest.raises(OutputParserException):
        llm.with_structured_output(Spider).invoke("What is it?")


@pytest.mark.parametrize(
    ("response_format", "problem"),
    [
        ({"type": "json_schema"}, r"response_format is \{'type': 'json_schema', 'json_schema'"),
        ("json", "response_format is"),
        (
            {"type": "json_schema", "json_schema": {"schema": {"type": "tuple"}}},
            "cannot become a grammar: unknown type 'tuple'",
        ),
        ({"type": "json_schema", "json_schema": {"schema": {"$ref": "#/nowhere"}}}, "cannot become a grammar"),
        ({"type": "json_schema", "json_schema": {"schema": {"enum": [{1, 2}]}}}, "cannot become a grammar"),
        (
            {"type": "json_schema", "json_schema": {"schema": {"$ref": "#"}}},
            "cannot become a grammar: '#' means itself",
        ),
        ({"type": "json_schema", "json_schema": {"schema": {"anyOf": [{}, {"$ref": "#"}]}}}, "'#' means itself"),
        ({"type": "json_schema", "json_schema": {"schema": {"$ref": "other.json"}}}, "'other.json' leads out of it"),
        ({"type": "json_schema", "json_schema": {"schema": {"minItems": 2, "maxItems": 1}}}, "minItems is 2, which is"),
        ({"type": "json_schema", "json_schema": {"schema": {"maxLength": "9"}}}, "maxLength should be a whole number"),
        ({"type": "json_schema", "json_schema": {"schema": {"type": "null", "enum": [1]}}}, "no value can fit"),
        ({"type": "json_schema", "json_schema": {"schema": {"properties": {"a": 3}}}}, "should be a mapping, not 3"),
    ],
)
def test_what_cannot_become_a_grammar_is_told(response_format: Any, problem: str) -> None:
    with pytest.raises(ModelError, match=problem):
        grammar_of(response_format)


def test_a_method_that_there_is_not(llm: ChatLocal) -> None:
    with pytest.raises(ModelError, match="unknown method 'json_shema'; did you mean 'json_schema'"):
        llm.with_structured_output(COLOUR, method="json_shema")
    with pytest.raises(ModelError, match="unknown option 'temprature'"):
        llm.with_structured_output(COLOUR, temprature=1).invoke("Hi")
