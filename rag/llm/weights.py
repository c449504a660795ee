"""A GGUF file in memory: its weights, its vocabulary and its metadata, through llama.cpp's C interface.

llama-cpp-python's own `Llama` class is not used: while it loads a file it points file descriptors 1 and 2 of the whole
process at /dev/null, so whatever other threads print meanwhile is lost (and two loads at once can leave them there).
"""

from __future__ import annotations

import ctypes
import logging
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import llama_cpp

from ...settings import read_settings
from .digest import file_digest
from .errors import EngineClosed, ModelError
from .logs import collect_errors, reason, route_logs

_log = logging.getLogger(__name__)

_ALL_LAYERS = 0x7FFFFFFF  # llama.cpp takes more layers than the model has for all of them
_CONTROL = llama_cpp.LLAMA_TOKEN_ATTR_CONTROL | llama_cpp.LLAMA_TOKEN_ATTR_UNKNOWN
"""Attributes of the tokens that only `tokenize(special=True)` makes of their texts."""
_USER_DEFINED = llama_cpp.LLAMA_TOKEN_ATTR_USER_DEFINED
_SPARE = 8  # tokens that a tokenizer may put in front of a text, such as a space; nearly all others have a byte or more
_MOST_TOKENS = 8  # for a byte; llama.cpp says how many it needs, and a far larger number where there is an error
_BEFORE = "\n"  # melts into no token with what follows it
_PIECE = 64  # bytes, enough for nearly every token; of the others llama.cpp says how many they need


