"""What every benchmark prints and writes: a table, and JSON beside it with the machine named."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ragloom.rag.evaluate import bootstrap

RESULTS = Path(__file__).parent / "results"
PACKAGES = (
    "ragloom",
    "torch",
    "sentence-transformers",
    "chromadb",
    "tantivy",
    "llama-cpp-python",
    "langchain-core",
    "langgraph",
)


def machine() -> dict[str, Any]:
    """Processor, cores and versions."""
    return {
        "cpu": _cpu_name(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "bfloat16": _native_bfloat16(),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def write(name: str, rows: Sequence[dict[str, Any]], **more: Any) -> None:
    """Print the rows as a table and write everything to `results/<name>.json`."""
    print(table(rows))
    RESULTS.mkdir(exist_ok=True)
    when = datetime.now(UTC).isoformat(timespec="seconds")
    document = {"benchmark": name, "when": when, "machine": machine(), "rows": list(rows), **more}
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"written to benchmarks/results/{name}.json")


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as aligned columns."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [names, *([_cell(row.get(name, "")) for name in names] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(names))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)


def interval(
    values: Sequence[float] | NDArray[np.float64],
    *,
    of: Callable[..., Any] = np.mean,
    seed: int = 0,
    rounds: int = 2000,
) -> tuple[float, float]:
    """95% bootstrap interval of the mean, or of what `of` gives along an axis; as wide as `ragloom eval` makes it."""
    array = np.asarray(values, float)
    picks = np.random.default_rng(seed).integers(0, len(array), (rounds, len(array)))
    return bootstrap.interval(of(array[picks], axis=1), len(array))


def need(path: Path) -> Path:
    """A folder of data, or a clear end.

    Raises:
        SystemExit: it is not there.
    """
    if not path.exists():
        raise SystemExit(f"{path} is not there; name the data folder with --data")
    return path


def _cell(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def _native_bfloat16() -> bool:
    from ragloom.stores.embedder import cpu_has_bfloat16

    return cpu_has_bfloat16()
