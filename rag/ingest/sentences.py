"""The sentences of a text as spans, for quoting: exactly what stands there, and only where prose stands.

sentencex, the segmenter that Wikipedia's translation tools use, knows the abbreviations of some 240 languages. It sees
one paragraph at a time, as markdown-it-py finds them, so that no sentence runs from a heading into the text below it,
and no list marker, table row or line of code is taken for a sentence.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate, pairwise

from sentencex import get_sentence_boundaries  # type: ignore[import-untyped]

from .span import Span, trimmed
from .structure import Line, blocks

_WINDOW = 8192
_MIN_WORDS = 3
_MIN_LEAD_IN = 10
_MAX_SYMBOLS = 0.2
_LINK = re.compile(r"!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])|<?https?://\S+|<\S+@\S+>")
_TAG = re.compile(r"<[^<>]+>|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
_CODE = re.compile(r">>>|\.\.\. |\$ |```|~~~|\||#include|@\w+\(")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
UNSPACED = "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
"""A character of a script that puts no spaces between words, as a regular expression."""

_UNSPACED = re.compile(UNSPACED)
_CLOSING = re.compile(r"[)\]}\"'”’»*_.,;!?]+(?=\s|$)")
_SYMBOL = re.compile(r"[\[\](){}<>=|#;\\/+^~$@&]")


def sentences(text: str, *, language: str = "en") -> list[Span]:
    """The sentences of the prose in a text, in order, without white space around them.

    Headings, code, tables, HTML blocks and rules hold none. A sentence of a quotation that runs over several lines
    includes the `>` between them, for its span is a stretch of the text.

    Args:
        text: Markdown, or plain text with blank lines between paragraphs.
        language: ISO 639 code; an unknown one is treated by the rules that most languages share.
    """
    return [span for block in blocks(text) for span in segment(block.paragraph, language)]


def is_prose(sentence: str) -> bool:
    """Whether a sentence is worth quoting by itself: words that say something, in any language.

    Not: a lone "1.", a line of code, a table row, a bare link, a template tag, a short lead-in ("For example:"). A
    longer sentence that ends in a colon usually states something before it shows it.
    """
    visible = _TAG.sub(" ", _LINK.sub(r" \1 ", sentence)).strip()
    least = _MIN_LEAD_IN if visible.rstrip("*_ ").endswith((":", "：")) else _MIN_WORDS
    own_words = _words(_TAG.sub(" ", _LINK.sub(" ", sentence)))
    if _CODE.match(visible) or _words(visible) < least or own_words < _MIN_WORDS - 1:
        return False
    return len(_SYMBOL.findall(visible)) <= _MAX_SYMBOLS * len("".join(visible.split()))


def _words(text: str) -> int:
    """Words; where a script puts no spaces between them, two characters count as one."""
    unspaced = len(_UNSPACED.findall(text))
    return len(_WORD.findall(_UNSPACED.sub(" ", text))) + unspaced // 2


def segment(lines: list[Line], language: str) -> list[Span]:
    """The sentences of one paragraph."""
    words = " ".join(line.text for line in lines)
    begins = list(accumulate((len(line.text) + 1 for line in lines), initial=0))

    def offset(position: int) -> int:
        at = bisect_right(begins, position) - 1
        return lines[at].start + position - begins[at]

    return [Span(offset(start), offset(end - 1) + 1) for start, end in _boundaries(words, language)]


def _boundaries(words: str, language: str) -> list[Span]:
    """The boundaries that sentencex finds, with two repairs for text that is full of markup and code.

    Closing marks ("**", ")") that it leaves to the next sentence belong to the one they close, and a full stop that no
    space follows (`m.__dict__`) ends no sentence in a script that puts spaces between words.
    """
    spans: list[Span] = []
    for start, end in _raw_boundaries(words, language):
        if spans and (closing := _CLOSING.match(words, start, end)):
            spans[-1] = Span(spans[-1].start, closing.end())
            start, end = trimmed(words, closing.end(), end)  # noqa: PLW2901 - what is left of it
        if start == end:
            continue
        if spans and spans[-1].end == start and words[start - 1] == "." and not _UNSPACED.match(words, start):
            spans[-1] = Span(spans[-1].start, end)
        else:
            spans.append(Span(start, end))
    return spans


def _raw_boundaries(words: str, language: str) -> Iterator[Span]:
    """The boundaries as sentencex finds them, window by window: its time grows with the square of a text's length."""
    at = 0
    while at < len(words):
        window = words[at : at + _WINDOW]
        ends = [boundary["end_index"] for boundary in get_sentence_boundaries(language, window)]
        if at + _WINDOW < len(words) and len(ends) > 1:
            ends.pop()  # it may go on in the next window
        for start, end in pairwise([0, *ends]):
            yield trimmed(words, at + start, at + end)
        at += ends[-1]
