"""Run every benchmark, one after the other, each in a process of its own; `--quality` runs those of quality alone.

Those are all that README and docs quote a figure of quality from. What could not be run is told at the end.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

SPEED = ("startup", "graph", "engine", "evaluate", "retrieval", "ingest")
QUALITY = (
    "demo_questions",
    "demo_questions --dev",
    "scifact",
    "routing",
    "routing --split dev",
    "answers",
    "answers --tune",
    "compress",
    "compress --tune",
    "memory",
    "rag_queries",  # takes an hour, and goes on where it was stopped
    "rag",  # takes hours, and goes on where it was stopped
    "rerank",  # takes hours, and goes on where it was stopped
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quality", action="store_true", help="only what figures of quality come from")
    failed = []
    for program in QUALITY if parser.parse_args().quality else (*SPEED, *QUALITY):
        print(f"\n== {program}", flush=True)
        name, *arguments = program.split()
        command = [sys.executable, Path(__file__).with_name(f"{name}.py"), *arguments]
        if subprocess.run(command, check=False).returncode:
            failed.append(program)
    if failed:
        raise SystemExit(f"could not be run: {', '.join(failed)}")


if __name__ == "__main__":
    main()
