"""Loading a model while something else is under way."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from .loading import load
from .models import embedded_file, find_model

if TYPE_CHECKING:
    from .base import ChatModel


def preload(model: str, **options: Any) -> Callable[[], ChatModel]:
    """Begin to load a local model in the background; calling the result waits for it.

    Whether a local file is a model is checked at once. Downloads and servers are left to the call of the result, where
    Ctrl-C reaches them. Python exits only after a load that has begun: llama.cpp cannot be interrupted within one.

    Args:
        model: what `load` takes.
        options: further arguments of `load`.

    Raises:
        ModelError: there is no such model.
        MissingExtraError: it needs an extra that is not installed.
    """
    if model.startswith(("http://", "https://", "hf:")):
        return lambda: load(model, **options)
    if model == "embedded":
        embedded_file()
    else:
        find_model(model)
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ragloom-preload")
    loading = pool.submit(load, model, **options)
    pool.shutdown(wait=False)
    return loading.result
