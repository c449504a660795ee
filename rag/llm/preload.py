"""Loading a model while something else is under way."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from . import load
from .models import embedded_file, find_model

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


def preload(model: str, **options: Any) -> Callable[[], BaseChatModel]:
    """Begin to load a local model in the background; calling the result waits for it.

    Whether there is such a model is checked at once. A download or a server is left to the call of the result, where it
    can be interrupted. Python exits only after a load that has begun: llama.cpp cannot be left in the middle of it.

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
