r"""Thoughts before an answer: kept from being written, or taken away.

With an empty thinking block a model that would think before it answers begins with the answer. What is likely as the
first token of an answer can be read only there. Qwen3 was trained on `<think>\n\n</think>\n\n` for questions that need
no thought; DeepSeek-R1's template opens the block itself, so the model only closes it.
"""

from __future__ import annotations

_OPEN, _CLOSE = "<think>", "</think>"


def without_thinking(rendered: str, template: str) -> str:
    r"""The rendered prompt, with an empty thinking block at its end where the `template` is one of a thinking model.

    ```python
    from ragloom.rag.llm.thinking import without_thinking

    print(repr(without_thinking("Assistant: ", "<think>")))  # -> 'Assistant: <think>\n\n</think>\n\n'
    ```
    """
    end = rendered.rstrip()
    if (_OPEN not in template and _CLOSE not in template) or end.endswith(_CLOSE):
        return rendered
    before = end.removesuffix(_OPEN) if end.endswith(_OPEN) else rendered
    return f"{before}{_OPEN}\n\n{_CLOSE}\n\n"


def after_thinking(text: str, *, begun: bool = True) -> str:
    """What a model says after its thoughts; nothing if it was cut off while it thought.

    ```python
    from ragloom.rag.llm.thinking import after_thinking

    print(after_thinking("<think>Toad? Mole?</think> Toad."))  # -> Toad.
    print(repr(after_thinking("<think>Toad? Mo")))             # -> ''
    ```

    Args:
        text: what the model wrote.
        begun: whether a thought may have begun in the prompt, so that `text` has only its end.
    """
    said = text.strip()
    if begun and not said.startswith(_OPEN) and _CLOSE in said:
        said = said.partition(_CLOSE)[2].strip()
    while said.startswith(_OPEN):
        said = said.partition(_CLOSE)[2].strip()
    return said


class AnswerPieces:
    """The pieces of an answer as they come, without the thoughts before it.

    A thought is known by its beginning. Where that is in the prompt, as with DeepSeek-R1 on some servers, the pieces of
    the thought are told, since nobody can know before its end that it is one.

    ```python
    from ragloom.rag.llm.thinking import AnswerPieces

    pieces = AnswerPieces()
    print([pieces.told(piece) for piece in ("<thi", "nk>Mole?</think>", " To", "ad")])  # -> ['', '', 'To', 'ad']
    ```
    """

    def __init__(self) -> None:
        """Begin an answer."""
        self._held = ""
        self._is_answer = False

    def told(self, piece: str, *, is_last: bool = False) -> str:
        """What is to be told once the next piece is there; what may yet become a thought is held back."""
        if self._is_answer:
            return piece
        self._held += piece
        while (begun := self._held.lstrip()).startswith(_OPEN) and _CLOSE in begun:
            self._held = begun.partition(_CLOSE)[2].lstrip()
        if begun.startswith(_OPEN) or (_OPEN.startswith(begun) and not is_last):
            return ""
        self._is_answer = True
        return begun
