from __future__ import annotations

import pytest
from ragloom import RagloomError
from ragloom.settings import read_settings

VARIABLES = ("RAGLOOM_CACHE", "RAGLOOM_API_KEY", "OPENAI_API_KEY", "RAGLOOM_THREADS", "RAGLOOM_EMBED_DTYPE")


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    unset = read_settings()
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
    assert read_settings() == unset


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("RAGLOOM_THREADS", "0", "a whole number above 0"),
        ("RAGLOOM_THREADS", "two", "a whole number above 0"),
        ("RAGLOOM_EMBED_DTYPE", "int8", "auto, float32 or bfloat16"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, rule: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(RagloomError, match=f"{name} must be {rule}, not '{value}'"):
        read_settings()
