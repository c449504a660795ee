"""From a JSON Schema to a grammar in llama.cpp's GBNF, which an answer then cannot leave.

llama-cpp-python's converter does the work. Types, `enum`, `const`, `anyOf`, properties (each in its place), references,
and the lengths of lists and texts become grammar; `pattern`, `minimum` and their like do not: whoever needs those
checks them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from llama_cpp.llama_grammar import INVALID_RULE_CHARS_RE, PRIMITIVE_RULES, BuiltinRule, SchemaConverter

from .calls import CallForm
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
    schema = _schema_of(response_format)
    if schema is None:
        return ""
    rules = _Rules()
    rules.schema(schema, "")
    return rules.grammar()


def calls_grammar(
    tools: Mapping[str, Mapping[str, Any]],
    form: CallForm,
    *,
    choice: Literal["auto", "any", "none"],
    many: bool = True,
    response_format: Mapping[str, Any] | None = None,
) -> str:
    """The grammar of an answer that may call tools.

    A text may hold anything but what introduces a call: once that is written, nothing but a call can follow. So what
    looks like a call is one, and its arguments fit.

    Args:
        tools: the JSON Schemas of their arguments, by name.
        form: how a call is written.
        choice: `any`: calls; `none`: a text; `auto`: a text, calls, or calls after a text.
        many: whether there may be several calls.
        response_format: OpenAI's; what a text has to be, if there is no call.

    Raises:
        ModelError: a schema, or `response_format`, cannot become a grammar.
    """
    rules = _Rules()
    calls = _call_rules(rules, tools, form, many=many)
    introduced = rules.rule("introduced", f"{rules.literal(form.marker)} {calls}" if form.marker else calls)
    if choice == "any":
        rules.rule("root", introduced)
    elif (schema := _schema_of(response_format)) is not None:
        answer = rules.schema(schema, "answer")
        rules.rule("root", answer if choice == "none" else f"{introduced} | {answer}")
    elif form.marker:
        _text_rules(rules, form.marker, then=calls if choice == "auto" else None)
    else:
        text = r"[ \t\n]* ([^{ \t\n] .*)?"
        rules.rule("root", text if choice == "none" else f"{calls} | {text}")
    return rules.grammar()


def _call_rules(rules: _Rules, tools: Mapping[str, Mapping[str, Any]], form: CallForm, *, many: bool) -> str:
    """The rule for calls, from behind what introduces the first one."""
    each = []
    for i, (name, schema) in enumerate(tools.items()):
        told = rules.literal(json.dumps(name, ensure_ascii=False))
        arguments = rules.schema(schema, f"tool-{i}")
        key = rules.literal(json.dumps(form.arguments))
        each.append(
            rules.rule(
                f"call-{i}", rf'"\"name\"" space ":" space {told} space "," space {key} space ":" space {arguments}'
            )
        )
    gap = rules.rule("gap", r'( " " | "\n" )?')
    after = f"{gap} {rules.literal(form.after.strip())} {gap}" if form.after.strip() else ""
    one = rules.rule("call", f'{gap} "{{" space ({" | ".join(each)}) "}}" {after}')
    more = f" ({rules.literal(form.marker)} {one})*" if many and form.repeats else ""
    return rules.rule("calls", one + more)


def _text_rules(rules: _Rules, marker: str, *, then: str | None) -> None:
    """A text without `marker`, or that and `then` what has to follow. Knuth, Morris and Pratt's automaton, as rules."""

    def reached(written: str) -> int:
        return next(n for n in range(len(written), -1, -1) if written.endswith(marker[:n]))

    states = ["root", *(f"text-{n}" for n in range(1, len(marker)))]
    alphabet = sorted(set(marker))
    for n, state in enumerate(states):
        steps = ["", f"[^{''.join(map(_code, alphabet))}] root"]
        for character in alphabet:
            to = reached(marker[:n] + character)
            follows = then if to == len(marker) else states[to]
            if follows:
                steps.append(f"[{_code(character)}] {follows}")
        rules.rule(state, " | ".join(steps))


def _code(character: str) -> str:
    return f"\\U{ord(character):08X}"


def _schema_of(response_format: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    match response_format:
        case None | {"type": "text"}:
            return None
        case {"type": "json_object"}:
            return {"type": "object"}
        case {"type": "json_schema", "json_schema": {"schema": Mapping() as schema}}:
            return schema
    raise ModelError(
        "response_format is {'type': 'json_schema', 'json_schema': {'schema': ...}}, {'type': 'json_object'} or"
        f" {{'type': 'text'}}, not {response_format!r:.80}"
    )


class _Rules(SchemaConverter):
    """llama-cpp-python's, corrected.

    GBNF reads backslashes in a literal, so a quote within a value ended it; JSON has neither bare control characters
    within a text nor half a character; what a pattern's dot matches may be a quote; and two schemas may each have a
    definition of one name.
    """

    def __init__(self) -> None:
        super().__init__(prop_order={}, allow_fetch=False, dotall=False, raw_pattern=False)  # type: ignore[no-untyped-call]

    def schema(self, schema: Mapping[str, Any], name: str) -> str:
        """Add the rules for a schema; give the name of its own.

        Raises:
            ModelError: it cannot become a grammar.
        """
        try:
            plain = json.loads(json.dumps(schema))
            rule: str = self.visit(self.resolve_refs(plain, name or "schema"), name)  # type: ignore[no-untyped-call]
        except (TypeError, ValueError, LookupError, AssertionError, AttributeError, RecursionError) as error:
            raise ModelError(f"this JSON Schema cannot become a grammar: {error or type(error).__name__}") from error
        return rule

    def rule(self, name: str, definition: str) -> str:
        """Add a rule in GBNF."""
        added: str = self._add_rule(name, definition)  # type: ignore[no-untyped-call]
        return added

    def literal(self, text: str) -> str:
        """A text in GBNF."""
        return self._format_literal(text)

    def grammar(self) -> str:
        """All rules."""
        grammar: str = self.format_grammar()  # type: ignore[no-untyped-call]
        return grammar

    def _format_literal(self, literal: str) -> str:
        escaped: str = super()._format_literal(literal.replace("\\", "\\\\"))  # type: ignore[no-untyped-call]
        return escaped

    def _generate_constant_rule(self, value: Any) -> str:
        return self._format_literal(json.dumps(value, ensure_ascii=False))

    def _resolve_ref(self, ref: str) -> str:
        name = INVALID_RULE_CHARS_RE.sub("-", ref)
        if name not in self._rules and ref not in self._refs_being_resolved:
            self._refs_being_resolved.add(ref)
            name = self.visit(self._refs[ref], name)  # type: ignore[no-untyped-call]
            self._refs_being_resolved.remove(ref)
        return name

    def _add_primitive(self, name: str, rule: BuiltinRule) -> str:
        added: str = super()._add_primitive(name, _CHARACTER if rule is PRIMITIVE_RULES["char"] else rule)
        return added

    def _visit_pattern(self, pattern: str, name: str) -> str:  # noqa: ARG002
        text = self._add_primitive("string", PRIMITIVE_RULES["string"])
        added: str = self._add_rule(name, text)  # type: ignore[no-untyped-call]
        return added
