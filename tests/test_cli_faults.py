"""Bad input and faults: one clear line on standard error, exit code 2, no traceback, nothing lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import AS_EMBEDDER, SCRIPT, Done, here
from fakes import HashingEmbedder
from ragloom import Corpus

pytestmark = pytest.mark.usefixtures("scripted_command")


@pytest.mark.parametrize(
    ("args", "parts"),
    [
        (["search", "x", "-k", "abc"], ["'-k'", "'abc'", "whole number", "ragloom search --help"]),
        (["search", "x", "-k", "0"], ["'0'", "whole number from 1"]),
        (["ask", "x", "-k", "-3"], ["'-3'", "whole number from 1"]),
        (["ask", "x", "--gpu-layers", "-2"], ["'-2'", "from -1"]),
        (["search", "x", "--indx", "y"], ["--indx", "--index"]),
        (["search", "x", "--bogus"], ["--bogus", "ragloom search --help"]),
        (["serch", "x"], ["'serch'", "Did you mean 'search'?"]),
        (["corpus", "stat"], ["'stat'", "Did you mean 'stats'?"]),
        (["search"], ["query", "ragloom search --help"]),
        (["search", "two", "words"], ["words"]),
        (["ask", "x", "--index"], ["--index"]),
    ],
)
def test_wrong_usage_is_one_line_that_names_the_value(args: list[str], parts: list[str]) -> None:
    here(*args).check_fault(*parts)


@pytest.mark.parametrize("args", [["search", "x", "-i"], ["ask", "x", "-i"], ["corpus", "stats"], ["corpus", "repair"]])
@pytest.mark.parametrize("json", [[], ["--json"]])
def test_a_missing_index_is_told_with_the_command_that_makes_one(args: list[str], json: list[str]) -> None:
    here(*args, "nowhere", *json).check_fault("nowhere", "ragloom ingest FOLDER --into")
    assert not Path("nowhere").exists()


@pytest.mark.parametrize("command", ["search", "ask"])
@pytest.mark.parametrize(
    ("args", "parts"),
    [
        ([""], ["empty", "ask something"]),
        (["  "], ["empty"]),
        (["x", "--mode", "both"], ["'both'", "hybrid, dense, lexical"]),
        (["x", "--where", "{year: 1}"], ["--where is not JSON", "{year: 1}"]),
        (["x", "--where", "[1]"], ["JSON object", "[1]"]),
        (["x", "--where", '{"year": {"$gtt": 1}}'], ["$gtt", "$gt"]),
    ],
)
def test_a_question_that_cannot_be_used_is_refused(
    command: str, args: list[str], parts: list[str], index: Path
) -> None:
    here(command, *args, "--index", index).check_fault(*parts)


def test_the_demo_refuses_an_empty_question_before_it_indexes(tmp_path: Path) -> None:
    here("demo", "", "--quote").check_fault("empty")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("model", "parts"),
    [
        ("absent.gguf", ["absent.gguf", "no model file"]),
        ("embeded", ["'embeded'", "a model is 'embedded'"]),
        ("pages/leave.md", ["leave.md", "not a GGUF file"]),
        ("pages", ["pages"]),
    ],
)
def test_a_model_that_is_none_is_refused_before_anything_is_indexed(model: str, parts: list[str], pages: Path) -> None:
    done = here("ask", "leave", "--over", pages, "--model", model)
    done.check_fault(*parts)
    assert "indexing" not in done.err


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, index: Path) -> None:
    monkeypatch.setattr("ragloom.rag.llm.models._EMBEDDED_PACKAGE", "not_installed")
    here("ask", "leave", "--index", index).check_fault("pip install 'ragloom[embedded]'")


@pytest.mark.parametrize("command", [["ingest"], ["ask", "leave", "--over"]])
def test_a_path_that_does_not_exist_makes_no_index(command: list[str], tmp_path: Path) -> None:
    here(*command, tmp_path / "absent").check_fault("absent")
    assert not list(tmp_path.rglob("*.sqlite3"))


@pytest.mark.parametrize(("option", "value"), [("--include", "[z-a].md"), ("--exclude", ""), ("--language", "klingon")])
def test_an_option_that_cannot_be_used_makes_no_index(option: str, value: str, pages: Path, tmp_path: Path) -> None:
    here("ingest", pages, "--into", tmp_path / "index", option, value).check_fault(option.strip("-"), repr(value))
    assert not (tmp_path / "index").exists()


@pytest.mark.parametrize("command", [["ingest"], ["ask", "leave", "--quote", "--over"]])
def test_a_folder_with_nothing_readable_is_a_fault(command: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"\x89PNG")
    (folder / "empty.txt").write_bytes(b"")
    done = here(*command, folder)
    done.check_fault("nothing to read in", "pictures", "Markdown")
    assert "empty.txt" in done.err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_an_unreadable_folder_is_named(tmp_path: Path) -> None:
    """Root may read everything, unless it gives up the right to."""
    folder = tmp_path / "locked"
    folder.mkdir(mode=0)
    command = [str(SCRIPT), "ingest", str(folder), "--into", str(tmp_path / "index")]
    if os.getuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root needs setpriv to give up its rights")
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    Done(done.returncode, done.stdout, done.stderr).check_fault("locked")
    assert f"skipped {folder}: " in done.stderr


def test_an_index_of_another_embedder_is_told_with_the_way_out(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AS_EMBEDDER, lambda _given: HashingEmbedder(name="other"))
    for command in (["search"], ["ask", "--quote"]):
        here(*command, "leave", "--index", index).check_fault("hashing", "other", "ragloom corpus repair", "--reembed")
    assert here("search", "leave", "--index", index, "--mode", "lexical").code == 0


@pytest.mark.usefixtures("searched_by_chroma")
@pytest.mark.parametrize("damaged", ["lexical.json", "dense.json"])
def test_a_damaged_derived_index_is_named_and_repaired_by_the_command_told(damaged: str, index: Path) -> None:
    (index / damaged).write_bytes(b"\0damaged")
    here("search", "leave", "--index", index).check_fault(damaged, f"ragloom corpus repair {index}")
    assert here("corpus", "repair", index).code == 0
    assert here("search", "leave", "--index", index).code == 0


def test_a_damaged_database_is_named_and_left_as_it_is(index: Path) -> None:
    database = index / "corpus.sqlite3"
    database.write_bytes(b"damaged" * 1000)
    for command in (["search", "leave", "--index"], ["corpus", "stats"], ["corpus", "repair"]):
        here(*command, index).check_fault("corpus.sqlite3", "backup")
    assert database.read_bytes() == b"damaged" * 1000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if sys.platform != "linux" or os.getuid() != 0:
        pytest.skip("mounting a small disk needs Linux and root")
    command = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let us mount")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_told_and_keeps_what_was_there(small_disk: Path, tmp_path: Path, pages: Path) -> None:
    (pages / "long.txt").write_text("\n\n".join(f"Paragraph {i} is about {i * i}." for i in range(20_000)))
    done = here("ingest", pages, "--into", small_disk / "index")
    done.check_fault(str(small_disk), "free some space")


def test_a_file_where_a_folder_should_be_is_named(tmp_path: Path, pages: Path) -> None:
    before = (pages / "leave.md").read_text()
    here("ingest", pages, "--into", pages / "leave.md").check_fault("leave.md")
    assert (pages / "leave.md").read_text() == before


def test_nothing_found_is_no_fault(index: Path) -> None:
    done = here("search", "zebra", "--index", index, "--mode", "lexical")
    assert (done.code, done.out, done.err) == (1, "nothing found\n", "")
    assert here("search", "zebra", "--index", index, "--mode", "lexical", "--json").document == []
    assert here("search", "leave", "--index", index, "--where", '{"year": 1}').code == 1


@pytest.mark.parametrize("group", [[], ["corpus"], ["cache"]])
def test_a_command_alone_shows_its_help(group: list[str]) -> None:
    done = here(*group)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Usage: ragloom")


def test_options_that_would_do_nothing_are_refused(index: Path, pages: Path, tmp_path: Path) -> None:
    kept = tmp_path / "chats.sqlite"
    here("chat", "-i", index, "-g", "quick", "--checkpoints", kept).check_fault("--checkpoints", "--thread")
    here("graph", "run", "quick", "Who?", "-i", index, "--checkpoints", kept).check_fault("--checkpoints", "--thread")
    here("chat", "-i", index, "-g", "quick", "--thread", "").check_fault("the thread's name is empty")
    here("ask", "Who?", "--over", pages, "--index", index, "--quote").check_fault("--index", "--over")
    here("search", "leave", "-i", index, "--model", "embedded").check_fault("--model", "--explain")
    here("search", "leave", "-i", index, "--gpu-layers", 3).check_fault("--gpu-layers", "--explain")


def test_an_index_without_chunks_says_so(tmp_path: Path) -> None:
    with Corpus(tmp_path / "index", embedder=HashingEmbedder()):
        pass
    done = here("search", "leave", "-i", tmp_path / "index", "--mode", "lexical")
    assert done.code == 1
    assert f"the index is empty; fill it with: ragloom ingest FOLDER --into {tmp_path / 'index'}" in done.err


def test_an_option_that_can_do_nothing_is_refused(index: Path, pages: Path) -> None:
    here("corpus", "repair", index, "--embedder", "foo").check_fault("--embedder is of no use without --reembed")
    told = here("ingest", pages, "--into", index, "--include", "*.nothing").err
    assert "--include and --exclude leave no file of" in told


def test_an_index_that_was_made_in_vain_is_not_left_behind(scripted_command: None, tmp_path: Path, pages: Path) -> None:
    (tmp_path / "none").mkdir()
    into = tmp_path / "new"
    here("ingest", tmp_path / "none", "--into", into).check_fault("there is nothing to read in")
    assert not into.exists()
    into.mkdir()
    (into / "mine.txt").write_text("Mine.")
    here("ingest", pages, "--into", into, "--include", "*.nothing").check_fault("leave no file of")
    assert [path.name for path in into.iterdir()] == ["mine.txt"]
