"""The node that keeps the documents of which the LLM judges that they support an answer."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ....agents.types import MAX_PREDICTION_TOKENS, Judged, Way
from ....stores.types import Hit
from ..context import Context
from ..node_type import node
from ..state import RagState, Update, Verdict
from .answering import Asked
from .retrieving import HowMany


@node("main-rag", reads={"question", "query", "documents"}, writes={"documents", "verdicts"}, needs={"logprobs"})
def main_rag(  # noqa: PLR0913 - all but two are options
    state: RagState,
    context: Context,
    *,
    n: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0,
    min_keep: HowMany = 1,
    judge: Way = "separate",
    max_prediction_tokens: HowMany = MAX_PREDICTION_TOKENS,
    asked: Asked = "question",
) -> Update:
    """Keep the documents from which the LLM can answer, in its own judgement (MAIN-RAG).

    Args:
        n: how many standard deviations the threshold is below the mean of the scores.
        min_keep: how many documents are kept at least, the best ones.
        judge: whether it is asked in a prompt of its own, or goes on with the conversation that made the prediction.
        max_prediction_tokens: where the answer from one document is cut off.
        asked: the question as it was asked, or the `query` that a node has made of it.
    """
    if not state.documents:
        return {"documents": [], "verdicts": []}
    from ....agents.main_rag import MainRagFilter

    agents = MainRagFilter(llm=context.own_llm, n=n, min_keep=min_keep, judge=judge, max_tokens=max_prediction_tokens)
    context.check_cancelled()
    documents = [hit.document for hit in state.documents]
    filtered = agents.filter(getattr(state, asked), documents, cancelled=context.cancelled)
    context.note(str(filtered))
    for note in filtered.notes:
        context.note(note)
    kept = [Hit(judged.document, judged.score or 0.0, rank) for rank, judged in enumerate(filtered.kept, start=1)]
    verdicts = [_verdict(each, kept=True) for each in filtered.kept]
    return {"documents": kept, "verdicts": [*verdicts, *(_verdict(each, kept=False) for each in filtered.dropped)]}


def _verdict(judged: Judged, *, kept: bool) -> Verdict:
    return Verdict(judged.document.id or "", judged.score, kept, judged.prediction, judged.reason)
