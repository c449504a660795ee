"""Where a question mentions values of a corpus' metadata.

Numbers and dates are taken as they are written (`1,500`, `2024`, `2024-03-05`, and in English `5 March 2024`), if they
lie within what the corpus has; a text is mentioned if all its words stand in the question, one after the other. What is
not mentioned cannot become a condition, however much an LLM would like it to.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...stores.analysis import UNSTEMMED, analyzer, normal
from ...stores.corpus import Corpus
from ...stores.fields import Field
from .dates import find_dates, without_dates

Value = str | float

_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"(?:(?<![\w.,])-)?(?<![\w.,])\d+(?:[.,]\d+)*(?!\w)")
_THOUSANDS = re.compile(r"-?\d{1,3}(,\d{3})+(\.\d+)?")


@dataclass(frozen=True, slots=True)
class Mention:
    """A value that the question mentions, and where: `question[start:end]`."""

    value: Value
    start: int
    end: int


def mentions(question: str, corpus: Corpus) -> list[tuple[Field, list[Mention]]]:
    """What a question mentions of a corpus' metadata, field by field, in the question's order.

    A date is as exact as it is written: `2024-03`. Of a field that is true or false its name is mentioned, as `True`.
    """
    fields = corpus.fields()
    phrases = corpus.remember("phrases", lambda: Phrases.of(fields, corpus.language))
    texts, numbers, dates = (
        phrases.within(question),
        list(_numbers(question)),
        [Mention(*each) for each in find_dates(question)],
    )
    found = []
    for field in fields:
        if field.kind == "number":
            here = [each for each in numbers if field.least <= each.value <= field.most]  # type: ignore[operator]
        elif field.kind == "date":
            here = [each for each in dates if _is_within(str(each.value), str(field.least), str(field.most))]
        else:
            here = texts.get(field.name, [])
        if here:
            found.append((field, sorted(here, key=lambda each: each.start)))
    return found


@dataclass(frozen=True, slots=True)
class Phrases:
    """The texts that a corpus' metadata have, by their words.

    Attributes:
        values: fields' names and values by their words: lower-cased, with spaces between.
        longest: how many words the longest has.
    """

    values: Mapping[str, Sequence[tuple[str, Value]]]
    longest: int

    @classmethod
    def of(cls, fields: Sequence[Field], language: str) -> Phrases:
        """The values of text fields and the names of those that are true or false; none that is but stop words."""
        content = analyzer(language, stop_words=False)
        found: defaultdict[str, list[tuple[str, Value]]] = defaultdict(list)
        for field in fields:
            named: Sequence[tuple[Value, str]] = ()
            if field.kind == "text":
                named = [(value, str(value)) for value in field.values]
            elif field.kind == "boolean":
                named = [(True, field.name.replace("_", " "))]
            for value, text in named:
                words = " ".join(word for word, _, _ in _words(text))
                if words and content.analyze(normal(text)):
                    found[words].append((field.name, value))
        return cls(found, max((words.count(" ") + 1 for words in found), default=0))

    def within(self, question: str) -> dict[str, list[Mention]]:
        """Field to the values whose words stand in the question, but for those that are part of a longer one."""
        words = _words(question)
        found: defaultdict[str, list[Mention]] = defaultdict(list)
        for length in range(min(self.longest, len(words)), 0, -1):
            for place in range(len(words) - length + 1):
                here = words[place : place + length]
                start, end = here[0][1], here[-1][2]
                for name, value in self.values.get(" ".join(word for word, _, _ in here), ()):
                    if not any(other.start <= start and end <= other.end for other in found[name]):
                        found[name].append(Mention(value, start, end))
        return found


_ANALYZER = analyzer(UNSTEMMED)


def _words(text: str) -> list[tuple[str, int, int]]:
    """The words of a text, in the analyser's form, each with its place; of Chinese and Japanese, the characters."""
    found = []
    for match in _WORD.finditer(text):
        terms = _ANALYZER.analyze(normal(match[0]))
        each = len(terms) == len(match[0])
        found += [
            (term, match.start() + place if each else match.start(), match.start() + place + 1 if each else match.end())
            for place, term in enumerate(terms)
        ]
    return found


def _is_within(date: str, least: str, most: str) -> bool:
    return least[: len(date)] <= date <= most


def _numbers(text: str) -> Iterator[Mention]:
    for match in _NUMBER.finditer(without_dates(text)):
        written = match[0].replace(",", "") if _THOUSANDS.fullmatch(match[0]) else match[0]
        if "," not in written and written.count(".") <= 1:
            yield Mention(float(written) if "." in written else int(written), *match.span())
