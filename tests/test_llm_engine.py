"""`LlamaEngine` on the embedded model: what it answers, and what it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest
from ragloom.rag.llm import ContextOverflow, Head, LlamaEngine, ModelError, Request, Sampling
from ragloom.rag.llm.grammar import grammar_of

pytestmark = pytest.mark.model

STORY = "Once upon a time there was a toad who had a motor-car, and every morning he drove it through the village. "


@pytest.fixture(scope="module")
def engine() -> Iterator[LlamaEngine]:
    with LlamaEngine(n_ctx=2048) as engine:
        yield engine


def test_answers_come_in_the_order_of_the_prompts(engine: LlamaEngine) -> None:
    france, japan = engine.generate(["The capital of France is", "The capital of Japan is"], max_tokens=3)
    assert france.text.startswith(" Paris")
    assert japan.text.startswith(" Tokyo")
    assert (france.tokens, france.finish_reason, france.prompt_tokens) == (3, "length", 5)


def test_one_prompt_many_seeds(engine: LlamaEngine) -> None:
    requests = [Request(STORY, Sampling(temperature=1.5, top_p=1.0, seed=seed, max_tokens=8)) for seed in (1, 1, 2, 3)]
    first, again, *others = [answer.text for answer in engine.generate(requests)]
    assert first == again
    assert len({first, *others}) > 1


def test_a_stream_is_the_answer_in_pieces(engine: LlamaEngine) -> None:
    deltas = list(engine.stream(STORY, max_tokens=5))
    assert [delta.tokens for delta in deltas] == [1, 2, 3, 4, 5, 5]
    assert [delta.finish_reason for delta in deltas] == [None] * 5 + ["length"]
    assert deltas[0].text


def test_samplers_restrict_what_is_drawn(engine: LlamaEngine) -> None:
    prompt = "The capital of France is"
    greedy = engine.generate([prompt], max_tokens=4)[0].text
    for narrow in (
        Sampling(temperature=5, top_k=1),
        Sampling(temperature=5, min_p=1.0),
        Sampling(temperature=5, top_p=1e-6),
    ):
        drawn = engine.generate([Request(prompt, narrow.model_copy(update={"max_tokens": 4}))])[0].text
        assert drawn == greedy
    paris = engine.tokenize(" Paris")[0]
    other = engine.generate([Request(prompt, Sampling(max_tokens=1, logit_bias={paris: -100}))])[0].text
    assert other != " Paris"


def test_a_grammar_holds_beside_requests_without_one(engine: LlamaEngine) -> None:
    yes_no = grammar_of({"type": "json_schema", "json_schema": {"schema": {"enum": ["yes", "no"]}}})
    free, held = engine.generate([Request(STORY, Sampling(max_tokens=8)), Request(STORY, grammar=yes_no)])
    assert held.text in {'"yes"', '"no"'}
    assert free.tokens == 8
    with pytest.raises(ModelError, match="cannot use the grammar 'root"):
        engine.generate([Request(STORY, grammar="root ::= (")])


def test_logprobs_are_those_of_the_model(engine: LlamaEngine) -> None:
    answer = engine.generate([Request("The capital of France is", Sampling(max_tokens=3), top_logprobs=4)])[0]
    assert len(answer.logprobs) == answer.tokens == 3
    assert "".join(token.piece.decode() for token in answer.logprobs) == answer.text
    for token in answer.logprobs:
        assert [token.token, token.logprob] == [token.top[0].token, token.top[0].logprob]
        assert [other.logprob for other in token.top] == sorted((other.logprob for other in token.top), reverse=True)
        assert sum(np.exp(other.logprob) for other in token.top) <= 1


def test_scores_are_log_probabilities_of_the_next_token() -> None:
    prompts = ["The capital of France is", "The capital of Japan is"]
    with LlamaEngine(n_ctx=1024, batch_invariant=True) as engine:
        before = engine.stats().decoded
        scores = engine.score_next(prompts, [" Paris", " Tokyo"])
        assert engine.stats().decoded == before
        assert scores.shape == (2, 2)
        assert scores.argmax(axis=1).tolist() == [0, 1]
        likeliest = engine.generate([Request(prompts[0], Sampling(max_tokens=1), top_logprobs=0)])[0].logprobs[0]
        assert likeliest.logprob == scores[0, 0]
        everything = engine.score_next(prompts[:1], range(engine.weights.n_vocab))
        assert np.exp(everything.astype(float)).sum() == pytest.approx(1, abs=1e-4)


def test_a_candidate_is_one_token(engine: LlamaEngine) -> None:
    with pytest.raises(ModelError, match=r"'motor-car' is \d tokens, \['motor', '-', 'car'\]; a candidate is a single"):
        engine.score_next(["a"], ["motor-car"])
    with pytest.raises(ModelError, match=r"'' is 0 tokens, \[\]; a candidate is a single one"):
        engine.score_next(["a"], [""])
    assert engine.score_next([], [" Yes"]).shape == (0, 1)


def test_control_tokens_in_a_text_are_text(engine: LlamaEngine) -> None:
    tokens = engine.tokenize("<|im_end|>")
    assert len(tokens) > 1
    assert not any(engine.weights.is_end(token) for token in tokens)
    assert engine.detokenize(tokens) == "<|im_end|>"


def test_a_prompt_that_does_not_fit_is_refused_before_anything_is_evaluated(engine: LlamaEngine) -> None:
    before = engine.stats()
    for ask in (lambda: engine.generate(["ok", "word " * 3000]), lambda: engine.score_next(["word " * 3000], [" a"])):
        with pytest.raises(ContextOverflow) as caught:
            ask()
        assert caught.value.needed > 3000 > caught.value.available > 2000
    assert engine.stats() == before


@pytest.mark.parametrize(
    ("ask", "problem"),
    [
        (lambda engine: engine.generate([""]), "the prompt is empty"),
        (lambda engine: engine.generate([[5, -1]]), "no token -1; they go from 0 to 49151"),
        (lambda engine: engine.generate(["a"], max_tokens=0), "max_tokens should be greater than or equal to 1"),
        (lambda engine: engine.generate([Request("a")], temperature=1), "a Request has its own sampling"),
        (lambda engine: engine.generate("abc"), "requests should be a list; put the one text into one"),
        (lambda engine: engine.score_next("abc", [1]), "prompts should be a list"),
        (lambda engine: engine.generate(Request("hi")), "requests should be a list; put the one Request into one"),
        (lambda engine: engine.generate(5), "requests should be a list, not 5"),
        (lambda engine: engine.generate([5]), "a prompt should be a text or tokens, not 5"),
        (lambda engine: engine.generate([[1.0, 2.0]]), r"a prompt should be a text or tokens, not 1\.0"),
        (lambda engine: engine.generate([np.array([1.5])]), "a prompt should be a text or tokens, not "),
        (lambda engine: engine.generate([b"hi"]), "a prompt should be a text or tokens, not b'hi'"),
        (lambda engine: engine.attention([[1.0]], ["a"]), r"a document should be a text or tokens, not 1\.0"),
        (lambda engine: engine.attention(["a"], [None]), "a tail should be a text or tokens, not None"),
        (lambda engine: engine.attention(["a"], ["a"], timeout="3"), "timeout should be a number of seconds"),
        (lambda engine: asyncio.run(engine.aattention(["a"], ["a"], timeout=0)), "greater than 0, or None, not 0"),
        (lambda engine: engine.score_next(["a"], [1], timeout="3"), "timeout should be a number of seconds"),
        (lambda engine: engine.score_next(["a"], [1], timeout=True), "timeout should be a number of seconds"),
        (lambda engine: engine.generate([Request("a", timeout="3")]), "timeout should be a number of seconds"),
        (lambda engine: engine.generate([Request("a", timeout=float("nan"))]), "or None, not nan"),
        (lambda engine: engine.generate([Request("a", timeout=-1)]), "or None, not -1"),
        (lambda engine: engine.generate([Request("a", timeout=10**400)]), "or None, not 1000"),
        (lambda engine: engine.score_next(["a"], [True]), "a candidate should be a text or tokens, not True"),
        (lambda engine: engine.score_next(["a"], [1.0]), r"a candidate should be a text or tokens, not 1\.0"),
        (lambda engine: engine.score_next(["a"], [-1]), "no token -1"),
        (lambda engine: engine.generate([Request("a", grammar="root ::= (")]), "cannot use the grammar 'root"),
        (lambda engine: engine.generate([Request("a", grammar='root ::= "\ud800"')]), "lone surrogate"),
        (lambda engine: engine.generate([Request("a", top_logprobs="5")]), "top_logprobs should be a number, not '5'"),
        (lambda engine: engine.attention("abc", ["a"]), "documents should be a list"),
        (lambda engine: engine.attention(["a", ""], ["a"]), "document 1 is empty; leave it out"),
        (lambda engine: engine.attention(["a"], [""]), "tail 0 is empty"),
        (lambda engine: LlamaEngine(threads=0), "threads should be from 1 to 512, not 0"),
        (lambda engine: LlamaEngine(threads=10**6), "threads should be from 1 to 512, not 1000000"),
        (lambda engine: asyncio.run(engine.agenerate("abc")), "requests should be a list"),
        (lambda engine: engine.score_next(["abc"], "Yes"), "candidates should be a list"),
        (lambda engine: LlamaEngine(n_seqs=0), "n_seqs should be from 1 to 127, not 0"),
        (lambda engine: LlamaEngine(n_ctx=-5), "n_ctx should be at least 1, not -5"),
        (lambda engine: engine.generate([Request("a", top_logprobs=10**6)]), "top_logprobs should be from 0 to 49152"),
        (lambda engine: LlamaEngine(n_ctx=10**6), "n_ctx=1000000 is more than the 8192 tokens"),
        (lambda engine: LlamaEngine(batch_invariant=True, n_gpu_layers=1), "batch_invariant is for the CPU"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(engine: LlamaEngine, ask: object, problem: str) -> None:
    before = engine.stats()
    with pytest.raises(ModelError, match=problem) as caught:
        ask(engine)  # type: ignore[operator]
    assert "\n" not in str(caught.value)
    assert engine.stats() == before


def test_tokens_may_come_from_numpy(engine: LlamaEngine) -> None:
    tokens = engine.tokenize("The capital of France is")
    paris = engine.tokenize(" Paris")[0]
    asked = engine.score_next([tokens], [paris])
    for prompt, candidate in ((np.array(tokens), np.int64(paris)), (np.array(tokens, np.uint16), np.array(paris))):
        assert np.allclose(engine.score_next([prompt], [candidate]), asked, atol=0.5)
    assert engine.generate([np.array(tokens)], max_tokens=1)[0].text == " Paris"
    assert engine.score_next(["a"], np.arange(3), timeout=np.float32(600)).shape == (1, 3)


def test_a_grammar_is_read_before_anything_is_evaluated(engine: LlamaEngine) -> None:
    """Also one of a request behind others; and a stream is refused when it is asked for, not when it is read."""
    before = engine.stats()
    for ask in (
        lambda: engine.generate([Request("a"), Request("b", grammar="root ::= (")]),
        lambda: engine.stream(Request("a", grammar="root ::= (")),
        lambda: asyncio.run(engine.agenerate([Request("a"), Request("b", grammar="root ::= (")])),
    ):
        with pytest.raises(ModelError, match="cannot use the grammar"):
            ask()
    assert engine.stats() == before


async def test_the_event_loop_turns_while_the_engine_answers(engine: LlamaEngine) -> None:
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    turning = asyncio.create_task(turn())
    answers = await engine.agenerate(["The capital of France is", "The capital of Japan is"], max_tokens=3)
    turning.cancel()
    assert turns > 10
    assert [answer.tokens for answer in answers] == [3, 3]
    assert [delta.tokens async for delta in engine.astream("Hi", max_tokens=2)] == [1, 2, 2]
    assert (await engine.ascore_next(["a"], [" b"])).shape == (1, 1)


def test_attention_tells_which_document_a_query_looks_at(engine: LlamaEngine) -> None:
    documents = [
        " Cats purr when they are content.",
        " Rain is wet and falls from clouds.",
        " Bread is baked from flour.",
    ]
    before = engine.stats()
    attention = engine.attention(documents, [" Query: what do cats do?", " Query: N/A"], preamble="Passages:")
    calibrated = np.subtract(*attention.sums().sum(axis=1))
    assert calibrated.argmax() == 0
    assert attention.weights.shape == (2, 270, sum(len(engine.tokenize(document)) for document in documents))
    assert engine.stats() == before
    fewer = engine.attention(
        documents, [" Query: what do cats do?"], preamble="Passages:", heads=[Head(3, 4), Head(9, 0)]
    )
    assert np.allclose(fewer.weights[0], attention.weights[0, [3 * 9 + 4, 9 * 9]], atol=1e-6)


def test_what_cannot_be_read_is_said_before_anything_is_evaluated(engine: LlamaEngine) -> None:
    with pytest.raises(ContextOverflow):
        engine.attention(["word " * 3000], ["a"])
    with pytest.raises(ModelError, match="there is no document to read"):
        engine.attention([], ["a"])
    with pytest.raises(ModelError, match="layers=31 is out of range; the model has 1 to 30"):
        engine.attention(["a"], ["a"], layers=31)
