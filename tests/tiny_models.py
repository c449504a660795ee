"""Tiny models of several architectures with random weights, and what `transformers` computes with the same file."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import llama_cpp
import numpy as np
from gguf import GGUFWriter, TokenType
from numpy.typing import NDArray

VOCABULARY = 320
CONTEXT = 512


@dataclass(frozen=True)
class Shape:
    """The sizes of a tiny model."""

    layers: int = 3
    heads: int = 4
    groups: int = 2
    head_size: int = 32
    width: int = 64
    window: int = 0
    softcap: float = 0.0


SHAPES = {
    "llama": Shape(head_size=16),
    "qwen2": Shape(head_size=16),
    "gemma2": Shape(layers=4, window=24, softcap=5.0),
    "gemma3": Shape(layers=7, window=24),
}


def write_tiny(
    folder: Path, architecture: str, seed: int = 0, template: str = "", user_defined: Sequence[str] = ()
) -> Path:
    """Write a model of the `architecture`, one of `SHAPES` or `mpt`, whose positions are a bias of the attention.

    With a chat `template` it is a chat model. Its tokenizer is SentencePiece's, of nothing but bytes, and of the
    `user_defined` tokens, which are the last ones.
    """
    shape, random = SHAPES.get(architecture, SHAPES["llama"]), np.random.default_rng(seed)
    path = folder / f"tiny-{architecture}.gguf"
    writer = GGUFWriter(path, architecture)
    _write_metadata(writer, shape, user_defined)
    if template:
        writer.add_chat_template(template)

    def matrix(name: str, rows: int, columns: int, strength: float = 1.0) -> None:
        numbers = random.normal(0, strength / columns**0.5, (rows, columns))
        writer.add_tensor(f"{name}.weight", numbers.astype(np.float32))

    def vector(name: str, size: int, mean: float = 1.0) -> None:
        writer.add_tensor(name, random.normal(mean, 0.1, size).astype(np.float32))

    gemma = architecture.startswith("gemma")
    queries, keys, hidden = shape.heads * shape.head_size, shape.groups * shape.head_size, 2 * shape.width
    matrix("token_embd", VOCABULARY, shape.width, 3)
    vector("output_norm.weight", shape.width)
    for layer in range(shape.layers):
        block = f"blk.{layer}"
        mpt = architecture == "mpt"
        projections = [("qkv", queries + 2 * keys)] if mpt else [("q", queries), ("k", keys), ("v", keys)]
        for part, rows in projections:
            matrix(f"{block}.attn_{part}", rows, shape.width, 2)  # attention that is far from even
            if architecture == "qwen2":
                vector(f"{block}.attn_{part}.bias", rows, 0)
        matrix(f"{block}.attn_output", shape.width, queries)
        for part in ["up"] if mpt else ["gate", "up"]:
            matrix(f"{block}.ffn_{part}", hidden, shape.width)
        matrix(f"{block}.ffn_down", shape.width, hidden)
        norms = ["attn_norm", "ffn_norm", *(["post_attention_norm", "post_ffw_norm"] if gemma else [])]
        for norm in norms:
            vector(f"{block}.{norm}.weight", shape.width)
        if architecture == "gemma3":
            vector(f"{block}.attn_q_norm.weight", shape.head_size)
            vector(f"{block}.attn_k_norm.weight", shape.head_size)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_tiny_header(folder: Path, architecture: str) -> Path:
    """Write what stands before the weights of a model, of any architecture, and no weights."""
    path = folder / f"header-{architecture}.gguf"
    writer = GGUFWriter(path, architecture)
    _write_metadata(writer, SHAPES["llama"])
    writer.add_ssm_conv_kernel(4)
    writer.add_ssm_inner_size(128)
    writer.add_ssm_state_size(16)
    writer.add_ssm_time_step_rank(4)
    writer.add_ssm_group_count(1)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


def _write_metadata(writer: GGUFWriter, shape: Shape, user_defined: Sequence[str] = ()) -> None:
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(2 * shape.width)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.groups)
    writer.add_key_length(shape.head_size)
    writer.add_value_length(shape.head_size)
    writer.add_rope_dimension_count(shape.head_size)
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(VOCABULARY)
    writer.add_layer_norm_eps(1e-6)
    if writer.arch == "mpt":
        writer.add_max_alibi_bias(8.0)
    if shape.window:
        writer.add_sliding_window(shape.window)
    if shape.softcap:
        writer.add_attn_logit_softcapping(shape.softcap)
    write_vocabulary(writer, user_defined)


def write_vocabulary(writer: GGUFWriter, user_defined: Sequence[str] = ()) -> None:
    """Write a tokenizer of SentencePiece's kind, of nothing but bytes."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokens += [f"word{at}" for at in range(VOCABULARY - len(tokens) - len(user_defined))]
    kinds = [TokenType.UNKNOWN, TokenType.CONTROL, TokenType.CONTROL, *[TokenType.BYTE] * 256]
    kinds += [TokenType.NORMAL] * (len(tokens) - len(kinds)) + [TokenType.USER_DEFINED] * len(user_defined)
    tokens += user_defined
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * VOCABULARY)
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)


def in_float32(source: Path, folder: Path) -> Path:
    """The model with all its weights in float32."""
    path = folder / f"{source.stem}-F32.gguf"
    params = llama_cpp.llama_model_quantize_default_params()
    params.allow_requantize = True
    params.ftype = llama_cpp.LLAMA_FTYPE_ALL_F32
    assert llama_cpp.llama_model_quantize(os.fsencode(source), os.fsencode(path), ctypes.byref(params)) == 0
    return path


def eager_attention(
    path: Path,
    tokens: Sequence[int],
    positions: Sequence[int] | None = None,
    visible: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """All attention of one sequence as `transformers` computes it: [n_layers, n_heads, n_tokens, n_tokens].

    Args:
        path: the model's file.
        tokens: the sequence.
        positions: of the tokens, if they do not count up from 0.
        visible: which token sees which one, [n_tokens, n_tokens], if not all before it.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    settings = load_gguf_checkpoint(str(path))["config"]
    config = AutoConfig.for_model(**settings)
    if shape := next((shape for name, shape in SHAPES.items() if path.name == f"tiny-{name}.gguf"), None):
        # transformers does not read these from the file; llama.cpp derives the first one
        config.query_pre_attn_scalar = shape.head_size
        config.attn_logit_softcapping = shape.softcap or None
    inputs = {"input_ids": torch.tensor([list(tokens)])}
    if positions is not None:
        inputs["position_ids"] = torch.tensor([list(positions)])
    if visible is not None:
        inputs["attention_mask"] = torch.where(torch.from_numpy(visible), 0.0, -torch.inf)[None, None]
    with torch.no_grad():
        model = AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32).eval()
        tensors = load_gguf_checkpoint(str(path), return_tensors=True, model_to_load=model)["tensors"]
        missing, unexpected = model.load_state_dict(tensors, strict=False)
        assert set(missing) <= {"lm_head.weight"}, missing
        assert not unexpected
        found = model(**inputs, output_attentions=True).attentions
    return np.stack([layer[0].numpy() for layer in found])
