"""A state in which everything that a node type does not declare to read is something else."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from langchain_core.documents import Document

from ....stores.embedder import Fingerprint
from ....stores.types import Hit
from ...generate.evidence import Evidence
from ...generate.types import unknown
from ...retrieve.query_vector import QueryVector
from ..state import NodeTrace, RagState, Turn, Verdict

_NONE = np.zeros((0, 1), np.float32)
_DOCUMENT = Document("Something else altogether.", id="something-else")
_EVIDENCE = Evidence(
    question="Something else?",
    documents=(),
    sentences=(),
    passage_of=(),
    vectors=_NONE,
    sentence_scores=_NONE[:, 0],
    passage_scores=_NONE[:, 0],
    ranking=(),
    confidence=0.0,
    language="en",
)
_OTHERS: dict[str, Any] = {
    "history": [Turn("user", "Something else?")],
    "query": "something else",
    "vector": QueryVector("something else", (1.0,), Fingerprint("something else", 1, "")),
    "subquestions": ["something else"],
    "where": {"something_else": True},
    "documents": [Hit(_DOCUMENT, 0.25, 1)],
    "evidence": _EVIDENCE,
    "answer": unknown("Something else?", "it is something else"),
    "drafts": ["something else"],
    "quotes": unknown("Something else?", "it is something else"),
    "memory": [_DOCUMENT],
    "verdicts": [Verdict("something-else", -0.25)],
    "route": "something else",
    "trace": [NodeTrace("something_else", 0.0)],
}


def altered(state: RagState, read: Collection[str]) -> dict[str, Any]:
    """New values for the fields that are not among those that may be `read`, by name."""
    changes = {name: other for name, other in _OTHERS.items() if name not in read}
    if "extra" not in read:
        kept = {name: value for name, value in state.extra.items() if f"extra.{name}" in read}
        changes["extra"] = {**kept, "something_else": True}
    if "candidates" not in read:
        found = {name: hits for name, hits in state.candidates.items() if f"candidates[{name}]" in read}
        changes["candidates"] = {**found, "something_else": [Hit(_DOCUMENT, 0.25, 1)]}
    return changes
