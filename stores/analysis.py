"""The terms of a text: what BM25 counts, and what one text is said to have of another.

Texts are brought to Unicode's compatibility form (NFKC, so that a PDF's `ﬁ` is `fi`), split at everything that is
neither letter, mark nor digit, lower-cased, and stemmed where the language has a stemmer. Chinese and Japanese, which
write without spaces, are taken character by character.
"""

from __future__ import annotations

import unicodedata

import tantivy

from .errors import QueryError

STEMMERS = {
    "ar": "arabic", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish", "fi": "finnish",
    "fr": "french", "hu": "hungarian", "it": "italian", "nl": "dutch", "no": "norwegian", "pt": "portuguese",
    "ro": "romanian", "ru": "russian", "sv": "swedish", "ta": "tamil", "tr": "turkish",
}  # fmt: skip
"""Language code to tantivy's stemmer."""

UNSTEMMED = "other"
"""The language code for every language without a stemmer."""

_TOKEN = r"[\p{Han}\p{Hiragana}\p{Katakana}]|[[\p{L}\p{M}\p{N}]--[\p{Han}\p{Hiragana}\p{Katakana}]]+"
_LONGEST_TOKEN = 130
"""In bytes of UTF-8: a SHA-512 in hexadecimal can be found, a picture in base64 does not fill the index."""

_MORE_STOP_WORDS = {
    "en": "what which who whom whose when where why how do does did doing have has had having am been being were"
    " i me my we us our you your he him his she her"
    " s t d m ll re ve don doesn didn isn aren wasn weren hasn haven hadn won wouldn couldn shouldn"
}
"""Tantivy's list for English has 33 words, and none that a question begins with; its other lists are long."""

_NO_STOP_WORDS = frozenset({"ar", "el", "ro", "ta", "tr", UNSTEMMED})
"""Languages for which tantivy has no list."""


def check_language(language: str) -> str:
    """Return the language code if there is an analyser for it.

    Raises:
        QueryError: the language is neither `other` nor one with a stemmer.
    """
    if language != UNSTEMMED and language not in STEMMERS:
        raise QueryError(f"unknown language {language!r}; use {UNSTEMMED!r} or one of {', '.join(sorted(STEMMERS))}")
    return language


def knows_stop_words(language: str) -> bool:
    """Whether the words that carry no meaning by themselves are known of a language, and so can be told from others."""
    return check_language(language) not in _NO_STOP_WORDS


def analyzer(language: str, *, stop_words: bool = True) -> tantivy.TextAnalyzer:
    """Make the analyser of a language; it expects `normal` text.

    Args:
        language: a key of `STEMMERS`, or `other`.
        stop_words: whether to keep the words that carry no meaning by themselves ("the", "what"); where they are not
            known all are kept.

    Raises:
        QueryError: the language is neither `other` nor one with a stemmer.
    """
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.regex(_TOKEN))
    builder = builder.filter(tantivy.Filter.remove_long(_LONGEST_TOKEN)).filter(tantivy.Filter.lowercase())
    if check_language(language) == UNSTEMMED:
        return builder.build()
    name = STEMMERS[language]
    if not stop_words and knows_stop_words(language):
        builder = builder.filter(tantivy.Filter.stopword(name))
        builder = builder.filter(tantivy.Filter.custom_stopword(_MORE_STOP_WORDS.get(language, "").split()))
    return builder.filter(tantivy.Filter.stemmer(name)).build()


def normal(text: str) -> str:
    """A text in Unicode's compatibility form."""
    return unicodedata.normalize("NFKC", text)
