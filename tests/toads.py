"""Passages about Toad and Mole, and the evidence that they hold for a question."""

from __future__ import annotations

from fakes import HashingEmbedder
from langchain_core.documents import Document
from ragloom.rag.generate.evidence import Evidence, gather

TOAD = "Toad lives at Toad Hall. He bought a canary-yellow cart. Later he stole a motor-car and was sent to prison."
MOLE = "Mole lives underground. Mole met Rat by the river in spring."


def document(text: str, key: str, start: int = 0) -> Document:
    metadata = {"source_id": key, "source": key, "title": "", "heading": [], "start": start, "section": [start, 9999]}
    return Document(id=key, page_content=text, metadata=metadata)


EMBEDDER = HashingEmbedder(dimension=256)

DOCUMENTS = [document(TOAD, "toad"), document(MOLE, "mole", start=100)]


def evidence(question: str) -> Evidence:
    return gather(question, DOCUMENTS, EMBEDDER)
