"""How an answer's words compare with those of right answers.

Texts are normalised as for SQuAD (Rajpurkar et al., 2016): lower case, punctuation deleted ("U.S." is "us"), articles
and blanks taken out, in this order. As for MLQA (Lewis et al., 2020), punctuation is that of all scripts, and each
character of a script that is written without blanks is a token. Exact match and token F1 are SQuAD's, but 0 where
nothing is said. Long answers of LLMs are judged more fairly by *token recall*, the share of a right answer's tokens
that they have: Adlakha et al., "Evaluating Correctness and Faithfulness of Instruction-Following Models for Question
Answering", TACL 2024, section 3. Of several right answers the best-matching one counts.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

from ...ingest.sentences import UNSPACED

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_UNSPACED = re.compile(UNSPACED)


def tokens(text: str) -> list[str]:
    """The tokens of a text, normalised.

    ```python
    from ragloom.rag.evaluate.measures.wording import tokens

    print(tokens("The motor-car!"))  # -> ['motorcar']
    ```
    """
    letters = "".join(each for each in text.lower() if not _is_punctuation(each))
    return _UNSPACED.sub(r" \g<0> ", _ARTICLES.sub(" ", letters)).split()


def _is_punctuation(character: str) -> bool:
    return character in string.punctuation or unicodedata.category(character).startswith("P")


def exact_match(answer: str, golds: Sequence[str]) -> float:
    """1 where the answer is a right one, word for word."""
    return _best(answer, golds, lambda own, gold: float(own == gold))


def f1(answer: str, golds: Sequence[str]) -> float:
    """The harmonic mean of token precision and token recall."""
    return _best(answer, golds, lambda own, gold: 2 * _shared(own, gold) / max(1, len(own) + len(gold)))


def recall(answer: str, golds: Sequence[str]) -> float:
    """The share of a right answer's tokens that the answer has."""
    return _best(answer, golds, lambda own, gold: _shared(own, gold) / max(1, len(gold)))


def contains(answer: str, golds: Sequence[str]) -> float:
    """1 where a right answer stands in the answer, word for word."""
    return _best(answer, golds, lambda own, gold: float(bool(gold) and _stands_in(gold, own)))


def _stands_in(part: list[str], whole: list[str]) -> bool:
    return f" {' '.join(part)} " in f" {' '.join(whole)} "


def _best(answer: str, golds: Sequence[str], compare: Callable[[list[str], list[str]], float]) -> float:
    if not answer.strip():
        return 0.0  # not even for a right answer that is nothing but an article
    own = tokens(answer)
    return max(compare(own, tokens(gold)) for gold in golds)


def _shared(own: list[str], gold: list[str]) -> int:
    return sum((Counter(own) & Counter(gold)).values())
