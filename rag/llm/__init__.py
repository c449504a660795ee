"""The local LLM: `load` turns a file, a name or a URL into a LangChain chat model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._lazy import lazy

if TYPE_CHECKING:
    from .base import ChatModel as ChatModel
    from .chat import ChatLlama as ChatLlama
    from .errors import ContextOverflowError as ContextOverflowError
    from .errors import ModelError as ModelError
    from .loading import load as load

__all__ = ["ChatLlama", "ChatModel", "ContextOverflowError", "ModelError", "load"]

_HOMES = {
    "ChatLlama": ".chat",
    "ChatModel": ".base",
    "ContextOverflowError": ".errors",
    "ModelError": ".errors",
    "load": ".loading",
}
__getattr__ = lazy(__name__, _HOMES)
