"""The local LLM: `load` turns a file, a name or a URL into a LangChain chat model."""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING, Any

from ...errors import MissingExtraError
from .errors import ContextOverflowError, ModelError

if TYPE_CHECKING:
    from typing import Unpack

    from langchain_core.language_models import BaseChatModel

    from .chat import ChatLlama
    from .sampling import SamplingOptions

__all__ = ["ChatLlama", "ContextOverflowError", "ModelError", "load"]


def load(
    model: str | os.PathLike[str] = "embedded",
    *,
    n_gpu_layers: int = 0,
    n_ctx: int | None = None,
    model_name: str | None = None,
    **sampling: Unpack[SamplingOptions],
) -> BaseChatModel:
    """Load a chat model.

    A local model is loaded at once. A server is first spoken to when it is asked something.

    Args:
        model: `embedded`; the path of a GGUF file; `hf:owner/repo/file.gguf`, which is downloaded once; or the URL of
            an OpenAI-compatible server, such as `http://localhost:8080/v1`.
        n_gpu_layers: how many layers of a local model go to the GPU; -1: all.
        n_ctx: room for prompt and answer, in tokens. Default: what a local model was trained for, at most 8,192.
        model_name: which of a server's models.
        sampling: the defaults of its answers: `temperature` (0), `top_p` (0.95), `max_tokens` (512), `seed`, `stop`.

    Raises:
        ModelError: the model cannot be found or loaded, or an option cannot be used.
        MissingExtraError: the embedded model or the client for servers is not installed.

    Example:
        >>> llm = load()
        >>> llm.invoke("Hi").text
        'Hello! How can I assist you today?'
    """
    from pydantic import ValidationError

    from .models import FORMS
    from .sampling import Sampling, first_problem

    if not isinstance(model, str | os.PathLike) or not os.fspath(model):
        raise ModelError(f"cannot load {model!r}; a model is {FORMS}")
    checked = Sampling.of(sampling)
    try:
        if isinstance(model, str) and model.startswith(("http://", "https://")):
            if n_gpu_layers:
                raise ModelError(f"n_gpu_layers={n_gpu_layers} is for local models; a server decides that itself")
            return _connect(model, model_name=model_name, n_ctx=n_ctx, sampling=checked)
        if model_name is not None:
            raise ModelError(f"model_name={model_name!r} is for servers; a local model is named by its file")
        return _load(model=os.fspath(model), n_gpu_layers=n_gpu_layers, n_ctx=n_ctx, **checked.model_dump())
    except ValidationError as error:
        raise ModelError(first_problem(error)) from None


def _load(**fields: Any) -> BaseChatModel:
    from .chat import ChatLlama

    return ChatLlama(**fields)


def _connect(url: str, **options: Any) -> BaseChatModel:
    if importlib.util.find_spec("langchain_openai") is None:
        raise MissingExtraError("langchain-openai", "server-llm")
    from .server import connect

    return connect(url, **options)


def __getattr__(name: str) -> Any:
    if name == "ChatLlama":
        from .chat import ChatLlama

        return ChatLlama
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
