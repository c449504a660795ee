"""What a JSON Schema says, put together; and what of it a grammar leaves out."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from ragloom.rag.llm import ModelError
from ragloom.rag.llm.errors import Impossible
from ragloom.rag.llm.gbnf import Rules
from ragloom.rag.llm.json_merge import Merged, Schemas, together
from ragloom.rag.llm.json_rules import add_schema

CAT = {"properties": {"lives": {"type": "integer"}}, "required": ["lives"]}
DOG = {"properties": {"name": {"type": "string"}}, "required": ["name"]}


def merged(schema: Any) -> Merged:
    schemas = Schemas(schema if isinstance(schema, dict) else {})
    return schemas.merged(schemas.atoms(schema))


def says(*schemas: Any) -> Any:
    return merged({"allOf": [*schemas]}).says


def written(schema: Any) -> str:
    rules = Rules()
    add_schema(rules, schema, "root")
    return rules.grammar()


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ({"type": "number"}, {"type": ["integer", "null"]}, {"type": ["integer"]}),
        ({"type": ["integer", "number"]}, {"type": "number"}, {"type": ["number"]}),
        ({"minLength": 1, "maxItems": 5}, {"minLength": 2, "maxItems": 3}, {"minLength": 2, "maxItems": 3}),
        ({"required": ["a", "b"]}, {"required": ["c", "a"]}, {"required": ["a", "b", "c"]}),
        ({"items": CAT}, {"items": DOG}, {"items": {"allOf": [CAT, DOG]}}),
        ({"items": CAT}, {"items": {}}, {"items": CAT}),
        ({"prefixItems": [CAT]}, {"items": DOG}, {"prefixItems": [{"allOf": [CAT, DOG]}], "items": DOG}),
        (
            {"properties": {"a": CAT}, "additionalProperties": False},
            {"properties": {"a": DOG, "b": DOG}},
            {"properties": {"a": {"allOf": [CAT, DOG]}, "b": {"allOf": [False, DOG]}}, "additionalProperties": False},
        ),
        ({"format": "date"}, {"format": "date", "title": "when"}, {"format": "date"}),
    ],
)
def test_two_schemas_say_together_what_both_say(one: Any, other: Any, both: Any) -> None:
    assert says(one, other) == both
    assert says(one, one, other, {"allOf": [other]}, True) == both


def test_values_are_those_that_fit_all_that_is_beside_them() -> None:
    assert merged({"enum": ["a", "bb", 3, {}], "type": "string", "maxLength": 1}).values == ["a"]
    assert merged({"allOf": [{"enum": [0, 1, True]}, {"enum": [False, 1]}]}).values == [1]
    assert merged({"const": "x", "anyOf": [{"$ref": "#/$defs/x"}], "$defs": {"x": {"pattern": "x"}}}).values == ["x"]


@pytest.mark.parametrize(
    "schema",
    [
        False,
        {"enum": []},
        {"anyOf": []},
        {"allOf": [{"type": "string"}, {"type": ["integer", "null"]}]},
        {"allOf": [{"const": 1}, {"const": True}]},
        {"const": "bbb", "maxLength": 2},
        {"type": "string", "anyOf": [{"type": "null"}], "not": {}, "const": 1},
    ],
)
def test_what_contradicts_itself_is_impossible(schema: Any) -> None:
    with pytest.raises(Impossible, match="no value can fit"):
        merged(schema)


def test_alternatives_keep_what_is_beside_them() -> None:
    union = merged({"type": "object", "anyOf": [CAT, DOG]})
    assert union.alternatives == [together({"type": "object"}, CAT), together({"type": "object"}, DOG)]


def test_a_schema_within_itself_has_the_same_atoms_however_deep() -> None:
    node = {"properties": {"next": {"allOf": [{"$ref": "#/$defs/node"}, {"$ref": "#/$defs/other"}]}}}
    other = {"properties": {"next": {"$ref": "#/$defs/other"}}}
    schemas = Schemas({"$defs": {"node": node, "other": other}})
    at = schemas.atoms({"allOf": [{"$ref": "#/$defs/other"}, {"$ref": "#/$defs/node"}]})
    below = schemas.atoms(schemas.merged(at).says["properties"]["next"])
    assert below.keys() == at.keys()


@pytest.mark.parametrize("beside", [{}, {"title": "x"}, {"minProperties": 0}])
def test_what_is_said_twice_at_each_of_many_levels_is_merged_once(beside: dict[str, Any]) -> None:
    levels = {
        f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}", **beside}, {"$ref": f"#/$defs/d{i + 1}"}]} for i in range(60)
    }
    schema = {"$ref": "#/$defs/d0", "$defs": {**levels, "d60": CAT}}
    assert merged(schema).says == {**CAT, **{key: value for key, value in beside.items() if key != "title"}}
    assert written(schema).count("\n") < 30


def test_what_is_impossible_is_found_once() -> None:
    def level(i: int) -> dict[str, Any]:
        return {
            "properties": {"a": {"$ref": f"#/$defs/d{i + 1}"}, "b": {"$ref": f"#/$defs/d{i + 2}"}},
            "required": ["b"],
        }

    levels = {f"d{i}": level(i) for i in range(30)} | {"d30": False, "d31": False}
    assert written({"items": {"$ref": "#/$defs/d0"}, "$defs": levels}).count("::=") < 200


def test_too_many_combinations_are_refused() -> None:
    unions = [{"anyOf": [{"required": [f"{i}{j}"]} for j in range(4)]} for i in range(12)]
    with pytest.raises(ModelError, match="it says too much at once"):
        written({"allOf": unions})
    assert written({"allOf": [unions[0]] * 12}).count("::=") < 40


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"properties": {"a": {}}, "minProperties": 3}, "minProperties is 3, and only 1 can be there"),
        ({"properties": {"a": {}}, "minProperties": 3, "maxProperties": 1}, "minProperties is 3, which is more than"),
        ({"required": ["a", "b"], "maxProperties": 1}, "maxProperties is 1, and 2 are required"),
        ({"properties": {"a": False}, "required": ["a"]}, "no value can fit the required property 'a'"),
        ({"prefixItems": [{}], "items": False, "minItems": 2}, "minItems is 2, and only 1 can be there"),
        ({"format": "date", "maxLength": 4}, "a date has 10 to 10 characters"),
        ({"allOf": [{"format": "date"}, {"format": "time"}]}, "the formats 'date' and 'time' at once"),
        ({"enum": ["a"], "pattern": "("}, "whether 'a' fits it cannot be told: missing [)]"),
        ({"enum": ["a"], "not": {"$ref": "http://localhost/x"}}, "cannot be told: Unresolvable"),
        ({"allOf": [{"$ref": "#"}]}, "'#' means itself"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name(schema: Any, problem: str) -> None:
    with pytest.raises(ModelError, match=f"cannot become a grammar: .*{problem}"):
        written(schema)


def test_what_is_left_out_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="ragloom.rag.llm.json_rules"):
        written({"properties": {"a": {"minimum": 3}, "b": {"format": "email", "pattern": "@"}}, "not": CAT})
        written({"enum": ["a@b"], "pattern": "@", "format": "email"})
        written({"type": "array", "items": CAT, "title": "cats"})
    assert caplog.messages == ["the grammar of a JSON Schema leaves out format 'email', minimum, not, pattern"]


def test_rules_of_one_name_are_told_apart_and_equal_ones_are_one() -> None:
    rules = Rules()
    assert [rules.add(name, each) for name, each in (("a-2", "x"), ("ä", "x"), ("é", "y"), ("a", "x"), ("a", "y"))] == [
        "a-2",
        "-",
        "--2",
        "a",
        "a-3",
    ]
    assert (rules.add("a", "y"), rules.add("a-2", "x")) == ("a-3", "a-2")
    assert rules.reserve("a") == "a-4"
