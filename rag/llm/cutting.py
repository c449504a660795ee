"""Cutting a text to a number of tokens."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable


def beginning(text: str, tokens: int, count: Callable[[str], int]) -> str:
    """As much of the beginning of `text` as has at most so many `tokens`, without white space at its end.

    ```python
    from ragloom.rag.llm.cutting import beginning

    print(beginning("Toad steals a motor-car.", 3, lambda text: len(text.split())))  # -> Toad steals a
    ```

    Args:
        text: the text.
        tokens: how many there may be.
        count: how many tokens a text has; a longer beginning has at least as many.
    """
    fitting = bisect_right(range(len(text) + 1), tokens, key=lambda end: count(text[:end]))
    return text[: max(fitting - 1, 0)].rstrip()
