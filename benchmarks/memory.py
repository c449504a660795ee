"""The memory: what it finds in long conversations and among dated facts, how fast, at what size.

- `locomo`: recall@10 of the turns that prove an answer, on conversations that no setting was chosen on
- `readers`: searches a second by one thread and by eight
- `timeqa`: facts with intervals, asked for by time; articles A to F are for choosing, the rest is the report
- `scale`: up to a million facts: loading, bytes, reads
- `answers`: token F1 of the LLM's answers with what is recalled, with the full session, and without memory
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import data
import memory_data
from memory_answers import answers
from memory_locomo import locomo
from memory_readers import readers
from memory_scale import SIZES, scale
from memory_timeqa import timeqa
from ragloom import Embedder, load
from report import table, write

PARTS = ("locomo", "readers", "timeqa", "scale", "answers")


def main() -> None:
    options = data.parser(__doc__)
    options.add_argument("parts", nargs="*", choices=[*PARTS, []], help="which parts; by default all")
    options.add_argument("--tune", action="store_true", help="the rows for choosing")
    options.add_argument("--memories", type=Path, help="keep the memories in this folder, and go on with those in it")
    options.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of facts, for scale")
    options.add_argument("--limit", type=int, help="only the first questions, for answers")
    options.add_argument("--model", default="embedded", help="the LLM, for answers")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.memories or Path(temporary)
        folder.mkdir(exist_ok=True)
        for part in given.parts or PARTS:
            rows = _rows(part, given, folder)
            if given.tune or given.limit or tuple(given.sizes) != SIZES:
                print(table(rows))
            else:
                write(f"memory_{part}", rows)


def _rows(part: str, given: argparse.Namespace, memories: Path) -> list[dict[str, Any]]:
    if part == "scale":
        return scale(memories, given.sizes)
    embedder = Embedder()
    if part == "timeqa":
        easy, hard = (memory_data.timeqa(given.data, level, tune=given.tune) for level in ("easy", "hard"))
        return timeqa(easy, hard, memories, embedder)
    conversations = memory_data.locomo(given.data, tune=given.tune)
    if part == "answers":
        with load(given.model, temperature=0) as llm:
            return answers(conversations, memories, embedder, llm, given.limit)
    return (
        readers(conversations, memories, embedder) if part == "readers" else locomo(conversations, memories, embedder)
    )


if __name__ == "__main__":
    main()
