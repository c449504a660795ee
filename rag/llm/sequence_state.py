"""The KV of a sequence, taken out of one of llama.cpp's contexts and put back."""

from __future__ import annotations

import ctypes
from typing import Any

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from .errors import ModelError
from .logs import collect_errors


def save_sequence(context: llama_cpp.llama_context_p | None, sequence: int) -> NDArray[np.uint8]:
    """The sequence's KV.

    Raises:
        ModelError: llama.cpp failed.
    """
    size = llama_cpp.llama_state_seq_get_size(context, sequence)
    state = np.empty(size, np.uint8)
    written = llama_cpp.llama_state_seq_get_data(context, _bytes(state), size, sequence)
    if written != size:
        raise ModelError(f"llama.cpp saved {written} of {size} bytes of a sequence")
    return state


def restore_sequence(context: llama_cpp.llama_context_p | None, sequence: int, state: NDArray[np.uint8]) -> bool:
    """Put what `save_sequence` returned into the next free cells, in the same order; whether llama.cpp accepts it."""
    with collect_errors():
        return bool(llama_cpp.llama_state_seq_set_data(context, _bytes(state), state.size, sequence))


def _bytes(array: NDArray[np.uint8]) -> Any:
    return array.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
