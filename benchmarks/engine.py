"""The engine beside plain llama-cpp-python (`Llama`), on the same file, taking turns in one process.

Texts are abstracts of SciFact. `Llama` reuses what its last prompt has in common with the next one, as it does by
default. Each round is one turn of both, in another order; a ratio compares two turns of one round, and above 1 is in
the engine's favour.

- throughput: 16 requests of 40 own tokens and 48 answer tokens after a shared beginning of 200 tokens, greedy
- score_next: 20 prompts of 100 own tokens after a shared beginning of 300, log-probabilities of the next token
- single stream: a prompt of 200 tokens, 96 answer tokens, without the first one
- first token: of a prompt of 2,000 tokens, of one of which all but the last 10 tokens were just evaluated, and of the
  next 30 tokens of one of three conversations of 2,000, which take turns
- memory: most that a process of its own had after 8,000 tokens, on Linux; `Llama` has `logits_all`, which it needs for
  log-probabilities
- threads: 64 of them ask for 30 seconds, `batch_invariant`; answers that are not those given alone, and how many
  answers the least and the best served thread got
- flips: how many greedy answers of 48 tokens differ in a batch of 16 from those given alone, per 1,000 tokens before
  that, and by how much at most the likeliest token was ahead of the second where it happened (in log-probability)
- price: of `batch_invariant`, in time to the first token of prompts of 500 and of 2,000 tokens; here the column `Llama`
  is the engine without it
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import data
import numpy as np
from ragloom.rag.llm import Completion, LlamaEngine, Request, Sampling
from ragloom.rag.llm.models import find_model
from ragloom.settings import read_settings
from report import interval, table, write

THREADS, SECONDS = 64, 30
REQUESTS, OWN, ANSWER, SHARED = 16, 40, 48, 200
TARGETS = {"throughput": 2.0, "score_next": 1.5, "single stream": 0.95}
PARTS = ("times", "memory", "threads", "flips", "price")
CONVERSATIONS = 3
YES_NO = (" Yes", " No")
MEMORY = """
import re, sys
from pathlib import Path
sys.path[:0] = {path!r}
model, tokens = {model!r}, {tokens!r}
{code}
status = Path("/proc/self/status").read_text()  # `ru_maxrss` would begin with what the parent has
print(int(re.search(r"VmHWM:\\s+([0-9]+) kB", status)[1]) / 1024)
"""
PLAIN = (
    "import ragloom.rag.llm, llama_cpp; llama_cpp.Llama(model, n_ctx=8192, logits_all=True, verbose=False).eval(tokens)"
)
OURS = "from ragloom.rag.llm import LlamaEngine; LlamaEngine(model, n_ctx=8192).score_next([tokens], [1])"


def main() -> None:
    options = data.parser(__doc__)
    _add(options)
    given = options.parse_args()
    texts = list(data.scifact(given.data, "train")[0].values())
    model = str(find_model(given.model).path)
    parts = {
        "times": lambda: _timed(model, texts, given.rounds),
        "memory": lambda: [_memory(model, texts)],
        "threads": lambda: [_threads(model, texts)],
        "flips": lambda: _flips(model, texts),
        "price": lambda: _price(model, texts, given.rounds),
    }
    rows = []
    for row in (row for part in given.only or PARTS for row in parts[part]()):
        print(row, file=sys.stderr, flush=True)  # the whole takes a quarter of an hour
        rows.append(row)
    if given.only:
        print(table(rows))
    else:
        write("engine", rows, targets=TARGETS, model=Path(model).name, rounds=given.rounds)


def _add(options: ArgumentParser) -> None:
    options.add_argument("--model", default="embedded")
    options.add_argument("--rounds", type=int, default=15)
    options.add_argument("--only", choices=[*PARTS], action="append", help="measure only this; nothing is written")


def _timed(model: str, texts: list[str], rounds: int) -> Iterator[dict[str, Any]]:
    import llama_cpp  # after ragloom, which has its threads sleep where they would spin: both have the same threads

    threads = read_settings().threads
    plain = llama_cpp.Llama(model, n_ctx=8192, n_threads=threads, n_threads_batch=threads, verbose=False)
    scoring = llama_cpp.Llama(
        model, n_ctx=2048, n_threads=threads, n_threads_batch=threads, logits_all=True, verbose=False
    )
    with LlamaEngine(model, n_ctx=8192) as engine:
        tokens = _Tokens(engine, texts)
        pairs: dict[str, tuple[Callable[[int], float], Callable[[int], float], str]] = {
            "throughput": (
                lambda i: _plain_throughput(plain, tokens.sharing(i, SHARED, OWN, REQUESTS)),
                lambda i: _throughput(engine, tokens.sharing(i, SHARED, OWN, REQUESTS)),
                "ms per answer token",
            ),
            "score_next": (
                lambda i: _plain_scores(scoring, tokens.sharing(i, 300, 100, 20)),
                lambda i: _scores(engine, tokens.sharing(i, 300, 100, 20)),
                "ms per prompt",
            ),
            "single stream": (
                lambda i: _plain_stream(plain, tokens.one(i, 200), 96)[1],
                lambda i: _stream(engine, tokens.one(i, 200), 96)[1],
                "ms per token",
            ),
            "first token of 2,000": (
                lambda i: _plain_stream(plain, tokens.one(i, 2000), 1)[0],
                lambda i: _stream(engine, tokens.one(i, 2000), 1)[0],
                "ms",
            ),
            "first token, known but 10": (
                lambda i: _known(lambda prompt: _plain_stream(plain, prompt, 1)[0], tokens, i),
                lambda i: _known(lambda prompt: _stream(engine, prompt, 1)[0], tokens, i),
                "ms",
            ),
            "first token, conversations in turn": (
                lambda i: _in_turn(lambda prompt: _plain_stream(plain, prompt, 1)[0], tokens, i),
                lambda i: _in_turn(lambda prompt: _stream(engine, prompt, 1)[0], tokens, i),
                "ms",
            ),
        }
        for name, (theirs, ours, unit) in pairs.items():
            more = 3 if name == "single stream" else 1  # its target is the closest, and its turns are the shortest
            turns = [_turn(i, theirs, ours) for i in range(more * rounds + 1)][1:]  # the first warms up
            yield _row(name, unit, turns)


def _row(name: str, unit: str, turns: list[tuple[float, float]]) -> dict[str, Any]:
    ratios = [theirs / ours for theirs, ours in turns]
    low, high = interval(ratios, of=np.median)
    return {
        "what": name,
        "unit": unit,
        "Llama": round(float(np.median([theirs for theirs, _ in turns])), 2),
        "engine": round(float(np.median([ours for _, ours in turns])), 2),
        "x": round(float(np.median(ratios)), 2),
        "low": round(low, 2),
        "high": round(high, 2),
    }


def _turn(number: int, theirs: Callable[[int], float], ours: Callable[[int], float]) -> tuple[float, float]:
    if number % 2:
        mine = ours(number)
        return theirs(number), mine
    return theirs(number), ours(number)


class _Tokens:
    """Real text as tokens, other ones each round, the same ones for both."""

    def __init__(self, engine: LlamaEngine, texts: list[str]) -> None:
        order = random.Random(1).sample(texts, 400)
        self._tokens = [token for text in order for token in engine.tokenize(text)]

    def one(self, number: int, length: int) -> list[int]:
        start = number * 7919 % (len(self._tokens) - length)
        return self._tokens[start : start + length]

    def conversation(self, number: int, turns: int) -> list[int]:
        said = (token for turn in range(turns) for token in self.one(50 + CONVERSATIONS * turn + number, 30))
        return [*self.one(30 + number, 2000), *said]

    def sharing(self, number: int, shared: int, own: int, count: int) -> list[list[int]]:
        beginning = self.one(number, shared)
        rest = self.one(number + 100, own * count)
        return [[*beginning, *rest[i * own : (i + 1) * own]] for i in range(count)]


def _throughput(engine: LlamaEngine, prompts: list[list[int]]) -> float:
    started = time.perf_counter()
    answers = engine.generate([Request(prompt, Sampling(max_tokens=ANSWER)) for prompt in prompts])
    return (time.perf_counter() - started) * 1000 / sum(answer.tokens for answer in answers)


def _plain_throughput(llama: Any, prompts: list[list[int]]) -> float:
    started = time.perf_counter()
    answers = [llama.create_completion(prompt, max_tokens=ANSWER, temperature=0) for prompt in prompts]
    return (time.perf_counter() - started) * 1000 / sum(answer["usage"]["completion_tokens"] for answer in answers)


def _scores(engine: LlamaEngine, prompts: list[list[int]]) -> float:
    started = time.perf_counter()
    engine.score_next(prompts, YES_NO)
    return (time.perf_counter() - started) * 1000 / len(prompts)


def _plain_scores(llama: Any, prompts: list[list[int]]) -> float:
    started = time.perf_counter()
    for prompt in prompts:
        llama.create_completion(prompt, max_tokens=1, temperature=0, logprobs=20)
    return (time.perf_counter() - started) * 1000 / len(prompts)


def _stream(engine: LlamaEngine, prompt: list[int], length: int) -> tuple[float, float]:
    """Milliseconds until the first token, and for each one after it."""
    started = time.perf_counter()
    times = [time.perf_counter() for _ in engine.stream(Request(prompt, Sampling(max_tokens=length)))]
    return (times[0] - started) * 1000, (times[-1] - times[0]) * 1000 / max(len(times) - 2, 1)


def _plain_stream(llama: Any, prompt: list[int], length: int) -> tuple[float, float]:
    started = time.perf_counter()
    chunks = llama.create_completion(prompt, max_tokens=length, temperature=0, stream=True)
    times = [time.perf_counter() for _ in chunks]
    return (times[0] - started) * 1000, (times[-1] - times[0]) * 1000 / max(len(times) - 2, 1)


def _known(first_token: Callable[[list[int]], float], tokens: _Tokens, number: int) -> float:
    beginning = tokens.one(number, 1990)
    first_token(beginning)
    return first_token([*beginning, *tokens.one(number + 1, 10)])


def _in_turn(first_token: Callable[[list[int]], float], tokens: _Tokens, number: int) -> float:
    if number == 0:  # where they begin
        for conversation in range(CONVERSATIONS):
            first_token(tokens.conversation(conversation, 0))
    return first_token(tokens.conversation(number % CONVERSATIONS, 1 + number // CONVERSATIONS))


def _memory(model: str, texts: list[str]) -> dict[str, Any]:
    with LlamaEngine(model, n_ctx=8192) as engine:
        tokens = _Tokens(engine, texts).one(0, 8000)
    theirs, ours = (
        float(
            subprocess.run(
                [sys.executable, "-c", MEMORY.format(path=sys.path, model=model, tokens=tokens, code=code)],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        for code in (PLAIN, OURS)
    )
    return {"what": "memory", "unit": "MB", "Llama": round(theirs), "engine": round(ours), "x": round(theirs / ours, 2)}


def _threads(model: str, texts: list[str]) -> dict[str, Any]:
    with LlamaEngine(model, n_ctx=8192, batch_invariant=True) as engine:
        tokens = _Tokens(engine, texts)
        requests = [Request(tokens.one(i, 20 + 5 * i), Sampling(max_tokens=12)) for i in range(24)]
        alone = [engine.generate([request])[0].text for request in requests]
        end = time.monotonic() + SECONDS

        def ask(thread: int) -> tuple[int, int]:
            right = wrong = 0
            while time.monotonic() < end:
                which = (thread + right) % len(requests)
                same = engine.generate([requests[which]])[0].text == alone[which]
                right, wrong = right + same, wrong + (not same)
            return right, wrong

        with ThreadPoolExecutor(THREADS) as pool:
            done = list(pool.map(ask, range(THREADS)))
    each = [right + wrong for right, wrong in done]
    return {
        "what": f"{THREADS} threads, {SECONDS} s",
        "unit": f"wrong of {sum(each)} answers; {min(each)} to {max(each)} a thread",
        "engine": sum(wrong for _, wrong in done),
    }


def _flips(model: str, texts: list[str]) -> Iterator[dict[str, Any]]:
    for invariant in (False, True):
        with LlamaEngine(model, n_ctx=8192, batch_invariant=invariant) as engine:
            tokens = _Tokens(engine, texts)
            requests = [Request(tokens.one(i, 150), Sampling(max_tokens=ANSWER), top_logprobs=2) for i in range(32)]
            together = engine.generate(requests)
        with LlamaEngine(model, n_ctx=8192, n_seqs=1, batch_invariant=invariant) as engine:
            alone = [engine.generate([request])[0] for request in requests]
        flips = [_flip(one, other) for one, other in zip(alone, together, strict=True)]
        ahead = [gap for _, gap in flips if gap is not None]
        rate = 1000 * len(ahead) / sum(compared for compared, _ in flips)
        yield {
            "what": "flips, batch_invariant" if invariant else "flips",
            "unit": f"answers of {len(requests)}; {rate:.1f} per 1,000 tokens, at most {max(ahead, default=0):.2f}",
            "engine": len(ahead),
        }


def _price(model: str, texts: list[str], rounds: int) -> Iterator[dict[str, Any]]:
    with LlamaEngine(model, n_ctx=8192) as usual, LlamaEngine(model, n_ctx=8192, batch_invariant=True) as invariant:
        tokens = _Tokens(usual, texts)

        def first_token(engine: LlamaEngine, length: int) -> Callable[[int], float]:
            return lambda number: _stream(engine, tokens.one(number, length), 1)[0]

        for length in (500, 2000):
            each = first_token(usual, length), first_token(invariant, length)
            turns = [_turn(number, *each) for number in range(rounds + 1)][1:]
            yield _row(f"price of batch_invariant, {length:,} tokens", "ms", turns)


def _flip(alone: Completion, together: Completion) -> tuple[int, float | None]:
    """How many tokens were compared, and how far the likeliest one was ahead where they part."""
    for at, (one, other) in enumerate(zip(alone.logprobs, together.logprobs, strict=False)):
        if one.token != other.token:
            return at + 1, one.top[0].logprob - one.top[1].logprob
    return min(len(alone.logprobs), len(together.logprobs)), None


if __name__ == "__main__":
    main()
