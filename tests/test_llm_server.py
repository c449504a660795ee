"""A server as the LLM, against a small HTTP server that speaks the protocol."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from ragloom.rag.llm import ChatModel, ModelError, load

USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


class Server(ThreadingHTTPServer):
    """Answers every chat with "Good day", or with the error `status` if that is set."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.status = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(request)
        self.server.keys.append(self.headers["Authorization"])
        if self.server.status != 200:
            self.reply(self.server.status, "application/json", {"error": {"message": "too hot", "code": "x"}})
        elif request.get("stream"):
            self.reply(200, "text/event-stream", *CHUNKS)
        else:
            self.reply(200, "application/json", WHOLE)

    def reply(self, status: int, kind: str, *bodies: dict[str, Any]) -> None:
        events = kind == "text/event-stream"
        texts = [f"data: {json.dumps(body)}\n\n" if events else json.dumps(body) for body in bodies]
        data = "".join([*texts, "data: [DONE]\n\n" if events else ""]).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def choice(**content: Any) -> dict[str, Any]:
    return {"id": "1", "created": 1, "model": "m", "choices": [{"index": 0, "finish_reason": None, **content}]}


WHOLE = {
    **choice(message={"role": "assistant", "content": "Good day"}, finish_reason="stop"),
    "object": "chat.completion",
    "usage": USAGE,
}
CHUNKS = [
    {**choice(delta={"role": "assistant", "content": "Good"}), "object": "chat.completion.chunk"},
    {**choice(delta={"content": " day"}, finish_reason="stop"), "object": "chat.completion.chunk"},
    {**choice(), "choices": [], "object": "chat.completion.chunk", "usage": USAGE},
]


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


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
    assert llm.get_num_tokens_from_messages([HumanMessage("a" * 300)]) == 108
    assert llm.profile is not None
    assert llm.profile["max_input_tokens"] == 4095


def test_without_its_client_a_server_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['langchain_openai'] = None; from ragloom.rag.llm import load; load('http://host/v1')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.endswith("install it with: pip install 'ragloom[server-llm]'\n")
