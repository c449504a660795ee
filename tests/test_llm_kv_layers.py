"""Of what llama.cpp saves, the layers that were not evaluated are left out."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ragloom.rag.llm.attention.kv_layers import lengthen, shorten


def saved(cells: int, rows: list[int], valid: int, streams: int = 1, transposed: int = 0) -> bytes:
    """A state with 1s in the valid layers and 0s in the others; `rows` are the bytes of each layer's rows."""
    parts = b"".join(
        struct.pack("<iQ", 1, row) + bytes([at < valid]) * (cells * row) for at, row in [*enumerate(rows)] * 2
    )
    head = struct.pack("<IiII", 7, 2, streams, cells) + bytes(12 * cells)
    return head + struct.pack("<II", transposed, len(rows)) + parts


@given(st.integers(0, 5), st.lists(st.integers(1, 8), min_size=1, max_size=5), st.integers(1, 6))
def test_what_was_left_out_comes_back_as_zeros(cells: int, rows: list[int], valid: int) -> None:
    state = saved(cells, rows, valid)
    short = shorten(state, valid)
    left_out = 2 * cells * sum(rows[valid:])
    assert len(short) == (len(state) - left_out + len(b"short") if valid < len(rows) else len(state))
    assert lengthen(short, valid) == state


@pytest.mark.parametrize(
    "state",
    [
        b"",
        b"x" * 15,
        b"x" * 400,
        saved(3, [4, 4], 1, streams=2),
        saved(3, [4, 4], 1, transposed=1),
        saved(3, [4, 4], 1) + saved(3, [4], 1),
        saved(3, [4, 4], 1)[:-1],
    ],
)
def test_what_looks_different_is_kept_as_it_is(state: bytes) -> None:
    assert shorten(state, 1) == state
    assert lengthen(state, 1) == state
