"""Whether the files of LLMs and corpora are there, and each LLM gives what the nodes on it need."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from ....errors import MissingExtraError, RagloomError
from ....stores.errors import CorpusNotFoundError
from ....stores.layout import is_corpus
from ...llm.attention.architectures import check_architecture
from ...llm.errors import ModelError
from ...llm.models import ModelFile, checked_file, downloaded, embedded_file
from ..plan import Plan, PlannedNode
from ..problem import Keys, Problem
from ..spec import CorpusSpec, GraphSpec, LlmSpec


def check_resources(plan: Plan, given: Collection[str] = ()) -> list[Problem]:
    """Look for the files, and into those of models: whether they are one, and have what the nodes look into.

    The graph's own `corpus` or `llm` is not looked at where another one is `given`.
    """
    spec = plan.spec
    llm = None if "llm" in given else spec.llm
    corpus = None if "corpus" in given else spec.corpus
    problems = [*_check_llm(spec, (), llm), *_check_corpus(spec, (), corpus)]
    for name, node in plan.nodes.items():
        problems += _check_llm(spec, ("nodes", name), node.spec.llm)
        problems += _check_corpus(spec, ("nodes", name), node.spec.corpus)
        problems += _check_needs(spec, node, node.spec.llm or llm)
    return problems


def _check_needs(spec: GraphSpec, node: PlannedNode, llm: LlmSpec | None) -> list[Problem]:
    unfit = unfit_model(spec, llm, node) if llm else None
    return [spec.origin.problem(("nodes", node.name, "use"), unfit)] if unfit else []


def unfit_model(spec: GraphSpec, llm: LlmSpec, node: PlannedNode) -> str | None:
    """Why a node cannot look into a model as it wants to, as far as the model's file tells; None: nothing is known."""
    if not node.looks_into:
        return None
    if llm.is_server:
        gives = {"logprobs", "logits"} if llm.continues else {"logprobs"}
        return lacking_of(node, f"the server {llm.model}", gives)
    try:
        file = find_model(spec, llm)
    except (ModelError, MissingExtraError):
        return None  # told of the model itself
    try:
        if file and llm.model != "embedded" and "attention" in node.looks_into:
            check_architecture(file.path)
        if file:
            node.check_model(file)
    except (OSError, RagloomError) as error:
        return str(error)
    return None


def lacking_of(node: PlannedNode, llm: str, gives: Collection[str]) -> str | None:
    """Why a node cannot look into an LLM of this name as it wants to; None: the LLM gives all that it needs."""
    lacks = [need for need in node.looks_into if need not in gives]
    if not lacks:
        return None
    advice = "give the node a model on this machine, such as llm: embedded"
    if lacks == ["logprobs"]:
        advice += ", or a server"
    if lacks == ["logits"]:
        advice += ", or a server of which continues: true says that it goes on with an answer that the request begins"
    return f"{node.spec.use!r} needs the LLM's {' and '.join(lacks)}, which {llm} does not give; {advice}"


def _check_llm(spec: GraphSpec, at: Keys, llm: LlmSpec | None) -> list[Problem]:
    if llm is None:
        return []
    at = (*at, "llm")
    if llm.is_server:
        message = "is for local models; a server decides that itself"
        return [spec.origin.problem((*at, "n_gpu_layers"), message)] if llm.n_gpu_layers else []
    problems = []
    if llm.continues:
        message = "is for servers; a local model goes on with any answer"
        problems.append(spec.origin.problem((*at, "continues"), message))
    if llm.model_name is not None:
        problems.append(spec.origin.problem((*at, "model_name"), "is for servers; a local model is named by its file"))
    try:
        find_model(spec, llm)
    except (ModelError, MissingExtraError) as error:
        problems.append(spec.origin.problem((*at, "model"), str(error)))
    return problems


def find_model(spec: GraphSpec, llm: LlmSpec) -> ModelFile | None:
    """See that a model on this machine is there, or that it can be asked for; None: then there is no file to look at.

    Raises:
        ModelError: there is no such file, or it is not a GGUF file.
        MissingExtraError: it is the embedded one, which is not installed.
    """
    if llm.is_server:
        return None
    if llm.model == "embedded":
        return checked_file(embedded_file())
    if llm.model.startswith("hf:"):
        path = downloaded(llm.model)
        return checked_file(path) if path else None
    return checked_file(spec.find(llm.model) if llm.is_file else Path(llm.model))


def _check_corpus(spec: GraphSpec, at: Keys, corpus: CorpusSpec | None) -> list[Problem]:
    if corpus is None or is_corpus(folder := spec.find(corpus.path)):
        return []
    return [spec.origin.problem((*at, "corpus", "path"), str(CorpusNotFoundError(folder)))]
