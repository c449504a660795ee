"""How well a passage carries a sentence.

K-precision: the share of the sentence's content terms (stemmed, without stop words) that occur in the passage.
Adlakha et al., "Evaluating Correctness and Faithfulness of Instruction-Following Models for Question Answering", TACL
2024, section 4.2, found it to agree with people best among the measures of faithfulness that need no model.
"""

from __future__ import annotations

from ...stores.analysis import STEMMERS, UNSTEMMED, analyzer, normal


class ContentTerms:
    """The words of a text that carry its meaning: lower-cased, stemmed, without stop words."""

    def __init__(self, language: str = "en") -> None:
        """Analyse texts in `language`; `other` keeps every word."""
        self._analyzer = analyzer(language if language in STEMMERS else UNSTEMMED, stop_words=False)

    def __call__(self, text: str) -> list[str]:
        """The content terms of a text, in order."""
        return list(self._analyzer.analyze(normal(text)))

    def precision(self, sentence: str, passage: str) -> float:
        """K-precision: the share of the sentence's content terms that the passage has; 0 for a sentence without any."""
        terms = self(sentence)
        known = set(self(passage))
        return sum(term in known for term in terms) / len(terms) if terms else 0.0

    def in_order(self, sentence: str, passage: str) -> bool:
        """Whether the passage has all content terms of the sentence, in the sentence's order; false without any."""
        terms = self(sentence)
        rest = iter(self(passage))
        return bool(terms) and all(term in rest for term in terms)
