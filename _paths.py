"""Paths as people write them."""

from __future__ import annotations

import os
from pathlib import Path


def expand_user(path: str | os.PathLike[str]) -> Path:
    """The path with a leading `~` or `~name` resolved; where there is no such home (`~$report.docx`), as it is."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)
