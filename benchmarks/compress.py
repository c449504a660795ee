"""Compressing by attention beside what is usually done: the first sentences, and those nearest by cosine.

- CLAP NQ, a passage and a question: share of the gold sentences' characters that are kept of them, with a quarter and
  with half of the passage's tokens. Rows 1-100 are for choosing (`--tune`), the rest is the report
- MuSiQue, 20 paragraphs and a question of several hops: how often the answer's words are among what is kept, with a
  tenth and with a quarter of the tokens, where they are anywhere. Questions 1-30 are for choosing
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import data
import numpy as np
from langchain_core.documents import Document
from ragloom import Embedder, load
from ragloom.rag.ingest.sentences import sentences
from ragloom.rag.llm.base import ChatModel
from ragloom.rag.rerank import IcrCompressor, IcrReranker
from report import interval, table, write

SHARES = {"clapnq": (0.25, 0.5), "musique": (0.1, 0.25)}
ATTENTION, COSINE = "by attention", "by cosine"
TUNED = {"clapnq": 100, "musique": 30}

Kept = list[tuple[int, int, int]]
"""What is kept: which document, and from where to where of it."""

Compress = Callable[[str, Sequence[Document], int], Kept]


def main() -> None:
    options = data.parser(__doc__)
    options.add_argument("--tune", action="store_true", help="the rows for choosing, other heads too")
    options.add_argument("--limit", type=int, help="only the first rows of each set")
    options.add_argument("--model", default="embedded")
    given = options.parse_args()
    with load(given.model) as llm:
        ways = _ways(llm, tune=given.tune)
        rows = []
        for name, asked in (("clapnq", _clapnq(given.data)), ("musique", _musique(given.data))):
            at = TUNED[name]
            rows += _compare(name, (asked[:at] if given.tune else asked[at:])[: given.limit], ways, llm)
    if given.tune or given.limit:
        print(table(rows))
    else:
        write("compress", rows, model=given.model)


def _ways(llm: ChatModel, *, tune: bool) -> dict[str, Compress]:
    """Compressors by name, each told how many tokens it may keep."""
    heads = {ATTENTION: None, **({f"{n} heads": n for n in (4, 16)} if tune else {})}
    by_attention = {name: _by_attention(IcrReranker(llm=llm, heads=which)) for name, which in heads.items()}
    return {"in their order": _in_order(llm), COSINE: _by_cosine(llm, Embedder()), **by_attention}


def _by_attention(reranker: IcrReranker) -> Compress:
    def compress(query: str, documents: Sequence[Document], tokens: int) -> Kept:
        kept = IcrCompressor(reranker=reranker, max_tokens=tokens).compress_documents(documents, query)
        return [(each.metadata["at"], each.metadata["start"], each.metadata["end"]) for each in kept]

    return compress


def _in_order(llm: ChatModel) -> Compress:
    return lambda _, documents, tokens: _filled(_spans(documents), documents, llm, tokens)


def _by_cosine(llm: ChatModel, encoder: Embedder) -> Compress:
    def compress(query: str, documents: Sequence[Document], tokens: int) -> Kept:
        spans = _spans(documents)
        texts = [
            f"{documents[at].metadata['title']}\n{documents[at].page_content[start:end]}" for at, start, end in spans
        ]
        order = np.argsort(-(encoder.encode(texts) @ encoder.encode_query(query)), kind="stable")
        return _filled([spans[place] for place in order], documents, llm, tokens)

    return compress


def _spans(documents: Sequence[Document]) -> Kept:
    return [(at, *span) for at, each in enumerate(documents) for span in sentences(each.page_content, language="en")]


def _filled(spans: Kept, documents: Sequence[Document], llm: ChatModel, tokens: int) -> Kept:
    """The first spans that fit, whole."""
    kept: Kept = []
    for at, start, end in spans:
        size = llm.count_tokens(documents[at].page_content[start:end])
        if size <= tokens:
            tokens -= size
            kept.append((at, start, end))
    return kept


Asked = tuple[str, list[Document], Callable[[Kept], float]]
"""A question, its documents, and how good is what was kept."""


def _clapnq(folder: Any) -> list[Asked]:
    return [_gold_kept(row) for row in data.clapnq(folder, "answerable") if row["output"][0]["selected_sentences"]]


def _gold_kept(row: dict[str, Any]) -> Asked:
    passage = row["passages"][0]
    gold: set[int] = set()
    for sentence in row["output"][0]["selected_sentences"]:
        start = passage["text"].find(sentence.strip())
        if start >= 0:
            gold |= set(range(start, start + len(sentence.strip())))

    def worth(kept: Kept) -> float:
        return len(gold & {place for _, start, end in kept for place in range(start, end)}) / len(gold)

    return row["input"], [_document(0, passage)], worth


def _musique(folder: Any) -> list[Asked]:
    return [_answer_kept(row) for row in data.jsonl(folder / "musique" / "questions.jsonl")]


def _answer_kept(row: dict[str, Any]) -> Asked:
    documents = [_document(at, paragraph) for at, paragraph in enumerate(row["paragraphs"])]
    answers = [answer.lower() for answer in (row["answer"], *row["answer_aliases"])]
    supporting = {at for at, each in enumerate(row["paragraphs"]) if each["supporting"]}

    def worth(kept: Kept) -> float:
        texts = [documents[at].page_content[start:end].lower() for at, start, end in kept if at in supporting]
        return float(any(answer in text for answer in answers for text in texts))

    return row["question"], documents, worth


def _document(at: int, passage: dict[str, Any]) -> Document:
    metadata = {"title": passage["title"], "at": at, "start": 0, "end": len(passage["text"])}
    return Document(passage["text"], id=str(at), metadata=metadata)


def _compare(name: str, asked: Sequence[Asked], ways: dict[str, Compress], llm: ChatModel) -> Iterator[dict[str, Any]]:
    for share in SHARES[name]:
        worths: dict[str, list[float]] = {way: [] for way in ways}
        seconds = dict.fromkeys(ways, 0.0)
        for query, documents, worth in asked:
            if not worth([(at, 0, len(each.page_content)) for at, each in enumerate(documents)]):
                continue
            budget = int(share * sum(llm.count_tokens(each.page_content) for each in documents))
            for way, compress in ways.items():
                started = time.perf_counter()
                worths[way].append(worth(compress(query, documents, budget)))
                seconds[way] += time.perf_counter() - started
        for way, found in worths.items():
            row: dict[str, Any] = {"set": name, "share of tokens": share, "kept": way, "queries": len(found)}
            row |= {"found": float(np.mean(found)), "s": seconds[way] / len(found)}
            if way != COSINE:
                gains = [own - its for own, its in zip(found, worths[COSINE], strict=True)]
                row |= dict(zip(("less cosine: low", "less cosine: high"), interval(gains), strict=True))
            yield row


if __name__ == "__main__":
    main()
