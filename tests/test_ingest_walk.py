from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from ragloom.rag.ingest.errors import IngestError
from ragloom.rag.ingest.globs import matcher
from ragloom.rag.ingest.walk import walk

SUFFIXES = {".md", ".txt"}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("b.md", "a.txt", "docs/one.md", "docs/deep/two.MD", "drafts/x.md", ".hidden.md", ".git/c.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("Text.")
    for name in ("node_modules/m.md", "docs/__pycache__/p.md"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("Text.")
    return tmp_path


def names(root: Path, **globs: list[str]) -> list[str]:
    return [file.relative_to(root).as_posix() for file in walk([root], SUFFIXES, **globs).files]


def test_folders_are_walked_in_order_without_the_hidden(tree: Path) -> None:
    assert names(tree) == ["a.txt", "b.md", "docs/deep/two.MD", "docs/one.md", "drafts/x.md"]


@pytest.mark.parametrize(
    ("globs", "expected"),
    [
        ({"include": ["*.md"]}, ["b.md", "docs/one.md", "drafts/x.md"]),
        ({"include": ["docs/**/*.md"]}, ["docs/one.md"]),
        ({"include": ["docs"]}, ["docs/deep/two.MD", "docs/one.md"]),
        ({"include": ["./docs/*"], "exclude": ["deep/"]}, ["docs/one.md"]),
        ({"exclude": ["drafts", "*.txt", "**/deep/**"]}, ["b.md", "docs/one.md"]),
        ({"include": ["[ab].*"]}, ["a.txt", "b.md"]),
        ({"include": ["?.md"], "exclude": ["[!x].md"]}, ["drafts/x.md"]),
        ({"include": ["nothing"]}, []),
    ],
)
def test_globs_choose_within_folders(tree: Path, globs: dict[str, list[str]], expected: list[str]) -> None:
    assert names(tree, **globs) == expected


def test_a_file_that_is_named_is_taken_whatever_the_globs_say(tree: Path) -> None:
    hidden = tree / ".hidden.md"
    assert walk([hidden], SUFFIXES, include=["*.txt"], exclude=["*"]).files == [hidden]


def test_a_file_named_twice_is_taken_once(tree: Path) -> None:
    found = walk([tree / "docs", tree / "docs" / ".." / "docs" / "one.md"], SUFFIXES)
    assert found.files.count(tree / "docs/one.md") == 1


def test_a_path_that_does_not_exist_ends_it_at_once(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="missing does not exist"):
        walk([tmp_path, tmp_path / "missing"], SUFFIXES)


@pytest.mark.parametrize("pattern", ["", "/", "[z-a].md"])
def test_a_glob_that_means_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(IngestError, match="include has"):
        matcher([pattern], "include")


def test_one_text_instead_of_several_globs_is_refused() -> None:
    with pytest.raises(IngestError, match=re.escape("exclude takes a list of globs; put the one '*.md' into a list")):
        matcher("*.md", "exclude")


def test_kinds_without_a_loader_are_counted_in_folders_and_told_where_they_are_named(tree: Path) -> None:
    for name in ("one.xyz", "docs/two.XYZ", "Makefile"):
        (tree / name).write_text("?")
    assert [(skipped.path, skipped.reason) for skipped in walk([tree], SUFFIXES).skipped] == [
        (tree.as_posix(), "no loader for files without a suffix (1)"),
        (tree.as_posix(), "no loader for .xyz (2)"),
    ]
    (skipped,) = walk([tree / "one.xyz"], SUFFIXES).skipped
    assert (skipped.path, skipped.reason) == ((tree / "one.xyz").as_posix(), "no loader for .xyz")


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_loops_of_links_end_and_links_that_lead_nowhere_are_told(tree: Path) -> None:
    (tree / "docs" / "loop").symlink_to(tree)
    (tree / "broken.md").symlink_to(tree / "nowhere.md")
    (tree / "self.md").symlink_to(tree / "self.md")
    found = walk([tree], SUFFIXES)
    assert found.files.count(tree / "b.md") == 1
    assert [file for file in found.files if "loop" in file.parts] == []
    reasons = {Path(skipped.path).name: skipped.reason for skipped in found.skipped}
    assert reasons["broken.md"] == "a link that leads nowhere"
    assert reasons["self.md"].startswith("cannot be read")


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_takes_over_no_path(tree: Path) -> None:
    before = walk([tree], SUFFIXES).files
    (tree / "alias").symlink_to(tree / "docs")
    assert walk([tree], SUFFIXES).files == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes there")
def test_a_pipe_is_not_opened(tree: Path) -> None:
    os.mkfifo(tree / "pipe.md")
    (skipped,) = walk([tree], SUFFIXES).skipped
    assert skipped.reason == "not a regular file"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_told(tree: Path) -> None:
    (tree / "docs").chmod(0)
    found = walk([tree], SUFFIXES)
    (tree / "docs").chmod(0o755)
    assert [skipped.reason for skipped in found.skipped] == ["cannot be read: Permission denied"]
