"""The local LLM: `load` turns a file, a name or a URL into a LangChain chat model.

llama.cpp's threads wait for each other a thousand times a token, and GNU's OpenMP lets them spin meanwhile, for up to
300,000 rounds. Where another program has one of the cores, each spins until the other's turn comes: a token took 4.5 s
here instead of 9 ms. After 1,000 rounds they sleep now: 0.1 s, and 3% more on an idle machine. OpenMP reads the
variable when it is loaded, so it is set before anything here loads it; whoever sets it, or its like, decides.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..._lazy import lazy

if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
    os.environ["GOMP_SPINCOUNT"] = "1000"

if TYPE_CHECKING:
    from .attention.document_kv import DocumentKV as DocumentKV
    from .attention.flash import Attention as Attention
    from .attention.flash import Head as Head
    from .base import ChatModel as ChatModel
    from .chat import ChatLocal as ChatLocal
    from .engine import LlamaEngine as LlamaEngine
    from .errors import AttentionUnavailable as AttentionUnavailable
    from .errors import Cancelled as Cancelled
    from .errors import ContextOverflow as ContextOverflow
    from .errors import DeadlineExceeded as DeadlineExceeded
    from .errors import EngineClosed as EngineClosed
    from .errors import ModelError as ModelError
    from .loading import load as load
    from .requests import Completion as Completion
    from .requests import Request as Request
    from .sampling import Sampling as Sampling

__all__ = [
    "Attention",
    "AttentionUnavailable",
    "Cancelled",
    "ChatLocal",
    "ChatModel",
    "Completion",
    "ContextOverflow",
    "DeadlineExceeded",
    "DocumentKV",
    "EngineClosed",
    "Head",
    "LlamaEngine",
    "ModelError",
    "Request",
    "Sampling",
    "load",
]

_HOMES = {
    "Attention": ".attention.flash",
    "AttentionUnavailable": ".errors",
    "Cancelled": ".errors",
    "ChatLocal": ".chat",
    "ChatModel": ".base",
    "Completion": ".requests",
    "ContextOverflow": ".errors",
    "DeadlineExceeded": ".errors",
    "DocumentKV": ".attention.document_kv",
    "EngineClosed": ".errors",
    "Head": ".attention.flash",
    "LlamaEngine": ".engine",
    "ModelError": ".errors",
    "Request": ".requests",
    "Sampling": ".sampling",
    "load": ".loading",
}
__getattr__ = lazy(__name__, _HOMES)
