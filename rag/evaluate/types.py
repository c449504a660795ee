"""Questions with what is known about their answers, and the documents that they are asked of."""

from __future__ import annotations

import hashlib
import logging
import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..._explain import unknown
from ...stores.types import Source
from .errors import EvaluateError

_log = logging.getLogger(__name__)

_SPAN = re.compile(r"(.+)\[(\d+):(\d+)\]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Relevant:
    """A document, or a span of one, that answers a question.

    Attributes:
        document: id of a chunk or of a source, or the end of a path: `leave.md` is `/home/me/pages/leave.md`.
        start: offset of the span's first character in the source's text; None: the whole document.
        end: offset after its last character.
        grade: how relevant it is; above 0.
    """

    document: str
    start: int | None = None
    end: int | None = None
    grade: int = 1

    @classmethod
    def read(cls, text: str) -> Relevant:
        """Read `leave.md`, or `leave.md[120:340]` for a span.

        ```python
        from ragloom.rag.evaluate import Relevant

        print(Relevant.read("leave.md[120:340]").start)  # -> 120
        ```

        Raises:
            EvaluateError: the span holds nothing.
        """
        text = text.strip().replace("\\", "/").removeprefix("./")
        match = _SPAN.fullmatch(text)
        if match and int(match[2]) >= int(match[3]):
            raise EvaluateError(f"the span of {text!r} ends before it begins; write leave.md[120:340]")
        return cls(match[1].rstrip(), int(match[2]), int(match[3])) if match else cls(text)

    def is_at(self, names: Sequence[str], start: int, end: int) -> bool:
        """Whether a place is of this document, by any of its `names`, and overlaps the span."""
        if not any(name == self.document or name.endswith(f"/{self.document}") for name in names):
            return False
        return self.start is None or self.end is None or (start < self.end and self.start < end)


@dataclass(frozen=True, slots=True)
class Question:
    """A question and what is known about its answer; what is empty is not known, and nothing is measured by it.

    Attributes:
        id: its name in the dataset.
        text: what is asked.
        answers: right answers, any of which will do.
        relevant: what answers it in the documents; named twice it counts once.
        answerable: whether the documents answer it at all.
        split: the part of the dataset that it belongs to.
    """

    id: str
    text: str
    answers: tuple[str, ...] = ()
    relevant: tuple[Relevant, ...] = ()
    answerable: bool = True
    split: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "relevant", tuple(dict.fromkeys(self.relevant)))

    @property
    def plain(self) -> str:
        """What is asked without case and blanks that make no difference: equal where the same is asked twice."""
        return " ".join(self.text.casefold().split())


@dataclass(frozen=True, slots=True)
class Dataset:
    """Questions, and perhaps the documents to ask them of.

    ```python
    from ragloom.rag.evaluate import Dataset, Question

    questions = (Question("1", "Where is Toad sent?", answers=("to prison",)), Question("2", "Who is Mole?"))
    dataset = Dataset("toad", questions)
    print(len(dataset.sample(1, seed=3)))  # -> 1
    ```

    Attributes:
        name: what tables call it.
        questions: in their order.
        documents: to be indexed; empty where the user has a corpus.
    """

    name: str
    questions: tuple[Question, ...]
    documents: tuple[Source, ...] = ()

    def __post_init__(self) -> None:
        """Check that questions can be told apart.

        Raises:
            EvaluateError: two have the same id.
        """
        ids = Counter(question.id for question in self.questions)
        if repeated := [name for name, times in ids.items() if times > 1]:
            raise EvaluateError(f"{self.name}: two questions have the id {repeated[0]!r}; give each its own")

    def __len__(self) -> int:
        """How many questions there are."""
        return len(self.questions)

    @property
    def splits(self) -> tuple[str, ...]:
        """The parts that questions say they belong to."""
        return tuple(dict.fromkeys(question.split for question in self.questions if question.split))

    def split(self, name: str) -> Dataset:
        """The questions of one part; where none says what it belongs to, `train` and `test` are a half each.

        The halves are always the same: a question's text alone decides, so that no question is in both.

        Raises:
            EvaluateError: there is no such part, or no question in it.
        """
        parts = self.splits or ("train", "test")
        if name not in parts:
            raise EvaluateError(f"{self.name}: {unknown('split', name, parts)}")
        if self.splits and (none := sum(not each.split for each in self.questions)):
            _log.warning("%s: %d of %d questions are in no split, and left out", self.name, none, len(self))
        part = [each for each in self.questions if (each.split if self.splits else _half(each)) == name]
        if not part:
            raise EvaluateError(f"{self.name}: no question is in the split {name!r}; it has {len(self)} in all")
        return replace(self, questions=tuple(part))

    def sample(self, limit: int, *, seed: int = 0) -> Dataset:
        """At most `limit` questions, chosen at random but always the same by `seed`, in their order.

        Raises:
            EvaluateError: `limit` is below 1.
        """
        if limit < 1:
            raise EvaluateError(f"limit must be at least 1, not {limit}")
        if limit >= len(self):
            return self
        chosen = sorted(random.Random(seed).sample(range(len(self)), limit))
        return replace(self, questions=tuple(self.questions[place] for place in chosen))


def _half(question: Question) -> str:
    digest = hashlib.sha256(question.plain.encode()).digest()
    return "train" if digest[0] % 2 else "test"
