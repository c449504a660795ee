"""From a JSON Schema to rules in GBNF, which an answer then cannot leave.

What becomes grammar: types, `enum` and `const`, the properties of objects in their order, the items of arrays and how
many, the lengths of texts, the formats of dates and UUIDs, `anyOf`, `allOf` and references. `oneOf` is read as `anyOf`.
What does not: `pattern`, `minimum`, `uniqueItems`, `not` and their like; whoever needs those checks them.

Where a schema leaves something open, its values are the narrower ones: with `properties` and no type they are objects,
and an object has no other properties than those that are named.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any
from urllib.parse import unquote

from ..._explain import short, unknown
from .errors import ModelError
from .gbnf import Rules, literal

Schema = Mapping[str, Any]

_HEX = "[0-9a-fA-F]"
_JSON = {
    "space": '" "?',
    "char": rf'[^"\\\x7F\x00-\x1F] | "\\" (["\\/bfnrt] | "u" ([0-9abcefABCEF] {_HEX} | [dD] [0-7]) {_HEX} {_HEX})',
    "integral-part": "[0-9] | [1-9] [0-9]{0,15}",
    "string": r'"\"" char* "\"" space',
    "integer": '"-"? integral-part space',
    "number": '"-"? integral-part ("." [0-9]{1,16})? ([eE] [-+]? [0-9]{1,2})? space',
    "boolean": '("true" | "false") space',
    "null": '"null" space',
    "array": '"[" space (value ("," space value)*)? "]" space',
    "object": '"{" space (string ":" space value ("," space string ":" space value)*)? "}" space',
    "value": "object | array | string | number | boolean | null",
}
"""Rules that every schema may need. A text holds no half character; there is one space at most, lest it run away."""

_DATE = '[0-9]{4} "-" ("0" [1-9] | "1" [0-2]) "-" ("0" [1-9] | [1-2] [0-9] | "3" [0-1])'
_ZONE = '("Z" | [-+] ([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9])'
_TIME = f'([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9] ("." [0-9]{{3}})? {_ZONE}'
_UUID = ' "-" '.join(f"{_HEX}{{{digits}}}" for digits in (8, 4, 4, 4, 12))
_FORMATS = {"date": _DATE, "time": _TIME, "date-time": f'{_DATE} "T" {_TIME}'}
_FORMATS |= dict.fromkeys(("uuid", "uuid1", "uuid2", "uuid3", "uuid4", "uuid5"), _UUID)

_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}

_ABOUT = {
    "object": ["properties", "required", "additionalProperties", "propertyNames", "minProperties", "maxProperties"],
    "array": ["items", "prefixItems", "minItems", "maxItems", "uniqueItems"],
    "string": ["minLength", "maxLength", "pattern", "format"],
    "number": ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
}
"""The keywords that are about one type."""

_KEYWORDS = {"type", "enum", "anyOf", *(key for keys in _ABOUT.values() for key in keys)}
"""What is read of a schema as it is; most of the rest, such as `title`, says nothing of its values."""


def add_schema(rules: Rules, schema: Schema, name: str) -> str:
    """Add the rule for the values of a schema, and those that it needs; give its name, which is `name` if that is free.

    ```python
    from ragloom.rag.llm.gbnf import Rules
    from ragloom.rag.llm.json_rules import add_schema

    rules = Rules()
    add_schema(rules, {"items": {"enum": ["a", "b"]}, "minItems": 1, "maxItems": 2}, "root")
    print(rules.grammar().splitlines()[-1])  # -> root ::= "[" space root-item root-item-next{0,1} "]" space
    ```

    Raises:
        ModelError: the schema cannot become a grammar.
    """
    try:
        plain = json.loads(json.dumps(schema, allow_nan=False, ensure_ascii=False).encode())
        return _Values(rules, plain, name).add(plain, name)
    except RecursionError:
        problem = "it is nested too deeply"
    except ModelError as error:
        problem = str(error)
    except (TypeError, ValueError, AttributeError) as error:
        problem = str(error)
    raise ModelError(f"this JSON Schema cannot become a grammar: {problem}")


class _Values:
    """The rules for the values of one schema; those for its parts have names that begin with `name`."""

    def __init__(self, rules: Rules, whole: Schema, name: str) -> None:
        self._rules = rules
        self._whole = whole
        self._name = name
        self._references: dict[str, str] = {}
        self._entered: set[str] = set()  # the references that lead to what is being written, since the last bracket
        for each, definition in _JSON.items():
            rules.add(each, definition)

    def add(self, schema: Schema | bool, name: str) -> str:
        return self._rules.add(name, self._definition(schema, name))

    def _definition(self, schema: Schema | bool, name: str) -> str:
        plain = self._plain(schema)
        if "$ref" in plain:
            return self._reference(plain["$ref"])
        if "anyOf" in plain:
            rest = {key: value for key, value in plain.items() if key != "anyOf"}
            return self._union([self._both(rest, self._plain(each)) for each in plain["anyOf"]], name)
        if "enum" in plain:
            return " | ".join(literal(_json(value)) for value in _values(plain)) or _nothing()
        types = _types(plain)
        if len(types) != 1:
            return self._union([{**plain, "type": [each]} for each in types], name)
        writers = {"object": self._object, "array": self._array, "string": self._string}
        write: Callable[[Schema, str], str] | None = writers.get(types[0])
        if not write:
            return types[0]
        entered, self._entered = self._entered, set()
        definition = write(plain, name)
        self._entered = entered
        return definition

    def _union(self, schemas: Sequence[Schema], name: str) -> str:
        possible = [each for each in schemas if each.get("type") != [] and ("enum" not in each or _values(each))]
        return " | ".join(self.add(each, f"{name}-{i}") for i, each in enumerate(possible)) or _nothing()

    def _reference(self, reference: str) -> str:
        if reference in self._entered:
            raise ModelError(f"{reference!r} means itself")
        if reference not in self._references:
            self._entered.add(reference)
            name = self._rules.add(f"{self._name}-{reference.rpartition('/')[2]}", f"# {reference}")
            self._references[reference] = name
            self._rules.define(name, self._definition(self._target(reference), name))
            self._entered.remove(reference)
        return self._references[reference]

    def _target(self, reference: str) -> Any:
        target: Any = self._whole
        begin, *path = reference.split("/")
        if begin != "#":
            raise ModelError(f"the reference {reference!r} leads out of it; write '#/$defs/...'")
        for step in path:
            key = unquote(step).replace("~1", "/").replace("~0", "~")
            try:
                target = target[int(key) if isinstance(target, list) else key]
            except (LookupError, ValueError, TypeError):
                raise ModelError(f"there is nothing at {reference!r}") from None
        return target

    def _plain(self, schema: Schema | bool) -> Schema:
        """What a schema says, without `const`, `oneOf` and `allOf`, and without `$ref` unless that is all."""
        if isinstance(schema, bool):
            return {} if schema else {"type": []}
        if not isinstance(schema, Mapping):
            raise ModelError(f"a schema should be a mapping, not {short(schema)}")
        parts: list[Schema] = [{key: schema[key] for key in schema if key in _KEYWORDS}]
        parts += [{"enum": [schema["const"]]}] if "const" in schema else []
        parts += [{"anyOf": schema["oneOf"]}] if "oneOf" in schema else []
        parts += [{"$ref": schema["$ref"]}] if "$ref" in schema else []
        return reduce(self._both, [*parts, *map(self._plain, schema.get("allOf", ()))])

    def _both(self, one: Schema, other: Schema) -> Schema:
        """What two plain schemas say together."""
        if not one or not other:
            return one or other
        one, other = self._resolved(one), self._resolved(other)
        return {**one, **other, **{key: _meet(key, one[key], other[key]) for key in one if key in other}}

    def _resolved(self, plain: Schema) -> Schema:
        return self._resolved(self._plain(self._target(plain["$ref"]))) if "$ref" in plain else plain

    def _object(self, schema: Schema, name: str) -> str:
        others = schema.get("additionalProperties", True)
        properties = dict(schema.get("properties", {}))
        required = list(schema.get("required", ()))
        named = properties | {key: others for key in required if key not in properties}
        if named or others is False or ("properties" in schema and "additionalProperties" not in schema):
            return self._named(named, required, name)
        key = self.add({"allOf": [schema.get("propertyNames", True), {"type": "string"}]}, f"{name}-key")
        pair = self._rules.add(f"{name}-pair", f'{key} ":" space {self.add(others, f"{name}-value")}')
        return f'"{{" space {self._several(pair, *_bounds(schema, "Properties"))} "}}" space'

    def _named(self, properties: Schema, required: Sequence[str], name: str) -> str:
        """An object of these properties, in their order."""
        pairs = {
            key: self._rules.add(
                f"{name}-{key}-pair",
                f'{literal(_json(key))} space ":" space {self.add(value, f"{name}-{key}")}',
            )
            for key, value in properties.items()
        }
        begins: list[str] = []  # what there can be from here on, if nothing was written yet
        rest = ""  # and if something was
        for key, pair in reversed(pairs.items()):
            if key in required:
                begins, rest = [f"{pair} {rest}"], f'"," space {pair} {rest}'
            else:
                rest = self._rules.add(f"{name}-after-{key}", rest) if rest else ""
                begins, rest = [f"{pair} {rest}", *begins], f'("," space {pair})? {rest}'
        if not begins:
            return '"{" space "}" space'
        inner = self._rules.add(f"{name}-inner", " | ".join(begins))
        return f'"{{" space {inner}{"" if required else "?"} "}}" space'

    def _array(self, schema: Schema, name: str) -> str:
        first, items = schema.get("prefixItems", []), schema.get("items", True)
        if isinstance(items, list):  # until 2019, `items` was what `prefixItems` is now
            first, items = items, True
        least, most = _bounds(schema, "Items")
        if first and items is True:
            most = max(len(first), least) if most is None else most
        begun = [self.add(each, f"{name}-{i}") for i, each in enumerate(first[:most])]
        if items is False:
            most = len(begun)
        left = None if most is None else most - len(begun)
        if left == 0 and least <= len(begun):
            return f'"[" space {_COMMA.join(begun)} "]" space'
        item = self.add(items, f"{name}-item")
        if not begun:
            return f'"[" space {self._several(item, least, left)} "]" space'
        more = self._rules.times(self._next(item), max(least - len(begun), 0), left)
        return f'"[" space {_COMMA.join(begun)} {more} "]" space'

    def _several(self, item: str, least: int, most: int | None) -> str:
        """A list of so many of the rule `item`, with commas between them."""
        if most == least == 0:
            return ""
        more = self._rules.times(self._next(item), max(least - 1, 0), None if most is None else most - 1)
        several = f"{item} {more}".strip()
        return several if least else f"{self._rules.add(f'{item}-several', several)}?"

    def _next(self, item: str) -> str:
        return self._rules.add(f"{item}-next", f'"," space {item}')

    def _string(self, schema: Schema, name: str) -> str:  # noqa: ARG002
        least, most = _bounds(schema, "Length")
        if (form := schema.get("format")) in _FORMATS:
            characters = self._rules.add(form, _FORMATS[form])
        elif least or most is not None:
            characters = self._rules.times("char", least, most)
        else:
            return "string"
        return rf'"\"" {characters} "\"" space'


_COMMA = ' "," space '


def _types(plain: Schema) -> list[str]:
    """The types that a schema's values may have; `value` for all of them."""
    said = plain.get("type")
    if said is None:
        return [next((name for name, keys in _ABOUT.items() if any(key in plain for key in keys)), "value")]
    types = list(said) if isinstance(said, list) else [said]
    if strange := [each for each in types if each not in _TYPES]:
        raise ModelError(unknown("type", strange[0], _TYPES))
    return types


