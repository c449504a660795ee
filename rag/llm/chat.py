"""`ChatLlama`: a GGUF model on this machine as a LangChain chat model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput, ModelProfile
from langchain_core.language_models.chat_models import agenerate_from_stream
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from pydantic import ConfigDict, Field, PrivateAttr, model_validator

from ..._explain import unknown
from ...settings import read_settings
from .base import ChatModel
from .engine import Delta, Engine
from .errors import ModelError
from .grammar import grammar_of
from .messages import to_turns
from .models import find_model
from .sampling import Sampling, SamplingFields
from .structured import json_schema, response_format, structured
from .template import ChatTemplate
from .weights import Weights

_DEFAULT_CONTEXT = 8192  # tokens; what a model was trained for may be 131,072, and gigabytes of KV cache
_WITHOUT_EFFECT = {"api_key", "max_retries", "streaming", "timeout"}
"""LangChain's standard options for models behind a network: every chat model takes them, here they change nothing."""


class ChatLlama(SamplingFields, ChatModel):
    """A chat model that runs in this process, by llama.cpp.

    The weights are loaded when it is made (0.5 s for the embedded model). Callers from several threads are answered one
    after the other; the async methods do not block the event loop. `close()`, `with`, garbage collection and the
    interpreter's exit free the memory.

    ```python
    from ragloom.rag.llm import ChatLlama

    with ChatLlama(model="embedded", n_ctx=512) as llm:
        print(llm.invoke("Hi").text)  # -> Hello! How can I assist you today?
    ```

    Attributes:
        model: `embedded`, the path of a GGUF file, or `hf:owner/repo/file.gguf`.
        n_gpu_layers: how many layers go to the GPU; -1: all.
        n_ctx: room for prompt and answer, in tokens; None: what the model was trained for, at most 8,192.
        temperature: 0 takes the likeliest token. Like `top_p`, `max_tokens`, `seed` and `stop` (see `SamplingFields`)
            it can also be given per call. So can OpenAI's `response_format`: the answer then is JSON that fits the
            schema, whatever the model would rather say; see `with_structured_output`.
    """

    model_config = ConfigDict(protected_namespaces=())

    model: str | Path = "embedded"
    n_gpu_layers: int = Field(default=0, ge=-1)
    n_ctx: int | None = Field(default=None, ge=1)

    _name: str = PrivateAttr()
    _engine: Engine = PrivateAttr()
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
        file = find_model(self.model)
        self._name = file.name
        with ExitStack() as undo:
            weights = Weights(file.path, n_gpu_layers=self.n_gpu_layers)
            undo.callback(weights.close)
            self._template = ChatTemplate(weights)
            self._engine = Engine(weights, n_ctx=self._room(weights), threads=read_settings().threads)
            undo.pop_all()

    def _room(self, weights: Weights) -> int:
        trained = weights.trained_context
        if self.n_ctx is not None and self.n_ctx > trained:
            raise ModelError(f"n_ctx={self.n_ctx} is more than the {trained} tokens that {self._name} was trained for")
        return self.n_ctx or min(trained, _DEFAULT_CONTEXT)

    @property
    def model_name(self) -> str:
        """What the model is called in answers and traces."""
        return self._name

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
            "model_name": self._name,
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
        from ragloom.rag.llm import ChatLlama

        schema = {"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}}, "required": ["colour"]}
        with ChatLlama(n_ctx=512) as llm:
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
        prompt = self._template.tokens(to_turns(messages))
        deltas = list(self._deltas(prompt, stop, kwargs))
        message = AIMessage(
            content="".join(delta.text for delta in deltas),
            usage_metadata=_usage(prompt, deltas[-1]),
            response_metadata=self._response_metadata(deltas[-1]),
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        prompt = self._template.tokens(to_turns(messages))
        for delta in self._deltas(prompt, stop, kwargs):
            if delta.finish_reason:
                last = AIMessageChunk(
                    content=delta.text,
                    usage_metadata=_usage(prompt, delta),
                    response_metadata=self._response_metadata(delta),
                    chunk_position="last",
                )
                chunk = ChatGenerationChunk(message=last)
            elif delta.text:
                chunk = ChatGenerationChunk(message=AIMessageChunk(content=delta.text))
            else:
                continue
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
        # By way of the stream, so that a cancelled task also cancels the generation.
        chunks: AsyncIterator[ChatGenerationChunk] = self._astream(messages, stop=stop, **kwargs)
        return await agenerate_from_stream(chunks)

    def _deltas(self, prompt: Sequence[int], stop: list[str] | None, options: dict[str, Any]) -> Iterator[Delta]:
        grammar = grammar_of(options.pop("response_format", None))
        return self._engine.stream(prompt, self._sampling(stop, options), grammar)

    def _sampling(self, stop: list[str] | None, options: dict[str, Any]) -> Sampling:
        mine = {name: getattr(self, name) for name in Sampling.model_fields}
        return Sampling.of({**mine, **options} if stop is None else {**mine, **options, "stop": stop})

    def _response_metadata(self, last: Delta) -> dict[str, Any]:
        return {"model_name": self._name, "finish_reason": last.finish_reason}


def _usage(prompt: Sequence[int], last: Delta) -> UsageMetadata:
    return UsageMetadata(input_tokens=len(prompt), output_tokens=last.tokens, total_tokens=len(prompt) + last.tokens)
