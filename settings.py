"""Everything ragloom reads from the environment, in one place.

An empty variable counts as unset.

| variable             | meaning                                                        | default                     |
|----------------------|----------------------------------------------------------------|-----------------------------|
| `RAGLOOM_CACHE`      | folder for prepared models, indexes of `demo` and `ask --over` | the user's cache folder     |
| `RAGLOOM_API_KEY`    | key for an OpenAI-compatible server                            | `OPENAI_API_KEY` at OpenAI  |
| `RAGLOOM_THREADS`    | CPU threads for the LLM, and for embedding few texts           | the CPUs this process has   |
| `RAGLOOM_EMBED_DTYPE`| number type of the embedder: `auto`, `float32`, `bfloat16`     | `auto`                      |
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from ._paths import expand_user
from .errors import RagloomError


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says, read by `read_settings`.

    Attributes:
        cache: folder for what can be made again; it may not exist yet.
        api_key: of an OpenAI-compatible server.
        openai_key: of OpenAI's own, and for no other.
        threads: how many CPU threads the LLM has, and the embedder for few texts.
        embed_dtype: number type of the embedder: `auto`, `float32` or `bfloat16`.
    """

    cache: Path
    api_key: str | None
    openai_key: str | None
    threads: int
    embed_dtype: str


def read_settings() -> Settings:
    """Read the environment.

    Raises:
        RagloomError: a variable has a value that cannot be used.
    """
    return Settings(
        cache=expand_user(_variable("RAGLOOM_CACHE") or user_cache_path("ragloom")),
        api_key=_variable("RAGLOOM_API_KEY"),
        openai_key=_variable("OPENAI_API_KEY"),
        threads=_threads(_variable("RAGLOOM_THREADS")),
        embed_dtype=_dtype(_variable("RAGLOOM_EMBED_DTYPE") or "auto"),
    )


def _variable(name: str) -> str | None:
    return os.environ.get(name) or None


def _threads(value: str | None) -> int:
    if value is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not value.isdecimal() or int(value) < 1:
        raise RagloomError(f"RAGLOOM_THREADS must be a whole number above 0, not {value!r}")
    return int(value)


def _dtype(value: str) -> str:
    if value not in {"auto", "float32", "bfloat16"}:
        raise RagloomError(f"RAGLOOM_EMBED_DTYPE must be auto, float32 or bfloat16, not {value!r}")
    return value
