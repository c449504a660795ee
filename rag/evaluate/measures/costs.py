"""What a run cost, by what its trace says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..record import Record

COSTS = ("ms", "tokens in", "tokens reused", "tokens out", "documents to the LLM")
"""What a run costs: the time of its nodes together, tokens of the LLM, documents that nodes gave it to read."""


def score_costs(record: Record) -> dict[str, float]:
    """The costs of a run; no time for one that loaded models, and nothing for one that failed."""
    if record.error:
        return {}
    trace = record.trace
    costs: dict[str, float] = {
        "tokens in": sum(each.tokens_in for each in trace),
        "tokens reused": sum(each.tokens_reused for each in trace),
        "tokens out": sum(each.tokens_out for each in trace),
        "documents to the LLM": sum(each.documents_read for each in trace),
    }
    if not record.is_first:
        costs["ms"] = sum(each.milliseconds for each in trace)
    return {name: float(cost) for name, cost in costs.items()}


def node_costs(records: Sequence[Record]) -> list[dict[str, Any]]:
    """What each node cost, in the order that nodes ran in: a row with runs, `ms p50`, `ms p95` and mean tokens."""
    warm = [record for record in records if not record.is_first] or list(records)
    rows = []
    for name in dict.fromkeys(each.node for record in warm for each in record.trace):
        runs = [each for record in warm for each in record.trace if each.node == name]
        p50, p95 = np.percentile([each.milliseconds for each in runs], [50, 95])
        tokens = {key: float(np.mean([getattr(each, key) for each in runs])) for key in _TOKENS}
        rows.append({"node": name, "runs": len(runs), "ms p50": float(p50), "ms p95": float(p95), **tokens})
    return rows


_TOKENS = ("tokens_in", "tokens_reused", "tokens_out")
