"""Cut a document's sections into chunks that fit the embedder.

Sizes are counted in the embedder's own tokens, for what exceeds its limit would be dropped without a word; the context
line (title and headings) that is embedded with every chunk and the model's special tokens are taken off first.

Sections of a few words make poor chunks: there is little in them to match, and nothing to read. So neighbours are
joined when one of them is that small and they are siblings, or parent and child, under a common heading.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from ...stores.types import Chunk, Source
from .errors import IngestError
from .pack import pack
from .span import Span
from .types import Loaded, Section

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SPLITTER_VERSION = "1"
"""Part of every fingerprint: raise it when the same document would be cut differently."""

MIN_MAX_TOKENS = 32

_TINY_TOKENS = 24
_BYTES_PER_TOKEN = 3
_LONGEST_TOKEN = 16
_WORDS_REMEMBERED = 1 << 16


class Splitter:
    """Cuts documents for one embedder."""

    def __init__(self, tokenizer: Tokenizer | None, max_tokens: int, language: str = "en") -> None:
        """Prepare to cut for an embedder.

        Args:
            tokenizer: the embedder's; without one a token is taken to be 3 bytes of UTF-8, which makes chunks rather
                too small than too large.
            max_tokens: tokens the embedder reads of a text, special tokens and context line included.
            language: ISO 639 code, for the ends of sentences.

        Raises:
            IngestError: `max_tokens` leaves no room for text.
        """
        if max_tokens < MIN_MAX_TOKENS:
            raise IngestError(f"max_tokens must be at least {MIN_MAX_TOKENS}, not {max_tokens}")
        self.count = _estimate if tokenizer is None else _counter(tokenizer)
        self._language = language
        self._room = max_tokens - (2 if tokenizer is None else tokenizer.num_special_tokens_to_add(is_pair=False))

    def split(self, loaded: Loaded) -> list[Chunk]:
        """Cut a document; the chunks are in order, and two of the same words get different ids."""
        loaded = dataclasses.replace(loaded, source=self._short_titled(loaded.source))
        seen: Counter[str] = Counter()
        chunks = []
        for section in self._joined(loaded):
            heading = self._heading(loaded.source, section.heading)
            for start, end in self._pieces(loaded, section, self._capacity(loaded.source, heading)):
                span = (section.start, section.end)
                chunk = Chunk(loaded.source, start, end, heading, span, section.metadata)
                seen[chunk.id] += 1
                again = seen[chunk.id] > 1
                chunks.append(dataclasses.replace(chunk, id=f"{chunk.id}-{seen[chunk.id]}") if again else chunk)
        return chunks

    def _capacity(self, source: Source, heading: tuple[str, ...]) -> int:
        """Tokens left for a chunk's own text; the line break after the context may be a token too."""
        context = Chunk(source, 0, 0, heading).context
        return self._room - (self.count(context) + 1 if context else 0)

    def _short_titled(self, source: Source) -> Source:
        """The source, its title cut if that alone would take more than half of a chunk's room."""
        kept = source.title
        while self._capacity(source, ()) < self._room // 2:
            kept = kept[: len(kept) * 9 // 10].rstrip()
            source = dataclasses.replace(source, title=f"{kept}…" if kept else "")
        return source

    def _heading(self, source: Source, heading: tuple[str, ...]) -> tuple[str, ...]:
        """The headings, without the outermost ones if they would take more than half of a chunk's room."""
        while heading and self._capacity(source, heading) < self._room // 2:
            heading = heading[1:]
        return heading

    def _joined(self, loaded: Loaded) -> Iterator[Section]:
        """The sections, tiny ones joined with a neighbour."""
        group: list[Section] = []
        size = 0
        for section in loaded.sections:
            tokens = self.count(loaded.source.text[section.start : section.end])
            small = min(size, tokens) < _TINY_TOKENS and size + tokens <= self._room // 2
            if group and small and _belong_together([*group, section]):
                group.append(section)
                size += tokens
            else:
                yield from _as_one(group)
                group, size = [section], tokens
        yield from _as_one(group)

    def _pieces(self, loaded: Loaded, section: Section, capacity: int) -> Iterator[Span]:
        text = loaded.source.text[section.start : section.end]
        if self.count(text) <= capacity:
            yield Span(section.start, section.end)
            return
        for start, end in pack(text, capacity, self.count, self._language):
            yield Span(section.start + start, section.start + end)


def _counter(tokenizer: Tokenizer) -> Callable[[str], int]:
    from tokenizers.pre_tokenizers import BertPreTokenizer

    if tokenizer.truncation or tokenizer.padding:
        tokenizer = type(tokenizer).from_str(tokenizer.to_str())
        tokenizer.no_truncation()
        tokenizer.no_padding()

    def count(text: str) -> int:
        # A word too long for WordSpan is one unknown token, be it a megabyte; it must not become one chunk.
        return max(len(tokenizer.encode(text, add_special_tokens=False)), len(text) // _LONGEST_TOKEN)

    if not isinstance(tokenizer.pre_tokenizer, BertPreTokenizer):
        return count
    # WordSpan looks at one word at a time, so words can be counted from memory: five times as fast.
    count_word = lru_cache(maxsize=_WORDS_REMEMBERED)(count)
    return lambda text: sum(map(count_word, text.split()))


def _estimate(text: str) -> int:
    return -(-len(text.encode()) // _BYTES_PER_TOKEN)


def _belong_together(sections: Sequence[Section]) -> bool:
    """Whether they are siblings, or a parent and its children, under a heading of their own, and on one page."""
    depth = max(len(section.heading) for section in sections)
    shared = len(_shared_heading(sections))
    same_page = all(section.metadata == sections[0].metadata for section in sections)
    return same_page and shared >= max(1, depth - 1)


def _shared_heading(sections: Sequence[Section]) -> tuple[str, ...]:
    shared: tuple[str, ...] = ()
    for level in zip(*(section.heading for section in sections), strict=False):
        if len(set(level)) > 1:
            break
        shared += level[:1]
    return shared


def _as_one(group: Sequence[Section]) -> Iterator[Section]:
    """The sections as one, whose text then includes the heading lines that its common heading does not tell."""
    if len(group) <= 1:
        yield from group
        return
    first, last = group[0], group[-1]
    heading = _shared_heading(group)
    begin = first.start if first.heading == heading or first.opening is None else first.opening
    yield Section(begin, last.end, heading, first.opening, first.metadata)
