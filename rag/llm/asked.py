"""What a step of a chain is asked, where that is several things by their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import AskedError

_ALSO = {"question": "query", "query": "question"}
"""Answerers speak of a question, filters of a query; each takes the other's word, so that they fit in one chain."""


def asked_for(asked: Mapping[str, Any], *names: str) -> list[Any]:
    """The values of these names.

    ```python
    from ragloom.rag.llm.asked import asked_for

    print(asked_for({"query": "Who drives?", "documents": []}, "question", "documents"))  # -> ['Who drives?', []]
    ```

    Raises:
        AskedError: `asked` is no mapping, or lacks one of the names.
    """
    wanted = ", ".join(f'"{name}": ...' for name in names)
    if not isinstance(asked, Mapping):
        raise AskedError(f"this step is asked for {{{wanted}}}, not for {asked!r:.80}")
    found = []
    for name in names:
        key = name if name in asked else _ALSO.get(name, name)
        if key not in asked:
            raise AskedError(f"this step is asked for {{{wanted}}}; {name!r} is missing from {sorted(map(str, asked))}")
        found.append(asked[key])
    return found
