"""Tools in a prompt: by a chat template that has a place for them, else as text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jinja2 import TemplateError

from ...prompts import load_prompt
from .calls import Call, CallForm
from .messages import Turn

_PROBE = "ragloom_probe"
_PROBE_TOOL = {
    "type": "function",
    "function": {
        "name": _PROBE,
        "description": _PROBE,
        "parameters": {"type": "object", "properties": {"key": {"type": "string"}}, "required": ["key"]},
    },
}
_ID = "ragloom01"  # Mistral's template insists on nine letters and digits
_ARGUMENTS = {"key": "value"}


def as_message(turn: Turn) -> dict[str, Any]:
    """A turn as chat templates expect it."""
    message: dict[str, Any] = {"role": turn.role, "content": turn.content}
    if turn.calls:
        message["tool_calls"] = [
            {"type": "function", "id": call.id, "function": {"name": call.name, "arguments": dict(call.arguments)}}
            for call in turn.calls
        ]
    if turn.result_of:
        message |= {"name": turn.result_of.name, "tool_call_id": turn.result_of.id}
    return message


def tools_as_text(turns: Sequence[Turn], tools: Sequence[Mapping[str, Any]], form: CallForm) -> list[Turn]:
    """The conversation for a template that knows nothing of tools.

    The prompt `tools` says what there is, calls are written in `form`, and what a tool gives comes from the user.
    """
    told = [_as_text(turn, form) for turn in turns]
    if not tools:
        return told
    shown = "\n".join(json.dumps(tool["function"], ensure_ascii=False) for tool in tools)
    instructions = load_prompt("tools").render(tools=shown)[-1].text
    if told and told[0].role == "system":
        return [Turn("system", f"{told[0].content}\n\n{instructions}"), *told[1:]]
    return [Turn("system", instructions), *told]


def _as_text(turn: Turn, form: CallForm) -> Turn:
    if turn.result_of:
        return Turn("user", f"<tool_response>\n{turn.content}\n</tool_response>")
    if turn.calls:
        return Turn(turn.role, f"{turn.content}\n{form.write(turn.calls)}".strip())
    return turn


def find_form(
    render: Callable[[Sequence[Turn], Sequence[Mapping[str, Any]]], str], control_text: re.Pattern[str] | None
) -> CallForm | None:
    """How a chat template writes calls, and so how its model does: by what it makes of one.

    None where it shows neither tools nor calls, and where a call is not JSON between plain texts: then the model is
    better told a form than guessed at.

    Args:
        render: the template.
        control_text: what would become control tokens, which an answer's text does not show.
    """
    asked = Turn("user", _PROBE)
    called = Turn("assistant", "", (Call(_PROBE, _ARGUMENTS, _ID),))
    try:
        with_text = render([asked, Turn("assistant", "SAID")], [_PROBE_TOOL])
        with_call = render([asked, called], [_PROBE_TOOL])
        without = render([asked, Turn("assistant", "SAID")], [])
    except (TemplateError, ValueError, TypeError):
        return None
    at = with_text.rfind("SAID")
    ending = with_text[at + len("SAID") :]
    if with_call[:at] != with_text[:at] or not with_call.endswith(ending) or with_text == without:
        return None
    written = with_call[at : len(with_call) - len(ending)]
    if not (begin := re.search(r'\{\s*"name"', written)):
        return None
    try:
        call, length = json.JSONDecoder().raw_decode(written[begin.start() :])
    except ValueError:
        return None
    before, after = written[: begin.start()], written[begin.start() + length :]
    key = next((key for key in ("arguments", "parameters") if call == {"name": _PROBE, key: _ARGUMENTS}), None)
    if key is None or (control_text and control_text.search(before + after)):
        return None
    return CallForm(before, after, key)
