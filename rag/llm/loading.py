"""`load`: from what a user writes to a chat model."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

from pydantic import ValidationError

from ..._explain import first_problem, unknown
from ...errors import MissingExtraError
from .errors import ModelError
from .models import FORMS
from .sampling import Sampling, SamplingOptions

if TYPE_CHECKING:
    from langchain_core.caches import BaseCache
    from langchain_core.callbacks import Callbacks
    from langchain_core.rate_limiters import BaseRateLimiter

    from .base import ChatModel


class LoadOptions(SamplingOptions, total=False):
    """Options of an answer, and of every chat model of LangChain."""

    logprobs: bool
    top_logprobs: int | None
    callbacks: Callbacks
    tags: list[str]
    metadata: dict[str, Any]
    rate_limiter: BaseRateLimiter
    cache: BaseCache | bool
    disable_streaming: bool
    verbose: bool


def load(  # noqa: PLR0913 - all but the first by keyword
    model: str | os.PathLike[str] = "embedded",
    *,
    n_gpu_layers: int = 0,
    n_ctx: int | None = None,
    n_seqs: int | None = None,
    batch_invariant: bool = False,
    timeout: float | None = None,
    model_name: str | None = None,
    continues: bool = False,
    api_key: str | None = None,
    **options: Unpack[LoadOptions],
) -> ChatModel:
    """Load a chat model.

    A local model is loaded at once. A server is first spoken to when it is asked something.

    ```python
    from ragloom import load

    with load("embedded", max_tokens=60) as llm:
        print(llm.invoke("Hi").text)  # -> Hello! How can I assist you today?
    ```

    Args:
        model: `embedded`; the path of a GGUF file; `hf:owner/repo/file.gguf`, which is downloaded once; or the URL of
            an OpenAI-compatible server, such as `http://localhost:8080/v1`.
        n_gpu_layers: how many layers of a local model go to the GPU; -1: all.
        n_ctx: room for prompt and answer, in tokens. Default: what a local model was trained for, at most 8,192.
        n_seqs: how many callers a local model answers at the same time. Default: 16.
        batch_invariant: a local model's answers do not depend on what else it is asked; see `LlamaEngine`.
        timeout: seconds after which an answer that is not done fails. Default: none, or that of OpenAI's client.
        model_name: which of a server's models.
        continues: whether a server goes on with an answer that the request begins, as llama-server and vLLM do; only
            then can `score_next` take a `prefix`, and `FirstReranker` rank by it.
        api_key: for a server. Default: `RAGLOOM_API_KEY` of the environment, at api.openai.com also `OPENAI_API_KEY`;
            empty: none.
        options: the defaults of its answers: `temperature` (0), `top_p` (0.95), `max_tokens` (512), `seed`, `stop` and
            the rest of `Sampling`, `logprobs` and `top_logprobs`; and what every chat model of LangChain has:
            `callbacks`, `tags`, `metadata`, `rate_limiter`, `cache`, ...

    Raises:
        ModelError: the model cannot be found or loaded, or an option cannot be used.
        MissingExtraError: the embedded model or the client for servers is not installed.
    """
    if not isinstance(model, str | os.PathLike) or not os.fspath(model):
        raise ModelError(f"cannot load {model!r}; a model is {FORMS}")
    sampling, own = _sorted_out(options)
    local = {"n_gpu_layers": n_gpu_layers or None, "n_seqs": n_seqs, "batch_invariant": batch_invariant or None}
    given = {name: value for name, value in local.items() if value is not None}
    try:
        if isinstance(model, str) and model.startswith(("http://", "https://")):
            if given:
                name, value = next(iter(given.items()))
                raise ModelError(f"{name}={value} is for local models; a server decides that itself")
            remote = {"model_name": model_name, "n_ctx": n_ctx, "continues": continues, "timeout": timeout}
            return _connect(model, **remote, api_key=api_key, sampling=sampling, own=own)
        if model_name is not None:
            raise ModelError(f"model_name={model_name!r} is for servers; a local model is named by its file")
        if api_key is not None:
            raise ModelError("api_key is for servers; a local model wants none")
        if continues:
            raise ModelError(f"continues={continues!r} is for servers; a local model goes on with any answer")
        return _load(os.fspath(model), n_ctx=n_ctx, timeout=timeout, **given, **dict(sampling), **own)
    except ValidationError as error:
        raise ModelError(first_problem(error, "option")) from None


def _sorted_out(options: Mapping[str, Any]) -> tuple[Sampling, dict[str, Any]]:
    """Of options, those of sampling, and those that chat models have anyway.

    Raises:
        ModelError: there is no such option, or sampling cannot have that value.
    """
    from langchain_core.language_models import BaseChatModel

    every = {*LoadOptions.__annotations__, *BaseChatModel.model_fields} - Sampling.model_fields.keys()
    for name in options:
        if name not in every and name not in Sampling.model_fields:
            raise ModelError(unknown("option", name, [*LoadOptions.__annotations__, *(load.__kwdefaults__ or ())]))
    sampling = Sampling.of({name: value for name, value in options.items() if name not in every})
    return sampling, {name: value for name, value in options.items() if name in every}


def _load(model: str, **options: Any) -> ChatModel:
    from .chat import ChatLocal

    return ChatLocal(model=model, **options)


def _connect(url: str, **options: Any) -> ChatModel:
    if importlib.util.find_spec("langchain_openai") is None:
        raise MissingExtraError("langchain-openai", "server-llm")
    from .server import connect

    return connect(url, **options)
