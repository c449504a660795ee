"""A tiny model with multi-head latent attention (MLA, DeepSeek-V2): keys and values are made of one short vector."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from gguf import GGUFWriter
from tiny_models import CONTEXT, VOCABULARY, write_vocabulary

LAYERS, HEADS, WIDTH = 2, 4, 64
ROPE, PLAIN, VALUE = 16, 16, 24  # sizes of a key's two parts, and of a value
LATENT, QUERY_LATENT = 32, 24


def write_tiny_mla(folder: Path, *, absorbed: bool) -> Path:
    """Write a model with random weights.

    Args:
        folder: where to.
        absorbed: as newer files have it, the KV cache holds the short vectors; else it holds keys and values, which are
            of unlike sizes.
    """
    path = folder / f"tiny-mla-{absorbed}.gguf"
    writer, random = GGUFWriter(path, "deepseek2"), np.random.default_rng(0)
    _write_metadata(writer, absorbed)

    def matrix(name: str, *shape: int) -> None:
        writer.add_tensor(f"{name}.weight", random.normal(0, 2 / shape[-1] ** 0.5, shape).astype(np.float32))

    def norm(name: str, size: int) -> None:
        writer.add_tensor(f"{name}.weight", random.normal(1, 0.1, size).astype(np.float32))

    matrix("token_embd", VOCABULARY, WIDTH)
    matrix("output", VOCABULARY, WIDTH)
    norm("output_norm", WIDTH)
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        matrix(f"{block}.attn_q_a", QUERY_LATENT, WIDTH)
        norm(f"{block}.attn_q_a_norm", QUERY_LATENT)
        matrix(f"{block}.attn_q_b", HEADS * (ROPE + PLAIN), QUERY_LATENT)
        matrix(f"{block}.attn_kv_a_mqa", LATENT + ROPE, WIDTH)
        norm(f"{block}.attn_kv_a_norm", LATENT)
        if absorbed:
            matrix(f"{block}.attn_k_b", HEADS, LATENT, PLAIN)
            matrix(f"{block}.attn_v_b", HEADS, VALUE, LATENT)
        else:
            matrix(f"{block}.attn_kv_b", HEADS * (PLAIN + VALUE), LATENT)
        matrix(f"{block}.attn_output", WIDTH, HEADS * VALUE)
        for name, rows, columns in (("up", 2 * WIDTH, WIDTH), ("gate", 2 * WIDTH, WIDTH), ("down", WIDTH, 2 * WIDTH)):
            matrix(f"{block}.ffn_{name}", rows, columns)
        norm(f"{block}.attn_norm", WIDTH)
        norm(f"{block}.ffn_norm", WIDTH)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _write_metadata(writer: GGUFWriter, absorbed: bool) -> None:
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(2 * WIDTH)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(1 if absorbed else HEADS)
    writer.add_rope_dimension_count(ROPE)
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(VOCABULARY)
    writer.add_q_lora_rank(QUERY_LATENT)
    writer.add_kv_lora_rank(LATENT)
    writer.add_key_length(LATENT + ROPE if absorbed else ROPE + PLAIN)
    writer.add_value_length(LATENT if absorbed else VALUE)
    if absorbed:
        writer.add_key_length_mla(ROPE + PLAIN)
        writer.add_value_length_mla(VALUE)
    writer.add_leading_dense_block_count(LAYERS)
    writer.add_expert_count(0)
    writer.add_expert_used_count(0)
    writer.add_expert_shared_count(0)
    writer.add_expert_feed_forward_length(32)
    writer.add_expert_weights_scale(1.0)
    write_vocabulary(writer)
