"""Grammars in GBNF, llama.cpp's notation: rules with names, of which `root` is the whole answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, count

from .errors import ModelError

_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9-]+")
_NOT_IN_LITERALS = re.compile(r'["\\\x00-\x1f]')
_BLOCK = 1000  # llama.cpp takes counts up to 2,000, and a larger upper bound for none
_MOST = _BLOCK * _BLOCK
_MOST_RULES = 20_000  # llama.cpp looks for left recursion recursively: 100,000 in a row overflow its stack


class Rules:
    """The rules of one grammar.

    ```python
    from ragloom.rag.llm.gbnf import Rules, literal

    rules = Rules()
    digit = rules.add("digit", "[0-9]")
    rules.add("root", f"{literal('No. ')} {rules.times(digit, 1, 3)}")
    print(rules.grammar())
    # -> digit ::= [0-9]
    # -> root ::= "No. " digit{1} digit{0,2}
    ```
    """

    def __init__(self) -> None:
        self._rules: dict[str, str] = {}
        self._added: dict[tuple[str, str], str] = {}
        self._names: dict[str, Iterator[str]] = {}

    def add(self, name: str, definition: str) -> str:
        """Add a rule; give the name that it got, which is another one if `name` means something else already.

        Raises:
            ModelError: there are too many.
        """
        if (name, definition) not in self._added:
            free = self.reserve(name)
            self._rules[free] = definition
            self._added[name, definition] = free
        return self._added[name, definition]

    def reserve(self, name: str) -> str:
        """A name for a rule that `define` gives a meaning: it is `name`, or begins with that.

        Raises:
            ModelError: there are too many rules.
        """
        if len(self._rules) == _MOST_RULES:
            raise ModelError(f"a grammar of more than {_MOST_RULES:,} rules is too large")
        plain = _NOT_IN_NAMES.sub("-", name)
        if plain not in self._names:
            self._names[plain] = chain([plain], (f"{plain}-{number}" for number in count(2)))
        free = next(each for each in self._names[plain] if each not in self._rules)
        self._rules[free] = '""'
        return free

    def define(self, name: str, definition: str) -> None:
        """Say what a reserved rule is, such as that of a schema within itself."""
        self._rules[name] = definition

    def times(self, item: str, least: int, most: int | None) -> str:
        """The rule `item`, so many times; `most` may be None, and is left out where no answer is that long.

        Longer repetitions are put together from blocks. Spelt out, as `(item (item …)?)?`, they would overflow the
        stack of llama.cpp's parser, and end the process.

        Raises:
            ModelError: `least` is more than `most`, or than can be written down.
        """
        if most is not None and most < least:
            raise ModelError(f"there is nothing of which there are at least {least} and at most {most}")
        if least > _MOST:
            raise ModelError(f"at least {least:,} of something is too much; {_MOST:,} can be asked for")
        if most is None or most - least > _MOST:
            return f"{self._exactly(item, least)} {item}*".strip()
        return f"{self._exactly(item, least)} {self._up_to(item, most - least)}".strip()

    def grammar(self) -> str:
        """All rules."""
        return "\n".join(f"{name} ::= {definition}" for name, definition in self._rules.items())

    def _exactly(self, item: str, number: int) -> str:
        blocks, rest = divmod(number, _BLOCK)
        parts = [(self._block(item), blocks)] if blocks else []
        return " ".join(f"{part}{{{times}}}" for part, times in [*parts, (item, rest)] if times)

    def _up_to(self, item: str, number: int) -> str:
        blocks, rest = divmod(number, _BLOCK)
        if not blocks:
            return f"{item}{{0,{rest}}}" if rest else ""
        block = self._block(item)
        return f"({block}{{0,{blocks - 1}}} {item}{{0,{_BLOCK}}} | {block}{{{blocks}}} {item}{{0,{rest}}})"

    def _block(self, item: str) -> str:
        return self.add(f"{item}-block", f"{item}{{{_BLOCK}}}")


def literal(text: str) -> str:
    """A text as it is."""
    return f'"{_NOT_IN_LITERALS.sub(lambda found: _escaped(found[0]), text)}"'


def character(allowed: str) -> str:
    """What stands for a character between brackets."""
    return f"\\U{ord(allowed):08X}"


def _escaped(found: str) -> str:
    return f"\\{found}" if found in '"\\' else f"\\x{ord(found):02X}"
