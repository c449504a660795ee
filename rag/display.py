"""How the `ragloom` command shows things: tables and colour on a terminal, plain lines in a pipe, JSON when asked.

Library code never prints; this module and `cli` do.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..stores.types import Hit
    from .generate.types import Citation
    from .graph.events import Event
    from .graph.problem import Problem
    from .graph.state import NodeTrace, RagState

WIDTH = 100

NEAREST = 3
"""How many places are shown beside "I don't know"."""

_MARKED = re.compile(r"\*\*(\S+?)\*\*")
_WORD = re.compile(r"\w(?:\S*\w)?")  # without the punctuation, or Markdown, around it


_CONTROLS = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"},
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),
}
"""Of control characters their pictures: a terminal obeys the others, and documents may come from anybody."""


def visible(text: str) -> str:
    r"""The text without control characters, for a terminal.

    ```python
    from ragloom.rag.display import visible

    print(visible("a \x1b[31mred\x1b[0m word"))  # -> a ␛[31mred␛[0m word
    ```
    """
    return text.replace("\r\n", "\n").translate(_CONTROLS)


class Display:
    """Where output goes and in which form."""

    def __init__(self, *, as_json: bool = False) -> None:
        """Print JSON alone if `as_json`; tables in colour if standard output is a terminal."""
        self.as_json = as_json
        self.terminal = sys.stdout is not None and sys.stdout.isatty() and not as_json
        self.width = min(WIDTH, shutil.get_terminal_size().columns) if self.terminal else WIDTH

    def line(self, text: str = "") -> None:
        """A line for people; nothing in JSON mode."""
        if not self.as_json:
            print(visible(text) if self.terminal else text)

    def note(self, text: str) -> None:
        """A remark that is not part of the result: on standard error."""
        is_terminal = sys.stderr is not None and sys.stderr.isatty()
        print(visible(text) if is_terminal else text, file=sys.stderr, flush=True)

    def data(self, value: Any) -> None:
        """The result as one JSON document, null for NaN and infinite numbers; nothing in the other modes."""
        if self.as_json:
            readable = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
            print(json.dumps(_finite(value), ensure_ascii=not readable, default=str))

    def heading(self, text: str) -> None:
        """A line that stands out on a terminal."""
        if self.terminal:
            from rich.console import Console

            Console().print(visible(text), style="bold cyan", markup=False, highlight=False)
        else:
            self.line(text)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table; columns of numbers are right-aligned."""
        if self.as_json:
            return
        if self.terminal:
            self._rich_table(columns, rows)
            return
        widths = [max(len(row[i]) for row in (columns, *rows)) for i in range(len(columns))]
        numeric = [bool(rows) and all(_is_number(row[i]) for row in rows) for i in range(len(columns))]
        for row in (columns, *rows):
            cells = (
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(row, widths, numeric, strict=True)
            )
            print(("  " + "  ".join(cells)).rstrip())

    def _rich_table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for i, column in enumerate(columns):
            right = bool(rows) and all(_is_number(row[i]) for row in rows)
            table.add_column(column, justify="right" if right else "left")
        for row in rows:
            table.add_row(*(Text(visible(cell)) for cell in row))
        Console().print(table)

    def draft(self, text: str) -> None:
        """A piece of what an LLM writes before anybody has checked it: faint on a terminal, nothing elsewhere."""
        if self.terminal and text:
            from rich.console import Console

            Console().print(visible(text), end="", style="dim", markup=False, highlight=False, soft_wrap=True)

    def state(self, state: RagState, *, without_text: bool = False) -> None:
        """What a run ended with: an answer, unless it stands there already, and what it cites; or the documents."""
        answer = state.answer
        if answer is None:
            self._hits(state.documents, rows=4)
            return
        for paragraph in () if without_text else answer.text.split("\n\n"):
            self.lines(paragraph)
            self.line()
        for note in answer.notes:
            self.text(f"({note})")
        shown = " ".join(answer.text.split())
        for number, citation in enumerate(answer.citations, start=1):
            self.heading(f"[{number}] {place(citation)}")
            if " ".join(citation.text.split()) not in shown:
                self.text(citation.text, indent=4, rows=6)
        if not answer.known and state.documents:
            self.line("The nearest places:")
            self._hits(state.documents[:NEAREST], rows=6)

    def citations(self, citations: Sequence[Citation]) -> None:
        """What is cited, word for word."""
        for number, citation in enumerate(citations, start=1):
            self.heading(f"[{number}] {place(citation)}")
            self.lines(textwrap.indent(citation.text, "    "))

    def lines(self, text: str) -> None:
        """A text as it stands, code and all; only lines that are too long are wrapped."""
        for line in text.splitlines():
            margin = line[: len(line) - len(line.lstrip())]
            for row in textwrap.wrap(line, self.width, subsequent_indent=margin, replace_whitespace=False) or [""]:
                self.line(row)

    def text(self, text: str, *, indent: int = 0, rows: int | None = None) -> None:
        """A paragraph, wrapped; at most `rows` rows of it."""
        margin = " " * indent
        wrapped = textwrap.wrap(
            " ".join(text.split()),
            self.width,
            initial_indent=margin,
            subsequent_indent=margin,
            max_lines=rows,
            placeholder=" …",
        )
        for row in wrapped:
            if self.terminal and _MARKED.search(row):
                self._print_marked(row)
            else:
                self.line(row)

    def _print_marked(self, row: str) -> None:
        """A row whose marked words are bold."""
        from rich.console import Console
        from rich.markup import escape

        Console().print(_MARKED.sub(r"[bold yellow]\1[/bold yellow]", escape(visible(row))), highlight=False)

    def trace(self, trace: Sequence[NodeTrace], *, milliseconds: float) -> None:
        """What each node did and cost, and what the run took; columns that say nothing are left out."""
        self.line()
        columns: dict[str, list[str]] = {
            "node": [each.node for each in trace],
            "ms": [f"{each.milliseconds:,.0f}" for each in trace],
            "documents": [f"{each.documents_in} -> {each.documents_out}" for each in trace],
        }
        for name in ("tokens_in", "tokens_reused", "tokens_out"):
            counts = [getattr(each, name) for each in trace]
            if any(counts):
                columns[name.replace("_", " ")] = [f"{count:,}" if count else "" for count in counts]
        columns["what it did"] = [each.detail for each in trace]
        rows = [list(row) for row in zip(*columns.values(), strict=True)]
        total = ["total", f"{milliseconds:,.0f}", *[""] * (len(columns) - 2)]
        self.table(list(columns), [*rows, total])

    @contextmanager
    def working(self) -> Iterator[Callable[[Event], None]]:
        """Show on a terminal which node runs, and how much the LLM has written; nothing in a pipe."""
        if sys.stderr is None or not sys.stderr.isatty():
            yield lambda _event: None
            return
        from rich.console import Console

        from .graph.events import NodeStarted, Token

        with Console(stderr=True).status("starting") as status:
            written = 0

            def tell(event: Event) -> None:
                nonlocal written
                if isinstance(event, NodeStarted):
                    written = 0
                    status.update(event.node)
                elif isinstance(event, Token):
                    written += len(event.text)
                    status.update(f"{event.node}: {written} characters")

            yield tell

    def problems(self, problems: Sequence[Problem]) -> None:
        """What is wrong with a graph, a line each."""
        self.data([asdict(problem) for problem in problems])
        for problem in problems:
            self.line(str(problem))

    def hits(self, hits: Sequence[Hit]) -> None:
        """Search results."""
        self.data([hit.as_dict() for hit in hits])
        self._hits(hits, rows=4)

    def _hits(self, hits: Sequence[Hit], *, rows: int) -> None:
        for hit in hits:
            metadata = hit.document.metadata
            source, title = (str(metadata.get(name) or "") for name in ("source", "title"))
            where = _place(source, title, metadata.get("heading", ()))
            self.heading(f"{hit.rank}. {where} [{metadata['start']}:{metadata['end']}]  score {hit.score:.4f}")
            if marks := metadata.get("highlights"):
                self.text(_marked(hit.document.page_content, marks), indent=4)
            else:
                self.text(hit.document.page_content, indent=4, rows=rows)

    @contextmanager
    def progress(self, what: str) -> Iterator[Callable[[int, int | None, str], None]]:
        """Show `(done, total, detail)` as a bar on a terminal, else as a line for each tenth."""
        if sys.stderr.isatty():
            with _bar(what) as update:
                yield update
        else:
            yield _Lines(self, what)


