"""The documentation is true: its code runs and prints what it says, its links lead somewhere, its commands exist.

Pages and docstrings show Python in fenced blocks, and both are run. YAML with a title is a file that the Python after
it finds; where it is a graph it must be right, unless its title says "wrong".

`python tests/test_docs.py` writes the generated parts anew: that of docs/cli.md, and the tables of docs/graphs.md.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import shutil
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from ragloom.rag import cache
from ragloom.rag.cli import app
from ragloom.rag.graph import NodeType, Predicate, check
from ragloom.rag.graph.listing import node_types, predicates
from ragloom.stores import Corpus
from ragloom.stores.errors import CorpusLockedError, CorpusNotFoundError
from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SOURCES = [
    *sorted(ROOT.glob("*.py")),
    *(path for folder in ("agents", "prompts", "rag", "stores") for path in sorted((ROOT / folder).rglob("*.py"))),
]
CLI_PAGE = ROOT / "docs" / "cli.md"
GRAPHS_PAGE = ROOT / "docs" / "graphs.md"
GENERATED = "<!-- From here on written by `python tests/test_docs.py`. -->\n"

NOT_RUN = {
    "docs/llm.md": ["not run: downloads a model", "not run: needs a server"],
}
"""Every block that is not executed, by page. A block is added here together with its reason, or it runs."""

_FENCE = re.compile(
    r"^(?P<margin> *)```(?P<language>python|yaml)(?: title=\"(?P<title>[^\"]*)\")?\n(?P<code>.*?)^(?P=margin)```$",
    re.MULTILINE | re.DOTALL,
)
_TABLE = re.compile(r"(<!-- ([a-z ]+): written by [^\n]* -->\n).*?(?=<!-- end -->)", re.DOTALL)
_ANY_PYTHON_FENCE = re.compile(r"^\s*(?:```|~~~)\s*\{?\.?py", re.MULTILINE)
_EXPECTED = re.compile(r"# -> (.*)$", re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?!https?:)([^)\s#]*)(?:#[^)]*)?\)")
_SHELL_FENCE = re.compile(r"^ *```(?:sh|bat)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^ {4}.*$", re.MULTILINE)
_COMMAND = re.compile(r'^ *(?:\.venv/bin/)?ragloom ((?:"[^"\n]*"|[^|\n])*)', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block, with the line of its file that its code begins on."""

    language: str
    line: int
    title: str
    code: str

    @property
    def expected(self) -> list[str]:
        return [text.rstrip() for text in _EXPECTED.findall(self.code)]

    def run(self, file: Path, namespace: dict[str, object]) -> list[str]:
        """Execute it; returns the lines it printed. Tracebacks show the file's own lines."""
        printed = io.StringIO()
        code = compile("\n" * (self.line - 1) + self.code, str(file), "exec", dont_inherit=True)
        with contextlib.redirect_stdout(printed):
            exec(code, namespace)
        return [line.rstrip() for line in printed.getvalue().splitlines()]

    def check(self, file: Path, namespace: dict[str, object]) -> None:
        """Run it; what it prints must be what its comments say, if there are any."""
        printed = self.run(file, namespace)
        if self.expected:
            where = f"{name(file)}, block at line {self.line}"
            shown = f"{where} printed\n  " + "\n  ".join(printed) + "\nbut says\n  " + "\n  ".join(self.expected)
            assert len(printed) == len(self.expected), shown
            assert all(map(matches, printed, self.expected)), shown

    def check_yaml(self, file: Path, namespace: dict[str, object]) -> None:
        """Put it where the Python after it looks for it; a graph must be right, with the node types so far."""
        text, title = self.code, self.title.partition(" (")
        if title[0]:
            Path(title[0]).write_text(text, encoding="utf-8")
        if "nodes" in (yaml.safe_load(text) or {}):
            types = [value for value in namespace.values() if isinstance(value, NodeType | Predicate)]
            problems = check(title[0] or yaml.safe_load(text), types=types)
            is_meant = "wrong" in title[2]
            assert bool(problems) == is_meant, f"{name(file)}, block at line {self.line}: {problems}"


def fences(file: Path) -> list[Block]:
    text = file.read_text(encoding="utf-8")
    return [
        Block(
            match["language"],
            text.count("\n", 0, match.start("code")) + 1,
            match["title"] or "",
            textwrap.dedent(match["code"]),
        )
        for match in _FENCE.finditer(text)
    ]


def blocks(file: Path) -> list[Block]:
    """Those in Python."""
    return [block for block in fences(file) if block.language == "python"]


def name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def with_code(files: list[Path]) -> list[Path]:
    return [file for file in files if blocks(file)]


def matches(printed: str, expected: str) -> bool:
    """Whether a line is as its comment says, where `…` stands for anything."""
    return re.fullmatch(".*".join(map(re.escape, expected.split("…"))), printed) is not None


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # as for somebody who runs Python there
    return tmp_path


def copy_demo_index(to: Path) -> None:
    """Begin with the demo's index where there is one: `ingest(["pydoc:"], …)` then embeds nothing."""
    demo = cache.demo_index()
    absent_or_busy = contextlib.suppress(CorpusNotFoundError, CorpusLockedError)  # then the page only takes longer
    with absent_or_busy, Corpus(demo, create=False) as corpus, corpus.writing():
        shutil.copytree(demo, to, ignore=shutil.ignore_patterns("*-shm", "*.lock", "*.holder", "*.turn"))


@pytest.mark.model
@pytest.mark.parametrize("page", with_code(PAGES), ids=name)
def test_the_code_of_a_page_runs_and_prints_what_it_says(page: Path, workplace: Path) -> None:
    if page.name == "README.md":
        copy_demo_index(workplace / "index")
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in fences(page):
        if block.language == "yaml":
            block.check_yaml(page, namespace)
        elif not block.title.startswith("not run"):
            block.check(page, namespace)


