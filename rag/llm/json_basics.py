"""Rules of GBNF for JSON without a schema, and for texts of known formats."""

from __future__ import annotations

_HEX = "[0-9a-fA-F]"
JSON = {
    "space": '" "?',
    "char": rf'[^"\\\x7F\x00-\x1F] | "\\" (["\\/bfnrt] | "u" ([0-9abcefABCEF] {_HEX} | [dD] [0-7]) {_HEX} {_HEX})',
    "integral-part": "[0-9] | [1-9] [0-9]{0,15}",
    "string": r'"\"" char* "\"" space',
    "integer": '"-"? integral-part space',
    "number": '"-"? integral-part ("." [0-9]{1,16})? ([eE] [-+]? [0-9]{1,2})? space',
    "boolean": '("true" | "false") space',
    "null": '"null" space',
    "array": '"[" space (value ("," space value)*)? "]" space',
    "object": '"{" space (string ":" space value ("," space string ":" space value)*)? "}" space',
    "value": "object | array | string | number | boolean | null",
}
"""Rules that every schema may need. A text holds no half character; there is one space at most, lest it run away."""

_DATE = '[0-9]{4} "-" ("0" [1-9] | "1" [0-2]) "-" ("0" [1-9] | [1-2] [0-9] | "3" [0-1])'
_ZONE = '("Z" | [-+] ([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9])'
_TIME = f'([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9] ("." [0-9]{{3}})? {_ZONE}'
_UUID = ' "-" '.join(f"{_HEX}{{{digits}}}" for digits in (8, 4, 4, 4, 12))
FORMATS = {"date": (_DATE, 10, 10), "time": (_TIME, 9, 18), "date-time": (f'{_DATE} "T" {_TIME}', 20, 29)}
FORMATS |= dict.fromkeys(("uuid", "uuid1", "uuid2", "uuid3", "uuid4", "uuid5"), (_UUID, 36, 36))
"""Each with the lengths of the shortest and the longest text."""
