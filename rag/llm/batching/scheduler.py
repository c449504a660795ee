"""Continuous batching: every step evaluates what all running requests need next, in one batch.

A request that is generating needs one row a step; what is left of the batch goes to prompts, first come, first served
(Orca, OSDI 2022; chunks of prompts beside generation as in Sarathi-Serve, OSDI 2024). A request waits while another one
evaluates a prompt that begins like its own, and then takes that beginning over. Room is not reserved for answers:
where it runs out, the request that came last gives its place back and is evaluated again later (as in vLLM, SOSP 2023).
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

from ..errors import ModelError
from ..requests import EngineStats
from .context import N_BATCH, Context, Row
from .sequences import CachedSequence, SequenceCache
from .swapping import common_prefix
from .tasks import Task

_log = logging.getLogger(__name__)

_PREFILL_BESIDE = N_BATCH // 2  # tokens of prompts per step while others generate: their next token is not late
_HEADROOM = 64  # tokens that each running request should be able to go on for when another one is let in
_WORTH_WAITING = 8  # tokens of a prompt; fewer are evaluated sooner than waited for


@dataclass(eq=False, slots=True)
class _Run:
    """A task in a sequence; `pending` are the tokens that it has yet to evaluate."""

    task: Task
    sequence: CachedSequence
    pending: list[int]

    @property
    def generating(self) -> bool:
        return len(self.pending) == 1 and len(self.sequence.tokens) >= len(self.task.prompt)


class Scheduler:
    """The tasks of one context, waiting and running. For one thread only."""

    def __init__(self, context: Context, cache: SequenceCache, *, n_seqs: int) -> None:
        """Run up to `n_seqs` tasks at a time; the `cache` has twice as many sequences."""
        self._context = context
        self._cache = cache
        self._n_seqs = n_seqs
        self._waiting: deque[tuple[Task, list[int]]] = deque()  # with all the tokens that it will have to evaluate
        self._running: list[_Run] = []
        self._stats = EngineStats()

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return not (self._waiting or self._running)

    @property
    def stats(self) -> EngineStats:
        """What was done so far."""
        return replace(self._stats, running=len(self._running), waiting=len(self._waiting), cells=self._cache.used)

    def add(self, task: Task) -> None:
        """Let a task wait for its turn."""
        self._waiting.append((task, task.prompt))

    def step(self) -> None:
        """Evaluate one batch and let its tasks advance. An error of a task goes to its caller only.

        A defect, which nobody knows the tasks of, fails them all; the next ones begin anew.
        """
        try:
            self._step()
        except Exception as error:  # noqa: BLE001 - a defect; whoever asks next should not suffer from it
            _log.exception("all requests under way fail by an error of the engine's own")
            told = f"the engine failed at this request or one beside it: {type(error).__name__}: {error}"
            self.fail_all(lambda: ModelError(told))
            self._cache.clear()

    def _step(self) -> None:
        self._drop_ended()
        self._admit()
        parts = self._plan()
        if not parts:
            return
        try:
            self._context.evaluate(list(_rows(parts)))
        except ModelError as error:
            self._abandon(error)
            return
        self._count(parts)
        row = -1
        for run, tokens in parts:
            self._cache.extend(run.sequence, tokens)
            del run.pending[: len(tokens)]
            row += len(tokens)
            if not run.pending:
                self._advance(run, row)

    def fail_all(self, failure: Callable[[], Exception]) -> None:
        """End every task with a `failure` of its own: an error that two callers raise mixes up their tracebacks."""
        for task in [*(run.task for run in self._running), *(task for task, _ in self._waiting)]:
            task.fail(failure())
            task.close()
        self._running.clear()
        self._waiting.clear()

    def _advance(self, run: _Run, row: int) -> None:
        generated = run.task.generated
        try:
            token = run.task.advance(self._context, row)
        except Exception as error:  # noqa: BLE001 - the caller raises it
            self._end(run)
            run.task.fail(error)
            return
        self._stats = replace(self._stats, decoded=self._stats.decoded + run.task.generated - generated)
        if token is None:
            self._end(run)
            run.task.finish()
        else:
            run.pending.append(token)

    def _end(self, run: _Run) -> None:
        self._cache.end(run.sequence)
        self._running.remove(run)
        run.task.close()

    def _drop_ended(self) -> None:
        for run in [run for run in self._running if run.task.has_ended]:
            self._end(run)
            run.task.tell_end()
        for waiting in [waiting for waiting in self._waiting if waiting[0].has_ended]:
            self._waiting.remove(waiting)
            waiting[0].close()
            waiting[0].tell_end()

    def _admit(self) -> None:
        """Let waiting tasks in, first come, first served, while there is a sequence and room for them."""
        for waiting in list(self._waiting):
            task, tokens = waiting
            if len(self._running) == self._n_seqs:
                return
            source, reusable = self._cache.longest_prefix(tokens)
            if self._cache.reuse and self._is_coming(tokens, reusable + _WORTH_WAITING):
                continue
            shared = self._cache.pinned(source, reusable) if source else 0
            ahead = [task, *(run.task for run in self._running)]
            needed = len(tokens) - shared + sum(min(_HEADROOM, other.most_tokens) for other in ahead)
            pending = sum(len(run.pending) for run in self._running)
            alone = not self._running
            if alone:
                self._cache.prepare(needed - reusable, worth=reusable / len(tokens))
            elif needed + pending > self._cache.free:
                return
            sequence = self._cache.begin(tokens)
            self._waiting.remove(waiting)
            held = len(sequence.tokens)
            if alone:
                self._cache.swap_idle(len(tokens) - held)
                self._cache.make_room(needed - held)
            if task.reused is None:
                task.reused = held
                self._stats = replace(self._stats, reused=self._stats.reused + held)
            self._running.append(_Run(task, sequence, tokens[held:]))

    def _is_coming(self, tokens: list[int], length: int) -> bool:
        """Whether somebody is about to evaluate at least `length` of the same first tokens."""
        prompts = ([*run.sequence.tokens, *run.pending] for run in self._running if len(run.pending) > 1)
        return any(common_prefix(prompt, tokens) >= length for prompt in prompts)

    def _plan(self) -> list[tuple[_Run, list[int]]]:
        """Which tokens each run evaluates in this step."""
        generating = [run for run in self._running if run.generating]
        parts = [(run, list(run.pending)) for run in generating]
        left = min(N_BATCH - len(parts), _PREFILL_BESIDE if generating else N_BATCH)
        for run in self._running:
            if left and not run.generating:
                parts.append((run, run.pending[:left]))
                left -= len(parts[-1][1])
        while not self._cache.make_room(sum(len(tokens) for _, tokens in parts)):
            last = self._running[-1]
            self._give_back(last)
            parts = [(run, tokens) for run, tokens in parts if run is not last]
        return parts

    def _give_back(self, run: _Run) -> None:
        """Take a run's place; it waits first in line, to evaluate again what it had evaluated."""
        self._running.remove(run)
        self._waiting.appendleft((run.task, [*run.sequence.tokens, *run.pending]))
        self._cache.end(run.sequence)

    def _count(self, parts: list[tuple[_Run, list[int]]]) -> None:
        prefilled = sum(len(tokens) for run, tokens in parts if not run.generating)
        self._stats = replace(self._stats, prefilled=self._stats.prefilled + prefilled, steps=self._stats.steps + 1)

    def _abandon(self, error: ModelError) -> None:
        """After a failure nobody knows what the cache holds: all running tasks fail, those that wait go on."""
        for run in self._running:
            run.task.fail(ModelError(str(error)))
            run.task.close()
        self._running.clear()
        self._cache.clear()


def _rows(parts: list[tuple[_Run, list[int]]]) -> Iterator[Row]:
    return chain.from_iterable(_rows_of(run, tokens) for run, tokens in parts)


def _rows_of(run: _Run, tokens: list[int]) -> Iterator[Row]:
    start = len(run.sequence.tokens)
    last = len(tokens) - 1 if len(tokens) == len(run.pending) else -1
    return (Row(token, start + i, run.sequence.id, i == last) for i, token in enumerate(tokens))
