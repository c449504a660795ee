"""Where a JSON object ends, in a text that comes bit by bit."""

from __future__ import annotations

_CLOSING = {"{": "}", "[": "]"}
_UNFIT = {"}": "]", "]": "}"}


class JsonEnd:
    """Looks for the bracket that closes the first one.

    ```python
    from ragloom.rag.llm.json_end import JsonEnd

    end = JsonEnd()
    print(end.find('{"a": "}'), end.find('"} and so on'))  # -> None 2
    ```
    """

    def __init__(self) -> None:
        """Begin before the first bracket."""
        self._open: list[str] = []  # the brackets that have to come
        self._in_text = self._escaped = False

    def find(self, text: str) -> int | None:
        """Go on with the next bit; give the place in it behind the closing bracket, or None if it is not there."""
        for at, character in enumerate(text):
            self._step(character)
            if not self._open:
                return at + 1
        return None

    @property
    def unfit(self) -> str:
        """What could come next in no JSON: a bracket that does not fit, after the end of the text that is open."""
        text_ends = ("\\" if self._escaped else "") + ('"' if self._in_text else "")
        return text_ends + (_UNFIT[self._open[-1]] if self._open else "]")

    def _step(self, character: str) -> None:
        if self._in_text:
            if self._escaped:
                self._escaped = False
            elif character in '\\"':
                self._escaped, self._in_text = character == "\\", character == "\\"
        elif character == '"':
            self._in_text = True
        elif character in _CLOSING:
            self._open.append(_CLOSING[character])
        elif character in "}]":
            self._open.pop()
