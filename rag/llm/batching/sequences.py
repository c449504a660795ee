"""Which tokens each sequence of the KV cache holds: a prompt that begins like an earlier one is not evaluated again.

The cache is one pool of cells, a cell holds a token, and several sequences may share it. A sequence whose answer is
done is kept; when its place is needed, the one that was used longest ago goes first.

Attention looks at every cell up to the last one in use, if only to skip it. So idle sequences keep a quarter of the
cells at most, but for the last one, and none while a long prompt is evaluated alone: they go to the swap space, and
come back where a prompt begins like them.

Cells that were freed are filled again by whatever comes next, so the cells of a sequence need not be in the order of
its tokens. Attention sums in the order of the cells. Where its last bits matter, cells are `ordered`: none is freed
before nothing runs any more, and then all are.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from ..errors import ModelError
from .context import Context
from .swapping import WORTH_SWAPPING, SwapSpace, common_prefix, is_worth_taking

_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class CachedSequence:
    """A sequence of the KV cache.

    Attributes:
        id: what llama.cpp knows it by.
        tokens: what has been evaluated in it.
        busy: whether somebody extends it.
    """

    id: int
    tokens: list[int] = field(default_factory=list)
    busy: bool = False
    cells: list[int] = field(default_factory=list)
    last_use: int = 0


class SequenceCache:
    """The sequences of one context."""

    def __init__(self, context: Context, *, n_seqs: int, n_cells: int, reuse: bool, ordered: bool) -> None:
        """Manage `n_seqs` sequences in `n_cells` cells; the context needs one sequence more.

        Without `reuse` (a model that cannot) nothing is shared.
        """
        self._context = context
        self._ordered = ordered
        self._forgotten = n_seqs  # a sequence that holds the cells which nobody needs and which are not to be freed
        self._all = [CachedSequence(i) for i in range(n_seqs)]
        self._n_cells = n_cells
        self.reuse = reuse
        self._kept = n_cells // 4
        can_swap = reuse and not (ordered or context.window)  # of a sliding window llama.cpp saves only what is within
        self._swap = SwapSpace(n_cells) if can_swap else None
        self._holders: Counter[int] = Counter()  # of each cell; its number is ours, llama.cpp does not tell its own
        self._cells = count()
        self._clock = count(1)

    @property
    def used(self) -> int:
        """Cells that hold a token."""
        return len(self._holders)

    @property
    def free(self) -> int:
        """Cells that hold none, or would not if all idle sequences were forgotten."""
        if self._ordered and any(sequence.busy for sequence in self._all):
            return self._n_cells - self.used
        return self._n_cells - len(self._pinned())

    def pinned(self, sequence: CachedSequence, length: int) -> int:
        """How many cells of its first `length` tokens busy sequences hold: a copy of them takes no room."""
        return len(self._pinned().intersection(sequence.cells[:length]))

    def _pinned(self) -> set[int]:
        return {cell for sequence in self._all if sequence.busy for cell in sequence.cells}

    def begin(self, tokens: Sequence[int]) -> CachedSequence:
        """A busy sequence that holds as much of the beginning of `tokens` as is known, but not all of them.

        There has to be an idle sequence: at most half of them are busy at a time.
        """
        sequence = self._taken_back(tokens) or self._shared(tokens)
        sequence.busy = True
        sequence.last_use = next(self._clock)
        return sequence

    def _taken_back(self, tokens: Sequence[int]) -> CachedSequence | None:
        """A sequence with the beginning of `tokens` from the swap space, if that is worth while."""
        if self._swap is None:
            return None
        found, length = self._swap.longest_prefix(tokens[:-1])
        if found is None or not is_worth_taking(found, length - self._longest_held(tokens)[1]):
            return None
        target = self._oldest_idle()
        self._swap_out(target)
        if not (self.make_room(len(found.tokens)) and self._context.restore(target.id, found.state)):
            self._context.clear_sequence(target.id)
            return None
        self._context.cut(target.id, length)
        self.extend(target, found.tokens[:length])
        self._swap.take(found, length)
        return target

    def _shared(self, tokens: Sequence[int]) -> CachedSequence:
        """A sequence with the beginning of `tokens` that another one has, or the other one itself."""
        source, length = self._longest_held(tokens)
        if source is not None and not source.busy and length == len(source.tokens):
            return source
        target = self._oldest_idle(but=source)
        self._swap_out(target)
        if source is not None and length:
            self._context.copy(source.id, target.id, length)
            target.tokens = source.tokens[:length]
            target.cells = source.cells[:length]
            self._holders.update(target.cells)
        return target

    def _oldest_idle(self, but: CachedSequence | None = None) -> CachedSequence:
        return min((s for s in self._all if not s.busy and s is not but), key=lambda s: s.last_use)

    def make_room(self, cells: int) -> bool:
        """Forget idle sequences, longest unused first, until so many cells are free; whether that succeeded."""
        if self._ordered:
            if self.used + cells > self._n_cells and not any(sequence.busy for sequence in self._all):
                self.clear()
        else:
            for sequence in sorted(self._all, key=lambda s: s.last_use):
                if self.used + cells > self._n_cells and not sequence.busy:
                    self._swap_out(sequence)
        return self.used + cells <= self._n_cells

    def prepare(self, cells: int, *, worth: float) -> None:
        """Before what will run alone in so many more cells, and of which the fraction `worth` is known already.

        Where cells are `ordered`, nothing can be forgotten while it runs.
        """
        if self._ordered and (self.used + cells > self._n_cells or (self.used > self._kept and worth < 1 / 2)):
            self.clear()

    def swap_idle(self, tokens: int) -> None:
        """Before so many `tokens` are evaluated alone: what is idle should not slow that down."""
        if self._swap is None or tokens < WORTH_SWAPPING:
            return
        if self.used - len(self._pinned()) >= WORTH_SWAPPING:
            for sequence in self._idle():
                self._swap_out(sequence)

    def extend(self, sequence: CachedSequence, tokens: Sequence[int]) -> None:
        """Note that `tokens` are evaluated in a busy sequence now."""
        sequence.tokens.extend(tokens)
        cells = [next(self._cells) for _ in tokens]
        sequence.cells.extend(cells)
        self._holders.update(cells)

    def end(self, sequence: CachedSequence) -> None:
        """Nobody extends the sequence any more; what it holds stays until its place is needed."""
        sequence.busy = False
        sequence.last_use = next(self._clock)
        if not self.reuse:
            self._forget(sequence)
        elif not self._ordered:
            self._keep_little()

    def forget_idle(self) -> None:
        """Forget what nobody extends."""
        if self._swap is not None:
            self._swap.clear()
        idle = [sequence for sequence in self._all if not sequence.busy]
        if len(idle) == len(self._all):
            self.clear()
        else:
            for sequence in idle:
                self._forget(sequence)

    def clear(self) -> None:
        """Forget everything, also what busy sequences hold."""
        self._context.clear()
        self._holders.clear()
        self._all = [CachedSequence(sequence.id) for sequence in self._all]

    def longest_prefix(self, tokens: Sequence[int]) -> tuple[CachedSequence | None, int]:
        """The sequence that has most of the beginning of `tokens`, and how many; at least one is always left.

        There is none where the swap space has more of it.
        """
        source, length = self._longest_held(tokens)
        if self._swap is not None:
            found, swapped = self._swap.longest_prefix(tokens[:-1])
            if found is not None and is_worth_taking(found, swapped - length):
                return None, swapped
        return source, length

    def _longest_held(self, tokens: Sequence[int]) -> tuple[CachedSequence | None, int]:
        if not self.reuse:
            return None, 0
        usable = list(tokens[:-1])  # one has to be evaluated, for its logits
        lengths = [(common_prefix(usable, sequence.tokens), sequence) for sequence in self._all]
        found = [(length, sequence) for length, sequence in lengths if length and self._can_go_on(sequence, length)]
        length, source = max(
            found, key=lambda each: (each[0], not each[1].busy, -len(each[1].tokens)), default=(0, None)
        )
        return source, length

    def _can_go_on(self, sequence: CachedSequence, length: int) -> bool:
        """Whether the next token would see all that it should: a layer with a sliding window forgets what is behind."""
        first = self._context.first_position(sequence.id) if self._context.window else 0
        return first <= max(0, length - self._context.window)

    def _keep_little(self) -> None:
        idle, pinned = self._idle(), len(self._pinned())
        while len(idle) > 1 and self.used - pinned > self._kept:
            self._swap_out(idle.pop(0))

    def _idle(self) -> list[CachedSequence]:
        """Sequences that hold something and nobody extends, longest unused first."""
        return sorted((s for s in self._all if s.tokens and not s.busy), key=lambda s: s.last_use)

    def _swap_out(self, sequence: CachedSequence) -> None:
        """Take a sequence out of the cache; into the swap space if much of it is nowhere else."""
        own = sum(self._holders[cell] == 1 for cell in sequence.cells)
        if self._swap is not None and own >= WORTH_SWAPPING and not self._swap.holds(sequence.tokens):
            try:
                self._swap.add(sequence.tokens, self._context.save(sequence.id))
            except (MemoryError, ModelError) as error:
                _log.debug("a sequence of %d tokens is forgotten: %s", len(sequence.tokens), error)
        self._forget(sequence)

    def _forget(self, sequence: CachedSequence) -> None:
        if self._ordered:
            self._context.copy(sequence.id, self._forgotten, len(sequence.tokens))
        else:
            self._holders.subtract(sequence.cells)
            self._holders = +self._holders  # without those that nobody holds
        self._context.clear_sequence(sequence.id)
        sequence.tokens, sequence.cells = [], []
