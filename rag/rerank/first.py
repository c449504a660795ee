"""FIRST: what the model would say first, asked for the order of some passages, ranks all of them.

The prompt lists passages by letter and asks for their order, `[B] > [A] > ...`. A listwise reranker generates it. But
before the first letter the model already has an opinion of all of them: a passage's score is the log-probability of its
letter as the next token after the `[` that opens the answer,

    s(passage) = log p(letter | prompt, "[").

Nothing is generated. Reddy et al., "FIRST: Faster Improved Listwise Reranking with Single Token Decoding", EMNLP 2024;
the prompt and the windows, 20 passages in steps of 10, are those of RankZephyr (Pradeep et al. 2023).

The paper's point is a model that was tuned so that the first token tells the order. A model that was not, and a small
one all the more, prefers letters for their own sake: above all the first one. `rotations` takes part of that away by
listing the passages from several beginnings, so that each has several letters.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ...prompts import load_prompt
from ..llm.base import OwnModel
from ..llm.counting import count_tokens
from .errors import RerankError
from .list_prompt import OPENING, Line, ListPrompt
from .reranker import Reranker
from .types import IDENTIFIERS, Passage, Scores
from .window import Window, remarks
from .windows import check_overlap, slide


class FirstReranker(Reranker):
    """Ranks by how likely the model is to name each document first.

    Made for a model that was tuned to rank in this way, such as FIRST's or RankZephyr as GGUF. A small model that was
    not ranks poorly.

    ```python
    from ragloom import load
    from ragloom.rag.rerank import FirstReranker

    with load("embedded", n_ctx=1024) as llm:
        reranker = FirstReranker(llm=llm, rotations=3)
        ranking = reranker.rank("What does the cat do?", ["Rain is wet.", "The cat sleeps.", "Trains run late."])
        print([ranked.rank for ranked in ranking], ranking[0].score < 0)  # -> [1, 2, 3] True
    ```

    Scores are natural log-probabilities among all tokens: a sum far below 1 says that the model would begin with
    something else. Documents of several windows are put on the scale of the first one; see `windows`. A long document
    is cut, never silently, where the context has no room for it; see `fitting`.

    Attributes:
        llm: a model on this machine, or a server that goes on with an answer: `load(url, continues=True)`. A server
            tells its 20 likeliest tokens only; an identifier that is not among them counts as the least likely of those
            that are, and `notes` say how many there were.
        window: how many documents are ranked at once.
        step: how many of a window's documents have their place then; the others are ranked with as many from before.
        rotations: how many prompts a window is: each lists the documents from another beginning, and log-probabilities
            are averaged. More cost as many times more.
    """

    llm: OwnModel
    window: int = Field(default=20, ge=2, le=len(IDENTIFIERS))
    step: int = Field(default=10, ge=1)
    rotations: int = Field(default=1, ge=1, le=len(IDENTIFIERS))

    @model_validator(mode="after")
    def _checked(self) -> Self:
        check_overlap(self.window, self.step)
        return self

    @cached_property
    def _prompt(self) -> ListPrompt:
        return ListPrompt(self.llm, load_prompt("first"))

    def _score(self, query: str, passages: Sequence[Passage]) -> Scores:
        lines = [self._prompt.line(passage) for passage in passages]
        windows: list[Window] = []
        untold = 0

        def read(places: Sequence[int]) -> Sequence[float]:
            nonlocal untold
            window, more = self._read(query, lines, places)
            windows.append(window)
            untold += more
            return window.scores

        with count_tokens() as counted:
            scores = slide(len(lines), read, window=self.window, step=self.step)
        notes = remarks(windows, len(lines))
        if untold:
            asked = "log-probability was" if untold == 1 else "log-probabilities were"
            notes.append(f"{untold} {asked} not told; the lowest of the same prompt took their place")
        return Scores(scores, counted.read - counted.reused, counted.reused, tuple(notes))

    def _read(self, query: str, lines: Sequence[Line], places: Sequence[int]) -> tuple[Window, int]:
        """Ask for the first identifier, once for each rotation, all at the same time.

        Returns:
            What was told of the passages at these places, and how many log-probabilities were not.

        Raises:
            Cancelled: nobody waits any longer.
            ContextOverflow: there is not even room for the beginnings of the passages.
            RerankError: the model told the log-probability of no identifier.
            ModelError: an identifier is not a single token of the model, or the model failed.
        """
        number, turns = len(places), min(self.rotations, len(places))
        starts = [number * turn // turns for turn in range(turns)]

        def ask(texts: list[str]) -> NDArray[np.float32]:
            prompts = [self._prompt.messages(query, texts[start:] + texts[:start]) for start in starts]
            candidates = list(IDENTIFIERS[:number])
            return self.llm.score_next(prompts, candidates, prefix=OPENING, cancelled=self._cancelled)

        table, listed = self._prompt.asked(query, [lines[place] for place in places], ask)
        scores = np.mean([np.roll(row, start) for row, start in zip(_without_gaps(table), starts, strict=True)], axis=0)
        cut = frozenset(places[at] for at in listed.cut)
        return Window(scores.tolist(), cut=cut, longest=listed.longest), int(np.isinf(table).sum())


def _without_gaps(table: NDArray[np.float32]) -> NDArray[np.float64]:
    """The log-probabilities, with the lowest that was told in place of those that were not."""
    if np.isinf(table).all(axis=1).any():
        raise RerankError(
            f"none of the identifiers is among the tokens that the model would say after {OPENING!r}; the server may "
            "not continue the answer that the request begins, or the model does not rank: try a local one"
        )
    lowest = np.min(table, axis=1, initial=0, where=np.isfinite(table), keepdims=True)
    return np.where(np.isfinite(table), table, lowest).astype(np.float64)
