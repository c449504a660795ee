"""Run every benchmark, one after the other, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAMS = (
    "startup",
    "graph",
    "demo_questions",
    "scifact",
    "routing",
    "engine",
    "answers",
    "retrieval",
    "ingest",
    "compress",
    "memory",
    "rag_queries",  # takes an hour, and goes on where it was stopped
    "rag",  # takes hours, and goes on where it was stopped
    "rerank",  # takes hours, and goes on where it was stopped
)


def main() -> None:
    failed = []
    for name in PROGRAMS:
        print(f"\n== {name}", flush=True)
        if subprocess.run([sys.executable, Path(__file__).with_name(f"{name}.py")], check=False).returncode:
            failed.append(name)
    if failed:
        raise SystemExit(f"could not be run: {', '.join(failed)}")


if __name__ == "__main__":
    main()
