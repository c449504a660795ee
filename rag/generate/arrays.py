"""Arrays of numbers as a value that JSON can hold: their shape, and their bytes in base64."""

from __future__ import annotations

import base64
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, InstanceOf, PlainSerializer, WithJsonSchema


def _to_plain(array: NDArray[np.float32]) -> dict[str, Any]:
    return {"shape": list(array.shape), "float32": base64.b64encode(array.astype("<f4").tobytes()).decode()}


def _to_array(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    numbers = np.frombuffer(base64.b64decode(value["float32"]), "<f4")
    return numbers.astype(np.float32).reshape(value["shape"])


_SCHEMA = {
    "type": "object",
    "required": ["shape", "float32"],
    "properties": {
        "shape": {"type": "array", "items": {"type": "integer"}},
        "float32": {"type": "string", "contentEncoding": "base64"},
    },
}

Array = Annotated[
    InstanceOf[np.ndarray[Any, np.dtype[np.float32]]],
    BeforeValidator(_to_array),
    PlainSerializer(_to_plain),
    WithJsonSchema(_SCHEMA),
]
"""An array of float32, for pydantic."""