@pytest.mark.model
@pytest.mark.parametrize("module", with_code(SOURCES), ids=name)
def test_the_examples_in_docstrings_run_and_print_what_they_say(module: Path, workplace: Path) -> None:
    (workplace / "handbook").mkdir()
    (workplace / "handbook" / "leave.md").write_text("# Leave\n\nParents get sixteen weeks of leave.\n")
    for block in blocks(module):
        block.check(module, {"__name__": "__main__"})


def test_docstrings_show_python_in_fenced_blocks() -> None:
    doctest = re.compile(r"^ *>>> ", re.MULTILINE)
    assert [name(file) for file in SOURCES if doctest.search(file.read_text(encoding="utf-8"))] == []


def test_only_the_listed_blocks_are_not_run() -> None:
    found = {name(file): [block.title for block in blocks(file) if block.title] for file in [*PAGES, *SOURCES]}
    assert {page: titles for page, titles in found.items() if titles} == NOT_RUN


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_python_is_fenced_so_that_it_escapes_the_tests(page: Path) -> None:
    assert len(_ANY_PYTHON_FENCE.findall(page.read_text(encoding="utf-8"))) == len(blocks(page))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    targets = [target for target in _LINK.findall(page.read_text(encoding="utf-8")) if target]
    assert [target for target in targets if not (page.parent / target).is_file()] == []


def test_every_page_is_in_the_navigation() -> None:
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert [page.name for page in PAGES if page.parent.name == "docs" and f": {page.name}" not in nav] == []


def shown_commands() -> list[str]:
    """The arguments of every `ragloom` in a shell fence or an indented line."""
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    code = [part for text in texts for part in (*_SHELL_FENCE.findall(text), *_INDENTED.findall(text))]
    return [command.strip() for part in code for command in _COMMAND.findall(part)]


@pytest.mark.parametrize("line", dict.fromkeys(shown_commands()))
def test_a_command_that_is_shown_exists_and_takes_these_options(line: str) -> None:
    command, words = typer.main.get_command(app), shlex.split(line, comments=True)
    while isinstance(command, typer.core.TyperGroup):
        command = command.commands[words.pop(0)]
    assert command.make_context(line, words).command is command


def commands(command: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command that does something, and the groups above it, as the words one types."""
    yield path
    if isinstance(command, typer.core.TyperGroup):
        for word, child in command.commands.items():
            yield from commands(child, (*path, word))


def cli_reference() -> str:
    """The help of every command, as `ragloom … --help` prints it in 100 columns."""
    sections = []
    for path in commands(typer.main.get_command(app)):
        heading = " ".join(["ragloom", *path])
        shown = CliRunner().invoke(
            app, [*path, "--help"], prog_name="ragloom", terminal_width=100, max_content_width=100
        )
        assert shown.exit_code == 0, shown.output
        help_text = "\n".join(line.rstrip() for line in shown.output.strip().splitlines())
        sections.append(f"## {heading}\n\n```text\n{help_text}\n```\n")
    return GENERATED + "\n" + "\n".join(sections)


def test_the_page_about_the_command_is_what_the_command_prints() -> None:
    page = CLI_PAGE.read_text(encoding="utf-8")
    shown = GENERATED + page.partition(GENERATED)[2]
    assert shown == cli_reference(), "docs/cli.md is out of date; write it anew with: python tests/test_docs.py"


def graph_tables() -> dict[str, str]:
    """What graphs can be made of, by the name of the place where docs/graphs.md has it."""
    types, asked = node_types(), predicates()
    return {
        "predicates": table(
            ("predicate", "it is", "compared with", "reads"),
            [(code(e["name"]), _lowered(e["summary"]), _compared(e), codes(e["reads"])) for e in asked],
        ),
        "node types": table(
            ("`use`", "what it does", "reads", "writes", "needs"),
            [(code(e["name"]), e["summary"], *(codes(e[key]) for key in ("reads", "writes", "needs"))) for e in types],
        ),
        "parameters": table(
            ("`use`", "parameter", "default", "meaning"),
            [
                (code(e["name"]), code(param), _default(about), about.get("description", "").rstrip("."))
                for e in types
                for param, about in e["params"].items()
            ],
        ),
    }


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def code(text: str) -> str:
    return f"`{text}`"


def codes(texts: list[str]) -> str:
    return ", ".join(map(code, texts))


def _lowered(text: str) -> str:
    return text[0].lower() + text[1:]


def _compared(predicate: dict[str, Any]) -> str:
    if predicate["words"]:
        return codes(list(predicate["words"]))
    return "nothing" if predicate["kind"] == "yes or no" else f"a {predicate['kind']}"


def _default(parameter: dict[str, Any]) -> str:
    if "default" not in parameter:
        return "required"
    return "" if parameter["default"] is None else code(json.dumps(parameter["default"]))


def with_tables(page: str) -> str:
    tables = graph_tables()
    return _TABLE.sub(lambda match: f"{match[1]}\n{tables[match[2]]}\n", page)


def test_the_tables_about_graphs_are_what_there_is() -> None:
    page = GRAPHS_PAGE.read_text(encoding="utf-8")
    assert sorted(match[2] for match in _TABLE.finditer(page)) == sorted(graph_tables())
    assert page == with_tables(page), "docs/graphs.md is out of date; write it anew with: python tests/test_docs.py"


def main() -> None:
    by_hand = CLI_PAGE.read_text(encoding="utf-8").partition(GENERATED)[0]
    CLI_PAGE.write_text(by_hand + cli_reference(), encoding="utf-8")
    GRAPHS_PAGE.write_text(with_tables(GRAPHS_PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
