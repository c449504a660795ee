"""`ChatLocal`: a GGUF model on this machine as a LangChain chat model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, aclosing, closing
from pathlib import Path
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput, ModelProfile
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from pydantic import ConfigDict, Field, PrivateAttr, model_validator

from ..._explain import unknown
from .base import ChatModel
from .engine import LlamaEngine
from .errors import ModelError
from .grammar import grammar_of
from .messages import logprobs_metadata, to_turns, usage
from .requests import Delta, Request
from .sampling import Sampling, SamplingFields
from .structured import json_schema, response_format, structured
from .template import ChatTemplate

_WITHOUT_EFFECT = {"api_key", "max_retries", "streaming"}
"""LangChain's standard options for models behind a network: every chat model takes them, here they change nothing."""


class ChatLocal(SamplingFields, ChatModel):
    """A chat model that runs in this process, by llama.cpp.

    The weights are loaded when it is made (0.5 s for the embedded model). Callers from several threads are answered
    together, by a `LlamaEngine`, which `engine` is; the async methods do not block the event loop. `close()`, `with`,
    garbage collection and the interpreter's exit free the memory.

    ```python
    from ragloom.rag.llm import ChatLocal

    with ChatLocal(model="embedded", n_ctx=512) as llm:
        print(llm.invoke("Hi").text)  # -> Hello! How can I assist you today?
    ```

    Attributes:
        model: `embedded`, the path of a GGUF file, or `hf:owner/repo/file.gguf`.
        n_gpu_layers: how many layers go to the GPU; -1: all.
        n_ctx: room for all prompts and answers under way, in tokens, and so for the longest one; None: what the model
            was trained for, at most 8,192.
        n_seqs: how many callers are answered at the same time; more wait for their turn.
        batch_invariant: whatever is asked beside or was asked before, the same prompt gets the same answer at
            temperature 0; see `LlamaEngine`.
        timeout: seconds after which an answer that is not done fails; None: never.
        logprobs: tell each token's log-probability in `response_metadata["logprobs"]`, in OpenAI's form.
        top_logprobs: and those of so many likeliest tokens, at most 20; only with `logprobs`.
        temperature: 0 takes the likeliest token. Like `top_p`, `max_tokens`, `seed` and `stop` (see `SamplingFields`)
            it can also be given per call. So can OpenAI's `response_format`: the answer then is JSON that fits the
            schema, whatever the model would rather say; see `with_structured_output`.
    """

    model_config = ConfigDict(protected_namespaces=())

    model: str | Path = "embedded"
    n_gpu_layers: int = Field(default=0, ge=-1)
    n_ctx: int | None = Field(default=None, ge=1)
    n_seqs: int = Field(default=16, ge=1, le=127)
    batch_invariant: bool = False
    timeout: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    logprobs: bool = False
    top_logprobs: int | None = Field(default=None, ge=0, le=20)

    _engine: LlamaEngine = PrivateAttr()
    _template: ChatTemplate = PrivateAttr()

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, options: dict[str, Any]) -> dict[str, Any]:
        for name in options:
            if name not in cls.model_fields and name not in _WITHOUT_EFFECT:
                own = [field for field in cls.model_fields if field not in BaseChatModel.model_fields]
                raise ModelError(unknown("option", name, own))
        return options

    def model_post_init(self, context: Any, /) -> None:  # noqa: ARG002
        """Load the model.

        Raises:
            ModelError: it cannot be found or loaded.
        """
        engine = LlamaEngine(
            self.model,
            n_ctx=self.n_ctx,
            n_seqs=self.n_seqs,
            n_gpu_layers=self.n_gpu_layers,
            batch_invariant=self.batch_invariant,
        )
        with ExitStack() as undo:
            undo.callback(engine.close)
            self._template = ChatTemplate(engine.weights)
            self._engine = engine
            undo.pop_all()

    @property
    def engine(self) -> LlamaEngine:
        """What evaluates the model; it also scores tokens and reads attention."""
        return self._engine

    @property
    def model_name(self) -> str:
        """What the model is called in answers and traces."""
        return self._engine.name

    @property
    def context_size(self) -> int:
        """Room for prompt and answer together, in tokens."""
        return self._engine.n_ctx

    def count_tokens(self, text: str) -> int:
        """How many tokens `text` is, by the model's own tokenizer."""
        return len(self._engine.weights.tokenize(text))

    def close(self) -> None:
        """Cancel what runs and free the memory; a second call does nothing."""
        self._engine.close()

    @property
    def _llm_type(self) -> str:
        return "ragloom-llama"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        file = str(self._engine.weights.path)
        return {
            "model_name": self._engine.name,
            "file": file,
            "n_ctx": self.context_size,
            **self._sampling(None, {}).model_dump(),
        }

    def _resolve_model_profile(self) -> ModelProfile:
        return ModelProfile(
            max_input_tokens=self.context_size - 1, text_inputs=True, text_outputs=True, tool_calling=False
        )

    def get_token_ids(self, text: str) -> list[int]:
        """The tokens of `text`, by the model's own tokenizer."""
        return self._engine.weights.tokenize(text)

    def get_num_tokens_from_messages(
        self,
        messages: list[BaseMessage],
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool] | None = None,
    ) -> int:
        """How many tokens `messages` are as a prompt, with all that the chat template adds."""
        if tools:
            raise ModelError("local models answer in text only and take no tools")
        return len(self._template.tokens(to_turns(messages)))

    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        include_raw: bool = False,
        method: str = "json_schema",
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Give values instead of messages: a dict, or what a pydantic model makes of it.

        A grammar lets the model write nothing else. It is not told the schema: say in the prompt what its keys mean.

        ```python
        from ragloom.rag.llm import ChatLocal

        schema = {"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}}, "required": ["colour"]}
        with ChatLocal(n_ctx=512) as llm:
            print(llm.with_structured_output(schema).invoke("Which colour has the sky?"))  # -> {'colour': 'blue'}
        ```

        Args:
            schema: a JSON Schema, a pydantic model or a `TypedDict`.
            include_raw: give LangChain's `raw`, `parsed` and `parsing_error` instead.
            method: `json_schema`, `function_calling` (the same here), or `json_mode` for any JSON object.
            kwargs: options of the call; LangChain's `strict` changes nothing.

        Raises:
            ModelError: the method is another one.
            OutputParserException: when asked, `max_tokens` cut the answer off, or a pydantic model refuses it.
        """
        options = {name: value for name, value in kwargs.items() if name != "strict"}
        told = {"kwargs": {"method": method}, "schema": json_schema(schema)}  # for LangChain's traces
        bound = self.bind(response_format=response_format(schema, method), ls_structured_output_format=told, **options)
        return structured(bound, schema, include_raw=include_raw)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        prompt, request = self._request(messages, stop, kwargs)
        with closing(self._engine.stream(request)) as deltas:
            return self._result(prompt, list(deltas))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        prompt, request = self._request(messages, stop, kwargs)
        with closing(self._engine.stream(request)) as deltas:
            for delta in deltas:
                if chunk := self._chunk(prompt, delta):
                    if run_manager:
                        run_manager.on_llm_new_token(delta.text, chunk=chunk)
                    yield chunk

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        prompt, request = self._request(messages, stop, kwargs)
        async with aclosing(self._engine.astream(request)) as deltas:
            return self._result(prompt, [delta async for delta in deltas])

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        prompt, request = self._request(messages, stop, kwargs)
        async with aclosing(self._engine.astream(request)) as deltas:
            async for delta in deltas:
                if chunk := self._chunk(prompt, delta):
                    if run_manager:
                        await run_manager.on_llm_new_token(delta.text, chunk=chunk)
                    yield chunk

    def _request(
        self, messages: list[BaseMessage], stop: list[str] | None, options: dict[str, Any]
    ) -> tuple[list[int], Request]:
        prompt = self._template.tokens(to_turns(messages))
        grammar = grammar_of(options.pop("response_format", None))
        own = {name: options.pop(name, getattr(self, name)) for name in ("timeout", "logprobs", "top_logprobs")}
        asked = own["logprobs"] or own["top_logprobs"] is not None
        request = Request(
            prompt,
            self._sampling(stop, options),
            grammar=grammar,
            top_logprobs=(own["top_logprobs"] or 0) if asked else None,
            timeout=own["timeout"],
        )
        return prompt, request

    def _sampling(self, stop: list[str] | None, options: dict[str, Any]) -> Sampling:
        mine = {name: getattr(self, name) for name in Sampling.model_fields}
        return Sampling.of({**mine, **options} if stop is None else {**mine, **options, "stop": stop})

    def _result(self, prompt: list[int], deltas: list[Delta]) -> ChatResult:
        last = deltas[-1]
        message = AIMessage(
            content="".join(delta.text for delta in deltas),
            usage_metadata=usage(len(prompt), last),
            response_metadata=self._metadata(last) | logprobs_metadata(deltas),
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _chunk(self, prompt: list[int], delta: Delta) -> ChatGenerationChunk | None:
        """What a stream tells of a bit of the answer; nothing of one that completes no character."""
        told = logprobs_metadata([delta])
        if delta.finish_reason:
            last = AIMessageChunk(
                content=delta.text,
                usage_metadata=usage(len(prompt), delta),
                response_metadata=self._metadata(delta) | told,
                chunk_position="last",
            )
            return ChatGenerationChunk(message=last)
        if delta.text or told:
            return ChatGenerationChunk(message=AIMessageChunk(content=delta.text, response_metadata=told))
        return None

    def _metadata(self, last: Delta) -> dict[str, Any]:
        return {"model_name": self._engine.name, "finish_reason": last.finish_reason}