def _marked(text: str, highlights: Sequence[Sequence[float]]) -> str:
    """The text with `**` around the words that are highlighted."""
    for start, end in sorted(((int(start), int(end)) for start, end, _ in highlights), reverse=True):
        if word := _WORD.search(text, start, end):
            text = f"{text[: word.start()]}**{word[0]}**{text[word.end() :]}"
    return text


class _Lines:
    """Progress in a pipe: a line whenever another tenth is done."""

    def __init__(self, display: Display, what: str) -> None:
        self._display = display
        self._what = what
        self._tenth = -1

    def __call__(self, done: int, total: int | None, detail: str) -> None:
        tenth = done * 10 // total if total else done // 100
        if tenth != self._tenth:
            self._tenth = tenth
            self._display.note(f"{self._what}: {done}{f'/{total}' if total else ''} {detail}".rstrip())


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int | None, str], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[detail]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=None, detail="")

        def update(done: int, total: int | None, detail: str) -> None:
            # Of a single thing a bar would show nothing until it is done.
            progress.update(task, completed=done, total=None if total == 1 else total, detail=Path(detail).name)

        yield update


def _finite(value: Any) -> Any:
    """The same without NaN and infinite numbers, which JSON does not have: None stands for them."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value


def place(citation: Citation) -> str:
    """Where a citation points: source, headings, page and span."""
    page = f", page {citation.page}" if citation.page else ""
    where = _place(citation.source, citation.title, citation.heading)
    return f"{where}{page} [{citation.start}:{citation.end}]"


_NAMELESS = re.compile(r"[0-9a-f]{32}")
"""The id of a text that was added without a name."""


def _place(source: str, title: str, heading: Sequence[str]) -> str:
    path = Path(source)
    if _NAMELESS.fullmatch(source):
        source = "text without a name"
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        source = str(path.relative_to(Path.cwd()))
    names = [name for name in dict.fromkeys((title, *heading)) if name]
    return " ".join([source, f"({' > '.join(names)})"] if names else [source])


def _is_number(cell: str) -> bool:
    return not cell or cell.replace(",", "").replace(".", "", 1).isdecimal()
