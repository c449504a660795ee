"""An OpenAI-compatible server as the LLM: llama-server, Ollama, vLLM, OpenAI.

`ChatOpenAI` does the work. What is added: options in the spelling that servers other than OpenAI's understand, a token
count that needs no download, the next token's likelihood, and errors that a user can act on.
"""

from __future__ import annotations

import json
import logging
import math
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Never, Self
from urllib.parse import SplitResult, urlsplit

import numpy as np
import openai
from langchain_core.exceptions import OutputParserException
from langchain_core.language_models import LanguageModelInput, ModelProfile
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_openai import ChatOpenAI
from numpy.typing import NDArray
from pydantic import PositiveInt, SecretStr

from ...settings import read_settings
from .answer_options import AnswerOptions
from .base import ChatModel, LastingOptions
from .deadline import Deadline
from .errors import AttentionUnavailable, ModelError
from .guessing import guess_tokens
from .inert import texts_of
from .sampling import Sampling
from .tools import as_openai_tool
from .waiting import auntil, until

_log = logging.getLogger(__name__)

_OPENAI = "api.openai.com"
_ASSUMED_CONTEXT = 8192  # tokens; the protocol has no way to ask
_MOST_LOGPROBS = 20  # more are refused
_NOT_OPENAIS = ("top_k", "min_p")  # llama-server, Ollama and vLLM know them
_NONE_KEPT = type(openai.DEFAULT_CONNECTION_LIMITS)(max_keepalive_connections=0)
"""Connections that are waited for belong to an event loop, and the next request may come from another one."""

_REASONING = re.compile(r"o\d|gpt-5", re.IGNORECASE)
"""Names of OpenAI's models that think before they answer."""

_SAID = ("messages", "input", "instructions")  # the last two are the Responses API's
_TOKENS_PER_MESSAGE = 8  # ChatML and Llama 3 put 5 around each; rather too many than too few


class AnswerCutOff(ModelError, OutputParserException):  # noqa: N818 - the name says it
    """A server ended an answer of a given form before it was complete."""

    def __init__(self, url: str | None) -> None:
        """Name the server's `url`."""
        super().__init__(f"{url} cut the answer off before its end; allow it more tokens")


