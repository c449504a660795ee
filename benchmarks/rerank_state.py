"""What a benchmark has measured so far: a JSON line for each result, so that a run that was killed goes on."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple


class Key(NamedTuple):
    """What a result is of."""

    part: str
    set: str
    method: str
    setting: str
    query: str


class State:
    """Results by key; the last one counts."""

    def __init__(self, path: Path) -> None:
        """Read what is there; a line that a killed run left unfinished is removed."""
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = path.read_bytes() if path.exists() else b""
        lines, newline, _ = whole.rpartition(b"\n")
        if len(lines) + len(newline) < len(whole):
            path.write_bytes(lines + newline)
        self._rows: dict[Key, dict[str, Any]] = {}
        for line in lines.splitlines():
            row = json.loads(line)
            self._rows[Key(*row.pop("key"))] = row

    def __str__(self) -> str:
        """What is there before anything is measured, for it does not know which code measured it."""
        if not self._rows:
            return f"nothing is measured yet; results go to {self._path}"
        last = datetime.fromtimestamp(self._path.stat().st_mtime, UTC)
        kept = f"{len(self._rows):,} results, the last of {last:%Y-%m-%d %H:%M} UTC, are kept from {self._path}"
        return f"{kept}; remove it to measure everything anew"

    def __contains__(self, key: Key) -> bool:
        return key in self._rows

    def __getitem__(self, key: Key) -> dict[str, Any]:
        return self._rows[key]

    def add(self, key: Key, **row: Any) -> None:
        """Remember a result and write it down."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": key, **row}) + "\n")
        self._rows[key] = row

    def of(self, part: str, name: str, method: str, setting: str) -> dict[str, dict[str, Any]]:
        """Results by query."""
        wanted = (part, name, method, setting)
        return {key.query: row for key, row in self._rows.items() if key[:4] == wanted}
