"""From token bytes to text that may be shown at once."""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class TextStream:
    """Gives out whole characters only, and nothing that belongs to a stop string.

    A token may end in the middle of a character, and a stop string may be spread over several tokens. So the text
    that could still turn out to be the beginning of a stop string is held back until the next token decides.

    ```python
    from ragloom.rag.llm.text import TextStream

    stream = TextStream(stops=["END"])
    print([stream.feed(piece) for piece in (b"the E", b"N", b"D of it")])  # -> ['the ', '', '']
    print(stream.stopped)  # -> True
    ```
    """

    def __init__(self, stops: Sequence[str] = ()) -> None:
        """Stop before the first occurrence of any of `stops`."""
        self.stopped = False
        self._stops = tuple(stops)
        self._held = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, piece: bytes) -> str:
        """Take one token's bytes; return what may be shown now."""
        text = self._held + self._decoder.decode(piece)
        found = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:
            self.stopped = True
            self._held = ""
            return text[: min(found)]
        held = max((overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def finish(self) -> str:
        """The text that was held back, when no more tokens come; half a character is dropped."""
        rest, self._held = self._held, ""
        return rest


def overlap(text: str, stop: str) -> int:
    """How many characters at the end of `text` begin `stop`."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)