class ChatServer(LastingOptions, ChatOpenAI, ChatModel):
    """A chat model behind an OpenAI-compatible URL; the server is first spoken to when it is asked something.

    `score_next` works where the server tells log-probabilities, and only of its 20 likeliest tokens. Whether it does is
    found out when it is asked, so a graph that is checked before believes that it does, and `continues` what it says.

    What looks like a control token in a message, such as `<|im_end|>`, gets a blank and is text: many servers would
    take it for the token, and then a document could speak as the system. See `inert`.

    Attributes:
        n_ctx: room for prompt and answer together, in tokens; nobody checks that the server has it.
        continues: whether the server goes on with an answer that the request begins, as llama-server and vLLM do; only
            then can `score_next` take a `prefix`. Others would answer anew, which cannot be told from outside.
    """

    n_ctx: PositiveInt = _ASSUMED_CONTEXT
    continues: bool = False

    @property
    def context_size(self) -> int:
        """Room for prompt and answer together, in tokens."""
        return self.n_ctx

    def count_tokens(self, text: str) -> int:
        """About how many tokens `text` is; rather too many than too few, since the tokenizer is the server's."""
        return guess_tokens(text)

    @property
    def gives(self) -> frozenset[str]:
        """What a node of a graph may look into: `logprobs`, and the `logits` of a server that `continues` an answer."""
        return frozenset({"logprobs", "logits"} if self.continues else {"logprobs"})

    @property
    def obeys_thinking(self) -> bool:
        """Each server has its own way to say that, so none is told."""
        return False

    @property
    def engine(self) -> Never:
        """There is none in this process."""
        raise AttentionUnavailable(f"{self.model_name} at {self.openai_api_base}", "a server does not show it")

    def score_next(
        self,
        conversations: Sequence[Sequence[BaseMessage]],
        candidates: Sequence[str],
        *,
        prefix: str = "",
        cancelled: threading.Event | None = None,
    ) -> NDArray[np.float32]:
        """How likely each candidate is as the next token of the answer: `[n_conversations, n_candidates]`.

        See `ChatModel.score_next`. A server tells the log-probabilities of its 20 likeliest tokens: a candidate that is
        not among them gets `-inf`, so a text that is several tokens always does.

        Raises:
            ModelError: the server tells none, or there is a `prefix` and the server is not known to continue it.
        """
        return self._scores(self._answers(conversations, prefix, cancelled), candidates)

    def score_next_bounded(
        self,
        conversations: Sequence[Sequence[BaseMessage]],
        candidates: Sequence[str],
        *,
        cancelled: threading.Event | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """See `ChatModel.score_next_bounded`."""
        answers = self._answers(conversations, "", cancelled)
        return self._scores(answers, candidates), np.array([min(self._told(each).values()) for each in answers])

    def _answers(
        self, conversations: Sequence[Sequence[BaseMessage]], prefix: str, cancelled: threading.Event | None
    ) -> list[AIMessage]:
        scorer, asked = self._scoring(conversations, prefix)
        (answers,) = until(cancelled, lambda: [scorer.batch(asked)])
        return answers

    async def ascore_next(
        self, conversations: Sequence[Sequence[BaseMessage]], candidates: Sequence[str], *, prefix: str = ""
    ) -> NDArray[np.float32]:
        """Score as `score_next` does; the event loop goes on, and a cancelled task ends its requests."""
        scorer, asked = self._scoring(conversations, prefix)
        return self._scores(await scorer.abatch(asked), candidates)

    def _scoring(
        self, conversations: Sequence[Sequence[BaseMessage]], prefix: str
    ) -> tuple[Runnable[LanguageModelInput, AIMessage], list[LanguageModelInput]]:
        """What answers with one token and its alternatives, and what it is asked."""
        if prefix and not self.continues:
            raise ModelError(
                f"{self.openai_api_base} may not continue an answer that begins with {prefix!r}; if it does, say so "
                "with continues=True, otherwise load a local model"
            )
        options: dict[str, Any] = {"max_tokens": 1, "temperature": 1.0, "top_p": 1.0, "logprobs": True}
        if prefix:
            options["extra_body"] = {"continue_final_message": True, "add_generation_prompt": False}
        begun = [AIMessage(prefix)] if prefix else []
        return self.bind(top_logprobs=_MOST_LOGPROBS, **options), [[*each, *begun] for each in conversations]

    def _scores(self, answers: Sequence[AIMessage], candidates: Sequence[str]) -> NDArray[np.float32]:
        told = [self._told(answer) for answer in answers]
        rows = [[each.get(candidate, -math.inf) for candidate in candidates] for each in told]
        return np.array(rows, np.float32).reshape(len(answers), len(candidates))

    def _told(self, answer: AIMessage) -> dict[str, float]:
        """The log-probabilities of the tokens that were likeliest."""
        content = (answer.response_metadata.get("logprobs") or {}).get("content") or []
        if not content or not content[0].get("top_logprobs"):
            raise ModelError(f"{self.openai_api_base} tells no log-probabilities; load a local model")
        return {each["token"]: each["logprob"] for each in reversed(content[0]["top_logprobs"])}

    def close(self) -> None:
        """There is nothing to free: models of one URL share their connections, which langchain-openai keeps."""

    def get_num_tokens(self, text: str) -> int:
        """See `count_tokens`."""
        return self.count_tokens(text)

    def get_num_tokens_from_messages(
        self,
        messages: Sequence[BaseMessage],
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool] | None = None,
        *,
        allow_fetching_images: bool = True,  # noqa: ARG002
    ) -> int:
        """See `count_tokens`; the tools, and what a chat template puts around each message, are counted too."""
        shown = [json.dumps(as_openai_tool(tool), ensure_ascii=False) for tool in tools or ()]
        calls = [json.dumps(each.tool_calls) for each in messages if isinstance(each, AIMessage) and each.tool_calls]
        texts = [*(str(message.text) for message in messages), *calls, *shown]
        return sum(self.count_tokens(text) + _TOKENS_PER_MESSAGE for text in texts)

    def _resolve_model_profile(self) -> ModelProfile:
        return ModelProfile(max_input_tokens=self.context_size - 1)

    def _get_request_payload(
        self, input_: LanguageModelInput, *, stop: list[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        for ours in ("cancelled", "thinking"):  # how a server is kept from thinking, each says otherwise
            kwargs.pop(ours, None)
        payload: dict[str, Any] = super()._get_request_payload(input_, stop=stop, **kwargs)
        if "max_completion_tokens" in payload and _host(self.openai_api_base) != _OPENAI:
            payload["max_tokens"] = payload.pop("max_completion_tokens")
        own = {name: payload.pop(name) for name in _NOT_OPENAIS if name in payload}
        if body := {**(self.extra_body or {}), **(payload.get("extra_body") or {}), **own}:
            payload["extra_body"] = body
        return payload | {name: texts_of(payload[name]) for name in _SAID if name in payload}

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        cancelled, deadline = kwargs.pop("cancelled", None), self._deadline(kwargs)
        generate = super(ChatServer, self._asking(deadline))._generate
        with self._explained(deadline):
            (result,) = until(cancelled, lambda: [generate(*args, **kwargs)], deadline)
            self._check_answered(result.generations)
            return result

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        cancelled, deadline = kwargs.pop("cancelled", None), self._deadline(kwargs)
        stream = super(ChatServer, self._asking(deadline))._stream
        with self._explained(deadline):
            end = _End()
            for chunk in until(cancelled, lambda: stream(*args, **kwargs), deadline):
                yield end.seen(chunk)
            self._check_ended(end)

    async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
        cancelled, deadline = kwargs.pop("cancelled", None), self._deadline(kwargs)
        generate = super(ChatServer, self._asking(deadline))._agenerate
        with self._explained(deadline):
            result = await auntil(cancelled, generate(*args, **kwargs), deadline)
            self._check_answered(result.generations)
            return result

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        cancelled, deadline = kwargs.pop("cancelled", None), self._deadline(kwargs)
        stream = super(ChatServer, self._asking(deadline))._astream
        with self._explained(deadline):
            chunks, end = stream(*args, **kwargs), _End()
            while chunk := await auntil(cancelled, anext(chunks, None), deadline):
                yield end.seen(chunk)
            self._check_ended(end)

    def _deadline(self, options: Mapping[str, Any]) -> Deadline:
        """By when the whole answer is to be there; the HTTP client's own timeout is for each part of it."""
        timeout = options.get("timeout", self.request_timeout)
        return Deadline(timeout if isinstance(timeout, int | float) else None)

    def _asking(self, deadline: Deadline) -> Self:
        """This model; where there is a deadline one that asks once, for nobody stops OpenAI's client from going on."""
        if deadline.left is None:
            return self
        client, async_client = (each.with_options(max_retries=0) for each in (self.root_client, self.root_async_client))
        return self.model_copy(
            update={
                "root_client": client,
                "root_async_client": async_client,
                "client": client.chat.completions,
                "async_client": async_client.chat.completions,
            }
        )

    def _check_answered(self, answer: object) -> None:
        if not answer:
            raise ModelError(f"{self.openai_api_base} sent what is no answer; its URL usually ends in /v1")

    def _check_ended(self, end: _End) -> None:
        self._check_answered(end.chunks)
        if not end.is_told:
            _log.warning("%s did not say that its answer had ended; it may be cut off", self.openai_api_base)

    @contextmanager
    def _explained(self, deadline: Deadline) -> Iterator[None]:
        """Say what an error of the server means, without the request (and so the key) in it."""
        url = self.openai_api_base
        try:
            yield
        except ModelError:
            raise
        except openai.APITimeoutError as error:
            raise deadline.error or ModelError(f"{url} did not answer in time") from error
        except openai.APIConnectionError as error:
            raise ModelError(f"no answer from {url}; is the server running there?") from error
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            raise ModelError(
                f"{url} refuses the API key; set RAGLOOM_API_KEY. A server that a graph's YAML names is sent none "
                "unless you trust the graph (allow_imports=True, --allow-imports)"
            ) from error
        except openai.NotFoundError as error:
            raise ModelError(
                f"{url} knows no model {self.model_name!r}, or no chat completions; name the model with model_name"
            ) from error
        except openai.APIError as error:
            raise ModelError(f"{url} failed: {error.message}") from error
        except (openai.LengthFinishReasonError, openai.ContentFilterFinishReasonError) as error:
            raise AnswerCutOff(url) from error
        except (AttributeError, TypeError, ValueError) as error:  # what langchain-openai makes of other replies
            why = " ".join(str(error).split())
            if found := re.search(r"unexpected keyword argument '(\w+)'", why):
                raise ModelError(f"unknown option {found[1]!r}; the server's own go into extra_body") from error
            raise ModelError(f"{url} cannot be asked this, or sent what is no answer: {why}") from error


@dataclass
class _End:
    """Whether a streamed answer has come to its end.

    Attributes:
        chunks: how many there were.
        is_told: whether one said why the answer ends.
    """

    chunks: int = 0
    is_told: bool = False

    def seen(self, chunk: ChatGenerationChunk) -> ChatGenerationChunk:
        self.chunks += 1
        self.is_told |= "finish_reason" in (chunk.generation_info or {})
        return chunk


def connect(  # noqa: PLR0913 - all but the first by keyword
    url: str,
    *,
    model_name: str | None,
    n_ctx: int | None,
    continues: bool,
    timeout: float | None,
    api_key: str | None,
    sampling: Sampling,
    own: Mapping[str, Any],
) -> ChatServer:
    """Make a chat model for the server at `url`, which usually ends in `/v1`.

    `own` are options of every chat model of LangChain, which are handed on.

    Raises:
        ModelError: the URL names no host, or contains a password, or `timeout` cannot be used.
        ValidationError: `n_ctx` or `continues` cannot be used.
    """
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise ModelError("leave user and password out of the URL, where logs show them; set RAGLOOM_API_KEY instead")
    if not parts.hostname or not _has_valid_port(parts):
        raise ModelError(f"{url!r} is not the URL of a server; write for example http://localhost:8080/v1")
    return ChatServer(
        base_url=url,
        api_key=SecretStr((_key(url) if api_key is None else api_key) or "none"),
        model=model_name or "default",
        n_ctx=_ASSUMED_CONTEXT if n_ctx is None else n_ctx,
        continues=continues,
        http_async_client=openai.DefaultAsyncHttpxClient(limits=_NONE_KEPT),
        timeout=AnswerOptions.of({"timeout": timeout}).timeout,
        stream_usage=True,
        **_options(sampling, model_name or ""),
        **own,
    )


def _options(sampling: Sampling, model_name: str) -> dict[str, Any]:
    """In `ChatOpenAI`'s words; what OpenAI does not know is said only if asked for, to servers that may know it.

    OpenAI's reasoning models take neither `temperature` nor `top_p`: defaults of these are not told to them.
    """
    given = sampling.model_fields_set
    untold = {"top_p", "temperature"} if _REASONING.match(model_name) else {"top_p"}
    told = {
        name: value for name, value in sampling if value not in (None, ()) and (name in given or name not in untold)
    }
    for penalty in ("frequency_penalty", "presence_penalty"):
        told[penalty] = told[penalty] or None  # some servers refuse even a 0
    asked = {name: value for name in _NOT_OPENAIS if (value := told.pop(name))}
    if biases := dict(told.pop("logit_bias", ())):
        whole = all(bias.is_integer() for bias in biases.values())  # OpenAI takes no others
        (told if whole else asked)["logit_bias"] = biases
    return told | ({"extra_body": asked} if asked else {})


def _key(url: str) -> str | None:
    """The key of the environment; OpenAI's own is for OpenAI alone."""
    settings = read_settings()
    return settings.api_key or (settings.openai_key if _host(url) == _OPENAI else None)


def _has_valid_port(parts: SplitResult) -> bool:
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False


def _host(url: str | None) -> str | None:
    return urlsplit(url or "").hostname
