"""How an answer's words compare with those of right answers.

Texts are normalised as for SQuAD (Rajpurkar et al., 2016): lower case, ASCII punctuation deleted ("U.S." is "us"),
articles and blanks taken out, in this order. Exact match and token F1 are SQuAD's, but 0 where nothing is said. Long
answers of LLMs are judged more fairly by *token recall*, the share of a right answer's tokens that they have: Adlakha
et al., "Evaluating Correctness and Faithfulness of Instruction-Following Models for Question Answering", TACL 2024,
section 3. Of several right answers the best-matching one counts.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def tokens(text: str) -> list[str]:
    """The tokens of a text, normalised.

    ```python
    from ragloom.rag.evaluate.measures.wording import tokens

    print(tokens("The motor-car!"))  # -> ['motorcar']
    ```
    """
    return _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()


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
    return _best(answer, golds, lambda own, gold: float(f" {' '.join(gold)} " in f" {' '.join(own)} "))


def _best(answer: str, golds: Sequence[str], compare: Callable[[list[str], list[str]], float]) -> float:
    if not answer.strip():
        return 0.0  # not even for a right answer that is nothing but an article
    own = tokens(answer)
    return max(compare(own, tokens(gold)) for gold in golds)


def _shared(own: list[str], gold: list[str]) -> int:
    return sum((Counter(own) & Counter(gold)).values())
