"""Tensors of ggml, the library under llama.cpp, as numpy arrays.

llama-cpp-python declares no tensors, so `struct ggml_tensor` is declared here after `ggml/include/ggml.h`. A struct
that changed would be read wrongly, so `check_layout` compares what is read with what ggml's own functions say.
"""

from __future__ import annotations

import ctypes
import math
from functools import cache
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError

_DIMS, _SOURCES, _OP_PARAMS, _NAME = 4, 10, 16, 64  # GGML_MAX_DIMS, _SRC, _OP_PARAMS / 4 and _NAME
_F32, _F16, _BF16 = 0, 1, 30  # of enum ggml_type


class Tensor(ctypes.Structure):
    """`struct ggml_tensor`, up to its name; `ne[0]` is the fastest axis and `nb` are strides in bytes."""


Tensor._fields_ = [
    ("type", ctypes.c_int),
    ("buffer", ctypes.c_void_p),
    ("ne", ctypes.c_int64 * _DIMS),
    ("nb", ctypes.c_size_t * _DIMS),
    ("op", ctypes.c_int),
    ("op_params", ctypes.c_float * _OP_PARAMS),
    ("flags", ctypes.c_int32),
    ("src", ctypes.POINTER(Tensor) * _SOURCES),
    ("view_src", ctypes.POINTER(Tensor)),
    ("view_offs", ctypes.c_size_t),
    ("data", ctypes.c_void_p),
    ("name", ctypes.c_char * _NAME),
]

_NAME_OFFSET: int = Tensor.name.offset


def name_at(address: int) -> bytes:
    """The name of the tensor at `address`; much faster than through `Tensor`."""
    return ctypes.string_at(address + _NAME_OFFSET)


def tensor_at(address: int) -> Tensor:
    """The tensor at `address`."""
    return Tensor.from_address(address)


def source(tensor: Tensor, index: int) -> Tensor | None:
    """What `tensor` is computed from, by its place among the arguments."""
    pointer = tensor.src[index]
    return pointer.contents if pointer else None


def operation(tensor: Tensor) -> str:
    """What computes `tensor`, such as `FLASH_ATTN_EXT`."""
    name: bytes = _library().ggml_op_desc(ctypes.byref(tensor))
    return name.decode()


def check_layout(tensor: Tensor) -> None:
    """Compare what is read of the tensor here with what ggml says of it.

    Raises:
        ModelError: they differ; this llama.cpp lays out its tensors in another way.
    """
    ggml, address = _library(), ctypes.addressof(tensor)
    read = (address + _NAME_OFFSET, tensor.data, math.prod(tensor.ne))
    if read != (ggml.ggml_get_name(address), ggml.ggml_get_data(address), ggml.ggml_nelements(address)):
        raise ModelError(f"llama.cpp of llama-cpp-python {llama_cpp.__version__} lays out its tensors in another way")


def array(tensor: Tensor) -> NDArray[Any]:
    """The tensor's numbers, `[ne[3], ne[2], ne[1], ne[0]]`, read-only; bfloat16 comes as uint16.

    In host memory they are not copied: they are gone once the next node of the graph is computed.

    Raises:
        ModelError: the tensor is of a type that is quantised.
    """
    dtype = {_F32: np.float32, _F16: np.float16, _BF16: np.uint16}.get(tensor.type)
    if dtype is None:
        raise ModelError(f"the tensor {tensor.name.decode()} is quantised")
    shape, strides = tuple(tensor.ne)[::-1], tuple(tensor.nb)[::-1]
    found = np.ndarray(shape, dtype, buffer=_bytes(tensor), strides=strides)
    found.flags.writeable = False
    return found


def as_float32(numbers: NDArray[Any]) -> NDArray[np.float32]:
    """Numbers of `array` in float32; bfloat16 is the upper half of it."""
    if numbers.dtype == np.uint16:
        return (numbers.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return numbers.astype(np.float32, copy=False)


def _bytes(tensor: Tensor) -> Any:
    ggml = _library()
    size: int = ggml.ggml_nbytes(ctypes.byref(tensor))
    buffer = tensor.view_src.contents.buffer if tensor.view_src else tensor.buffer
    if not buffer or ggml.ggml_backend_buffer_is_host(buffer):
        return (ctypes.c_byte * size).from_address(tensor.data)
    copied = (ctypes.c_byte * size)()
    ggml.ggml_backend_tensor_get(ctypes.byref(tensor), copied, 0, size)
    return copied


@cache
def _library() -> ctypes.CDLL:
    """The library `ggml-base` that llama-cpp-python has loaded already, with the signatures used here."""
    folder = Path(llama_cpp.__file__).parent / "lib"
    found = [file for ending in ("so", "dylib", "dll") for file in sorted(folder.glob(f"*ggml-base.{ending}"))]
    if not found:
        raise ModelError(f"there is no library ggml-base in {folder}")
    library = ctypes.CDLL(str(found[0]))
    tensor, pointer, size = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t
    signatures: dict[str, tuple[list[Any], Any]] = {
        "ggml_get_name": ([tensor], pointer),
        "ggml_get_data": ([tensor], pointer),
        "ggml_nelements": ([tensor], ctypes.c_int64),
        "ggml_nbytes": ([tensor], size),
        "ggml_op_desc": ([tensor], ctypes.c_char_p),
        "ggml_backend_buffer_is_host": ([pointer], ctypes.c_bool),
        "ggml_backend_tensor_get": ([tensor, pointer, size, size], None),
    }
    for name, (arguments, result) in signatures.items():
        function = getattr(library, name)
        function.argtypes, function.restype = arguments, result
    return library
