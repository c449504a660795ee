from __future__ import annotations

from pathlib import Path

import pytest
from ragloom._paths import expand_user
from ragloom.rag.ingest.walk import walk
from ragloom.rag.llm.errors import ModelError
from ragloom.rag.llm.models import find_model
from ragloom.stores.corpus import Corpus

LOCK_FILE = "~$report.docx"
"""What Word leaves beside an open file; its name begins like a home folder."""


def test_a_tilde_stands_for_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert expand_user("~/notes") == tmp_path / "notes"
    assert expand_user(Path("plain")) == Path("plain")


def test_a_name_that_begins_like_a_home_folder_is_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / LOCK_FILE).touch()
    assert walk([LOCK_FILE], {".docx"}).files == [tmp_path / LOCK_FILE]
    with pytest.raises(ModelError, match="there is no model file"):
        find_model("~$model.gguf")
    with Corpus("~$index") as corpus:
        assert corpus.path == (tmp_path / "~$index").resolve()
