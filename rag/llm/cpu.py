"""What this machine's CPU can do, as llama.cpp was compiled for it."""

from __future__ import annotations

from functools import cache


@cache
def multiplies_bfloat16() -> bool:
    """Whether there is an instruction for products of bfloat16 (AVX-512 BF16)."""
    import llama_cpp

    return b"AVX512_BF16 = 1" in llama_cpp.llama_print_system_info()