def _values(plain: Schema) -> list[Any]:
    """The values of an `enum` that are of a type beside it."""
    types = _types(plain) if "type" in plain else list(_TYPES)
    return [value for value in plain["enum"] if any(_is_of(value, each) for each in types)]


def _is_of(value: Any, name: str) -> bool:
    return isinstance(value, _TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def _bounds(plain: Schema, what: str) -> tuple[int, int | None]:
    """How many there may be at least and at most."""
    least, most = (plain.get(f"{end}{what}") for end in ("min", "max"))
    for end, value in (("min", least), ("max", most)):
        if value is not None and not (isinstance(value, int) and value >= 0):
            raise ModelError(f"{end}{what} should be a whole number from 0, not {short(value)}")
    if most is not None and most < (least or 0):
        raise ModelError(f"min{what} is {least}, which is more than max{what}, {most}")
    return least or 0, most


def _meet(key: str, one: Any, other: Any) -> Any:  # noqa: PLR0911 - a rule per keyword
    """What a keyword is that two schemas have, if both are to hold."""
    if one == other:
        return one
    match key:
        case "type":
            return _common_types(_types({"type": one}), _types({"type": other}))
        case "enum":
            return [value for value in one if value in other]
        case "anyOf":
            return [{"allOf": [left, right]} for left in one for right in other]
        case "properties":
            return {**one, **other, **{name: {"allOf": [one[name], other[name]]} for name in one if name in other}}
        case "required":
            return [*one, *(name for name in other if name not in one)]
        case "items" | "additionalProperties" | "propertyNames":
            return False if one is False or other is False else {"allOf": [one, other]}
        case "minItems" | "minLength" | "minProperties":
            return max(one, other)
        case "maxItems" | "maxLength" | "maxProperties":
            return min(one, other)
        case "prefixItems" | "format":
            raise ModelError(f"it says {key!r} twice, and not the same")
    return one  # no grammar is made of the others


def _common_types(one: Sequence[str], other: Sequence[str]) -> list[str]:
    """A whole number is a number."""
    same = [each for each in one if each in other]
    whole = "integer" not in same and {"integer", "number"} <= {*one, *other}
    return [each for each in same if each != "number"] + ["integer"] if whole else same


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _nothing() -> str:
    raise ModelError("no value can fit all that it says")
