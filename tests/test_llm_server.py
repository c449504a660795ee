"""A server as the LLM, against a small HTTP server that speaks the protocol."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from chat_server import CHUNKS, WHOLE, Server, serving, top
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tracers import BaseTracer, Run
from pydantic import BaseModel
from ragloom.rag.llm import AttentionUnavailable, ChatModel, DeadlineExceeded, ModelError, load


class Colour(BaseModel):
    colour: str


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


def test_a_url_is_a_chat_model(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAGLOOM_API_KEY", "s3cret")
    llm = load(server.url, model_name="qwen", max_tokens=9, temperature=0.5, stop=["x"], seed=4)
    assert llm.invoke("Hi").text == "Good day"
    (request,) = server.requests
    assert {key: request[key] for key in ("model", "max_tokens", "temperature", "stop", "seed")} == {
        "model": "qwen",
        "max_tokens": 9,
        "temperature": 0.5,
        "stop": ["x"],
        "seed": 4,
    }
    assert "max_completion_tokens" not in request
    assert server.keys == ["Bearer s3cret"]


def test_by_default_a_server_is_asked_as_a_local_model_is(server: Server) -> None:
    load(server.url).invoke("Hi")
    assert (server.requests[0]["temperature"], server.requests[0]["max_tokens"]) == (0, 512)


def test_a_stream_ends_with_the_usage(server: Server) -> None:
    chunks = list(load(server.url).stream("Hi"))
    assert "".join(chunk.text for chunk in chunks) == "Good day"
    assert server.requests[0]["stream_options"] == {"include_usage": True}
    assert [chunk.usage_metadata["total_tokens"] for chunk in chunks if chunk.usage_metadata] == [7]


async def answer_of(llm: Any) -> str:
    whole = (await llm.ainvoke("Hi")).text
    assert [chunk.text async for chunk in llm.astream("Hi")][:2] == ["Good", " day"]
    return str(whole)


@pytest.mark.asyncio
async def test_the_async_methods_answer_too(server: Server) -> None:
    assert await answer_of(load(server.url)) == "Good day"


def test_the_key_is_in_no_repr_and_no_trace(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAGLOOM_API_KEY", "s3cret")
    llm = load(server.url)
    assert "s3cret" not in f"{llm!r} {llm} {llm._get_invocation_params()} {llm.to_json()} {llm._identifying_params}"


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        (401, "refuses the API key; set RAGLOOM_API_KEY"),
        (404, "knows no model 'default', or no chat completions; name the model with model_name"),
        (400, "failed: .*too hot"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_a_server_refuses_is_explained(
    server: Server, status: int, problem: str, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAGLOOM_API_KEY", "s3cret")
    server.status = status
    llm = load(server.url)
    with pytest.raises(ModelError, match=f"{server.url} {problem}") as caught:
        list(llm.stream("Hi")) if stream else llm.invoke("Hi")
    assert "s3cret" not in str(caught.value)


def test_a_server_that_is_not_there_is_named_when_it_is_asked() -> None:
    with Server() as gone:
        url = gone.url
    llm = load(url)
    with pytest.raises(ModelError, match=f"no answer from {url}; is the server running there[?]"):
        llm.invoke("Hi")


@pytest.mark.parametrize(
    ("url", "options", "problem"),
    [
        ("http://", {}, "'http://' is not the URL of a server"),
        ("http://:80/v1", {}, "is not the URL of a server"),
        ("http://localhost:x/v1", {}, "is not the URL of a server"),
        ("https://me:s3cret@host/v1", {}, "leave user and password out of the URL"),
        ("http://host/v1", {"n_gpu_layers": 3}, "n_gpu_layers=3 is for local models"),
        ("http://host/v1", {"temprature": 3}, "unknown option 'temprature'; did you mean 'temperature'[?]"),
        ("http://host/v1", {"temperature": -3}, "temperature should be greater than or equal to 0, not -3"),
        ("http://host/v1", {"n_ctx": 0}, "n_ctx should be greater than 0, not 0"),
        ("http://host/v1", {"timeout": -1}, "timeout should be greater than 0, not -1"),
        ("http://host/v1", {"timeout": "x"}, "timeout should be a valid number, .*, not 'x'"),
        ("http://host/v1", {"timeout": float("nan")}, "timeout should be .*, not nan"),
        ("http://host/v1", {"continues": "perhaps"}, "continues should be"),
    ],
)
def test_a_server_that_cannot_be_asked_is_refused(url: str, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ModelError, match=problem) as caught:
        load(url, **options)
    assert "s3cret" not in str(caught.value)


def test_a_server_knows_its_context_and_can_be_closed_like_a_local_model() -> None:
    with load("http://host/v1", n_ctx=4096) as llm:
        assert isinstance(llm, ChatModel)
        assert llm.context_size == 4096
        assert llm.count_tokens("a" * 300) == 100
    llm.close()


def test_tokens_are_counted_without_a_download() -> None:
    llm = load("http://host/v1", n_ctx=4096)
    assert llm.get_num_tokens("a" * 300) == 100
    assert (llm.get_num_tokens("1,908"), llm.get_num_tokens("東京")) == (5, 4)
    called = AIMessage("", tool_calls=[{"name": "f", "args": {"x": "b" * 300}, "id": "1"}])
    assert llm.get_num_tokens_from_messages([called]) > 108
    asked = [HumanMessage("a" * 300)]
    assert llm.get_num_tokens_from_messages(asked) == 108
    tool = {"type": "function", "function": {"name": "f", "description": "b" * 300, "parameters": {}}}
    assert 208 < llm.get_num_tokens_from_messages(asked, [tool]) < 270
    assert llm.profile is not None
    assert llm.profile["max_input_tokens"] == 4095


def test_without_its_client_a_server_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['langchain_openai'] = None; from ragloom.rag.llm import load; load('http://host/v1')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.endswith("install it with: pip install 'ragloom[server-llm]'\n")


ASKED = [[HumanMessage("Is snow cold?")], [HumanMessage("Is fire cold?")]]


def test_the_next_token_is_scored_by_one_token_and_its_alternatives(server: Server) -> None:
    server.logprobs = top(("Yes", -0.5), (" Yes", -2.0), ("No", -1.0))
    llm = load(server.url, temperature=0.5, top_p=0.5)
    scores = llm.score_next(ASKED, ["Yes", "No", "Maybe"])
    assert scores.tolist() == [[-0.5, -1.0, -math.inf]] * 2
    assert scores.dtype == np.float32
    asked = {"max_tokens": 1, "logprobs": True, "top_logprobs": 20, "temperature": 1.0, "top_p": 1.0}
    for request in server.requests:
        assert asked.items() <= request.items()
    assert {request["messages"][0]["content"] for request in server.requests} == {"Is snow cold?", "Is fire cold?"}
    assert llm.score_next([], ["Yes"]).shape == (0, 1)


async def test_scoring_leaves_the_event_loop_free(server: Server) -> None:
    server.logprobs = top(("Yes", -0.5))
    assert (await load(server.url).ascore_next(ASKED[:1], ["Yes"])).tolist() == [[-0.5]]


@pytest.mark.parametrize("logprobs", [None, {"content": None}, {"content": []}, top()])
def test_a_server_that_tells_no_log_probabilities_is_refused(server: Server, logprobs: Any) -> None:
    server.logprobs = logprobs
    with pytest.raises(ModelError, match=f"{server.url} tells no log-probabilities; load a local model"):
        load(server.url).score_next(ASKED, ["Yes"])


def test_a_prefix_is_for_servers_that_are_known_to_continue_it(server: Server) -> None:
    server.logprobs = top(("A", -0.5))
    llm = load(server.url)
    with pytest.raises(ModelError, match=r"may not continue an answer that begins with '\['"):
        llm.score_next(ASKED, ["A"], prefix="[")
    assert server.requests == []
    continues = load(server.url, continues=True)
    assert continues.score_next(ASKED[:1], ["A"], prefix="[").tolist() == [[-0.5]]
    assert server.requests[0]["messages"][-1] == {"role": "assistant", "content": "["}
    assert server.requests[0]["continue_final_message"] is True


def test_a_server_has_no_attention() -> None:
    llm = load("http://host/v1")
    with pytest.raises(AttentionUnavailable, match="of default at http://host/v1: a server does not show it"):
        _ = llm.engine
    assert llm.gives == {"logprobs"}
    assert load("http://host/v1", continues=True).gives == {"logprobs", "logits"}


def test_options_that_openai_does_not_know_are_sent_if_they_are_asked_for(server: Server) -> None:
    load(server.url).invoke("Hi")
    assert not {"top_k", "min_p", "logit_bias", "frequency_penalty", "presence_penalty"} & server.requests[-1].keys()
    llm = load(server.url, top_k=5, min_p=0.1, logit_bias={7: -100})
    llm.invoke("Hi")
    assert (server.requests[-1]["top_k"], server.requests[-1]["min_p"]) == (5, 0.1)
    assert server.requests[-1]["logit_bias"] == {"7": -100}
    load(server.url, logit_bias={7: 2.5}, frequency_penalty=0.5).invoke("Hi")
    assert server.requests[-1]["frequency_penalty"] == 0.5
    assert server.requests[-1]["logit_bias"] == {"7": 2.5}
    llm.invoke("Hi", top_k=3)
    assert server.requests[-1]["top_k"] == 3


@pytest.mark.parametrize(
    ("name", "told"),
    [("gpt-5-mini", {}), ("o3", {}), ("gpt-4o", {"temperature": 0.0}), ("default", {"temperature": 0.0})],
)
def test_what_nobody_chose_is_not_told_to_models_that_refuse_it(
    server: Server, name: str, told: dict[str, float]
) -> None:
    load(server.url, model_name=name).invoke("Hi")
    assert {key: value for key, value in server.requests[-1].items() if key in ("temperature", "top_p")} == told


def test_what_was_chosen_is_told(server: Server) -> None:
    load(server.url, temperature=0.5, top_p=0.9).invoke("Hi")
    assert (server.requests[-1]["temperature"], server.requests[-1]["top_p"]) == (0.5, 0.9)


def test_options_of_the_server_s_own_stand_beside_those_of_the_model(server: Server) -> None:
    llm = load(server.url, top_k=5, min_p=0.1)
    llm.invoke("Hi", extra_body={"chat_template_kwargs": {"enable_thinking": False}})
    assert (server.requests[-1]["top_k"], server.requests[-1]["min_p"]) == (5, 0.1)
    assert server.requests[-1]["chat_template_kwargs"] == {"enable_thinking": False}
    with pytest.raises(ModelError, match=r"unknown option 'temprature'; the server's own go into extra_body"):
        llm.invoke("Hi", temprature=0.4)


def test_a_server_that_is_too_slow_is_given_up(server: Server) -> None:
    server.answering.clear()
    for llm, options in ((load(server.url, timeout=0.05), {}), (load(server.url), {"timeout": 0.05})):
        with pytest.raises(DeadlineExceeded, match=r"longer than the timeout of 0\.05 s"):
            llm.invoke("Hi", **options)
    server.answering.set()
    time.sleep(1.5)  # OpenAI's client would ask again after a second at most
    assert len(server.requests) == 2


@pytest.mark.asyncio
async def test_what_came_in_time_is_not_too_late_for_who_reads_it_slowly(server: Server) -> None:
    llm, said = load(server.url, timeout=1.0), ""
    for chunk in llm.stream("Hi"):
        said += chunk.text
        time.sleep(0.6)
    async for chunk in llm.astream("Hi"):
        said += chunk.text
        await asyncio.sleep(0.6)
    assert said == "Good dayGood day"


@pytest.mark.asyncio
async def test_a_stream_that_comes_drop_by_drop_is_too_slow_as_a_whole(server: Server) -> None:
    server.pause = 0.3
    llm = load(server.url, timeout=0.5)
    with pytest.raises(DeadlineExceeded):
        list(llm.stream("Hi"))
    with pytest.raises(DeadlineExceeded):
        [chunk async for chunk in llm.astream("Hi")]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("broken", [{"error": "no model is loaded"}, {}, {"choices": []}])
def test_a_reply_that_is_no_answer_is_an_error_of_the_server(
    server: Server, broken: dict[str, Any], stream: bool
) -> None:
    server.broken = broken
    llm = load(server.url)
    with pytest.raises(ModelError, match=server.url):
        list(llm.stream("Hi")) if stream else llm.invoke("Hi")


@pytest.mark.parametrize(("name", "value"), [("n_seqs", 4), ("batch_invariant", True), ("n_gpu_layers", 3)])
def test_what_is_for_local_models_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ModelError, match=f"{name}={value} is for local models; a server decides that itself"):
        load("http://host/v1", **{name: value})


def test_the_key_of_the_environment_is_sent_and_never_shown(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAGLOOM_API_KEY", "s3cret")
    seen: list[str] = []

    class Tracer(BaseTracer):
        def _persist_run(self, run: Run) -> None:
            seen.append(run.model_dump_json(fallback=str) if hasattr(run, "model_dump_json") else str(vars(run)))

    llm = load(server.url)
    server.logprobs = top(("Yes", -0.5))
    llm.invoke("Hi", config={"callbacks": [Tracer()]})
    llm.bind_tools([{"name": "f", "description": "d", "parameters": {}}]).invoke("Hi", config={"callbacks": [Tracer()]})
    llm.score_next(ASKED, ["Yes"])
    server.status = 401
    with pytest.raises(ModelError) as caught:
        llm.score_next(ASKED, ["Yes"])
    errors = "".join(traceback.format_exception(caught.value))
    assert set(server.keys) == {"Bearer s3cret"}
    assert len(seen) == 2
    assert "s3cret" not in "".join([*seen, errors, repr(llm), str(llm.model_dump())])


def test_a_server_can_be_asked_from_one_event_loop_after_the_other(server: Server) -> None:
    llm = load(server.url)
    for _ in range(3):
        assert asyncio.run(llm.ainvoke("Hi")).text == "Good day"
    assert asyncio.run(load(server.url).ainvoke("Hi")).text == "Good day"


@pytest.mark.parametrize("is_async", [False, True])
def test_a_stream_that_does_not_say_that_it_has_ended_is_told(
    server: Server, is_async: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def streamed() -> list[str]:
        return [chunk.text async for chunk in load(server.url).astream("Hi")]

    def stream() -> list[str]:
        return asyncio.run(streamed()) if is_async else [chunk.text for chunk in load(server.url).stream("Hi")]

    stream()
    assert caplog.messages == []
    monkeypatch.setattr("chat_server.CHUNKS", CHUNKS[:1])
    assert stream()[0] == "Good"
    assert caplog.messages == [f"{server.url} did not say that its answer had ended; it may be cut off"]


def test_an_answer_of_a_form_that_is_cut_off_can_be_caught_as_on_this_machine(server: Server) -> None:
    cut = {**WHOLE, "choices": [{**WHOLE["choices"][0], "finish_reason": "length"}]}
    server.broken = cut
    with pytest.raises(OutputParserException, match="cut the answer off"):
        load(server.url).with_structured_output(Colour).invoke("Which?")
