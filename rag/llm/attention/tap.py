"""The attention tap: a look at each layer's queries and keys while llama.cpp computes the next one.

llama.cpp calls `cb_eval` for every node of its graph, first to ask whether we want it (`ask`), then, for those we want,
when it is computed; saying False to that ends the pass. The node `kqv_out-<layer>` comes right after the layer's
attention and its keys and values are in the cache by then, so this one node serves to read a layer, to stop there, and
to end a pass that nobody waits for any longer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import llama_cpp

from .ggml import name_at, tensor_at

Visit = Callable[[int, Any], None]
"""Takes a layer and the tensor of its node `kqv_out`."""

Interrupt = Callable[[], None]
"""Called now and then by what takes long; raises if it should not go on."""


class Tap:
    """The callback of one context, idle until `watch`. Keep it as long as the context lives: llama.cpp only borrows it.

    Attributes:
        callback: what goes into `llama_context_params.cb_eval`.
        asked_after_stop: how often llama.cpp asked on after the pass was stopped: once for each part that the graph has
            left (it is cut where the device changes); for every node, some 30 a layer, if stopping does not work.
    """

    def __init__(self, layers: int) -> None:
        """An idle tap for a model of so many `layers`."""
        self.callback: Any = llama_cpp.ggml_backend_sched_eval_callback(self._called)
        self.asked_after_stop = 0
        self._layers = {b"kqv_out-%d" % layer: layer for layer in range(layers)}
        self._watching = False
        self._visited: frozenset[int] = frozenset()
        self._visit: Visit | None = None
        self._last: int | None = None
        self._interrupt: Interrupt | None = None
        self._stopped = False
        self._error: BaseException | None = None

    @contextmanager
    def until(self, interrupt: Interrupt | None) -> Iterator[None]:
        """While the `with` block decodes batches, ask `interrupt` at every layer; what it raises ends the pass."""
        self._interrupt = interrupt
        try:
            yield
        finally:
            self._interrupt = None

    @contextmanager
    def watch(self, visit: Visit | None, layers: Collection[int], last: int | None) -> Iterator[None]:
        """While the `with` block decodes one batch, `visit` each of `layers` and end the pass at the layer `last`.

        What `visit` or `interrupt` raises ends the pass and is raised at the end of the block: no exception may reach
        llama.cpp.
        """
        self._visit, self._visited, self._last = visit, frozenset(layers), last
        self._stopped, self.asked_after_stop, self._watching = False, 0, True
        try:
            yield
        finally:
            self._visit, self._stopped, self._watching = None, False, False
            error, self._error = self._error, None
        if error is not None:
            raise error

    def _called(self, address: int, ask: bool, _data: int | None) -> bool:
        try:
            if self._stopped:  # each later part of the graph ends with its first node
                self.asked_after_stop += ask
                return ask
            if not self._watching:
                return False
            layer = self._layers.get(name_at(address))
            if ask or layer is None:
                return layer is not None
            if self._interrupt is not None:
                self._interrupt()
            if self._visit is not None and layer in self._visited:
                self._visit(layer, tensor_at(address))
            self._stopped = layer == self._last
        except BaseException as error:  # noqa: BLE001 - raised by `watch`, when llama.cpp has returned
            self._error, self._stopped = error, True
        return not self._stopped
