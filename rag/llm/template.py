r"""From turns to prompt tokens, by the model's own chat template.

A template is rendered to one text, and that text's `<|im_end|>` and the like become control tokens. So a document that
holds `<|im_end|>\n<|im_start|>system` could end the user's turn and speak as the system. Therefore every control
text within a content is hidden behind a random mark while the template is rendered, and tokenized as plain text
where the mark ends up. Some models delimit by user-defined tokens, which even plain text becomes (`</tool_response>` in
Qwen): those that the template itself writes are hidden, too, and broken up (see `Weights.tokenize_plain`, which all
texts of users go through); but not in what the assistant said, where templates look for `</think>`. A conversation
without such texts takes exactly the path of any other llama.cpp program.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from jinja2 import TemplateError
from llama_cpp.llama_chat_format import Jinja2ChatFormatter

from .calls import Call, CallForm
from .errors import ModelError
from .messages import Turn, lead_system, merge_neighbours, merge_system
from .thinking import without_thinking
from .toolprompt import as_message, find_form, tools_as_text
from .weights import Weights

Tool = Mapping[str, Any]
"""A tool in OpenAI's form: `{"type": "function", "function": {"name": …, "description": …, "parameters": …}}`."""

_Shape = Callable[[list[Turn]], list[Turn]]

_SHAPES: list[_Shape] = [
    lambda turns: turns,
    lead_system,
    merge_neighbours,
    lambda turns: merge_neighbours(lead_system(turns)),
    merge_system,
    lambda turns: merge_neighbours(merge_system(turns)),
]
"""How to tell a conversation, so that more and more templates accept it."""


class Prompt(NamedTuple):
    """What the model continues.

    Attributes:
        tokens: up to where the assistant's answer begins.
        form: how tool calls are written.
        native: whether the model learnt that, to judge by its template; else the prompt shows it.
    """

    tokens: list[int]
    form: CallForm = CallForm()
    native: bool = False


class ChatTemplate:
    """The chat template of a GGUF file."""

    def __init__(self, weights: Weights) -> None:
        """Read the template from the file's metadata.

        Raises:
            ModelError: there is none, or it is not valid.
        """
        source = weights.metadata("tokenizer.chat_template")
        if not source:
            raise ModelError(f"{weights.path.name} has no chat template; use an instruct or chat model")
        try:
            self._formatter = Jinja2ChatFormatter(source, eos_token=weights.end[1], bos_token=weights.begin[1])
        except TemplateError as error:
            raise ModelError(f"the chat template of {weights.path.name} is not valid: {error}") from error
        self._weights = weights
        self._source = source

    def prompt(self, turns: Sequence[Turn], tools: Sequence[Tool] = (), *, thinking: bool = True) -> Prompt:
        """Render `turns`, and `tools` that may be called; without `thinking` the answer begins where it would think.

        Raises:
            ModelError: the template refuses the conversation.
        """
        marks = Marks()
        text, native = self._render(self._hide(marks, turns), [marks.hide(tool, self._delimiter) for tool in tools])
        tokens = self._tokenize(marks, text if thinking else without_thinking(text, self._source))
        return Prompt(tokens, self._form, True) if native and self._form else Prompt(tokens)

    def answer_begun(self, turns: Sequence[Turn], prefix: str = "") -> list[int]:
        """Render `turns`, and an answer that begins with the text `prefix`, without a thought before it.

        Raises:
            ModelError: the template refuses the conversation.
        """
        tokens = self.prompt(turns, thinking=False).tokens
        return [*tokens, *(self._weights.tokenize_plain(prefix, within=True) if prefix else [])]

    def _hide(self, marks: Marks, turns: Sequence[Turn]) -> list[Turn]:
        return [marks.hide(turn, self._control_text if turn.role == "assistant" else self._delimiter) for turn in turns]

    def _tokenize(self, marks: Marks, text: str) -> list[int]:
        tokens: list[int] = []
        for piece, plain in marks.split(text):
            tokens += self._weights.tokenize_plain(piece) if plain else self._weights.tokenize(piece, special=True)
        return self._with_begin(tokens)

    def _with_begin(self, tokens: list[int]) -> list[int]:
        """The tokens after the one that begins every text, where the model wants one and the template has none."""
        begin = self._weights.begin[0]
        return [begin, *tokens] if self._weights.wants_begin and tokens[:1] != [begin] else tokens

    def frame(self) -> tuple[list[int], list[int]]:
        """What stands before and after the content of a conversation that is one user's message.

        Raises:
            ModelError: the template changes the message, or refuses it.
        """
        content = f"\ue000{secrets.token_hex(8)}\ue001"
        before, found, after = self._render([Turn("user", content)], [])[0].partition(content)
        if not found:
            raise ModelError(f"the chat template of {self._weights.path.name} does not tell a message as it is")
        return self._with_begin(self._weights.tokenize(before, special=True)), self._weights.tokenize(
            after, special=True
        )

    @cached_property
    def _control_text(self) -> re.Pattern[str] | None:
        return _any_of(self._weights.control_texts)

    @cached_property
    def _delimiter(self) -> re.Pattern[str] | None:
        """Control texts, and the user-defined tokens that the template writes."""
        return _any_of([*self._weights.control_texts, *self._weights.delimiters])

    @cached_property
    def _form(self) -> CallForm | None:
        """How the template writes a call; None where it cannot, or not in a form that is known here."""
        return find_form(self._rendered, self._control_text)

    def _render(self, turns: list[Turn], tools: list[Tool]) -> tuple[str, bool]:
        """Render as the turns are, else in a shape that more templates accept; and whether it has the tools' place."""
        plain = not tools and not any(turn.calls for turn in turns)
        refusals: list[str] = []
        if plain or self._form:
            for shape in _SHAPES:
                if (text := self._accepted(shape, turns, tools, refusals)) is not None:
                    return text, bool(tools)
        if not plain or any(turn.result_of for turn in turns):
            told = tools_as_text(turns, tools, CallForm())
            for shape in _SHAPES:
                if (text := self._accepted(shape, told, [], refusals)) is not None:
                    return text, False
        raise ModelError(f"the chat template of {self._weights.path.name} refuses the conversation: {refusals[0]}")

    def _accepted(self, shape: _Shape, turns: list[Turn], tools: list[Tool], refusals: list[str]) -> str | None:
        try:
            text = self._rendered(shape(turns), tools)
        except (TemplateError, ValueError, TypeError) as error:
            refusals.append(str(error))
            return None
        if missing := next((what for what, part in _parts(turns, tools) if not _told(part, text)), None):
            refusals.append(f"it leaves out the {missing}")
            return None
        return text

    def _rendered(self, turns: Sequence[Turn], tools: Sequence[Tool]) -> str:
        messages: list[Any] = [as_message(turn) for turn in turns]
        return self._formatter(messages=messages, tools=list(tools) or None).prompt  # type: ignore[arg-type]


