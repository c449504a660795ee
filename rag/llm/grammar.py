"""From a JSON Schema to a grammar in llama.cpp's GBNF, which an answer then cannot leave.

llama-cpp-python's converter does the work. Types, `enum`, `const`, `anyOf`, properties (each in its place), references,
and the lengths of lists and texts become grammar; `pattern`, `minimum` and their like do not: whoever needs those
checks them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from llama_cpp.llama_grammar import PRIMITIVE_RULES, BuiltinRule, SchemaConverter

from .errors import ModelError

_HEX = "[0-9a-fA-F]"
_CHARACTER = BuiltinRule(
    rf'[^"\\\x7F\x00-\x1F] | "\\" (["\\/bfnrt] | "u" ([0-9abcefABCEF] {_HEX} | [dD] [0-7]) {_HEX} {_HEX})', []
)
"""A character of a text in JSON."""


def grammar_of(response_format: Mapping[str, Any] | None) -> str:
    """The grammar that OpenAI's option of that name asks for; empty for plain text.

    ```python
    from ragloom.rag.llm.grammar import grammar_of

    print(grammar_of({"type": "json_schema", "json_schema": {"schema": {"enum": [2020, 2021]}}}).splitlines()[0])
    # -> root ::= "2020" | "2021"
    ```

    Raises:
        ModelError: it is none of `text`, `json_object` and `json_schema`, or the schema cannot become a grammar.
    """
    match response_format:
        case None | {"type": "text"}:
            return ""
        case {"type": "json_object"}:
            return _grammar({"type": "object"})
        case {"type": "json_schema", "json_schema": {"schema": Mapping() as schema}}:
            return _grammar(schema)
    raise ModelError(
        "response_format is {'type': 'json_schema', 'json_schema': {'schema': ...}}, {'type': 'json_object'} or"
        f" {{'type': 'text'}}, not {response_format!r:.80}"
    )


def _grammar(schema: Mapping[str, Any]) -> str:
    converter = _Converter(prop_order={}, allow_fetch=False, dotall=False, raw_pattern=False)  # type: ignore[no-untyped-call]
    try:
        plain = json.loads(json.dumps(schema))
        converter.visit(converter.resolve_refs(plain, "schema"), "")  # type: ignore[no-untyped-call]
    except (TypeError, ValueError, LookupError, AssertionError, AttributeError, RecursionError) as error:
        raise ModelError(f"this JSON Schema cannot become a grammar: {error or type(error).__name__}") from error
    grammar: str = converter.format_grammar()  # type: ignore[no-untyped-call]
    return grammar


class _Converter(SchemaConverter):
    """llama-cpp-python's, corrected.

    GBNF reads backslashes in a literal, so a quote within a value ended it; JSON has neither bare control characters
    within a text nor half a character; and what a pattern's dot matches may be a quote.
    """

    def _format_literal(self, literal: str) -> str:
        escaped: str = super()._format_literal(literal.replace("\\", "\\\\"))  # type: ignore[no-untyped-call]
        return escaped

    def _generate_constant_rule(self, value: Any) -> str:
        return self._format_literal(json.dumps(value, ensure_ascii=False))

    def _add_primitive(self, name: str, rule: BuiltinRule) -> str:
        added: str = super()._add_primitive(name, _CHARACTER if rule is PRIMITIVE_RULES["char"] else rule)
        return added

    def _visit_pattern(self, pattern: str, name: str) -> str:  # noqa: ARG002
        text = self._add_primitive("string", PRIMITIVE_RULES["string"])
        added: str = self._add_rule(name, text)  # type: ignore[no-untyped-call]
        return added
