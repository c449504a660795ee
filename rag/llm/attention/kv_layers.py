"""What llama.cpp saves of a sequence, without the layers that were never evaluated.

A pass that stops early leaves nothing of use in the deeper layers, yet llama.cpp saves all of them: after 10 layers of
30 that is two thirds of the bytes. They are left out of what is kept and filled with zeros when it is put back.

The format is that of `llama_kv_cache::state_write` for one cache: magic, sequence, 1 stream, number of cells, 12 bytes
a cell, whether values are transposed, number of layers; then each layer's keys (type, bytes a row, rows) and likewise
its values. What is not like that, such as the two caches of a model with a sliding window, is kept whole.
"""

from __future__ import annotations

import struct

_HEAD = struct.Struct("<IiII")  # magic, sequence, streams, cells
_CELL = 12
_SHAPE = struct.Struct("<II")  # whether values are transposed, layers
_PART = struct.Struct("<iQ")  # type, bytes of a row


_SHORT = b"short"  # in front of what was shortened; what llama.cpp saves begins with a number of its own


def shorten(state: bytes, layers: int) -> bytes:
    """The state without the rows of the layers from `layers` on, or as it is if it cannot be shortened."""
    short = _rewritten(memoryview(state), layers, whole=True)
    return state if short is None else _SHORT + short


def lengthen(state: bytes, layers: int) -> bytes:
    """What `shorten` was given, with zeros for the rows that it left out."""
    if not state.startswith(_SHORT):
        return state
    return _rewritten(memoryview(state)[len(_SHORT) :], layers, whole=False) or state


def _rewritten(state: memoryview, layers: int, *, whole: bool) -> bytes | None:
    """Leave out a `whole` state's rows of deeper layers, or put zeros there; None if the state is not like that."""
    try:
        _, _, streams, cells = _HEAD.unpack_from(state)
        at = _HEAD.size + _CELL * cells
        transposed, count = _SHAPE.unpack_from(state, at)
        if streams != 1 or transposed or layers >= count:
            return None
        at += _SHAPE.size
        pieces: list[bytes | memoryview] = [state[:at]]
        for part in range(2 * count):
            rows = _PART.unpack_from(state, at)[1] * cells
            header, at = at, at + _PART.size
            if part % count < layers:
                at += rows
                pieces.append(state[header:at])
            else:
                pieces.append(state[header:at])
                if whole:
                    at += rows
                else:
                    pieces.append(bytes(rows))
    except (struct.error, OverflowError):
        return None
    return b"".join(pieces) if at == len(state) else None
