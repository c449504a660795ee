"""JSON Schemas as grammars: llama.cpp takes them, they accept what fits and nothing that does not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime, time
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import jsonschema
import pytest
from grammars import accepts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, ConfigDict, Field
from ragloom.rag.llm import ChatLocal, ModelError
from ragloom.rag.llm.grammar import grammar_of
from ragloom.rag.llm.models import find_model
from ragloom.rag.llm.weights import Weights

pytestmark = pytest.mark.model


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str | None = None


class Tree(BaseModel):
    name: str
    branches: list[Tree] = []


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")

    a: int


class Everything(BaseModel):
    """What pydantic has a schema for."""

    bare: list
    any_list: list[Any]
    anything: Any
    bare_dict: dict
    table: dict[str, list[int]]
    by_colour: dict[Colour, bool]
    optional: str | None
    colour: Colour
    colour_told: Colour = Field(Colour.RED, description="which")
    choice: Literal["a", 1, None]
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    either: int | str | list[float]
    tree: Tree
    pair: tuple[int, str]
    some: tuple[int, ...]
    odd: set[int] = Field(max_length=3)
    few: list[str] = Field(min_length=1, max_length=2)
    small: dict[str, int] = Field(max_length=2)
    word: str = Field(min_length=2, max_length=5)
    long: str = Field(max_length=65535)
    when: datetime
    day: date
    clock: time
    key: UUID


def unannotated(x, y: Any = None, tags: list = [], *, deep: dict[str, Any] | None = None):  # type: ignore[no-untyped-def,type-arg]  # noqa: B006
    """Do something."""


@pytest.fixture(scope="module")
def weights() -> Iterator[Weights]:
    weights = Weights(find_model("embedded").path, n_gpu_layers=0)
    yield weights
    weights.close()


@pytest.fixture(scope="module")
def llm() -> Iterator[ChatLocal]:
    with ChatLocal(n_ctx=1024, max_tokens=100) as llm:
        yield llm


def grammar(schema: Any) -> str:
    return grammar_of({"type": "json_schema", "json_schema": {"schema": schema}})


DRAFT_7 = "http://json-schema.org/draft-07/schema#"
REF = {"$defs": {"colour": {"enum": ["red", "blue"]}, "a/b": {"type": "integer"}}}
ID = "12345678-1234-5678-1234-567812345678"
THREE = {"properties": {"a": {"type": "integer"}, "b": {"type": "null"}, "c": {"type": "boolean"}}}
NODE = {
    "type": ["object", "null"],
    "properties": {"n": {"type": "integer"}, "next": {"$ref": "#/$defs/node", "type": "object"}},
    "required": ["n"],
}
MAYBE = {"next": {"type": ["object", "null"], "anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}
NEVER = {"properties": {"n": {"$ref": "#/$defs/never"}, "x": False}, "required": ["x"]}
LATE = {"properties": {"b": {"$ref": "#/$defs/b"}, "x": False}, "required": ["x"]}
BACK = {"properties": {"n": {"$ref": "#/$defs/never"}, "c": {}}}
PAIRED = [{"properties": {"a": {"type": "integer"}}, "additionalProperties": False}, {"properties": {"b": {}}}]
FITTING: list[tuple[Any, list[Any], list[Any]]] = [
    ({}, [1, "x", None, [], {}, {"a": [1]}], []),
    ({"title": "X", "description": "any", "default": 3}, [1, "x", [{}]], []),
    ({"type": "array"}, [[], [1, "x"]], [{}, 1]),
    ({"type": "array", "items": {}}, [[], [1, "x", [None]]], [{}]),
    ({"type": "array", "items": True, "minItems": 2, "maxItems": 3}, [[1, 2], [1, 2, 3]], [[], [1], [1, 2, 3, 4]]),
    ({"type": "array", "items": {"type": "integer"}, "maxItems": 0}, [[]], [[1]]),
    ({"minItems": 1}, [[1], [1, 2]], [[], "x"]),
    ({"prefixItems": [{"type": "integer"}, {"type": "null"}]}, [[1, None]], [[1], [None, 1], [1, None, 2]]),
    ({"prefixItems": [{"type": "integer"}], "items": {"type": "null"}}, [[1], [1, None, None]], [[], [None], [1, 1]]),
    ({"prefixItems": [{}], "minItems": 3}, [[1, 2, 3]], [[1], [1, 2]]),
    ({"$schema": DRAFT_7, "items": [{"type": "integer"}, {"type": "null"}]}, [[1, None]], [[1, None, 1], [1]]),
    ({"type": "object"}, [{}, {"a": 1, "b": {}}], [[], 1]),
    ({"type": "object", "properties": {}}, [{}], [{"a": 1}]),
    ({"type": "object", "properties": {}, "additionalProperties": True}, [{}, {"a": [1]}], [1]),
    ({"additionalProperties": False}, [{}], [{"a": 1}]),
    ({"additionalProperties": {"type": "integer"}}, [{}, {"a": 1, "b": 2}], [{"a": "x"}]),
    ({"additionalProperties": {}, "minProperties": 1, "maxProperties": 2}, [{"a": 1}], [{}, {"a": 1, "b": 2, "c": 3}]),
    ({"propertyNames": {"enum": ["a", "b"]}}, [{}, {"a": 1, "b": "x"}], [{"c": 1}]),
    ({"type": "object", "required": ["a"]}, [{"a": []}], [{}, {"b": 1}]),
    (THREE, [{}, {"a": 1}, {"b": None}, {"a": 1, "c": True}, {"a": 1, "b": None, "c": True}], [{"a": "x"}, {"d": 1}]),
    ({**THREE, "required": ["b"]}, [{"b": None}, {"a": 1, "b": None}, {"b": None, "c": False}], [{}, {"a": 1}]),
    ({**THREE, "required": ["c", "a"]}, [{"a": 1, "c": True}, {"a": 1, "b": None, "c": True}], [{"a": 1}, {"c": True}]),
    ({"type": ["string", "null"], "enum": ["x", None]}, ["x", None], ["y", 1]),
    ({"type": ["string", "null"], "maxLength": 2}, ["", "xy", None], ["xyz", 1]),
    ({"type": ["object", "null"], **THREE, "required": ["a"]}, [None, {"a": 1}], [{}, {"a": "x"}, 1]),
    ({"type": "integer", "enum": [1, "x", True]}, [1], ["x", True]),
    ({"const": "x"}, ["x"], ["y"]),
    ({"const": None, "type": "null"}, [None], [1]),
    ({"allOf": [{"$ref": "#/$defs/colour"}], "default": "red", **REF}, ["red"], ["green", {}, 1]),
    ({"$ref": "#/$defs/colour", "description": "which", **REF}, ["blue"], ["green"]),
    ({"$ref": "#/$defs/colour", "enum": ["blue", "green"], **REF}, ["blue"], ["green", "red"]),
    ({"$ref": "#/$defs/a~1b", **REF}, [3], ["x"]),
    ({"allOf": [THREE, {"properties": {"a": {"enum": [1, "x"]}}, "required": ["a"]}]}, [{"a": 1}], [{}, {"a": "x"}]),
    ({"allOf": [{"type": "number"}, {"type": ["integer", "string"]}]}, [3], [1.5, "x"]),
    ({"allOf": [{"minLength": 2}, {"maxLength": 3, "minLength": 1}]}, ["ab", "abc"], ["a", "abcd"]),
    ({"anyOf": [{"type": "integer"}, {"type": "null"}], "type": "integer"}, [1], [None]),
    ({"type": "object", **THREE, "anyOf": [{"required": ["a"]}, {"required": ["c"]}]}, [{"a": 1}, {"c": True}], [{}]),
    ({"anyOf": [{"const": 1}, {"const": 2}], "oneOf": [{"const": 2}, {"const": 3}]}, [2], [1, 3]),
    ({"anyOf": [True, {"type": "null"}]}, [1, None, "x"], []),
    ({"properties": {"space": {"type": "null"}, "root": {"$ref": "#"}}}, [{"root": {"root": {}}}], [{"root": 1}]),
    ({"minLength": 1}, ["a", "ab"], ["", 1]),
    ({"type": "string", "pattern": "^[a-z]+$"}, ["ab"], [1]),
    ({"type": "string", "format": "date"}, ["2024-02-29"], ["2024-2-29", "x"]),
    ({"type": "string", "format": "email"}, ["a@b.c"], [1]),
    ({"minimum": 3}, [3, 3.5], ["x"]),
    ({"type": "number"}, [0, -1.25, 1e20, 10, 1234567890123456], ["x"]),
    ({"type": "boolean"}, [True, False], [None]),
    ({**THREE, "minProperties": 2}, [{"a": 1, "b": None}, {"a": 1, "c": True}, {"b": None, "c": True}], [{}, {"a": 1}]),
    ({**THREE, "maxProperties": 1}, [{}, {"a": 1}, {"c": True}], [{"a": 1, "b": None}, {"b": None, "c": True}]),
    ({**THREE, "minProperties": 1, "maxProperties": 1}, [{"b": None}], [{}, {"a": 1, "c": True}]),
    ({**THREE, "required": ["b"], "maxProperties": 2, "minProperties": 2}, [{"a": 1, "b": None}], [{"b": None}]),
    ({**THREE, "maxProperties": 0}, [{}], [{"a": 1}]),
    ({**THREE, "propertyNames": {"maxLength": 1, "enum": ["a", "c"]}}, [{"a": 1, "c": True}], [{"b": None}]),
    ({"allOf": PAIRED}, [{}, {"a": 1}], [{"b": 1}, {"a": 1, "b": 1}]),
    ({"allOf": [THREE, {"additionalProperties": {"type": "integer"}}]}, [{"a": 1}], [{"b": None}]),
    ({"allOf": [{"prefixItems": [{"type": "integer"}]}, {"items": {"type": "string"}}]}, [], [[1], [1, "x"]]),
    ({"allOf": [{"prefixItems": [{}]}, {"items": {"type": "null"}}]}, [[None], [None, None]], [[1], [None, 1]]),
    (
        {"allOf": [{"prefixItems": [{"minLength": 2}]}, {"prefixItems": [{"maxLength": 3}, {}]}]},
        [["ab", 1]],
        [["a", 1]],
    ),
    ({"prefixItems": [{"type": "integer"}, {"type": "null"}], "minItems": 0}, [[], [1], [1, None]], [[None], [1, 1]]),
    ({"prefixItems": [{}, {}, {}], "minItems": 1, "items": False}, [[1], [1, 2], [1, 2, 3]], [[], [1, 2, 3, 4]]),
    ({"prefixItems": [{"type": "null"}], "minItems": 0, "items": {}}, [[], [None, 1, 2]], [[1]]),
    ({"prefixItems": [{}, False], "minItems": 0}, [[], [1]], [[1, 1]]),
    ({"$schema": DRAFT_7, "items": [{}], "additionalItems": {"type": "null"}}, [[1], [1, None]], [[1, 1]]),
    ({"enum": ["a", "bbbb"], "maxLength": 2}, ["a"], ["bbbb"]),
    ({"enum": [1, 5, "x"], "minimum": 3, "not": {"const": "x"}}, [5], [1, "x"]),
    ({"allOf": [{"enum": [1, 2]}, {"enum": [True, 2]}]}, [2], [1, True]),
    (
        {"enum": ["red", {"a": 1}, {"a": "x"}], "anyOf": [{"$ref": "#/$defs/colour"}, THREE], **REF},
        ["red"],
        [{"a": "x"}],
    ),
    ({"type": "integer", "const": 1.0}, [1.0], [2]),
    ({"anyOf": [{"enum": []}, {"minItems": 2, "maxItems": 1, "type": "array"}, {"type": "null"}]}, [None], [[], 1]),
    ({"properties": {"a": {"anyOf": [False, {"const": 1}]}, "b": False}}, [{}, {"a": 1}], [{"b": 1}, {"a": 2}]),
    ({"type": "array", "items": {"enum": []}}, [[]], [[1]]),
    ({"additionalProperties": {"allOf": [{"type": "null"}, {"type": "integer"}]}}, [{}], [{"a": 1}]),
    ({"type": ["object", "null"], "properties": {"a": False}, "required": ["a"]}, [None], [{}]),
    ({"properties": {"a": {"$ref": "#/$defs/never"}, "b": {}}, "$defs": {"never": NEVER}}, [{"b": 1}], [{"a": {}}]),
    (
        {
            "properties": {"a": {"$ref": "#/$defs/never"}, "b": {"$ref": "#/$defs/b"}},
            "$defs": {"never": LATE, "b": BACK},
        },
        [{}, {"b": {}}, {"b": {"c": 1}}],
        [{"a": {}}, {"b": {"n": {}}}],
    ),
    ({"$ref": "#/$defs/node", "$defs": {"node": NODE}}, [None, {"n": 1, "next": {"n": 2}}], [{"n": 1, "next": None}]),
    (
        {"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "properties": MAYBE}}},
        [{"next": None}, {"next": {"next": {}}}],
        [None, {"next": 1}],
    ),
    ({"type": ["number", "null"], "allOf": [{"type": ["number", "integer"]}]}, [1, 1.5], [None]),
    ({"type": "string", "format": "uuid", "maxLength": 40}, [ID], ["12345678"]),
]


@pytest.mark.parametrize(("schema", "fitting", "other"), FITTING, ids=range(len(FITTING)))
def test_what_fits_a_schema_can_be_written_and_nothing_else(
    weights: Weights, schema: Any, fitting: list[Any], other: list[Any]
) -> None:
    rules = grammar(schema)
    for value in fitting:
        jsonschema.validate(value, schema)
        assert accepts(weights, rules, json.dumps(value)), (value, rules)
    for value in other:
        assert not accepts(weights, rules, json.dumps(value)), (value, rules)
    assert not accepts(weights, rules, "x", whole=False)


PARTS: st.SearchStrategy[Any] = st.sampled_from(
    [
        *({"type": each} for each in ("object", "array", "string", "integer", "number", ["string", "null"])),
        {"enum": ["a", 1, True, None, [], {"a": 1}]},
        {"const": "a"},
        *({key: number} for key in ("minLength", "maxLength", "minItems", "maxItems") for number in (1, 2)),
        *({key: number} for key in ("minProperties", "maxProperties") for number in (1, 2)),
        {"required": ["a"]},
        {"$ref": "#/$defs/tree"},
        {"propertyNames": {"maxLength": 1}},
        False,
    ]
)


def larger(schemas: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    some = st.lists(schemas, min_size=1, max_size=3)
    named = st.dictionaries(st.sampled_from(["a", "b", "cc"]), schemas, max_size=3)
    keywords: dict[Any, st.SearchStrategy[Any]] = {
        "properties": named,
        "prefixItems": some,
        "anyOf": some,
        "allOf": some,
    }
    keywords |= dict.fromkeys(("additionalProperties", "items"), schemas)
    both = st.tuples(schemas.filter(bool), PARTS.filter(bool)).map(lambda pair: {**pair[0], **pair[1]})
    return both | st.fixed_dictionaries({}, optional=keywords)


SCALARS: st.SearchStrategy[Any] = st.sampled_from([0, 1, 1.5, True, None, "", "a", "bbb"])
JSON = st.recursive(
    SCALARS,
    lambda values: (
        st.lists(values, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "cc"]), values, max_size=3)
    ),
    max_leaves=4,
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.recursive(PARTS, larger, max_leaves=6), st.lists(JSON, min_size=4, max_size=8))
def test_whatever_can_be_written_fits(weights: Weights, schema: Any, values: list[Any]) -> None:
    tree = {"properties": {"a": {"$ref": "#/$defs/tree"}, "b": {"enum": [1, "bbb"]}}}
    whole = {"allOf": [schema], "$defs": {"tree": tree}}
    try:
        rules = grammar(whole)
    except ModelError:
        return
    for value in values:
        if accepts(weights, rules, json.dumps(value)):
            jsonschema.validate(value, whole)


ONE_OF_EACH = {
    "bare": [1, "x", []],
    "any_list": [{}, None],
    "anything": [1],
    "bare_dict": {"a": [1]},
    "table": {"a": [1, 2], "b": []},
    "by_colour": {"red": True},
    "optional": None,
    "colour": "blue",
    "colour_told": "red",
    "choice": 1,
    "pet": {"kind": "dog", "name": None},
    "either": [0.5],
    "tree": {"name": "a", "branches": [{"name": "b"}]},
    "pair": [1, "x"],
    "some": [1, 2, 3],
    "odd": [1, 3],
    "few": ["x"],
    "small": {"a": 1, "b": 2},
    "word": "four",
    "long": "long " * 50,
    "when": "2024-02-29T12:30:00Z",
    "day": "2024-02-29",
    "clock": "12:30:00Z",
    "key": ID,
}
UNFIT = {
    "bare": {},
    "bare_dict": [],
    "table": {"a": ["x"]},
    "by_colour": {"green": True},
    "optional": 1,
    "colour": "green",
    "colour_told": {},
    "choice": "b",
    "pet": {"kind": "dog", "lives": 9},
    "either": ["x"],
    "tree": {"name": "a", "branches": [{}]},
    "pair": [1],
    "some": ["x"],
    "odd": [1, 2, 3, 4],
    "few": [],
    "small": {"a": 1, "b": 2, "c": 3},
    "word": "longer",
    "when": "2024-02-29",
    "day": "29 February",
    "clock": "25:00:00Z",
    "key": "12345678",
}


def test_what_pydantic_describes_and_takes_can_be_written(weights: Weights) -> None:
    rules = grammar(Everything.model_json_schema())
    Everything.model_validate(ONE_OF_EACH)
    assert accepts(weights, rules, json.dumps(ONE_OF_EACH))
    for name, value in UNFIT.items():
        assert not accepts(weights, rules, json.dumps(ONE_OF_EACH | {name: value})), name


def test_what_the_model_writes_pydantic_takes(llm: ChatLocal) -> None:
    class Owner(BaseModel):
        pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]] = Field(min_length=1, max_length=1)
        colour: Colour = Field(description="of the pet")
        notes: dict[str, str | None] = Field(max_length=1)

    assert isinstance(llm.with_structured_output(Owner).invoke("Who owns what?"), Owner)


def test_models_within_themselves_and_open_ones_can_be_written(weights: Weights) -> None:
    tree = Tree(name="a", branches=[Tree(name="b", branches=[Tree(name="c")]), Tree(name="d")])
    rules = grammar(Tree.model_json_schema())
    assert accepts(weights, rules, json.dumps(tree.model_dump()))
    assert not accepts(weights, rules, '{"name": "a", "branches": [3', whole=False)
    assert accepts(weights, grammar(Open.model_json_schema()), '{"a": 1}')


def test_a_function_without_types_takes_anything(weights: Weights, llm: ChatLocal) -> None:
    parameters = convert_to_openai_tool(unannotated)["function"]["parameters"]
    assert accepts(weights, grammar(parameters), '{"x": [1], "y": "a", "tags": [null], "deep": {"a": 1}}')
    (call,) = llm.bind_tools([unannotated], tool_choice="any").invoke("Call it with x = 1 and y = 2.").tool_calls
    jsonschema.validate(call["args"], parameters)


@pytest.mark.parametrize("number", [1, 999, 1000, 1001, 2001, 4500])
def test_long_texts_have_exactly_the_lengths_that_are_asked_for(weights: Weights, number: int) -> None:
    rules = grammar({"type": "string", "minLength": number, "maxLength": number + 1500})
    lengths = (number - 1, number, number + 750, number + 1500, number + 1501)
    assert [accepts(weights, rules, json.dumps("ab " * length)[: length + 1] + '"') for length in lengths] == [
        False,
        True,
        True,
        True,
        False,
    ]


HUGE: dict[str, Any] = {
    "long text": {"type": "string", "maxLength": 65535},
    "longer text": {"type": "string", "maxLength": 10**12},
    "long list": {"type": "array", "items": {"type": "integer"}, "maxItems": 10000},
    "both, nested": {
        "type": "array",
        "maxItems": 10000,
        "items": {"type": "array", "minItems": 5000, "items": {"type": "string", "maxLength": 65535}},
    },
    "many properties": {"properties": {f"p{i}": {"type": "integer"} for i in range(1000)}},
}
REFUSED: dict[str, Any] = {
    "too long": {"type": "string", "minLength": 10**7},
    "too many properties": {"properties": {f"p{i}": {"type": "integer"} for i in range(10_000)}},
    "itself": {"$ref": "#"},
}


HELD = """
import json, sys
from ragloom.rag.llm import ChatLocal, ModelError
with ChatLocal(n_ctx=512, max_tokens=8) as llm:
    for name, schema in json.load(sys.stdin).items():
        form = {"type": "json_schema", "json_schema": {"schema": schema}}
        try:
            print(json.dumps([name, llm.invoke("Hi", response_format=form).text]))
        except ModelError as error:
            print(json.dumps([name, f"ModelError: {error}"]))
"""


def test_no_schema_ends_the_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HELD], input=json.dumps(HUGE | REFUSED), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = dict(map(json.loads, done.stdout.splitlines()))
    assert [told[name][:1] for name in HUGE] == ['"', '"', "[", "[", "{"], told
    assert all(told[name].startswith("ModelError: ") for name in REFUSED)
    assert "\n" not in "".join(told[name] for name in REFUSED)
