"""What of each passage there is room for.

Room is shared out like water that is poured into vessels of different heights: the short passages stay whole, and the
longest are cut to one length, the largest with which all fit.
"""

from __future__ import annotations

from collections.abc import Sequence

SHORTEST = 16
"""Tokens of a passage that tell anything: with less room, nothing is ranked."""


def level(lengths: Sequence[int], room: int) -> int:
    """The largest length to which all are cut so that they fit: the sum of `min(length, level)` is at most `room`.

    ```python
    from ragloom.rag.rerank.fitting import level

    print(level([10, 50, 90], 100), level([10, 50, 90], 1000))  # -> 45 90
    ```
    """
    left = room
    for longer, length in zip(range(len(lengths), 0, -1), sorted(lengths), strict=True):
        if length * longer > left:
            return max(left, 0) // longer
        left -= length
    return max(lengths, default=0)
