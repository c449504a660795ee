"""Which models have no attention that can be read, told by the header of their file before anything is loaded.

Only what is certain is refused here; of an architecture that is not named, `probe` finds out, when attention is first
read.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import AttentionUnavailable
from ..gguf_header import read_header

ENCODER = "it has an encoder"
RECURRENT = "it is recurrent: some of its layers have a state instead of attention"
ALIBI = "its positions are a bias of the attention (ALiBi)"
BOTH_WAYS = "its tokens see those after them"

ENCODERS = frozenset({"t5", "t5encoder"})
RECURRENTS = frozenset(
    {
        "mamba",
        "mamba2",
        "rwkv6",
        "rwkv6qwen2",
        "rwkv7",
        "arwkv7",
        "jamba",
        "falcon-h1",
        "plamo2",
        "granitehybrid",
        "lfm2",
        "lfm2moe",
        "nemotron_h",
        "nemotron_h_moe",
        "qwen3next",
        "kimi-linear",
        "qwen35",
        "qwen35moe",
    }
)
"""Those that llama.cpp calls recurrent or hybrid."""

_BOTH_WAYS = frozenset(
    {
        "bert",
        "modern-bert",
        "nomic-bert",
        "nomic-bert-moe",
        "neo-bert",
        "jina-bert-v2",
        "jina-bert-v3",
        "eurobert",
        "gemma-embedding",
        "dream",
        "llada",
        "llada-moe",
        "rnd1",
    }
)
"""Models that embed, and those that write by diffusion."""

_ALWAYS_ALIBI = frozenset({"bloom", "refact"})
_PERHAPS_ALIBI = frozenset({"mpt", "jais"})


def check_architecture(path: Path) -> None:
    """Refuse a model whose architecture has no attention that can be read.

    Raises:
        AttentionUnavailable: it has none; the reason is told.
        ModelError: the file is damaged.
    """
    header = read_header(path)
    architecture = str(header.get("general.architecture", ""))
    if architecture in ENCODERS:
        raise AttentionUnavailable(path.name, ENCODER)
    if architecture in RECURRENTS:
        raise AttentionUnavailable(path.name, RECURRENT)
    if architecture in _BOTH_WAYS:
        raise AttentionUnavailable(path.name, BOTH_WAYS)
    biased = architecture in _PERHAPS_ALIBI and header.get(f"{architecture}.attention.max_alibi_bias", 0)
    if architecture in _ALWAYS_ALIBI or biased:
        raise AttentionUnavailable(path.name, ALIBI)
