"""`ChatLocal` on the embedded model."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import llama_cpp
import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from pydantic import BaseModel
from ragloom.rag.llm import ChatLocal, ChatModel, ContextOverflow, ModelError, load
from ragloom.rag.llm.template import ChatTemplate

pytestmark = pytest.mark.model

QUESTION = "Name three colours."


@pytest.fixture(scope="module")
def llm() -> Iterator[ChatLocal]:
    with ChatLocal(n_ctx=512, max_tokens=12, batch_invariant=True) as llm:
        yield llm


def joined(chunks: Iterator[AIMessageChunk]) -> AIMessageChunk:
    whole = next(chunks)
    for chunk in chunks:
        whole += chunk
    return whole


def test_an_answer_says_what_made_it_and_how_it_ended(llm: ChatLocal) -> None:
    answer = llm.invoke(QUESTION)
    assert answer.text
    assert answer.response_metadata["model_name"] == "SmolLM2-135M-Instruct-Q8_0"
    assert answer.response_metadata["finish_reason"] == "length"
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["input_tokens"] == llm.get_num_tokens_from_messages([HumanMessage(QUESTION)])
    assert answer.usage_metadata["output_tokens"] == 12 == llm.count_tokens(answer.text)


def test_an_answer_that_the_model_ends_says_stop(llm: ChatLocal) -> None:
    answer = llm.invoke("Hi")
    assert (answer.text, answer.response_metadata["finish_reason"]) == ("Hello! How can I assist you today?", "stop")


def test_a_stream_is_the_answer_in_pieces(llm: ChatLocal) -> None:
    llm.invoke(QUESTION)  # both then find the prompt in the cache
    chunks = list(llm.stream(QUESTION))
    whole, answer = joined(iter(chunks)), llm.invoke(QUESTION)
    assert len(chunks) > 5
    assert whole.content == answer.content
    assert whole.usage_metadata == answer.usage_metadata
    assert whole.response_metadata == answer.response_metadata
    assert [chunk for chunk in chunks if chunk.usage_metadata] == chunks[-1:]


@pytest.mark.parametrize("stop", ["today", "st you t", "!"])
def test_a_stop_string_ends_answer_and_stream_alike(llm: ChatLocal, stop: str) -> None:
    full = "Hello! How can I assist you today?"
    answer, streamed = llm.invoke("Hi", stop=[stop]), joined(llm.stream("Hi", stop=[stop]))
    assert answer.text == streamed.text == full[: full.index(stop)]
    assert answer.response_metadata["finish_reason"] == streamed.response_metadata["finish_reason"] == "stop"


@pytest.mark.parametrize("max_tokens", [30, 31, 32])
def test_characters_of_several_tokens_arrive_whole(llm: ChatLocal, max_tokens: int) -> None:
    question = "Repeat: 😀 🎉 😀"
    pieces = [chunk.text for chunk in llm.stream(question, max_tokens=max_tokens)]
    answer = llm.invoke(question, max_tokens=max_tokens)
    assert set(answer.text) == {"🎉"}
    assert "".join(pieces) == answer.text
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] == max_tokens > len(answer.text) > 1


def test_what_was_asked_before_does_not_change_an_answer(llm: ChatLocal) -> None:
    first = llm.invoke(QUESTION).text
    llm.invoke("Name three animals, three plants and three stones.")
    assert llm.invoke(QUESTION).text == first


def test_equal_seeds_repeat_an_answer_and_others_vary_it(llm: ChatLocal) -> None:
    answers = [llm.invoke(QUESTION, temperature=1.5, top_p=1.0, seed=seed).text for seed in (1, 1, 2, 3)]
    assert answers[0] == answers[1]
    assert len(set(answers)) > 1


def test_options_per_call_replace_the_models_own(llm: ChatLocal) -> None:
    answer = llm.invoke(QUESTION, max_tokens=3)
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] == 3
    assert llm.bind(max_tokens=2).invoke(QUESTION).text == llm.invoke(QUESTION, max_tokens=2).text


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"temprature": 1}, "unknown option 'temprature'; did you mean 'temperature'?"),
        ({"temperature": -1}, "temperature should be greater than or equal to 0, not -1"),
        ({"top_p": 0}, "top_p should be greater than 0, not 0"),
        ({"max_tokens": 0}, "max_tokens should be greater than or equal to 1, not 0"),
        ({"stop": [""]}, "stop.0 should have at least 1 character, not ''"),
        ({"model": "other.gguf"}, "unknown option 'model'"),
        ({"timeout": -1}, "timeout should be greater than 0, not -1"),
        ({"timeout": float("nan")}, "timeout should be a finite number, not nan"),
        ({"timeout": "soon"}, "timeout should be a valid number"),
        ({"top_logprobs": 21}, "top_logprobs should be less than or equal to 20, not 21"),
        ({"logprobs": "what"}, "logprobs should be a valid boolean"),
        ({"logit_bias": {None: 1}}, "logit_bias.0.0 should be a valid integer, not None"),
        ({"logit_bias": {49152: 1}}, "logit_bias names token 49152; they go from 0 to 49151"),
        ({"logit_bias": {2**32: 1}}, "logit_bias names token 4294967296"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused(llm: ChatLocal, options: dict[str, object], problem: str) -> None:
    with pytest.raises(ModelError, match=problem.replace("?", r"\?")):
        llm.invoke(QUESTION, **options)


def test_a_misspelt_option_is_refused_and_langchains_standard_ones_are_taken() -> None:
    with pytest.raises(ModelError, match=r"unknown option 'temprature'; did you mean 'temperature'\?"):
        ChatLocal(n_ctx=256, temprature=1)
    with ChatLocal(n_ctx=256, timeout=60, max_retries=2) as llm:
        assert llm.context_size == 256


def test_a_prompt_longer_than_the_context_is_refused_with_both_numbers(llm: ChatLocal) -> None:
    with pytest.raises(ContextOverflow) as caught:
        llm.invoke("word " * 600)
    assert (caught.value.needed, caught.value.available) == (631, 511)
    assert "631 tokens but the context takes 511" in str(caught.value)


def test_an_answer_ends_where_the_context_is_full() -> None:
    with ChatLocal(n_ctx=40) as llm:
        answer = llm.invoke(QUESTION, max_tokens=None)
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["input_tokens"] < answer.usage_metadata["total_tokens"] == 40
    assert answer.response_metadata["finish_reason"] == "length"


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        ([], "the list of messages is empty"),
        ([HumanMessage([{"type": "image", "url": "a.png"}])], "read text only, not content of type 'image'"),
        ([HumanMessage([{"type": "text"}])], "a block of type 'text' has no text"),
        (
            [ChatMessage("Hi", role="<|im_start|>")],
            "unknown role '<.im_start.>'; expected one of: user, assistant",
        ),
        ([FunctionMessage("4", name="f")], "a chat model takes no FunctionMessage"),
    ],
)
def test_what_a_text_model_cannot_read_is_refused(llm: ChatLocal, messages: list[object], problem: str) -> None:
    with pytest.raises(ModelError, match=problem):
        llm.invoke(messages)


@pytest.mark.parametrize("kind", ["reasoning", "thinking", "redacted_thinking", "reasoning_content"])
def test_what_another_model_thought_before_it_answered_is_left_out(llm: ChatLocal, kind: str) -> None:
    thought = AIMessage([{"type": kind, kind: "Hm."}, {"type": "text", "text": "Hello"}])
    told = [HumanMessage("Hi"), thought, HumanMessage("Name three colours.")]
    assert llm.invoke(told).text == llm.invoke([told[0], AIMessage("Hello"), told[2]]).text


def test_texts_in_blocks_are_joined(llm: ChatLocal) -> None:
    blocks = HumanMessage([{"type": "text", "text": "Name three "}, "colours."])
    assert llm.invoke([blocks]).text == llm.invoke(QUESTION).text


def test_every_role_reaches_the_prompt(llm: ChatLocal) -> None:
    messages = [SystemMessage("a"), HumanMessage("b"), AIMessage("c"), ToolMessage("d", tool_call_id="1")]
    assert llm.get_num_tokens_from_messages(messages) > llm.get_num_tokens_from_messages(messages[:3])


def test_threads_get_the_answers_that_they_would_get_alone(llm: ChatLocal) -> None:
    questions = [f"Name {number} colours." for number in ("two", "three", "four", "five")]
    alone = [llm.invoke(question).text for question in questions]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda question: llm.invoke(question).text, questions)) == alone


def test_one_may_ask_while_reading_a_stream(llm: ChatLocal) -> None:
    chunks = llm.stream(QUESTION)
    first = next(chunks)
    assert llm.invoke("Hi").text == "Hello! How can I assist you today?"
    assert first.text + "".join(chunk.text for chunk in chunks) == llm.invoke(QUESTION).text


def test_a_stream_that_nobody_reads_is_cut_off() -> None:
    with ChatLocal(n_ctx=8192, max_tokens=None, temperature=3.0, top_p=1.0, seed=1) as llm:
        stream = llm.stream("Write a novel. Never stop.")
        next(stream)
        stream.close()
        assert llm.invoke("Hi", temperature=0).text.startswith("Hello")


async def test_the_async_methods_give_the_same_answer(llm: ChatLocal) -> None:
    answer = llm.invoke(QUESTION)
    assert (await llm.ainvoke(QUESTION)).text == answer.text
    assert "".join([chunk.text async for chunk in llm.astream(QUESTION)]) == answer.text


async def test_the_event_loop_turns_while_the_model_answers(llm: ChatLocal) -> None:
    stream = llm.stream("Write a novel. Never stop.", max_tokens=None, temperature=3.0, seed=1)
    next(stream)
    waiting = asyncio.create_task(llm.ainvoke("Hi"))  # the model is busy with the stream
    for _ in range(10):
        await asyncio.sleep(0)
    assert not waiting.done()
    stream.close()
    assert (await waiting).text == "Hello! How can I assist you today?"


def test_a_cancelled_task_leaves_the_model_free_for_the_next() -> None:
    async def ask(llm: ChatLocal) -> str:
        task = asyncio.create_task(llm.ainvoke("Write a novel. Never stop.", max_tokens=None, temperature=3.0, seed=1))
        for _ in range(100):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return (await llm.ainvoke("Hi")).text

    with ChatLocal(n_ctx=8192, max_tokens=12) as llm:
        assert asyncio.run(ask(llm)) == "Hello! How can I assist you today?"


def test_a_path_is_a_model(llm: ChatLocal) -> None:
    with ChatLocal(model=llm._engine.weights.path, n_ctx=256) as other:
        assert other.invoke("Hi").text == "Hello! How can I assist you today?"
        assert other.model_name == other._get_ls_params()["ls_model_name"] == llm._engine.weights.path.stem


@pytest.mark.skipif(llama_cpp.llama_supports_gpu_offload(), reason="this llama.cpp can use a GPU")
def test_layers_for_a_gpu_that_cannot_be_used_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    with ChatLocal(n_ctx=256, n_gpu_layers=-1):
        assert "n_gpu_layers=-1 has no effect: llama-cpp-python was built without GPU support" in caplog.text


def test_the_context_defaults_to_what_the_model_was_trained_for() -> None:
    with ChatLocal() as llm:
        assert llm.context_size == 8192
        assert llm.profile is not None
        assert llm.profile["max_input_tokens"] == 8191


def test_the_cache_key_of_langchain_knows_model_and_sampling(llm: ChatLocal) -> None:
    assert llm._llm_type == "ragloom-llama"
    assert {"model_name", "file", "n_ctx", "temperature", "seed", "stop"} <= llm._identifying_params.keys()
    shared = InMemoryCache()
    with ChatLocal(n_ctx=512, max_tokens=2, cache=shared) as plain:
        assert "logprobs" not in plain.invoke(QUESTION).response_metadata
        assert plain.invoke(QUESTION).text
        assert len(shared._cache) == 1
    for told, options in enumerate(({"logprobs": True}, {"top_logprobs": 2}), 2):
        with ChatLocal(n_ctx=512, max_tokens=2, cache=shared, **options) as telling:
            assert telling.invoke(QUESTION).response_metadata["logprobs"]["content"]
        assert len(shared._cache) == told


def test_load_gives_a_local_chat_model() -> None:
    llm = load(n_ctx=256, max_tokens=2, stop="you", temperature=0.5)
    assert isinstance(llm, ChatLocal)
    assert isinstance(llm, ChatModel)
    assert (llm.context_size, llm.max_tokens, llm.stop, llm.temperature) == (256, 2, ("you",), 0.5)
    llm.close()


class Named(BaseModel):
    name: str


def test_a_thought_is_left_out_where_the_answer_has_a_form(llm: ChatLocal, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    prompt = ChatTemplate.prompt

    def watched(self: ChatTemplate, turns: Any, tools: Any = (), *, thinking: bool = True) -> Any:
        seen.append(thinking)
        return prompt(self, turns, tools, thinking=thinking)

    monkeypatch.setattr(ChatTemplate, "prompt", watched)
    llm.invoke("Hi", max_tokens=1)
    llm.with_structured_output(Named).invoke("Tom")
    llm.bind_tools([Named], tool_choice="any").invoke("Tom", max_tokens=1)
    llm.bind_tools([Named]).invoke("Tom", max_tokens=1)
    llm.invoke("Hi", max_tokens=1, thinking=False)
    assert seen == [True, False, False, True, False]


def test_a_structured_answer_with_its_raw_one_takes_options_too(llm: ChatLocal) -> None:
    found = llm.with_structured_output(Named, include_raw=True).invoke("Tom", max_tokens=2)
    assert found["raw"].usage_metadata["output_tokens"] == 2
    assert "allow more with max_tokens, or, where the context is full" in str(found["parsing_error"])


@pytest.mark.parametrize(
    ("option", "meant"), [("timout", "timeout"), ("logprob", "logprobs"), ("responseformat", "response_format")]
)
def test_an_unknown_option_of_a_call_names_the_one_that_was_meant(llm: ChatLocal, option: str, meant: str) -> None:
    with pytest.raises(ModelError, match=f"unknown option '{option}'; did you mean '{meant}'"):
        llm.invoke("Hi", **{option: 3})
