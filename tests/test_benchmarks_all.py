"""`make bench` runs every program that a figure is quoted from, and says which could not be run."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def run_all(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return import_module("run_all")


def test_every_program_that_a_page_names_is_run(run_all: Any) -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    named = {name for page in pages for name in re.findall(r"`(?:benchmarks/)?(\w+)\.py\b", page.read_text("utf-8"))}
    programs = {file.stem for file in (ROOT / "benchmarks").glob("*.py")}
    run = {program.split()[0] for program in (*run_all.SPEED, *run_all.QUALITY)}
    helpers = {"run_all", "attended"}  # `answers` runs it
    assert named & programs - helpers <= run
    assert run <= programs


def test_a_result_that_is_kept_has_its_program() -> None:
    names = {file.stem for file in (ROOT / "benchmarks" / "results").glob("*.json")}
    parts = {"abstention": "answers", "grounding": "answers", "quotes": "answers"}
    for name in names:
        stem = re.sub(r"_(dev|tune|test|train|report)$", "", name)
        assert (ROOT / "benchmarks" / f"{parts.get(stem, stem)}.py").is_file(), name


def test_what_could_not_be_run_is_told_with_its_last_words(
    run_all: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "good.py").write_text("print('fine')")
    (tmp_path / "bad.py").write_text("raise SystemExit('scifact is not there; name the data folder')")
    monkeypatch.setattr(run_all, "__file__", str(tmp_path / "run_all.py"))
    monkeypatch.setattr(run_all, "QUALITY", ("good", "bad --dev"))
    monkeypatch.setattr(sys, "argv", ["run_all.py", "--quality"])
    with pytest.raises(SystemExit) as ended:
        run_all.main()
    assert ended.value.code == "could not be run:\n  bad --dev: scifact is not there; name the data folder"
    assert "1 of 2 programs were run" in capfd.readouterr().out
