"""Run the `ragloom` command: in this process, where a scripted embedder will do, or as users do."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from ragloom.rag.cli import main

AS_EMBEDDER = "ragloom.stores.corpus_embedder.as_embedder"
"""Where a corpus gets its embedder from, unless it is given an object."""

SCRIPTED_MAIN = f"""
import sys
from unittest.mock import patch
sys.path.append({str(Path(__file__).parent)!r})
from fakes import HashingEmbedder
from ragloom.rag.cli import main
with patch({AS_EMBEDDER!r}, lambda _given: HashingEmbedder()):
    main()
"""
"""The command for `python -c`, with a scripted embedder."""

SCRIPT = Path(sys.executable).with_name("ragloom.exe" if sys.platform == "win32" else "ragloom")


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output, which must be one JSON document."""
        return json.loads(self.out)

    def check_fault(self, *parts: str) -> None:
        """One line on standard error that says all of `parts`, exit code 2, no traceback."""
        assert self.code == 2, self
        assert self.out == ""
        (line,) = [row for row in self.err.splitlines() if not row.startswith(("indexing", "skipped "))]
        assert line.startswith("ragloom: ")
        for part in parts:
            assert part in line


def here(*args: object) -> Done:
    """Run the command in this process."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    argv = ["ragloom", *map(str, args)]
    with patch.object(sys, "argv", argv), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
            code: object = 0
        except SystemExit as end:
            code = end.code
    for stream in (out, err):
        stream.flush()
        stream.seek(0)
    return Done(code if isinstance(code, int) else 0, out.read(), err.read())


def process(*args: object, **environment: str) -> Done:
    """Run the installed script, or `python -c CODE` if the first argument is `-c`."""
    command = [sys.executable] if args[0] == "-c" else [str(SCRIPT)]
    done = subprocess.run(
        [*command, *map(str, args)],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, **environment},
        check=False,
        timeout=250,
    )
    return Done(done.returncode, done.stdout, done.stderr)
