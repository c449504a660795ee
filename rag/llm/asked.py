"""What a step of a chain is asked, where that is several things by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.documents import Document

from .errors import AskedError

_ALSO = {"question": "query", "query": "question"}
"""Answerers speak of a question, filters of a query; each takes the other's word, so that they fit in one chain."""


def as_documents(given: Sequence[Document | str]) -> list[Document]:
    """Documents, of texts too.

    Raises:
        AskedError: it is one text, not a list of them.
    """
    if isinstance(given, str):
        raise AskedError("documents are a list; write [text] for one text")
    return [Document(page_content=each) if isinstance(each, str) else each for each in given]


def asked_text(asked: object) -> str:
    """What a step is asked that is asked one text.

    Raises:
        AskedError: it is something else.
    """
    if not isinstance(asked, str):
        raise AskedError(f"this step is asked a text, not {asked!r:.80}")
    return asked


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
