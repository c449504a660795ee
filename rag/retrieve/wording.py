"""Whether a question that an LLM wrote is about what was asked, by its words.

A small LLM that is to rewrite a question answers it instead, repeats the instruction, or writes about something else.
Searching for that would lose what the user wants to know.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...stores.analysis import STEMMERS, UNSTEMMED, analyzer, knows_stop_words, normal

_REFERRING = {
    "en": "it its itself he him himself she her herself they them themselves this that these those here there one ones"
    " some any other others same former latter also too mine ours yours hers theirs"
}
"""Words that stand for something that was named before, in whose place a rewritten question names it."""

LEAST_KNOWN = 0.5
"""So much of a question's content terms has to come from what it was made of."""


def is_about(text: str, question: str, background: str = "", *, language: str = "en") -> bool:
    """Whether a text has a content term of the question, and at least half of its own from question and background.

    ```python
    from ragloom.rag.retrieve.wording import is_about

    talk = "Parents get sixteen weeks of leave."
    print(is_about("Who approves the leave of parents?", "Who approves it?", talk))  # -> True
    print(is_about("Parents get leave.", "Who approves it?", talk))                  # -> False
    ```

    A question without content terms, such as "Why?", asks for none of its own.
    """
    own, asked, known = (_terms(each, language) for each in (text, question, f"{question}\n{background}"))
    if not own or (asked and not own & asked):
        return False
    return len(own & known) >= LEAST_KNOWN * len(own)


def keeps(text: str, question: str, *, language: str = "en") -> bool:
    """Whether a text has all content terms of the question, but for those that refer to others, and asks if that does.

    Where a language's stop words are not known, its content terms are not, and none is missed.

    ```python
    from ragloom.rag.retrieve.wording import keeps

    print(keeps("Who approves parental leave?", "Who approves it?"))                       # -> True
    print(keeps("Who approves parental leave?", "Who pays for parental leave in Germany?"))  # -> False
    ```
    """
    if "?" in question and "?" not in text:
        return False
    if not knows_stop_words(_known(language)):
        return True
    missed = _terms(question, language) - _terms(text, language)
    return missed <= _terms(_REFERRING.get(language, ""), language)


def _terms(text: str, language: str) -> set[str]:
    return set(analyzer(_known(language), stop_words=False).analyze(normal(text)))


def _known(language: str) -> str:
    return language if language in STEMMERS else UNSTEMMED


def says_the_same(one: str, other: str) -> bool:
    """Whether two texts have the same words in the same order, whatever their capitals and punctuation."""
    words = analyzer(UNSTEMMED)
    return words.analyze(normal(one)) == words.analyze(normal(other))


def first_line(text: str, *, labels: Sequence[str] = ()) -> str:
    """The first line that says something, without a label before it and quotation marks around it; else nothing."""
    for line in text.splitlines():
        said = line.strip()
        for label in labels:
            said = said.removeprefix(label).strip()
        if said := said.strip('"“”').strip():
            return said
    return ""
