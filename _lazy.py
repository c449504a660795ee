"""Public names that are imported when they are first used (PEP 562).

`import ragloom` must cost milliseconds, so a package's `__init__` names where each public thing lives instead of
importing it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def lazy(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Make a package's `__getattr__`: `homes` maps a public name to the relative module that defines it."""

    def __getattr__(name: str) -> Any:  # noqa: N807 - it becomes the package's own
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(home, package), name)

    return __getattr__
