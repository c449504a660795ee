"""The node that gives documents their surroundings."""

from __future__ import annotations

from ...._explain import count
from ...retrieve import expansion
from ..context import Context
from ..node_type import node
from ..state import RagState, Update
from .retrieving import HowMany


@node("expand", reads={"documents"}, writes={"documents"}, needs={"corpus"})
def expand(state: RagState, context: Context, *, max_characters: HowMany = expansion.MAX_CHARACTERS) -> Update:
    """Grow each document to the section that it stands in.

    Args:
        max_characters: the longest section; of a longer one, a window around the document.
    """
    sections = expansion.expand(context.corpus, state.documents, max_characters=max_characters)
    context.note(f"{count(len(state.documents), 'chunk')} -> {count(len(sections), 'section')}")
    given = {id(hit.document) for hit in state.documents}
    if strange := sum(id(hit.document) in given for hit in sections):
        context.note(f"{strange} not of this corpus, left as they are")
    return {"documents": sections}
