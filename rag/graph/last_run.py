"""What each node did in the last run of a graph, kept in ragloom's cache for `ragloom graph draw --times`."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ...settings import read_settings
from .spec import GraphSpec
from .state import NodeTrace

_TRACE = TypeAdapter(list[NodeTrace])


def remember_run(spec: GraphSpec, trace: Sequence[NodeTrace]) -> None:
    """Keep a run's trace; a cache that cannot be written keeps nothing, which is no reason to fail."""
    file = _file(spec)
    own = file.with_suffix(f".{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        own.write_text(json.dumps([asdict(each) for each in trace]), encoding="utf-8")
        own.replace(file)
    except OSError:
        with suppress(OSError):
            own.unlink()


def last_run(spec: GraphSpec) -> list[NodeTrace]:
    """The trace of the last run; empty if none is known."""
    try:
        return _TRACE.validate_json(_file(spec).read_bytes())
    except (OSError, ValidationError):
        return []


def runs_folder() -> Path:
    """Where traces are kept."""
    return read_settings().cache / "graphs" / "runs"


def _file(spec: GraphSpec) -> Path:
    """One for each YAML file, wherever the command is started, and for each preset."""
    file = spec.origin.file
    known = str(Path(file).resolve()) if file.endswith((".yaml", ".yml")) else file or spec.name
    return runs_folder() / f"{hashlib.sha256(known.encode()).hexdigest()[:16]}.json"