class Weights:
    """A loaded model. Any thread may call its methods; after `close`, and in a forked child, they raise `EngineClosed`.

    Many threads may read it at the same time: who does is counted, and the last one frees what was closed meanwhile.
    The lock is for the count alone, so nobody waits for a text that takes another one long. A fork copies the lock as
    it is: where another thread holds it then, nobody in the child will ever release it.
    """

    def __init__(self, path: Path, *, n_gpu_layers: int = 0) -> None:
        """Load the file; `n_gpu_layers` of its layers go to the GPU, -1 means all of them.

        Raises:
            ModelError: llama.cpp cannot load the file, or it has no vocabulary.
        """
        route_logs()
        llama_cpp.llama_backend_init()
        if n_gpu_layers and not llama_cpp.llama_supports_gpu_offload():
            _log.warning("n_gpu_layers=%d has no effect: llama-cpp-python was built without GPU support", n_gpu_layers)
        params = llama_cpp.llama_model_default_params()
        params.n_gpu_layers = _ALL_LAYERS if n_gpu_layers < 0 else n_gpu_layers
        with collect_errors() as errors:
            pointer = llama_cpp.llama_model_load_from_file(os.fsencode(path), params)
        if not pointer:
            raise ModelError(f"cannot load {path}: {reason(errors)}")
        if llama_cpp.llama_vocab_type(llama_cpp.llama_model_get_vocab(pointer)) == llama_cpp.LLAMA_VOCAB_TYPE_NONE:
            llama_cpp.llama_model_free(pointer)
            raise ModelError(f"cannot use {path}: it has no vocabulary; use an instruct or chat model")
        self.path = path
        self._gpu_layers = params.n_gpu_layers
        self._process = os.getpid()
        self._pointer: llama_cpp.llama_model_p = pointer
        self._users = 0
        self._closed = False
        self._lock = threading.Lock()

    @property
    def pointer(self) -> llama_cpp.llama_model_p:
        """The model for llama.cpp's functions.

        Raises:
            EngineClosed: the model was closed.
        """
        if self._closed:
            raise EngineClosed(f"the model {self.path.name} was closed; load it again")
        return self._pointer

    @contextmanager
    def _in_use(self) -> Iterator[llama_cpp.llama_model_p]:
        """The model, which is there until the end of the `with` block."""
        if self._process != os.getpid():
            raise EngineClosed(f"the model {self.path.name} was loaded before this process was forked; load it again")
        with self._lock:
            pointer = self.pointer
            self._users += 1
        try:
            yield pointer
        finally:
            if self._process == os.getpid():  # and not a child that was forked in between
                with self._lock:
                    self._users -= 1
                    is_last = self._closed and not self._users
                if is_last:
                    llama_cpp.llama_model_free(pointer)

    @contextmanager
    def vocabulary(self) -> Iterator[llama_cpp.llama_vocab_p]:
        """The model's vocabulary, for llama.cpp's functions; it is there until the end of the `with` block.

        Raises:
            EngineClosed: the model was closed.
        """
        with self._in_use() as pointer:
            yield llama_cpp.llama_model_get_vocab(pointer)

    @cached_property
    def trained_context(self) -> int:
        """The number of tokens that the model was trained to read at once."""
        with self._in_use() as pointer:
            return int(llama_cpp.llama_model_n_ctx_train(pointer))

    @cached_property
    def n_vocab(self) -> int:
        """The number of tokens there are."""
        with self.vocabulary() as vocab:
            return int(llama_cpp.llama_vocab_n_tokens(vocab))

    @cached_property
    def head_sizes(self) -> tuple[int, int]:
        """How many numbers an attention head's key and its value have."""
        with self._in_use() as pointer:
            usual = llama_cpp.llama_model_n_embd(pointer) // max(llama_cpp.llama_model_n_head(pointer), 1)
        family = self.metadata("general.architecture")
        key, value = (self.metadata(f"{family}.attention.{part}_length") for part in ("key", "value"))
        return int(key or usual), int(value or usual)

    @cached_property
    def numbers_per_token(self) -> int:
        """How many numbers a token is in the KV cache, over all layers."""
        with self._in_use() as pointer:
            rows = llama_cpp.llama_model_n_layer(pointer) * llama_cpp.llama_model_n_head_kv(pointer)
        return int(rows * sum(self.head_sizes))

    @cached_property
    def device(self) -> str:
        """Where the layers are evaluated: `CPU`, or on a GPU and how many of them."""
        if not llama_cpp.llama_supports_gpu_offload():
            return "CPU"
        with self._in_use() as pointer:  # llama.cpp counts the output as a layer
            return f"{min(self._gpu_layers, llama_cpp.llama_model_n_layer(pointer) + 1)} layers on a GPU"

    @cached_property
    def window(self) -> int:
        """How many tokens back the layers with a sliding window look; 0 if there are none."""
        with self._in_use() as pointer:
            return int(llama_cpp.llama_model_n_swa(pointer))

    @cached_property
    def has_encoder(self) -> bool:
        """Whether one half of the model reads and the other one writes, as in T5."""
        with self._in_use() as pointer:
            return bool(llama_cpp.llama_model_has_encoder(pointer))

    @cached_property
    def keeps_every_token(self) -> bool:
        """Whether what was read is kept token by token, so that a sequence can be cut and shared; Mamba sums it up."""
        with self._in_use() as pointer:
            return not (llama_cpp.llama_model_is_recurrent(pointer) or llama_cpp.llama_model_is_hybrid(pointer))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file, which is read for it once.

        Raises:
            ModelError: the file cannot be read any longer.
        """
        try:
            return file_digest(self.path, read_settings().cache / "models")
        except OSError as error:
            raise ModelError(f"cannot read {self.path}, by which documents' KV is kept: {error}") from error

    def metadata(self, key: str) -> str | None:
        """A value of the file's metadata, or None."""
        with self._in_use() as pointer:
            size = llama_cpp.llama_model_meta_val_str(pointer, key.encode(), None, 0)
            if size < 0:
                return None
            buffer = ctypes.create_string_buffer(size + 1)
            llama_cpp.llama_model_meta_val_str(pointer, key.encode(), buffer, size + 1)
            return buffer.value.decode("utf-8", "replace")

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        """Split `text` into tokens, without adding any.

        Args:
            text: the text; lone surrogates become question marks.
            special: whether the text of a control token, such as `<|im_end|>`, becomes that token.

        Raises:
            EngineClosed: the model was closed.
            ModelError: llama.cpp cannot tokenize the text.
        """
        data = text.encode("utf-8", "replace")
        size = len(data) + _SPARE
        with self.vocabulary() as vocab:
            while True:
                buffer = (llama_cpp.llama_token * size)()
                count = llama_cpp.llama_tokenize(vocab, data, len(data), buffer, size, False, special)
                if count >= 0:
                    return buffer[:count]
                if -count > _MOST_TOKENS * size:
                    raise ModelError(f"llama.cpp cannot tokenize a text of {len(data)} bytes")
                size = -count

    def tokenize_within(self, text: str) -> list[int]:
        """Split `text` that goes on another one, as `tokenize` does.

        SentencePiece's vocabularies have a space before every text that begins: there `A` alone is the token of ` A`.
        """
        before, whole = self.tokenize(_BEFORE), self.tokenize(_BEFORE + text)
        return whole[len(before) :] if whole[: len(before)] == before else self.tokenize(text)

    def tokenize_plain(self, text: str, *, within: bool = False) -> list[int]:
        """Split `text` of a user, in which nothing may stand for more than text: `delimiters` are broken up, too.

        Args:
            text: the text.
            within: whether it goes on another one; see `tokenize_within`.
        """
        cuts = [0]
        while self._delimiter and (found := self._delimiter.search(text, cuts[-1])):
            cuts.append(found.start() + 1)  # behind the first character of a delimiter: no piece holds a whole one
        first, *rest = (text[start:end] for start, end in pairwise([*cuts, len(text)]))
        tokens = self.tokenize_within(first) if within else self.tokenize(first)
        for piece in rest:
            tokens += self.tokenize_within(piece)
        return tokens

    def piece(self, token: int) -> bytes:
        """The bytes that a token stands for; a control token has none."""
        size = _PIECE
        with self.vocabulary() as vocab:
            while True:
                buffer = ctypes.create_string_buffer(size)
                count = llama_cpp.llama_token_to_piece(vocab, token, buffer, size, 0, False)
                if count >= 0:
                    return buffer.raw[:count]
                size = -count

    def text(self, tokens: Iterable[int]) -> str:
        """The text that tokens stand for; control tokens stand for none."""
        return b"".join(map(self.piece, tokens)).decode("utf-8", "replace")

    def is_end(self, token: int) -> bool:
        """Whether the model says by this token that it is done."""
        with self.vocabulary() as vocab:
            return bool(llama_cpp.llama_vocab_is_eog(vocab, token))

    @cached_property
    def control_texts(self) -> tuple[str, ...]:
        """The texts that only `tokenize(special=True)` turns into control tokens, longest first."""
        return self._texts(_CONTROL)

    @cached_property
    def user_texts(self) -> tuple[str, ...]:
        """The texts that `tokenize` always turns into user-defined tokens, such as Qwen's `</think>`, longest first."""
        return self._texts(_USER_DEFINED)

    @cached_property
    def delimiters(self) -> tuple[str, ...]:
        """Those of the `user_texts` that the model's chat template writes, longest first."""
        template = self.metadata("tokenizer.chat_template") or ""
        return tuple(text for text in self.user_texts if len(text.strip()) > 1 and text in template)

    @cached_property
    def _delimiter(self) -> re.Pattern[str] | None:
        return re.compile("|".join(map(re.escape, self.delimiters))) if self.delimiters else None

    @cached_property
    def begin(self) -> tuple[int, str]:
        """The token that begins a text, -1 for none, and how a chat template writes it."""
        return self._named(llama_cpp.llama_vocab_bos)

    @cached_property
    def end(self) -> tuple[int, str]:
        """The token that ends a text, -1 for none, and how a chat template writes it."""
        return self._named(llama_cpp.llama_vocab_eos)

    @cached_property
    def wants_begin(self) -> bool:
        """Whether every text has to start with the `begin` token."""
        with self.vocabulary() as vocab:
            return bool(llama_cpp.llama_vocab_get_add_bos(vocab))

    def close(self) -> None:
        """Free the memory, once nobody reads it any more; a second call, or one in a forked child, does nothing."""
        if self._process != os.getpid():
            return
        with self._lock:
            is_free = not (self._closed or self._users)
            self._closed = True
        if is_free:
            llama_cpp.llama_model_free(self._pointer)

    def _named(self, choose: Callable[[llama_cpp.llama_vocab_p], int]) -> tuple[int, str]:
        with self.vocabulary() as vocab:
            token = choose(vocab)
            return (token, llama_cpp.llama_vocab_get_text(vocab, token).decode("utf-8")) if token >= 0 else (-1, "")

    def _texts(self, attributes: int) -> tuple[str, ...]:
        with self.vocabulary() as vocab:
            texts = {
                llama_cpp.llama_vocab_get_text(vocab, token).decode("utf-8", "replace")
                for token in range(llama_cpp.llama_vocab_n_tokens(vocab))
                if llama_cpp.llama_vocab_get_attr(vocab, token) & attributes
            }
        return tuple(sorted(texts - {""}, key=lambda text: (-len(text), text)))
