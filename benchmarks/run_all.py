"""Run every benchmark, one after the other, each in a process of its own; `--quality` runs those of quality alone.

Those are all that README and docs quote a figure of quality from. What could not be run is told at the end, with the
last words of each.
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
    "heads",  # takes half an hour
    "routing",
    "routing --split dev",
    "answers",
    "answers --tune",
    "compress",
    "compress --tune",
    "memory",
    "memory timeqa locomo --tune",
    "rag_queries --split train --limit 60",
    "rag_queries",  # takes an hour, and goes on where it was stopped
    "rag",  # takes hours, and goes on where it was stopped
    "rerank --split train",  # takes hours, and goes on where it was stopped
    "rerank",  # so does this
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quality", action="store_true", help="only what figures of quality come from")
    programs = QUALITY if parser.parse_args().quality else (*SPEED, *QUALITY)
    failed = {program: why for program in programs if (why := _fault(program))}
    print(f"\n{len(programs) - len(failed)} of {len(programs)} programs were run")
    if failed:
        raise SystemExit("could not be run:\n" + "\n".join(f"  {name}: {why}" for name, why in failed.items()))


def _fault(program: str) -> str:
    """Run a program; why it failed, which is what it said last, or nothing."""
    print(f"\n== {program}", flush=True)
    name, *arguments = program.split()
    command = [sys.executable, str(Path(__file__).with_name(f"{name}.py")), *arguments]
    last = ""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace") as running:
        assert running.stderr is not None
        for line in running.stderr:
            sys.stderr.write(line)
            last = line.strip() or last
    return (last or f"ended with {running.returncode}") if running.returncode else ""


if __name__ == "__main__":
    main()
