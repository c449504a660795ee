"""An OpenAI-compatible server as the LLM: llama-server, Ollama, vLLM, OpenAI.

`ChatOpenAI` does the work. What is added: `max_tokens` in the spelling that servers other than OpenAI's understand,
a token count that needs no download, and errors that a user can act on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import SplitResult, urlsplit

import openai
from langchain_core.language_models import LanguageModelInput, ModelProfile
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.tools import BaseTool
from langchain_openai import ChatOpenAI
from pydantic import PositiveInt, SecretStr

from ...settings import read_settings
from .base import ChatModel
from .errors import ModelError
from .sampling import Sampling

_ASSUMED_CONTEXT = 8192  # tokens; the protocol has no way to ask
_BYTES_PER_TOKEN = 3  # English has over 4: better to count a few tokens too many than to overflow
_TOKENS_PER_MESSAGE = 8  # ChatML and Llama 3 put 5 around each; rather too many than too few


class ChatServer(ChatOpenAI, ChatModel):
    """A chat model behind an OpenAI-compatible URL; the server is first spoken to when it is asked something.

    Attributes:
        n_ctx: room for prompt and answer together, in tokens; nobody checks that the server has it.
    """

    n_ctx: PositiveInt = _ASSUMED_CONTEXT

    @property
    def context_size(self) -> int:
        """Room for prompt and answer together, in tokens."""
        return self.n_ctx

    def count_tokens(self, text: str) -> int:
        """About how many tokens `text` is; rather too many than too few, since the tokenizer is the server's."""
        return -(-len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN)

    def close(self) -> None:
        """There is nothing to free: models of one URL share their connections, which langchain-openai keeps."""

    def get_num_tokens(self, text: str) -> int:
        """See `count_tokens`."""
        return self.count_tokens(text)

    def get_num_tokens_from_messages(
        self,
        messages: Sequence[BaseMessage],
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool] | None = None,  # noqa: ARG002
        *,
        allow_fetching_images: bool = True,  # noqa: ARG002
    ) -> int:
        """See `count_tokens`; what a chat template puts around each message is counted too."""
        return sum(self.count_tokens(str(message.text)) + _TOKENS_PER_MESSAGE for message in messages)

    def _resolve_model_profile(self) -> ModelProfile:
        return ModelProfile(max_input_tokens=self.context_size - 1)

    def _get_request_payload(
        self, input_: LanguageModelInput, *, stop: list[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        payload: dict[str, Any] = super()._get_request_payload(input_, stop=stop, **kwargs)
        if "max_completion_tokens" in payload and _host(self.openai_api_base) != "api.openai.com":
            payload["max_tokens"] = payload.pop("max_completion_tokens")
        return payload

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        with self._explained():
            return super()._generate(*args, **kwargs)

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        with self._explained():
            yield from super()._stream(*args, **kwargs)

    async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
        with self._explained():
            return await super()._agenerate(*args, **kwargs)

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        with self._explained():
            async for chunk in super()._astream(*args, **kwargs):
                yield chunk

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say what an error of the server means, without the request (and so the key) in it."""
        url = self.openai_api_base
        try:
            yield
        except openai.APIConnectionError as error:
            raise ModelError(f"no answer from {url}; is the server running there?") from error
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            raise ModelError(f"{url} refuses the API key; set RAGLOOM_API_KEY") from error
        except openai.NotFoundError as error:
            raise ModelError(
                f"{url} knows no model {self.model_name!r}, or no chat completions; name the model with model_name"
            ) from error
        except openai.APIError as error:
            raise ModelError(f"{url} failed: {error.message}") from error


def connect(url: str, *, model_name: str | None, n_ctx: int | None, sampling: Sampling) -> ChatServer:
    """Make a chat model for the server at `url`, which usually ends in `/v1`.

    Raises:
        ModelError: the URL names no host, or contains a password.
        ValidationError: `n_ctx` cannot be used.
    """
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise ModelError("leave user and password out of the URL, where logs show them; set RAGLOOM_API_KEY instead")
    if not parts.hostname or not _has_valid_port(parts):
        raise ModelError(f"{url!r} is not the URL of a server; write for example http://localhost:8080/v1")
    return ChatServer(
        base_url=url,
        api_key=SecretStr(read_settings().api_key or "none"),
        model=model_name or "default",
        n_ctx=_ASSUMED_CONTEXT if n_ctx is None else n_ctx,
        stream_usage=True,
        **{name: value for name, value in sampling if value not in (None, ())},
    )


def _has_valid_port(parts: SplitResult) -> bool:
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False


def _host(url: str | None) -> str | None:
    return urlsplit(url or "").hostname
