"""`check_node`: all rules, all states, all findings at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import GraphError
from ..node_type import NodeType
from ..state import RagState
from . import rules
from .errors import BrokenRulesError
from .trial import Trial

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from ....stores.corpus import Corpus

_ALWAYS: tuple[rules.Rule, ...] = (
    rules.needs_what_it_declares,
    rules.reads_what_it_declares,
    rules.leaves_the_state_alone,
    rules.can_be_kept,
)
_WHERE_RESULTS_CAN_BE_COMPARED: tuple[rules.Rule, ...] = (
    rules.depends_on_what_it_declares,
    rules.is_the_same_in_a_loop,
)


def check_node(  # noqa: PLR0913 - what a node is given
    kind: NodeType,
    *,
    states: Sequence[RagState],
    params: Mapping[str, Any] | None = None,
    corpus: Corpus | None = None,
    llm: BaseChatModel | None = None,
    deterministic: bool = True,
    timeout: float = 30.0,
    patience: float = 5.0,
) -> None:
    """Check that a node type keeps the rules that graphs rely on; in a test of yours this is all there is to write.

    ```python
    from ragloom.rag.graph import Context, RagState, node
    from ragloom.rag.graph.testing import check_node

    @node("shout", reads={"query"}, writes={"query"})
    def shout(state: RagState, context: Context, *, marks: int = 1) -> dict[str, str]:
        'Search in capital letters.'
        return {"query": state.query.upper() + "!" * marks}

    def test_shout() -> None:
        check_node(shout, states=[RagState(question="Who?")], params={"marks": 2})

    test_shout()
    ```

    It says what it does and what parameters it has; it reads, writes and needs what it declares and nothing else; it
    gives the same again, under `invoke` and `ainvoke`; it changes nothing that it was given; what it writes survives a
    checkpoint; and it ends when nobody waits for it any longer.

    Args:
        kind: the node type.
        states: what it is tried on, each several times.
        params: its parameters, as a graph would give them.
        corpus: for a node that needs one.
        llm: for a node that needs one; a fake that always says the same will do.
        deterministic: whether the same state gives the same result; False for a node that samples.
        timeout: seconds that one try may take.
        patience: seconds after which a cancelled node must have come back.

    Raises:
        BrokenRulesError: it breaks rules; the message has all of them, and what to do about each.
        GraphError: there are no states, or the node needs a corpus or an LLM that was not given.
        ValidationError: it does not take such parameters.
    """
    if not states:
        raise GraphError("there is nothing to try the node on; write check_node(..., states=[RagState(question=...)])")
    for need, given in (("corpus", corpus), ("llm", llm)):
        declared = "corpus" in kind.needs if need == "corpus" else kind.needs_llm
        if declared and given is None:
            raise GraphError(f"the node type {kind.name!r} needs the {need}; write check_node(..., {need}=...)")
    trial = Trial(kind, kind.params.model_validate(dict(params or {})), corpus, llm, timeout)
    findings = list(rules.declares_itself(kind))
    for state in states:
        findings += _on_state(trial, state, patience, deterministic=deterministic)
    if findings:
        raise BrokenRulesError(kind.name, list(dict.fromkeys(findings)))


def _on_state(trial: Trial, state: RagState, patience: float, *, deterministic: bool) -> list[str]:
    """What is wrong on one state; rules on results are left out where there are none, or none that can be compared."""
    own = [finding for rule in _ALWAYS for finding in rule(trial, _fresh(state))]
    if broken := list(rules.returns_what_it_declares(trial, _fresh(state))):
        return [*broken, *own]
    if deterministic:
        unsteady = list(rules.is_deterministic(trial, _fresh(state)))
        compared = () if unsteady else _WHERE_RESULTS_CAN_BE_COMPARED
        own += unsteady + [finding for rule in compared for finding in rule(trial, _fresh(state))]
    impatient = Trial(trial.kind, trial.params, trial.corpus, trial.llm, patience)
    return [*own, *rules.ends_when_cancelled(impatient, _fresh(state))]


def _fresh(state: RagState) -> RagState:
    """A copy, so that one rule does not suffer from what the node did under another."""
    return state.model_copy(deep=True)
