"""The header of a GGUF file, and what it tells of the model's attention before anything is loaded."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import llama_cpp
import pytest
from cats import CATS
from gguf import MODEL_ARCH_NAMES, GGUFWriter
from hypothesis import given
from hypothesis import strategies as st
from ragloom.rag.graph import RagGraph, SpecError, check
from ragloom.rag.llm import AttentionUnavailable, LlamaEngine, ModelError
from ragloom.rag.llm.attention.architectures import ENCODERS, RECURRENTS, check_architecture
from ragloom.rag.llm.gguf_header import read_header
from ragloom.rag.llm.logs import collect_errors
from ragloom.rag.llm.models import embedded_file
from tiny_models import SHAPES, write_tiny, write_tiny_header

pytestmark = pytest.mark.model


def text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def header(*pairs: bytes, version: int = 3, count: int | None = None) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, 0, len(pairs) if count is None else count) + b"".join(pairs)


ARCHITECTURE = text(b"general.architecture") + struct.pack("<I", 8) + text(b"llama")
LIST = text(b"words") + struct.pack("<IIQ", 9, 8, 2) + text(b"one") + text(b"two")
NUMBERS = text(b"numbers") + struct.pack("<IIQ3f", 9, 6, 3, 1, 2, 3)
LAST = text(b"last") + struct.pack("<I?", 7, True)
WHOLE = header(ARCHITECTURE, LIST, NUMBERS, LAST)


def read(data: bytes, folder: Path) -> dict[str, object]:
    path = folder / "x.gguf"
    path.write_bytes(data)
    return dict(read_header(path))


def test_every_value_that_the_writer_writes_is_read(tmp_path: Path) -> None:
    writer = GGUFWriter(tmp_path / "all.gguf", "llama")
    values = {"uint8": 200, "int8": -3, "uint16": 60_000, "int16": -4, "uint32": 4_000_000_000, "int32": -5}
    values |= {"uint64": 2**60, "int64": -(2**60), "float32": 0.5, "float64": 0.1, "bool": True, "string": "ä\n"}
    for kind, value in values.items():
        getattr(writer, f"add_{kind}")(f"a.{kind}", value)
    writer.add_array("a.list", ["x", "yy"])
    writer.add_array("a.numbers", [1, 2, 3])
    writer.add_uint32("z", 7)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    found = read_header(tmp_path / "all.gguf")
    assert found == {"general.architecture": "llama", "z": 7} | {f"a.{kind}": value for kind, value in values.items()}


def test_a_real_file_has_its_architecture_and_its_layers() -> None:
    found = read_header(embedded_file())
    assert (found["general.architecture"], found["llama.block_count"]) == ("llama", 30)


def test_arrays_are_passed_over(tmp_path: Path) -> None:
    assert read(WHOLE, tmp_path) == {"general.architecture": "llama", "last": True}


@pytest.mark.parametrize("length", range(len(WHOLE)))
def test_a_file_that_ends_early_is_damaged(length: int, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"x.gguf is damaged: it .*; get it again"):
        read(WHOLE[:length], tmp_path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"GGML" + WHOLE[4:], "it begins with b'GGML'"),
        (header(version=1), "it is a GGUF file of version 1, not of 2 or 3"),
        (header(version=3 << 24), "of version 50331648"),
        (header(count=2**63), "it says that it has 9,223,372,036,854,775,808 keys"),
        (header(struct.pack("<Q", 2**62)), "bytes of text"),
        (header(text(b"k") + struct.pack("<IQ", 8, 2**40)), "bytes of text"),
        (header(text(b"k") + struct.pack("<I", 99)), "a value of the unknown type 99"),
        (header(text(b"k") + struct.pack("<IIQ", 9, 9, 1)), "a list of the type 9"),
        (header(text(b"k") + struct.pack("<IIQ", 9, 8, 2**50)), "texts in a list"),
        (header(text(b"k") + struct.pack("<IIQ", 9, 10, 2**61)), "values"),
        (header(text(b"k") + struct.pack("<IIQ", 9, 10, 40)), "it ends within its header"),
        (header(text(b"\xff") + struct.pack("<IB", 0, 1)), "can't decode byte"),
    ],
)
def test_what_no_honest_file_says_is_not_believed(data: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=message):
        read(data, tmp_path)


@given(st.binary(max_size=200))
def test_whatever_the_bytes_it_is_a_header_or_an_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    with contextlib.suppress(ModelError):
        assert "general.architecture" in read(header(ARCHITECTURE, data, count=3), tmp_path_factory.getbasetemp())


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot read the model .*none.gguf: No such file"):
        read_header(tmp_path / "none.gguf")


def test_recurrent_models_and_encoders_are_those_that_llama_cpp_calls_so(tmp_path: Path) -> None:
    recurrent, encoders = set(), set()
    params = llama_cpp.llama_model_default_params()
    params.vocab_only = True
    for architecture in set(MODEL_ARCH_NAMES.values()) - {"clip", "gptj"}:  # llama.cpp loads neither
        with collect_errors() as errors:
            model = llama_cpp.llama_model_load_from_file(bytes(write_tiny_header(tmp_path, architecture)), params)
        assert model, f"{architecture}: {errors}"
        if llama_cpp.llama_model_is_recurrent(model) or llama_cpp.llama_model_is_hybrid(model):
            recurrent.add(architecture)
        if llama_cpp.llama_model_has_encoder(model):
            encoders.add(architecture)
        llama_cpp.llama_model_free(model)
    assert recurrent == RECURRENTS
    assert encoders == ENCODERS


@pytest.mark.parametrize("architecture", [*SHAPES, "mpt"])
def test_what_the_header_tells_is_what_loading_the_model_tells(architecture: str, tmp_path: Path) -> None:
    path, told, found = write_tiny(tmp_path, architecture), "", ""
    try:
        check_architecture(path)
    except AttentionUnavailable as error:
        told = str(error)
    with LlamaEngine(path, n_ctx=256) as engine:
        try:
            engine.check_attention()
        except AttentionUnavailable as error:
            found = str(error)
    assert told == found
    assert bool(told) == (architecture == "mpt")


@pytest.mark.parametrize(
    ("architecture", "reason"),
    [
        ("mamba", "it is recurrent"),
        ("falcon-h1", "it is recurrent"),
        ("bloom", "its positions are a bias of the attention (ALiBi)"),
        ("mpt", "its positions are a bias of the attention (ALiBi)"),
        ("bert", "its tokens see those after them"),
        ("t5", "it has an encoder"),
    ],
)
def test_a_graph_that_reads_attention_is_refused_before_the_model_is_loaded(
    architecture: str, reason: str, tmp_path: Path
) -> None:
    model = write_tiny_header(tmp_path, architecture)  # which has no weights that could be loaded
    nodes = {"find": "prowl", "look": {"use": "stare", "llm": str(model)}}
    flow = ["start -> find -> look -> end"]
    (problem,) = check({"nodes": nodes, "flow": flow}, registry=CATS)
    message = f"nodes.look.use: cannot read the attention of {model.name}: {reason}"
    assert str(problem).startswith(message)
    assert "rerank with 'first'" in str(problem)
    with pytest.raises(SpecError, match="cannot read the attention"):
        RagGraph({"nodes": {**nodes, "look": "stare"}, "flow": flow}, registry=CATS, llm=model)
    assert check({"nodes": {**nodes, "look": {"use": "weigh", "llm": str(model)}}, "flow": flow}, registry=CATS) == []


def test_an_architecture_that_nobody_knows_passes_and_a_damaged_file_does_not(tmp_path: Path) -> None:
    def problems(model: Path) -> list[str]:
        nodes = {"find": "prowl", "look": {"use": "stare", "llm": str(model)}}
        return list(map(str, check({"nodes": nodes, "flow": ["start -> find -> look -> end"]}, registry=CATS)))

    assert problems(write_tiny_header(tmp_path, "next-years")) == []
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(WHOLE[:-1])
    assert [problem.split(": ", 1)[1] for problem in problems(damaged)] == [
        f"{damaged} is damaged: it ends within its header; get it again"
    ]
