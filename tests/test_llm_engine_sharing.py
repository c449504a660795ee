"""What requests to one `LlamaEngine` share, steps and what was evaluated before, changes no answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from ragloom.rag.llm import DocumentKV, LlamaEngine, Request, Sampling

pytestmark = pytest.mark.model

STORY = "Once upon a time there was a toad who had a motor-car, and every morning he drove it through the village. "
PROMPTS = [
    f"{STORY * (1 + i % 4)}{opening}" for i, opening in enumerate(["One day", "His friend", "But then", "The"] * 3)
]


@pytest.fixture(scope="module")
def engine() -> Iterator[LlamaEngine]:
    with LlamaEngine(n_ctx=2048) as engine:
        yield engine


@pytest.fixture(scope="module")
def invariant() -> Iterator[LlamaEngine]:
    with LlamaEngine(n_ctx=4096, batch_invariant=True) as engine:
        yield engine


def alone(prompt: str, max_tokens: int = 12) -> str:
    with LlamaEngine(n_ctx=2048, batch_invariant=True, n_seqs=1) as engine:
        return engine.generate([prompt], max_tokens=max_tokens)[0].text


@pytest.fixture(scope="module")
def answers() -> list[str]:
    """What each of `PROMPTS` is answered by an engine that nobody else asks, and that was never asked before."""
    return [alone(prompt) for prompt in PROMPTS]


@pytest.mark.parametrize("kind", ["engine", "invariant"])
def test_what_is_forgotten_is_evaluated_again_and_answered_the_same(kind: str, request: pytest.FixtureRequest) -> None:
    engine: LlamaEngine = request.getfixturevalue(kind)
    engine.forget()
    first, again = (engine.generate([PROMPTS[0]], max_tokens=4)[0] for _ in range(2))
    under_way = engine.stream("The capital of France is", max_tokens=24)
    beginning = next(under_way).text
    engine.forget()
    forgotten = engine.generate([PROMPTS[0]], max_tokens=4)[0]
    rest = "".join(delta.text for delta in under_way)
    assert (first.reused, again.reused) == (0, first.prompt_tokens - 1)
    assert (forgotten.reused, forgotten.text) == (0, first.text)
    assert (beginning + rest).startswith(" Paris.")


def test_together_each_prompt_gets_the_answer_that_it_gets_alone(invariant: LlamaEngine, answers: list[str]) -> None:
    assert [answer.text for answer in invariant.generate(PROMPTS, max_tokens=12)] == answers


def test_what_was_asked_before_changes_no_answer(invariant: LlamaEngine, answers: list[str]) -> None:
    again = invariant.generate(PROMPTS, max_tokens=12)
    assert [answer.text for answer in again] == answers
    assert all(answer.reused == answer.prompt_tokens - 1 for answer in again)


def test_where_the_room_is_short_requests_give_way_and_lose_nothing(answers: list[str]) -> None:
    with LlamaEngine(n_ctx=260, n_seqs=8, batch_invariant=True) as engine:
        assert [answer.text for answer in engine.generate(PROMPTS, max_tokens=12)] == answers


def test_more_requests_than_sequences_wait_for_their_turn() -> None:
    with LlamaEngine(n_ctx=1024, n_seqs=2, batch_invariant=True) as engine:
        many = engine.generate([f"{n} and one is" for n in range(9)], max_tokens=2)
    assert len(many) == 9
    assert all(answer.tokens == 2 for answer in many)


def test_a_shared_beginning_is_evaluated_once() -> None:
    with LlamaEngine(n_ctx=2048) as engine:
        shared = engine.tokenize(STORY * 8)
        own = [engine.tokenize(f" {name} is there") for name in ("Toad", "Rat", "Mole", "Badger", "Otter", "Weasel")]
        engine.generate([Request([*shared, *end], Sampling(max_tokens=1)) for end in own])
        assert engine.stats().prefilled == len(shared) + sum(map(len, own))
        assert engine.stats().reused == 5 * len(shared)


def test_a_beginning_that_fills_half_the_context_and_is_known_is_shared_at_once() -> None:
    with LlamaEngine(n_ctx=1024) as engine:
        shared = engine.tokenize(STORY * 30)[:600]
        own = [engine.tokenize(f" {name} is there") for name in ("Toad", "Rat", "Mole", "Badger", "Otter")]
        asked = [Request([*shared, *end], Sampling(max_tokens=16)) for end in own]
        engine.generate(asked[:1])
        before = engine.stats().steps
        engine.generate(asked[1:])
        assert engine.stats().steps - before < 2 * 16  # not one after the other


def test_what_requests_share_is_kept_once_and_drives_nothing_else_out() -> None:
    with LlamaEngine(n_ctx=4096) as engine:
        conversation = [*engine.tokenize("And so it was. " + STORY * 20)[:400]]
        shared = engine.tokenize(STORY * 30)[:600]
        own = [engine.tokenize(f" {number} is the number") for number in range(12)]
        engine.generate([Request(conversation, Sampling(max_tokens=1))])
        engine.generate([Request([*shared, *end], Sampling(max_tokens=2)) for end in own])
        again = engine.generate([Request(conversation, Sampling(max_tokens=1))])[0]
        assert again.reused == len(conversation) - 1


def test_a_conversation_is_evaluated_from_where_it_goes_on() -> None:
    with LlamaEngine(n_ctx=1024) as engine:
        first = engine.generate([STORY], max_tokens=8)[0]
        longer = engine.tokenize(STORY + first.text + " And so on.")
        second = engine.generate([Request(longer, Sampling(max_tokens=2))])[0]
        assert second.reused >= first.prompt_tokens


@pytest.mark.parametrize("batch_invariant", [False, True])
def test_a_beginning_that_fills_the_context_is_evaluated_once(batch_invariant: bool) -> None:
    with LlamaEngine(n_ctx=512, batch_invariant=batch_invariant) as engine:
        shared = engine.tokenize(STORY * 30)[:460]
        asked = [
            Request([*shared, *engine.tokenize(f" {name} is")], Sampling(max_tokens=8)) for name in ("Toad", "Rat")
        ]
        first, second, again = (engine.generate([request])[0] for request in [*asked, asked[0]])
        assert (first.reused, second.reused) == (0, len(shared))
        assert again.reused >= len(shared)


def test_conversations_that_fill_the_cache_in_turn_are_evaluated_once() -> None:
    """Each of them leaves the cache while another one is evaluated, and comes back."""
    with LlamaEngine(n_ctx=1024) as engine:
        first, second = ([*engine.tokenize(STORY * 20)[at : at + 480]] for at in (0, 7))
        asked = [Request(tokens, Sampling(max_tokens=4)) for tokens in (first, second, first, second)]
        answers = [engine.generate([request])[0] for request in asked]
        assert [answer.reused for answer in answers] == [0, 0, 479, 479]
        assert [answer.text for answer in answers[2:]] == [answer.text for answer in answers[:2]]
        assert engine.stats().cells < 2 * 480


def test_a_conversation_comes_back_beside_another_one() -> None:
    with LlamaEngine(n_ctx=2048) as engine:
        first, second = ([*engine.tokenize(STORY * 20)[at : at + 480]] for at in (0, 7))
        for tokens in (first, second):
            engine.generate([Request(tokens, Sampling(max_tokens=1))])
        under_way = engine.stream(Request(second, Sampling(max_tokens=200)))
        next(under_way)
        assert engine.generate([Request(first, Sampling(max_tokens=1))])[0].reused == 479
        under_way.close()


def test_what_is_forgotten_is_in_no_swap_space_either() -> None:
    with LlamaEngine(n_ctx=1024) as engine:
        first, second = ([*engine.tokenize(STORY * 20)[at : at + 480]] for at in (0, 7))
        for tokens in (first, second):
            engine.generate([Request(tokens, Sampling(max_tokens=1))])
        engine.forget()
        assert engine.generate([Request(first, Sampling(max_tokens=1))])[0].reused == 0


def test_many_requests_share_the_steps(engine: LlamaEngine) -> None:
    before = engine.stats()
    engine.generate([Request(STORY, Sampling(temperature=1, seed=i, max_tokens=20)) for i in range(8)])
    done = engine.stats()
    assert done.decoded - before.decoded <= 8 * 20
    assert done.steps - before.steps < 40


@pytest.mark.parametrize("n_ctx", [64, 1024])
def test_the_tokens_that_were_generated_are_counted(n_ctx: int) -> None:
    """Also the last one of an answer, which is not evaluated, and none twice where the room is short."""
    with LlamaEngine(n_ctx=n_ctx) as engine:
        asked = [Request(f"Toad number {i}", Sampling(max_tokens=8 + i)) for i in range(6)]
        answers = engine.generate([*asked, Request("Toad", Sampling(max_tokens=30, stop="a"))])
        assert engine.stats().decoded == sum(answer.tokens for answer in answers)


def test_first_come_first_served() -> None:
    with LlamaEngine(n_ctx=1024, n_seqs=1) as engine:
        done: list[int] = []
        streams = [engine.stream(f"{n}, {n} and", max_tokens=2) for n in range(8)]
        threads = [
            threading.Thread(target=lambda i=i, stream=stream: (list(stream), done.append(i)))
            for i, stream in enumerate(streams)
        ]
        for thread in reversed(threads):
            thread.start()
        for thread in threads:
            thread.join()
        assert engine.stats().steps <= 8 * 3
    with LlamaEngine(n_ctx=1024, n_seqs=1) as engine:
        first = engine.stream(STORY, max_tokens=3)
        second = engine.stream("Hi", max_tokens=1)
        list(second)
        assert [delta.tokens for delta in first] == [1, 2, 3, 3]  # was answered before the second one could be


def test_sixty_four_threads_get_the_answers_that_they_would_get_alone(
    invariant: LlamaEngine, answers: list[str]
) -> None:
    def ask(i: int) -> bool:
        prompt = i % len(PROMPTS)
        return invariant.generate([PROMPTS[prompt]], max_tokens=12)[0].text == answers[prompt]

    with ThreadPoolExecutor(64) as pool:
        assert all(pool.map(ask, range(128)))


def test_generating_goes_on_after_attention_was_read(invariant: LlamaEngine, answers: list[str]) -> None:
    stream = invariant.stream(PROMPTS[0], max_tokens=12)
    first = next(stream)
    invariant.attention([" Cats purr."], [" What do cats do?"], independent=True, cache=DocumentKV())
    assert first.text + "".join(delta.text for delta in stream) == answers[0]
