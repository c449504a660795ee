"""What a JSON Schema says, put together from its references, its `allOf` and the schemas that a value must fit at once.

A schema is first taken apart into *atoms*, which all have to hold: references, and parts that have neither a reference
nor an `allOf`. Each atom is kept once. There are only so many in a schema, so whoever goes through a schema within
itself meets the same atoms again, whatever is said beside its references. Then the atoms become one `Merged`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, reduce
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn
from urllib.parse import unquote

from ..._explain import short, unknown
from .errors import Impossible, ModelError

Schema = Mapping[str, Any]
Atoms = dict[str, Schema]
"""What has to hold at once, by its JSON."""

TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")

_HELD = {
    "object": ("properties", "required", "additionalProperties", "propertyNames", "minProperties", "maxProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems"),
    "string": ("minLength", "maxLength", "format"),
}
_LEFT = {
    "object": ("patternProperties", "dependentRequired", "dependentSchemas", "dependencies", "unevaluatedProperties"),
    "array": ("uniqueItems", "contains", "minContains", "maxContains", "unevaluatedItems"),
    "string": ("pattern",),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
"""The keywords about one type: those that are kept, and those that are left to whoever reads the value."""

_ABOUT = {name: (*_HELD.get(name, ()), *_LEFT[name]) for name in _LEFT}
LEFT = {"not", "if", "$dynamicRef", "$recursiveRef", *(key for keys in _LEFT.values() for key in keys)}
_WORDS = {"type", "then", "else", "additionalItems", *LEFT, *(key for keys in _HELD.values() for key in keys)}
_SAYS = {*_WORDS, "enum", "const", "anyOf", "oneOf"}
"""Most of the rest, such as `title`, says nothing of the values; `$ref` and `allOf` make atoms."""

_MOST_MERGED = 5_000


class Merged(NamedTuple):
    """What a schema says: the values, or schemas of which a value fits one, or keywords.

    Attributes:
        values: all values that fit, if the schema lists them.
        alternatives: schemas that together allow the same, if there is a union in it; `oneOf` is read as `anyOf`.
        says: else its keywords. What two parts have is what both mean; of the keywords in `LEFT`, it is one of them.
    """

    values: Sequence[Any] = ()
    alternatives: Sequence[Schema | bool] = ()
    says: Schema = MappingProxyType({})


class Schemas:
    """The schemas within a whole one, which their references are about.

    ```python
    from ragloom.rag.llm.json_merge import Schemas

    schemas = Schemas({"$defs": {"word": {"type": "string", "minLength": 1}}})
    word = schemas.atoms({"$ref": "#/$defs/word", "maxLength": 9})
    print(schemas.merged(word).says)  # -> {'maxLength': 9, 'type': ['string'], 'minLength': 1}
    ```
    """

    def __init__(self, whole: Schema) -> None:
        self._whole = whole
        self._referred: dict[str, Atoms | None] = {}  # None: is being read
        self._merged = 0

    def atoms(self, schema: Schema | bool) -> Atoms:
        """What has to hold at once for a value to fit: parts, and references in a mapping of their own.

        Raises:
            ModelError: it is no schema.
        """
        if isinstance(schema, bool):
            return {} if schema else _by_json({"enum": []})
        if not isinstance(schema, Mapping):
            raise ModelError(f"a schema should be a mapping, not {short(schema)}")
        atoms = _by_json({key: value for key, value in schema.items() if key in _SAYS})
        if "$ref" in schema:
            atoms |= _by_json({"$ref": schema["$ref"]})
        for each in schema.get("allOf", ()):
            atoms |= self.atoms(each)
        return atoms

    def merged(self, atoms: Atoms) -> Merged:
        """All of them as one.

        Raises:
            Impossible: they contradict each other.
            ModelError: a reference leads nowhere or to itself, or what they say together cannot be said.
        """
        parts = [*self._parts(atoms).values()]
        self._merged += len(parts) if len(parts) > 1 else 0
        if self._merged > _MOST_MERGED:
            raise ModelError(f"it says too much at once: there are more than {_MOST_MERGED:,} parts to merge")
        if lists := [(part, key) for part in parts for key in ("const", "enum") if key in part]:
            return Merged(values=self._fitting(parts, *lists[0]) or nothing())
        nothing_yet: Schema = {}
        says = reduce(_both, map(_keywords, parts), nothing_yet)
        unions = [(part, key) for part in parts for key in ("anyOf", "oneOf") if key in part]
        return Merged(alternatives=_alternatives(parts, *unions[0])) if unions else Merged(says=says)

    def fits(self, value: Any, schema: Schema | bool) -> bool:
        """Whether a value fits a schema, by all that it says.

        Raises:
            ModelError: that cannot be told.
        """
        from jsonschema.exceptions import UnknownType
        from referencing.exceptions import Unresolvable

        try:
            return bool(self._validator.evolve(schema=schema).is_valid(value))
        except (Unresolvable, UnknownType, re.error) as error:
            problem = str(error).strip().partition("\n")[0]
            raise ModelError(f"whether {short(value)} fits it cannot be told: {problem}") from error

    def _fitting(self, parts: Sequence[Schema], chosen: Schema, key: str) -> list[Any]:
        """The values that one of the parts lists, as far as they fit all that is said besides."""
        rest = [each for each in _without(parts, chosen, key) if each]
        listed = [chosen[key]] if key == "const" else chosen[key]
        return [value for value in listed if all(self.fits(value, each) for each in rest)]

    @cached_property
    def _validator(self) -> Any:
        from jsonschema import Draft202012Validator
        from jsonschema.validators import validator_for
        from referencing import Registry

        return validator_for(self._whole, default=Draft202012Validator)(self._whole, registry=Registry())

    def _parts(self, atoms: Atoms) -> Atoms:
        """The atoms, with those that their references lead to in the place of these."""
        parts: Atoms = {}
        for key, atom in atoms.items():
            parts |= self._reached(atom["$ref"]) if "$ref" in atom else {key: atom}
        return parts

    def _reached(self, reference: str) -> Atoms:
        if reference not in self._referred:
            self._referred[reference] = None
            self._referred[reference] = self._parts(self.atoms(self._target(reference)))
        reached = self._referred[reference]
        if reached is None:
            raise ModelError(f"{reference!r} means itself")
        return reached

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


def together(*schemas: Schema | bool) -> Schema | bool:
    """A schema that says what all of them say."""
    said = [each for each in schemas if each is not True and each != {}]
    return said[0] if len(said) == 1 else {"allOf": said}


def types_of(says: Schema) -> Sequence[str]:
    """The types that values may have: those that are said, else one that a keyword is about; none if that is open."""
    if "type" in says:
        return list(says["type"]) or nothing()
    return [name for name, keys in _ABOUT.items() if any(key in says for key in keys)][:1]


def as_json(value: Any) -> str:
    """A value as a grammar and a comparison have it: 1, 1.0 and true are three."""
    return json.dumps(value, ensure_ascii=False)


def _by_json(schema: Schema) -> Atoms:
    return {as_json(schema): schema} if schema else {}


def nothing() -> NoReturn:
    """Tell that no value fits."""
    raise Impossible("no value can fit all that it says")


def _alternatives(parts: Sequence[Schema], chosen: Schema, key: str) -> list[Schema | bool]:
    """The parts once for each alternative that one of them has under a keyword."""
    rest = _without(parts, chosen, key)
    return [together(*rest, each) for each in chosen[key]] or nothing()


def _without(parts: Sequence[Schema], chosen: Schema, key: str) -> list[Schema]:
    return [{name: value for name, value in part.items() if name != key} if part is chosen else part for part in parts]


def _keywords(part: Schema) -> Schema:
    """The keywords of a part but for its unions, the types as a list, and items as they are written since 2020."""
    says = {key: value for key, value in part.items() if key in _WORDS}
    if isinstance(said := part.get("type"), str):
        says["type"] = [said]
    if strange := [each for each in says.get("type", ()) if each not in TYPES]:
        raise ModelError(unknown("type", strange[0], TYPES))
    if isinstance(says.get("items"), list):
        says["prefixItems"] = says.pop("items")
        if "additionalItems" in part:
            says["items"] = part["additionalItems"]
    return says


def _both(one: Schema, other: Schema) -> Schema:
    """What the keywords of two parts say together."""
    shared = [key for key in one if key in other and key in _MEET]
    both = {**one, **other, **{key: _MEET[key](one[key], other[key]) for key in shared}}
    if "properties" in both:
        named = dict.fromkeys([*one.get("properties", ()), *other.get("properties", ())])
        both["properties"] = {key: together(_property(one, key), _property(other, key)) for key in named}
    if "prefixItems" in both:
        longest = max(len(each.get("prefixItems", ())) for each in (one, other))
        both["prefixItems"] = [together(_item(one, i), _item(other, i)) for i in range(longest)]
    return both


def _property(says: Schema, key: str) -> Schema | bool:
    found: Schema | bool = says.get("properties", {}).get(key, says.get("additionalProperties", True))
    return found


def _item(says: Schema, i: int) -> Schema | bool:
    first = says.get("prefixItems", ())
    found: Schema | bool = first[i] if i < len(first) else says.get("items", True)
    return found


def _common_types(one: Sequence[str], other: Sequence[str]) -> list[str]:
    """A whole number is a number."""
    wide = [{*types, "integer"} if "number" in types else {*types} for types in (one, other)]
    common = wide[0] & wide[1]
    return [each for each in TYPES if each in common - ({"integer"} if "number" in common else set())] or nothing()


def _same(one: str, other: str) -> str:
    if one != other:
        raise ModelError(f"it asks for the formats {one!r} and {other!r} at once")
    return one


_MEET: dict[str, Callable[[Any, Any], Any]] = {
    "type": _common_types,
    "required": lambda one, other: [*dict.fromkeys([*one, *other])],
    "format": _same,
    **dict.fromkeys(("items", "additionalProperties", "propertyNames"), together),
    **dict.fromkeys(("minItems", "minLength", "minProperties"), max),
    **dict.fromkeys(("maxItems", "maxLength", "maxProperties"), min),
}
"""What a keyword is that two parts have. `properties` and `prefixItems` go with others, so `_both` sees to them."""
