"""The grammars that answers are held to: JSON that fits a schema, and calls of tools."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from .calls import CallForm
from .errors import ModelError
from .gbnf import Rules, character, literal
from .json_rules import add_schema


def grammar_of(response_format: Mapping[str, Any] | None) -> str:
    """The grammar that OpenAI's option of that name asks for; empty for plain text.

    ```python
    from ragloom.rag.llm.grammar import grammar_of

    print(grammar_of({"type": "json_schema", "json_schema": {"schema": {"enum": [2020, 2021]}}}).splitlines()[-1])
    # -> root ::= "2020" | "2021"
    ```

    Raises:
        ModelError: it is none of `text`, `json_object` and `json_schema`, or the schema cannot become a grammar.
    """
    schema = schema_of(response_format)
    if schema is None:
        return ""
    rules = Rules()
    add_schema(rules, schema, "root")
    return rules.grammar()


def calls_grammar(
    tools: Mapping[str, Mapping[str, Any]],
    form: CallForm,
    *,
    choice: Literal["auto", "any", "none"],
    many: bool = True,
    answer: Mapping[str, Any] | None = None,
) -> str:
    """The grammar of an answer that may call tools.

    A text may hold anything but what introduces a call: once that is written, nothing but a call can follow. So what
    looks like a call is one, and its arguments fit.

    Args:
        tools: the JSON Schemas of their arguments, by name.
        form: how a call is written.
        choice: `any`: calls; `none`: a text; `auto`: a text, calls, or calls after a text.
        many: whether there may be several calls.
        answer: the JSON Schema of an answer that calls nothing; None: it is a text.

    Raises:
        ModelError: a schema cannot become a grammar.
    """
    rules = Rules()
    calls = _call_rules(rules, tools, form, many=many)
    introduced = rules.add("introduced", f"{literal(form.marker)} {calls}" if form.marker else calls)
    if choice == "any":
        rules.add("root", introduced)
    elif answer is not None:
        json_rule = add_schema(rules, answer, "answer")
        rules.add("root", json_rule if choice == "none" else f"{introduced} | {json_rule}")
    elif form.marker:
        _text_rules(rules, form.marker, then=calls if choice == "auto" else None)
    else:
        text = r"[ \t\n]* ([^{ \t\n] .*)?"
        rules.add("root", text if choice == "none" else f"{calls} | {text}")
    return rules.grammar()


def _call_rules(rules: Rules, tools: Mapping[str, Mapping[str, Any]], form: CallForm, *, many: bool) -> str:
    """The rule for calls, from behind what introduces the first one."""
    each = []
    for i, (name, schema) in enumerate(tools.items()):
        told = literal(json.dumps(name, ensure_ascii=False))
        arguments = add_schema(rules, {**schema, "type": "object"}, f"tool-{i}")
        key = literal(json.dumps(form.arguments))
        each.append(
            rules.add(
                f"call-{i}", rf'"\"name\"" space ":" space {told} space "," space {key} space ":" space {arguments}'
            )
        )
    gap = rules.add("gap", r'( " " | "\n" )?')
    after = f"{gap} {literal(form.after.strip())} {gap}" if form.after.strip() else ""
    one = rules.add("call", f'{gap} "{{" space ({" | ".join(each)}) "}}" {after}')
    more = f" ({literal(form.marker)} {one})*" if many and form.repeats else ""
    return rules.add("calls", one + more)


def _text_rules(rules: Rules, marker: str, *, then: str | None) -> None:
    """A text without `marker`, or that and `then` what has to follow. Knuth, Morris and Pratt's automaton, as rules."""

    def reached(written: str) -> int:
        return next(n for n in range(len(written), -1, -1) if written.endswith(marker[:n]))

    states = ["root", *(f"text-{n}" for n in range(1, len(marker)))]
    alphabet = sorted(set(marker))
    for n, state in enumerate(states):
        steps = ["", f"[^{''.join(map(character, alphabet))}] root"]
        for letter in alphabet:
            to = reached(marker[:n] + letter)
            follows = then if to == len(marker) else states[to]
            if follows:
                steps.append(f"[{character(letter)}] {follows}")
        rules.add(state, " | ".join(steps))


def schema_of(response_format: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The JSON Schema that OpenAI's option of that name asks for; None for plain text.

    Raises:
        ModelError: it is none of `text`, `json_object` and `json_schema`.
    """
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
