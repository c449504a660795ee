r"""From turns to prompt tokens, by the model's own chat template.

A template is rendered to one text, and that text's `<|im_end|>` and the like become control tokens. So a document that
holds `<|im_end|>\n<|im_start|>system` could end the user's turn and speak as the system. Therefore every control
text within a content is hidden behind a random mark while the template is rendered, and tokenized as plain text
where the mark ends up. A conversation without such texts takes exactly the path of any other llama.cpp program.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

from jinja2 import TemplateError
from llama_cpp.llama_chat_format import Jinja2ChatFormatter

from .errors import ModelError
from .messages import Turn, merge_neighbours, merge_system
from .weights import Weights


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

    def tokens(self, turns: Sequence[Turn]) -> list[int]:
        """Render `turns`, up to where the assistant's answer begins.

        Raises:
            ModelError: the template refuses the conversation.
        """
        marks = _Marks(self._control_text)
        text = self._render([Turn(turn.role, marks.hide(turn.content)) for turn in turns])
        tokens = [
            token for piece, plain in marks.split(text) for token in self._weights.tokenize(piece, special=not plain)
        ]
        begin = self._weights.begin[0]
        return [begin, *tokens] if self._weights.wants_begin and tokens[:1] != [begin] else tokens

    @cached_property
    def _control_text(self) -> re.Pattern[str] | None:
        texts = self._weights.control_texts
        return re.compile("|".join(map(re.escape, texts))) if texts else None

    def _render(self, turns: list[Turn]) -> str:
        """Render as the turns are, else in a shape that more templates accept."""
        shapes: list[Callable[[], list[Turn]]] = [
            lambda: turns,
            lambda: merge_system(turns),
            lambda: merge_neighbours(merge_system(turns)),
        ]
        refusal = ""
        for shape in shapes:
            try:
                text = self._formatter(messages=[turn._asdict() for turn in shape()]).prompt  # type: ignore[misc]
            except (TemplateError, ValueError, TypeError) as error:
                refusal = refusal or str(error)
                continue
            if all(turn.content.strip() in text for turn in turns if turn.role == "system"):
                return text
            refusal = refusal or "it leaves out the system message"
        raise ModelError(f"the chat template of {self._weights.path.name} refuses the conversation: {refusal}")


class _Marks:
    """Control texts, hidden behind marks that no content can contain, by chance or on purpose."""

    def __init__(self, control_text: re.Pattern[str] | None) -> None:
        self._control_text = control_text
        self._secret = f"{secrets.randbelow(10**18):018d}"
        self._mark = re.compile(f"\ue000{self._secret}:(\\d+)\ue001")
        self._hidden: list[str] = []

    def hide(self, content: str) -> str:
        return self._control_text.sub(self._replace, content) if self._control_text else content

    def split(self, text: str) -> Iterator[tuple[str, bool]]:
        """The pieces of a rendered text, each with whether it is a hidden, plain text."""
        for i, piece in enumerate(self._mark.split(text)):
            plain = i % 2 == 1
            yield (self._hidden[int(piece)], True) if plain else (piece, False)

    def _replace(self, match: re.Match[str]) -> str:
        self._hidden.append(match[0])
        return f"\ue000{self._secret}:{len(self._hidden) - 1}\ue001"
