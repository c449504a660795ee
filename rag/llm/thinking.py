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
