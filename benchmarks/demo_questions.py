"""How honest is the demo? Forty questions about Python's reference, ten of which it does not answer.

The questions (`questions/python_reference.jsonl`) were written and committed before any answer existed; their results
have been seen since (see the README there). Each answer is printed and judged: right if an expected wording stands
anywhere in it, however long it is, else abstained or wrong. `--dev` runs the development questions instead.
"""

from __future__ import annotations

import argparse
import json
import re
import textwrap
import time
from collections import Counter
from pathlib import Path
from typing import Any

from ragloom.rag.ask import ask
from ragloom.rag.demo import open_corpus
from ragloom.rag.llm import load
from report import write

QUESTIONS = Path(__file__).parent / "questions"


def judge(question: dict[str, Any], text: str, known: bool) -> str:
    """Whether an answer is right, abstained or wrong; see `questions/README.md`."""
    if not known:
        return "right" if not question.get("answerable", True) else "abstained"
    plain = re.sub(r"\s+", " ", re.sub(r"""["*`“”]""", "", text)).lower()
    return "right" if any(re.search(pattern, plain) for pattern in question.get("expects", ())) else "wrong"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dev", action="store_true", help="the development questions")
    parser.add_argument("--quote", action="store_true", help="without the LLM")
    parser.add_argument("--model", default="embedded")
    options = parser.parse_args()
    file = QUESTIONS / ("python_reference.dev.jsonl" if options.dev else "python_reference.jsonl")
    questions = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    corpus = open_corpus()
    llm = None if options.quote else load(options.model)
    verdicts: Counter[str] = Counter()
    answers = []
    for question in questions:
        started = time.perf_counter()
        reply = ask(question["question"], corpus, llm=llm)
        seconds = time.perf_counter() - started
        text = reply.answer.text
        verdict = judge(question, text, reply.answer.known)
        verdicts[verdict] += 1
        answers.append({**question, "verdict": verdict, "answer": text, "how": reply.answer.how, "seconds": seconds,
                        "confidence": reply.answer.confidence})  # fmt: skip
        print(f"\n{verdict.upper():9} {question['question']}  ({reply.answer.how}, {reply.answer.confidence:.2f})")
        print(textwrap.indent(textwrap.fill(" ".join(text.split()), 100), "          "))
    print()
    how = Counter(answer["how"] for answer in answers)
    rows = [{verdict: verdicts[verdict] for verdict in ("right", "abstained", "wrong")} | dict(how)]
    write("demo_questions_dev" if options.dev else "demo_questions", rows, answers=answers, model=options.model)


if __name__ == "__main__":
    main()
