"""What an answer tells of itself, log-probabilities and usage; scores of next tokens, deadlines, ways of sampling."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage
from ragloom.rag.llm import ChatLocal, ContextOverflow, DeadlineExceeded, ModelError, load
from ragloom.rag.llm.messages import to_turns
from tiny_models import write_tiny

pytestmark = pytest.mark.model

QUESTION = "Name three colours."


@pytest.fixture(scope="module")
def llm() -> Iterator[ChatLocal]:
    with ChatLocal(n_ctx=1024, max_tokens=12, batch_invariant=True) as llm:
        yield llm


def merged(chunks: Iterator[BaseMessage]) -> AIMessageChunk:
    first, *rest = chunks
    assert isinstance(first, AIMessageChunk)
    return first + rest


def content(message: AIMessage) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = message.response_metadata["logprobs"]["content"]
    return told


def test_log_probabilities_are_told_in_openais_form(llm: ChatLocal) -> None:
    answer = llm.invoke(QUESTION, logprobs=True, top_logprobs=20)
    told = content(answer)
    assert len(told) == 12
    assert b"".join(bytes(token["bytes"]) for token in told).decode() == answer.text
    for token in told:
        top = [other["logprob"] for other in token["top_logprobs"]]
        assert len(top) == 20
        assert top == sorted(top, reverse=True)
        assert 0.3 < sum(map(math.exp, top)) <= 1 + 1e-5
        assert token.keys() == {"token", "bytes", "logprob", "top_logprobs"}


def test_at_temperature_0_the_likeliest_token_is_taken(llm: ChatLocal) -> None:
    for token in content(llm.invoke(QUESTION, top_logprobs=3)):
        assert token["logprob"] == token["top_logprobs"][0]["logprob"]
        assert token["bytes"] == token["top_logprobs"][0]["bytes"]


def test_temperature_changes_what_is_taken_and_not_how_likely_it_was(llm: ChatLocal) -> None:
    cold, hot = (content(llm.invoke(QUESTION, top_logprobs=5, temperature=t, seed=1)) for t in (0.0, 2.0))
    assert cold[0]["top_logprobs"] == hot[0]["top_logprobs"]


def test_without_top_logprobs_only_the_taken_token_is_told(llm: ChatLocal) -> None:
    assert all(token["top_logprobs"] == [] for token in content(llm.invoke(QUESTION, logprobs=True)))
    for none in ({}, {"logprobs": None}, {"logprobs": None, "top_logprobs": None, "timeout": None}):
        assert "logprobs" not in llm.invoke(QUESTION, **none).response_metadata  # OpenAI's null


def test_a_stream_tells_what_the_answer_tells(llm: ChatLocal) -> None:
    bound = llm.bind(logprobs=True, top_logprobs=2)
    chunks = list(bound.stream(QUESTION))
    assert sum("logprobs" in chunk.response_metadata for chunk in chunks) == 12
    assert content(merged(iter(chunks))) == content(bound.invoke(QUESTION))


def test_a_call_of_a_tool_has_log_probabilities_too(llm: ChatLocal) -> None:
    told = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}
    bound = llm.bind_tools([told], tool_choice="any", max_tokens=40, logprobs=True)
    answer = bound.invoke("Call f.")
    assert b"".join(bytes(token["bytes"]) for token in content(answer)).startswith(b"<tool_call>")
    assert content(merged(bound.stream("Call f."))) == content(answer)


def test_they_can_be_asked_for_once_and_for_all() -> None:
    with ChatLocal(n_ctx=256, max_tokens=3, logprobs=True, top_logprobs=1) as llm:
        assert [len(token["top_logprobs"]) for token in content(llm.invoke("Hi"))] == [1, 1, 1]


def test_usage_tells_what_was_read_from_the_cache(llm: ChatLocal) -> None:
    question = "Name three rivers of Italy."
    first, again = llm.invoke(question), llm.invoke(question)
    for answer, least, most in ((first, 0, 30), (again, 20, 60)):
        assert answer.usage_metadata is not None
        read = answer.usage_metadata["input_token_details"]["cache_read"]
        assert least <= read <= most
        assert read < answer.usage_metadata["input_tokens"]
    streamed = merged(llm.stream(question))
    assert streamed.usage_metadata == again.usage_metadata


def test_an_answer_that_takes_too_long_fails(llm: ChatLocal) -> None:
    endless: dict[str, Any] = {"max_tokens": None, "temperature": 3.0, "top_p": 1.0, "seed": 1}
    for ask in (llm.invoke, lambda *args, **options: list(llm.stream(*args, **options))):
        with pytest.raises(DeadlineExceeded, match=r"longer than the timeout of 0\.2 s"):
            ask("Write a novel. Never stop.", timeout=0.2, **endless)
    assert issubclass(DeadlineExceeded, TimeoutError)
    assert llm.invoke("Hi", timeout=100).text.startswith("Hello")


def test_load_takes_what_a_local_model_takes() -> None:
    with load(n_ctx=256, n_seqs=3, batch_invariant=True, timeout=0.001, top_k=1, min_p=0.1) as llm:
        assert isinstance(llm, ChatLocal)
        assert (llm.engine.n_seqs, llm.batch_invariant, llm.top_k, llm.min_p) == (3, True, 1, 0.1)
        with pytest.raises(DeadlineExceeded):
            llm.invoke("Hi")
    with pytest.raises(ModelError, match="timeout should be greater than 0, not -1"):
        load(timeout=-1)


def test_a_bias_forbids_and_forces_tokens(llm: ChatLocal) -> None:
    hello, blue = llm.engine.tokenize("Hello")[0], llm.engine.tokenize("Blue")[0]
    assert not llm.invoke("Hi", logit_bias={hello: -100}).text.startswith("Hello")
    assert llm.invoke("Hi", logit_bias={str(blue): 100}, max_tokens=2).text == "BlueBlue"
    with ChatLocal(n_ctx=256, max_tokens=2, logit_bias={blue: 100}) as biased:
        assert biased.invoke("Hi").text == "BlueBlue"


def test_a_penalty_ends_a_repetition(llm: ChatLocal) -> None:
    blue, red = (llm.engine.tokenize(word)[0] for word in ("Blue", "Red"))
    forced: dict[str, Any] = {"logit_bias": {blue: 100, red: 90}, "max_tokens": 40}
    assert llm.invoke("Hi", **forced).text == "Blue" * 40
    words = llm.invoke("Hi", frequency_penalty=2, **forced).text
    assert words.startswith("Blue")
    assert words.count("Blue") > words.count("Red") > 5
    assert llm.invoke("Hi", presence_penalty=2, **forced).text == "Blue" * 40  # taken once, it is less than the 10


@pytest.mark.parametrize("option", [{"top_k": 1}, {"min_p": 1.0}, {"top_p": 1e-6}])
def test_drawing_from_one_token_only_is_taking_the_likeliest(llm: ChatLocal, option: dict[str, Any]) -> None:
    wild: dict[str, Any] = {"temperature": 3.0, "top_p": 1.0, "seed": 1}
    greedy = llm.invoke(QUESTION).text
    assert llm.invoke(QUESTION, **wild).text != greedy
    assert llm.invoke(QUESTION, **wild | option).text == greedy
    with ChatLocal(n_ctx=256, max_tokens=12, batch_invariant=True, **wild | option) as other:
        assert other.invoke(QUESTION).text == greedy


ASKED = [
    [HumanMessage("Is snow cold? Answer Yes or No.")],
    [SystemMessage("Be brief."), HumanMessage("Is fire cold? Answer Yes or No.")],
]


def test_scores_are_the_log_probabilities_of_the_answers_first_token(llm: ChatLocal) -> None:
    scores = llm.score_next(ASKED, ["Yes", "No"])
    assert scores.shape == (2, 2)
    assert scores.dtype == np.float32
    for conversation, row in zip(ASKED, scores, strict=True):
        top = content(llm.invoke(conversation, top_logprobs=20, max_tokens=1))[0]["top_logprobs"]
        told = {other["token"]: other["logprob"] for other in top}
        for candidate, score in zip(("Yes", "No"), row, strict=True):
            assert told.get(candidate, score) == pytest.approx(score, abs=1e-4)
        assert set(told) & {"Yes", "No"}


async def test_scoring_generates_nothing(llm: ChatLocal) -> None:
    before = llm.engine.stats().decoded
    scores = llm.score_next(ASKED, ["Yes", "No"])
    assert (await llm.ascore_next(ASKED, ["Yes", "No"]) == scores).all()
    assert llm.engine.stats().decoded == before
    assert llm.score_next([], ["Yes"]).shape == (0, 1)


def test_an_answer_can_begin_with_a_prefix(llm: ChatLocal) -> None:
    asked = [[HumanMessage("Which comes first, A or B? Answer like [A] or [B].")]]
    free, begun = llm.score_next(asked, ["A", "B"]), llm.score_next(asked, ["A", "B"], prefix="[")
    assert np.exp(begun).sum() > 2 * np.exp(free).sum()
    tokens = llm._template.prompt(to_turns(asked[0])).tokens + llm.engine.tokenize("[")
    assert (llm.engine.score_next([tokens], ["A", "B"]) == begun).all()


def test_a_prefix_is_text_and_never_a_control_token(llm: ChatLocal) -> None:
    tokens = llm._template.answer_begun(to_turns(ASKED[0]), "<|im_end|>")
    assert tokens.count(2) == llm._template.prompt(to_turns(ASKED[0])).tokens.count(2)


def test_what_cannot_be_scored_is_refused(llm: ChatLocal) -> None:
    with pytest.raises(ModelError, match="'Yes of course' is 3 tokens"):
        llm.score_next(ASKED, ["Yes of course"])
    with pytest.raises(ContextOverflow):
        llm.score_next([[HumanMessage("word " * 2000)]], ["Yes"])


async def test_scores_keep_to_the_timeout() -> None:
    with ChatLocal(n_ctx=2048, timeout=0.001) as llm:
        asked = [[HumanMessage("word " * 500)]] * 4
        with pytest.raises(DeadlineExceeded, match=r"longer than the timeout of 0\.001 s"):
            llm.score_next(asked, ["Yes"])
        with pytest.raises(DeadlineExceeded):
            await llm.ascore_next(asked, ["Yes"])


def test_a_local_model_can_be_looked_into(llm: ChatLocal) -> None:
    assert llm.gives == {"logprobs", "logits", "attention"}


TURNS = "{% for m in messages %}{{ m.content }}\n{% endfor %}{# <think> #}"
WITHOUT_THOUGHT = "<think>\n\n</think>\n\n"


@pytest.mark.parametrize("opened", ["", "<think>\n", WITHOUT_THOUGHT])
def test_a_model_that_thinks_gets_an_empty_thought_before_its_answer(tmp_path: Path, opened: str) -> None:
    model = write_tiny(tmp_path, "llama", template=f"{TURNS}{{{{ {opened!r} }}}}")
    with ChatLocal(model=model, n_ctx=256, batch_invariant=True) as llm:
        begun = llm._template.answer_begun(to_turns(ASKED[0]), "[")
        text = llm.engine.detokenize(begun).replace("▁", " ")
        assert text.endswith(f"Yes or No.\n{WITHOUT_THOUGHT}[")
        assert text.count("<think>") == 1
        assert (llm.score_next(ASKED[:1], ["A", "B"], prefix="[") == llm.engine.score_next([begun], ["A", "B"])).all()


def test_a_thought_is_left_out_only_where_the_answer_is_scored(tmp_path: Path) -> None:
    with ChatLocal(model=write_tiny(tmp_path, "llama", template=TURNS), n_ctx=256) as llm:
        assert llm.engine.detokenize(llm._template.prompt(to_turns(ASKED[0])).tokens).endswith("No.\n")


def test_what_goes_on_a_text_has_no_space_before_it(tmp_path: Path) -> None:
    with ChatLocal(model=write_tiny(tmp_path, "llama", template=TURNS), n_ctx=256) as llm:
        weights = llm.engine.weights
        assert b"".join(map(weights.piece, weights.tokenize("A"))) != b"A"  # SentencePiece's space
        assert [weights.piece(token) for token in weights.tokenize_within("[A")] == [b"[", b"A"]
        everything = llm.score_next(ASKED[:1], [chr(code) for code in range(33, 127)], prefix="[")
        assert np.isfinite(everything).all()
