"""A small HTTP server that speaks OpenAI's chat protocol."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


class Server(ThreadingHTTPServer):
    """Answers every chat with "Good day" and `logprobs`, or with the error `status` or `broken` if that is set.

    It makes a `pause` of so many seconds after each part of a stream.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.status = 200
        self.logprobs: dict[str, Any] | None = None
        self.pause = 0.0
        self.broken: dict[str, Any] | None = None
        self.answering = threading.Event()
        self.answering.set()

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
        self.server.answering.wait()
        if self.server.status != 200:
            self.reply(self.server.status, "application/json", {"error": {"message": "too hot", "code": "x"}})
        elif self.server.broken is not None:
            self.reply(200, "application/json", self.server.broken)
        elif request.get("stream"):
            self.reply(200, "text/event-stream", *CHUNKS)
        else:
            choices = [{**WHOLE["choices"][0], "logprobs": self.server.logprobs}]
            self.reply(200, "application/json", {**WHOLE, "choices": choices})

    def reply(self, status: int, kind: str, *bodies: dict[str, Any]) -> None:
        events = kind == "text/event-stream"
        texts = [f"data: {json.dumps(body)}\n\n" if events else json.dumps(body) for body in bodies]
        parts = [text.encode() for text in [*texts, "data: [DONE]\n\n" if events else ""]]
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(sum(map(len, parts))))
        with suppress(ConnectionError):  # who asked may have gone
            self.end_headers()
            for part in parts:
                self.wfile.write(part)
                time.sleep(self.server.pause)


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


def top(*told: tuple[str, float]) -> dict[str, Any]:
    return {"content": [{"token": "x", "logprob": -1, "top_logprobs": [{"token": t, "logprob": p} for t, p in told]}]}


@contextmanager
def serving() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