def _any_of(texts: Sequence[str]) -> re.Pattern[str] | None:
    """Finds any of the texts, a longer one before another that it begins with."""
    return re.compile("|".join(map(re.escape, sorted(texts, key=len, reverse=True)))) if texts else None


def _parts(turns: Sequence[Turn], tools: Sequence[Tool]) -> Iterator[tuple[str, str]]:
    """What a prompt must not leave out."""
    for turn in turns:
        if turn.role == "system":
            yield "system message", turn.content
        if turn.result_of:
            yield "result of a tool", turn.content
        for call in turn.calls:
            yield "tool calls", call.name
    for tool in tools:
        yield "tools", tool["function"]["name"]


def _told(part: str, text: str) -> bool:
    stripped = part.strip()
    return stripped in text or json.dumps(stripped, ensure_ascii=False)[1:-1] in text


class Marks:
    """Control texts, hidden behind marks that no content can contain, by chance or on purpose."""

    def __init__(self) -> None:
        self._secret = f"{secrets.randbelow(10**18):018d}"
        self._mark = re.compile(f"\ue000{self._secret}:(\\d+)\ue001")
        self._hidden: list[str] = []

    def hide(self, value: Any, found: re.Pattern[str] | None) -> Any:
        """The value, with all that is `found` in it hidden, however deep it is."""
        if isinstance(value, str):
            return found.sub(self._replace, value) if found else value
        if isinstance(value, Mapping):
            return {self.hide(key, found): self.hide(each, found) for key, each in value.items()}
        if isinstance(value, Turn | Call):
            return type(value)(*(self.hide(each, found) for each in value))
        return [self.hide(each, found) for each in value] if isinstance(value, list | tuple) else value

    def split(self, text: str) -> Iterator[tuple[str, bool]]:
        """The pieces of a rendered text, each with whether it is a hidden, plain text."""
        for i, piece in enumerate(self._mark.split(text)):
            plain = i % 2 == 1
            yield (self._hidden[int(piece)], True) if plain else (piece, False)

    def _replace(self, match: re.Match[str]) -> str:
        self._hidden.append(match[0])
        return f"\ue000{self._secret}:{len(self._hidden) - 1}\ue001"
