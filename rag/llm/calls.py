"""Tool calls as text: how a model writes them, and how what it writes is read while it comes.

Models are trained on one form or another: Qwen and Hermes write `<tool_call>{"name": …, "arguments": {…}}</tool_call>`
anywhere in an answer, Llama 3 writes `{"name": …, "parameters": {…}}` and nothing else. A `CallForm` is such a form;
`rag.llm.template` finds a model's own, `rag.llm.grammar` holds an answer to it.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .json_end import JsonEnd
from .text import overlap

_SPACE = " \t\n"
_NAME = re.compile(r'S*\{S*"name"S*:S*("(?:[^"\\]|\\.)*")'.replace("S", f"[{_SPACE}]"))
_HEAD = re.compile(_NAME.pattern + r'S*,S*"(?:arguments|parameters)"S*:S*(?=\{)'.replace("S", f"[{_SPACE}]"))


class Call(NamedTuple):
    """A call in a conversation."""

    name: str
    arguments: Mapping[str, Any]
    id: str


class CallForm(NamedTuple):
    """What stands around the JSON of a call.

    Attributes:
        before: what introduces a call. Empty where an answer is a call or a text, never both.
        after: what ends it.
        arguments: the key of the arguments, `arguments` or `parameters`.
    """

    before: str = "<tool_call>\n"
    after: str = "\n</tool_call>"
    arguments: str = "arguments"

    @property
    def marker(self) -> str:
        """What tells a call from other text; empty where its brace does, at the beginning of the answer."""
        return self.before.strip()

    @property
    def repeats(self) -> bool:
        """Whether one call can follow another."""
        return bool(self.marker) and not self.marker.endswith("[")

    def write(self, calls: Sequence[Call]) -> str:
        """The calls as the model would write them."""
        return "\n".join(
            f"{self.before}{_json({'name': call.name, self.arguments: call.arguments})}{self.after}" for call in calls
        )


@dataclass(slots=True)
class CallRead:
    """A call that was read, or the beginning of one.

    Attributes:
        index: its place among the answer's calls.
        name: of the tool; empty if the answer ended before.
        arguments: as JSON.
        whole: whether all of the arguments came.
        id: what its result will be told by.
    """

    index: int
    name: str = ""
    arguments: str = ""
    whole: bool = False
    id: str = field(default_factory=lambda: f"call_{secrets.token_hex(12)}")


class CallPiece(NamedTuple):
    """All that is new about a call; `begins` if its name is."""

    call: CallRead
    begins: bool
    arguments: str


class CallReader:
    """Parts an answer into text and calls, bit by bit. For one answer that its grammar holds to `form`.

    ```python
    from ragloom.rag.llm.calls import CallForm, CallReader

    reader = CallReader(CallForm())
    print(reader.feed("Let me see. <tool_")[0])  # -> Let me see.
    text, pieces = reader.feed('call>{"name": "add", "arguments": {"a": 1')
    print(repr(text), reader.calls[0].name, pieces[-1].arguments)  # -> '' add {"a": 1
    ```
    """

    def __init__(self, form: CallForm, *, json_or: Collection[str] | None = None) -> None:
        """Read calls of this form.

        Args:
            form: how a call is written.
            json_or: the names of the tools, if an answer that calls none of them is JSON; None: if it is a text.
        """
        self.calls: list[CallRead] = []
        self._form = form
        self._names = json_or
        self._held = ""
        self._pieces: list[CallPiece] = []
        self._read = self._text if form.marker and json_or is None else self._first
        self._end = JsonEnd()

    def feed(self, text: str) -> tuple[str, list[CallPiece]]:
        """Take the next bit of the answer; give the text that may be shown now, and what is new about calls."""
        self._held += text
        self._pieces = []
        shown, before = "", None
        while before != (self._read, self._held):
            before = (self._read, self._held)
            shown += self._read()
        return shown, self._pieces

    def finish(self, text: str = "") -> tuple[str, list[CallPiece]]:
        """Take the last bit, as `feed` does; then give what was held back, and the call that was cut off, if one was.

        To the arguments of the latter comes a bracket that fits nowhere. LangChain mends what a stream leaves open,
        and would have an agent delete `/home` where the model meant `/home/me/old`.
        """
        shown, _ = self.feed(text)
        if self._read == self._head and self._form.marker:
            self._begin("")
        if self.calls and not self.calls[-1].whole:
            self._tell(self._end.unfit)
        elif not self.calls:
            shown += self._held
        return shown, self._pieces

    def _first(self) -> str:
        """Whether the answer is a call is open: a marker says so, or a brace where a text could not have one."""
        begin = self._held.lstrip(_SPACE)
        marker = self._form.marker
        if not begin or (begin != marker and marker.startswith(begin)):
            return ""
        if marker:
            is_call = begin.startswith(marker)
            self._held = begin.removeprefix(marker) if is_call else self._held
        else:
            is_call = begin[0] == "{"
        self._read = self._head if is_call else self._rest
        return ""

    def _rest(self) -> str:
        shown, self._held = self._held, ""
        return shown

    def _text(self) -> str:
        shown, marker, rest = self._held.partition(self._form.marker)
        if marker:
            self._read, self._held = self._head, rest
            return shown
        held = overlap(shown, self._form.marker)
        self._held = shown[len(shown) - held :]
        return shown[: len(shown) - held]

    def _head(self) -> str:
        if not self._form.marker and self._names is not None and not _may_begin(self._held, self._names):
            self._read = self._rest
        elif head := _HEAD.match(self._held):
            self._begin(json.loads(head[1]))
            self._read, self._held = self._arguments, self._held[head.end() :]
        return ""

    def _arguments(self) -> str:
        """Take the arguments, up to the bracket that closes them."""
        end = self._end.find(self._held)
        self._take(len(self._held) if end is None else end)
        if end is not None:
            self.calls[-1].whole = True
            self._read = self._between
        return ""

    def _between(self) -> str:
        """Skip what ends a call, up to what introduces another one."""
        if self._form.repeats and self._form.marker in self._held:
            self._read, self._held = self._head, self._held.partition(self._form.marker)[2]
        return ""

    def _begin(self, name: str) -> None:
        self.calls.append(CallRead(len(self.calls), name))
        self._end = JsonEnd()
        self._tell("", begins=True)

    def _tell(self, arguments: str, *, begins: bool = False) -> None:
        """LangChain puts chunks together message by message, so a message must not hold two of one call."""
        if not begins and self._pieces and self._pieces[-1].call is self.calls[-1]:
            last = self._pieces.pop()
            self._pieces.append(last._replace(arguments=last.arguments + arguments))
        else:
            self._pieces.append(CallPiece(self.calls[-1], begins, arguments))

    def _take(self, length: int) -> None:
        taken, self._held = self._held[:length], self._held[length:]
        if taken:
            self.calls[-1].arguments += taken
            self._tell(taken)


def _may_begin(text: str, names: Collection[str]) -> bool:
    """Whether a call of one of the tools may begin like this; if not, it is some other JSON."""
    if name := _NAME.match(text):
        return json.loads(name[1]) in names
    begin, written = '{"name":"', re.sub(f"[{_SPACE}]", "", text)
    return begin.startswith(written) or written.startswith(begin)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
