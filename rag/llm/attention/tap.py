"""The attention tap: a look at each layer's queries and keys while llama.cpp computes the next one.

llama.cpp calls `cb_eval` for every node of its graph, first to ask whether we want it (`ask`), then, for those we want,
when it is computed; saying False to that ends the pass. The node `kqv_out-<layer>` comes right after the layer's
attention and its keys and values are in the cache by then, so this one node serves to read a layer and to stop there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import llama_cpp

from .ggml import name_at, tensor_at

Visit = Callable[[int, Any], None]
"""Takes a layer and the tensor of its node `kqv_out`."""


class Tap:
    """The callback of one context, idle until `watch`. Keep it as long as the context lives: llama.cpp only borrows it.

    Attributes:
        callback: what goes into `llama_context_params.cb_eval`.
        asked_after_stop: how often llama.cpp asked on after the pass was stopped: once for each part that the graph has
            left (it is cut where the device changes); for every node, some 30 a layer, if stopping does not work.
    """

    def __init__(self) -> None:
        """An idle tap."""
        self.callback: Any = llama_cpp.ggml_backend_sched_eval_callback(self._called)
        self.asked_after_stop = 0
        self._wanted: dict[bytes, int] = {}
        self._visited: frozenset[int] = frozenset()
        self._visit: Visit | None = None
        self._last: int | None = None
        self._stopped = False
        self._error: BaseException | None = None

    @contextmanager
    def watch(self, visit: Visit | None, layers: Collection[int], last: int | None) -> Iterator[None]:
        """While the `with` block decodes one batch, `visit` each of `layers` and end the pass at the layer `last`.

        Whatever `visit` raises ends the pass and is raised at the end of the block: no exception may reach llama.cpp.
        """
        self._visit, self._last, self._visited = visit, last, frozenset(layers)
        wanted = self._visited if last is None else self._visited | {last}
        self._wanted = {b"kqv_out-%d" % layer: layer for layer in wanted}
        self._stopped, self.asked_after_stop, self._error = False, 0, None
        try:
            yield
        finally:
            self._wanted, self._visit, self._stopped = {}, None, False
        if self._error is not None:
            raise self._error

    def _called(self, address: int, ask: bool, _data: int | None) -> bool:
        try:
            if self._stopped:  # each later part of the graph ends with its first node
                self.asked_after_stop += ask
                return ask
            if not self._wanted:
                return False
            layer = self._wanted.get(name_at(address))
            if ask or layer is None:
                return layer is not None
            if self._visit is not None and layer in self._visited:
                self._visit(layer, tensor_at(address))
            self._stopped = layer == self._last
        except BaseException as error:  # noqa: BLE001 - raised by `watch`, when llama.cpp has returned
            self._error, self._stopped = error, True
        return not self._stopped
