"""From a JSON Schema to rules in GBNF, which an answer then cannot leave.

What becomes grammar: types, `enum` and `const`, the properties of objects in their order and how many, the items of
arrays and how many, the lengths of texts, the formats of dates and UUIDs, `anyOf`, `allOf` and references. `oneOf` is
read as `anyOf`.

What does not, and is named in the log at the level `INFO`; whoever needs it checks it:

- of numbers: `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum`, `multipleOf`; an integer has 16 digits;
- of texts: `pattern`, and any other `format`;
- of arrays: `uniqueItems`, `contains`, `minContains`, `maxContains`, `unevaluatedItems`;
- of objects: `patternProperties`, `dependentRequired`, `dependentSchemas`, `dependencies`, `unevaluatedProperties`;
- of maps, which are objects without named properties: that their keys differ;
- of anything: `not`, `if` with `then` and `else`, `$dynamicRef`, `$recursiveRef`.

All of them hold for the values of an `enum`, of which only those are left that fit everything beside it.

Where a schema leaves something open, its values are the narrower ones. With `properties` and no type they are objects.
An object has no other properties than those in its `properties` and `required`, if it has either. An array with
`prefixItems` has all of them unless there is a `minItems`, and no more unless there are `items`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate

from ..._explain import short
from .errors import Impossible, ModelError
from .gbnf import Rules, literal
from .json_basics import FORMATS, JSON
from .json_merge import LEFT, Atoms, Schema, Schemas, as_json, nothing, together, types_of

_log = logging.getLogger(__name__)

_COMMA = '"," space'


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
        values = _Values(rules, plain, name)
        added = values.add(plain, name)
    except RecursionError:
        problem = "it is nested too deeply"
    except (ModelError, TypeError, ValueError, AttributeError) as error:
        problem = str(error)
    else:
        if values.left:
            _log.info("the grammar of a JSON Schema leaves out %s", ", ".join(sorted(values.left)))
        return added
    raise ModelError(f"this JSON Schema cannot become a grammar: {problem}")


class _Values:
    """The rules for the values of one schema; those for its parts have names that begin with `name`.

    Attributes:
        left: the keywords that did not become grammar.
    """

    def __init__(self, rules: Rules, whole: Schema, name: str) -> None:
        self.left: set[str] = set()
        self._rules = rules
        self._schemas = Schemas(whole)
        self._name = name
        self._referred: dict[str, str | None] = {}  # the rules of what is referred to; None: no value fits
        self._entered: frozenset[str] = frozenset()  # what led to what is being written, since the last bracket
        for each, definition in JSON.items():
            rules.add(each, definition)

    def add(self, schema: Schema | bool, name: str) -> str:
        """The rule of a schema's values.

        Raises:
            Impossible: there are none.
        """
        return self._rules.add(name, self._definition(schema, name))

    def _possible(self, schema: Schema | bool, name: str) -> str | None:
        """The rule of a schema's values; None if there are none."""
        try:
            return self.add(schema, name)
        except Impossible:
            return None

    def _definition(self, schema: Schema | bool, name: str) -> str:
        atoms = self._schemas.atoms(schema)
        references = [atom["$ref"] for atom in atoms.values() if "$ref" in atom]
        return self._reference(atoms, references[0]) if references else self._written(atoms, name)

    def _reference(self, atoms: Atoms, reference: str) -> str:
        """The rule of atoms with a reference among them: one for each set of atoms, so that it can be within itself."""
        key = " ".join(sorted(atoms))
        if key in self._entered:
            raise ModelError(f"{reference!r} means itself")
        if key not in self._referred:
            before = len(self._referred)
            self._referred[key] = name = self._rules.reserve(f"{self._name}-{reference.rpartition('/')[2]}")
            try:
                with self._within(self._entered | {key}):
                    self._rules.define(name, self._written(atoms, name))
            except Impossible:
                possible = [each for each, rule in [*self._referred.items()][before:] if rule]
                for each in possible:  # as far as this one is
                    del self._referred[each]
                self._referred[key] = None
        return self._referred[key] or nothing()

    @contextmanager
    def _within(self, entered: frozenset[str]) -> Iterator[None]:
        before, self._entered = self._entered, entered
        try:
            yield
        finally:
            self._entered = before

    def _written(self, atoms: Atoms, name: str) -> str:
        values, alternatives, says = self._schemas.merged(atoms)
        if values:
            return " | ".join(literal(as_json(value)) for value in values)
        if alternatives:
            return self._union(alternatives, name)
        types = types_of(says)
        if len(types) > 1:
            return self._union([{**says, "type": each} for each in types], name)
        self.left |= says.keys() & LEFT
        writers = {"object": self._object, "array": self._array, "string": self._string}
        if not types or types[0] not in writers:
            return types[0] if types else "value"
        with self._within(frozenset()):
            return writers[types[0]](says, name)

    def _union(self, schemas: Sequence[Schema | bool], name: str) -> str:
        rules = [self._possible(each, f"{name}-{i}") for i, each in enumerate(schemas)]
        return " | ".join(filter(None, rules)) or nothing()

    def _object(self, says: Schema, name: str) -> str:
        others = says.get("additionalProperties", True)
        missing = {key: others for key in says.get("required", ()) if key not in says.get("properties", ())}
        if missing or says.get("properties") or ("properties" in says and "additionalProperties" not in says):
            return self._named({**says, "properties": {**says.get("properties", {}), **missing}}, name)
        least, most = _bounds(says, "Properties")
        key = self._possible(together(says.get("propertyNames", True), {"type": "string"}), f"{name}-key")
        value = self._possible(others, f"{name}-value")
        pair = self._rules.add(f"{name}-pair", f'{key} ":" space {value}') if key and value else None
        return f'"{{" space {self._several(pair, least, most)} "}}" space'

    def _named(self, says: Schema, name: str) -> str:
        """An object of the properties that are named, in their order."""
        pairs = {key: pair for key in says["properties"] if (pair := self._pair(says, key, name))}
        required = set(says.get("required", ()))
        if lacking := required - pairs.keys():
            raise Impossible(f"no value can fit the required property {min(lacking)!r}")
        least, most = _bounds(says, "Properties")
        if len(pairs) < least:
            raise Impossible(f"minProperties is {least}, and only {len(pairs)} can be there")
        if most is not None and most < len(required):
            raise Impossible(f"maxProperties is {most}, and {len(required)} are required")
        return f'"{{" space {self._choice(pairs, required, least, most, name)} "}}" space'

    def _pair(self, says: Schema, key: str, name: str) -> str | None:
        """The rule for a property; None if there can be none."""
        if "propertyNames" in says and not self._schemas.fits(key, says["propertyNames"]):
            return None
        value = self._possible(says["properties"][key], f"{name}-{key}")
        return value and self._rules.add(f"{name}-{key}-pair", f'{literal(as_json(key))} space ":" space {value}')

    def _choice(
        self, pairs: Mapping[str, str], required: Collection[str], least: int, most: int | None, name: str
    ) -> str:
        """All of `required` and some of the others: from `least` to `most`, in their order."""
        most = None if most is None or most >= len(pairs) else most
        enough = max(least, 1) if most is None else most  # more need not be told apart
        rest = {n: "" if n >= least else None for n in range(enough + 1)}  # what follows, if n were written already
        needed = [*accumulate((key in required for key in pairs), initial=0)]
        for i, (key, pair) in reversed([*enumerate(pairs.items())]):
            after = rest
            if key not in required:  # then it is there twice
                after = {n: it and self._rules.add(f"{name}-after-{key}", it) for n, it in rest.items()}
            rest = {
                n: _either(
                    f"{_COMMA} {pair}" if n else pair,
                    None if n == most else after[min(n + 1, enough)],
                    None if key in required else after[n],
                )
                for n in range(min(needed[i], enough), min(i, enough) + 1)
            }
        return rest[0] or ""

    def _array(self, says: Schema, name: str) -> str:
        first, items = says.get("prefixItems", ()), says.get("items")
        least, most = _bounds(says, "Items")
        begun = []
        for i, each in enumerate(first[:most]):
            if not (item := self._possible(each, f"{name}-{i}")):
                most = i
                break
            begun.append(item)
        if first and "minItems" not in says:
            least = len(begun)
        if first and items is None and most is None:
            most = max(len(begun), least)
        item = None
        if most is None or most > len(begun):
            item = self._possible(True if items is None else items, f"{name}-item")
        if not begun:
            return f'"[" space {self._several(item, least, most)} "]" space'
        if not item and least > len(begun):
            raise Impossible(f"minItems is {least}, and only {len(begun)} can be there")
        rest = ""
        if item:
            left = None if most is None else most - len(begun)
            rest = self._rules.times(self._next(item), max(least - len(begun), 0), left)
        for i in reversed(range(len(begun))):
            rest = f"{_COMMA if i else ''} {begun[i]} {rest}"
            if i >= least:
                rest = f"{self._rules.add(f'{name}-from-{i}', rest)}?"
        return f'"[" space {rest} "]" space'

    def _several(self, item: str | None, least: int, most: int | None) -> str:
        """A list of so many of the rule `item`, with commas between them; None: of which there is nothing."""
        if not item or most == 0:
            return "" if not least else nothing()
        more = self._rules.times(self._next(item), max(least - 1, 0), None if most is None else most - 1)
        several = f"{item} {more}".strip()
        return several if least else f"{self._rules.add(f'{item}-several', several)}?"

    def _next(self, item: str) -> str:
        return self._rules.add(f"{item}-next", f"{_COMMA} {item}")

    def _string(self, says: Schema, name: str) -> str:  # noqa: ARG002
        least, most = _bounds(says, "Length")
        form = says.get("format")
        if form in FORMATS:
            characters, shortest, longest = FORMATS[form]
            if least > shortest or (most is not None and most < longest):
                raise ModelError(f"a {form} has {shortest} to {longest} characters; minLength and maxLength say others")
            return rf'"\"" {self._rules.add(form, characters)} "\"" space'
        if form is not None:
            self.left.add(f"format {short(form)}")
        return rf'"\"" {self._rules.times("char", least, most)} "\"" space' if least or most is not None else "string"


def _either(pair: str, rest: str | None, without: str | None) -> str | None:
    """What follows with a property, and without it; None is what cannot be."""
    if rest is None or without is None:
        return without if rest is None else f"{pair} {rest}"
    return f"({pair})? {rest}" if rest == without else f"({pair} {rest} | {without})"


def _bounds(says: Schema, what: str) -> tuple[int, int | None]:
    """How many there may be at least and at most."""
    least, most = (says.get(f"{end}{what}") for end in ("min", "max"))
    for end, value in (("min", least), ("max", most)):
        if value is not None and not (isinstance(value, int) and value >= 0):
            raise ModelError(f"{end}{what} should be a whole number from 0, not {short(value)}")
    if most is not None and most < (least or 0):
        raise Impossible(f"min{what} is {least}, which is more than max{what}, {most}")
    return least or 0, most
