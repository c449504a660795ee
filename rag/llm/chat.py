"""`ChatLocal`: a GGUF model on this machine as a LangChain chat model."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, aclosing, closing
from pathlib import Path
from typing import Any, Never, Self

import numpy as np
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, ModelProfile
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.tools import BaseTool
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, PrivateAttr, model_validator

from ..._explain import unknown
from .answer_options import AnswerOptionFields, AnswerOptions
from .answers import Answer
from .binding import Binding
from .engine import LlamaEngine
from .errors import ModelError
from .grammar import grammar_of, schema_of
from .messages import to_turns
from .requests import Request
from .sampling import Sampling, SamplingFields
from .template import ChatTemplate
from .tools import as_openai_tool, read_tools

_WITHOUT_EFFECT = {"api_key", "max_retries", "streaming"}
"""LangChain's standard options for models behind a network: every chat model takes them, here they change nothing."""


class ChatLocal(AnswerOptionFields, SamplingFields, Binding):
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
        temperature: 0 takes the likeliest token. Like `top_p`, `max_tokens`, `seed` and `stop` (see `SamplingFields`)
            and `timeout`, `logprobs` and `top_logprobs` (see `AnswerOptionFields`) it can also be given per call. So
            can OpenAI's `response_format`: the answer then is JSON that fits the schema, whatever the model would
            rather say; see `with_structured_output`. And so can `tools` and `tool_choice`; see `bind_tools`.
    """

    model_config = ConfigDict(protected_namespaces=())

    model: str | Path = "embedded"
    n_gpu_layers: int = Field(default=0, ge=-1)
    n_ctx: int | None = Field(default=None, ge=1)
    n_seqs: int = Field(default=16, ge=1, le=127)
    batch_invariant: bool = False

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
    def gives(self) -> frozenset[str]:
        """What a node of a graph may look into: everything."""
        return frozenset({"logprobs", "logits", "attention"})

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

    def spellings(self, word: str) -> list[str]:
        """How the next token may spell a word; see `ChatModel.spellings`."""
        found: dict[int, str] = {}
        for text in super().spellings(word):
            first, *more = self._engine.weights.tokenize_within(text)
            if not more:
                found.setdefault(first, text)
        return list(found.values())

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
            "n_gpu_layers": self.n_gpu_layers,
            "batch_invariant": self.batch_invariant,
            "logprobs": self.logprobs,
            "top_logprobs": self.top_logprobs,
            **self._sampling(None, {}).model_dump(),
        }

    def _resolve_model_profile(self) -> ModelProfile:
        return ModelProfile(
            name=self.model_name,
            open_weights=True,
            max_input_tokens=self.context_size - 1,
            max_output_tokens=min(self.max_tokens or self.context_size, self.context_size - 1),
            text_inputs=True,
            image_inputs=False,
            audio_inputs=False,
            video_inputs=False,
            text_outputs=True,
            reasoning_output=False,
            tool_calling=True,
            tool_choice=True,
            tool_call_streaming=True,
            structured_output=True,
            temperature=True,
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
        return len(self._template.prompt(to_turns(messages), [as_openai_tool(tool) for tool in tools or ()]).tokens)

    def score_next(
        self,
        conversations: Sequence[Sequence[BaseMessage]],
        candidates: Sequence[str],
        *,
        prefix: str = "",
        cancelled: threading.Event | None = None,
    ) -> NDArray[np.float32]:
        """How likely each candidate is as the next token of the answer: `[n_conversations, n_candidates]`.

        See `ChatModel.score_next`; here every candidate has its log-probability, and must be a single token. A model
        that opens with a thinking block gets an empty one, so that its first token is the answer's.
        """
        prompts = [self._template.answer_begun(to_turns(each), prefix) for each in conversations]
        return self._engine.score_next(prompts, candidates, timeout=self.timeout, cancelled=cancelled)

    async def ascore_next(
        self, conversations: Sequence[Sequence[BaseMessage]], candidates: Sequence[str], *, prefix: str = ""
    ) -> NDArray[np.float32]:
        """Score as `score_next` does; the event loop goes on, and a cancelled task cancels its prompts."""
        prompts = [self._template.answer_begun(to_turns(each), prefix) for each in conversations]
        return await self._engine.ascore_next(prompts, candidates, timeout=self.timeout)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        request, answer = self._request(messages, stop, kwargs)
        with closing(self._engine.stream(request)) as deltas:
            return _result(answer.message(list(deltas)))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        request, answer = self._request(messages, stop, kwargs)
        with closing(self._engine.stream(request)) as deltas:
            for delta in deltas:
                if message := answer.chunk(delta):
                    chunk = ChatGenerationChunk(message=message)
                    if run_manager:
                        run_manager.on_llm_new_token(str(message.content), chunk=chunk)
                    yield chunk

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        request, answer = self._request(messages, stop, kwargs)
        async with aclosing(self._engine.astream(request)) as deltas:
            return _result(answer.message([delta async for delta in deltas]))

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        request, answer = self._request(messages, stop, kwargs)
        async with aclosing(self._engine.astream(request)) as deltas:
            async for delta in deltas:
                if message := answer.chunk(delta):
                    chunk = ChatGenerationChunk(message=message)
                    if run_manager:
                        await run_manager.on_llm_new_token(str(message.content), chunk=chunk)
                    yield chunk

    def _request(
        self, messages: list[BaseMessage], stop: list[str] | None, options: dict[str, Any]
    ) -> tuple[Request, Answer]:
        response_format = options.pop("response_format", None)
        many = options.pop("parallel_tool_calls", None)
        tools = read_tools(options.pop("tools", None) or (), options.pop("tool_choice", None))
        self._refuse_unknown_options(options)
        cancelled = options.pop("cancelled", None)
        leaves_room = tools.choice in ("auto", "none") if tools else response_format is None
        is_thinking = options.pop("thinking", leaves_room)  # a grammar that allows none would have JSON in the thought
        prompt = self._template.prompt(to_turns(messages), tools.shown if tools else (), thinking=is_thinking)
        reader = None
        if tools:
            schema = schema_of(response_format)
            grammar = tools.grammar(prompt.form, many=prompt.native if many is None else many, answer=schema)
            reader = tools.reader(prompt.form, answer=schema)
        else:
            grammar = grammar_of(response_format)
        own = AnswerOptions.of({name: options.pop(name, getattr(self, name)) for name in AnswerOptions.model_fields})
        request = Request(
            prompt.tokens,
            self._sampling(stop, options),
            grammar=grammar,
            top_logprobs=own.alternatives,
            timeout=own.timeout,
            cancelled=cancelled,
        )
        return request, Answer(self._engine.name, len(prompt.tokens), reader)

    def _refuse_unknown_options(self, options: Mapping[str, Any]) -> None:
        known = [*Sampling.model_fields, *AnswerOptions.model_fields, "thinking", "cancelled"]
        for name in options:
            if name not in known:
                of_calls = ("response_format", "tools", "tool_choice", "parallel_tool_calls")
                raise ModelError(unknown("option", name, [*known, *of_calls]))

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """A copy, which shares the model."""
        return self.model_copy()

    def __reduce__(self) -> Never:
        """Refuse to be pickled: what llama.cpp has loaded stays in its process.

        Raises:
            ModelError: always.
        """
        raise ModelError("a loaded model cannot be pickled; load it in each process, by ragloom.load")

    def _sampling(self, stop: list[str] | None, options: dict[str, Any]) -> Sampling:
        mine = {name: getattr(self, name) for name in Sampling.model_fields}
        return Sampling.of({**mine, **options} if stop is None else {**mine, **options, "stop": stop})


def _result(message: AIMessage) -> ChatResult:
    return ChatResult(generations=[ChatGeneration(message=message)])
