"""The memory: what it finds in long conversations and among dated facts, how fast, at what size.

- `locomo`: recall@10 of the turns that prove an answer, on conversations that no setting was chosen on
- `timeqa`: facts with intervals, asked for by time; articles A to F are for choosing, the rest is the report
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import data
import memory_data
from memory_locomo import locomo
from memory_timeqa import timeqa
from ragloom import Embedder
from report import table, write

PARTS = ("locomo", "timeqa")


def main() -> None:
    options = data.parser(__doc__)
    options.add_argument("parts", nargs="*", choices=[*PARTS, []], help="which parts; by default all")
    options.add_argument("--tune", action="store_true", help="the rows for choosing")
    options.add_argument("--memories", type=Path, help="keep the memories in this folder, and go on with those in it")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.memories or Path(temporary)
        for part in given.parts or PARTS:
            rows = _rows(part, given.data, folder, tune=given.tune)
            if given.tune:
                print(table(rows))
            else:
                write(f"memory_{part}", rows)


def _rows(part: str, folder: Path, memories: Path, *, tune: bool) -> list[dict[str, object]]:
    embedder = Embedder()
    if part == "locomo":
        return locomo(memory_data.locomo(folder, tune=tune), memories, embedder)
    easy, hard = (
        [each for each in memory_data.timeqa(folder, level) if each.is_tuned_on == tune] for level in ("easy", "hard")
    )
    return timeqa(easy, hard, memories, embedder)


if __name__ == "__main__":
    main()
