"""`ragloom memory`: what is remembered, when it held, and when it was believed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import RagloomError
from ..stores.layout import DEFAULT_MEMORY
from .cli_parts import NOTHING, make_display
from .options import AsJson, TopK

if TYPE_CHECKING:
    from ..stores.memory import EntityRecord, FactRecord, Group, Memory
    from ..stores.memory.extracting import Extractor
    from .display import Display

memory_app = typer.Typer(help="Look into a memory, and change it.", rich_markup_mode=None)

MemoryFile = Annotated[Path, typer.Option("--memory", help="File of the memory.")]
GroupName = Annotated[str, typer.Option("--group", help="Whose memory: a user, a project, an agent.")]
KnownAt = Annotated[
    str, typer.Option(help="As it was believed then: a date or time in ISO's form, in UTC without more.")
]
EpisodeId = Annotated[int, typer.Argument(help="Id of an episode, as `search` shows it.")]


@memory_app.command("remember")
def remember_command(
    text: Annotated[str, typer.Argument(help="What was said.")],
    source: Annotated[str, typer.Option("--from", help="Who said it.")] = "user",
    at: Annotated[
        str, typer.Option(help="When: a date or time in ISO's form, in UTC without more; by default now.")
    ] = "",
    fact: Annotated[
        list[str], typer.Option(help="A fact that it tells: subject | relation | object; may be repeated.")
    ] = [],  # noqa: B006
    llm: Annotated[
        str, typer.Option(help="Let an LLM find the facts: embedded, a .gguf file, or a server's URL.")
    ] = "",
    path: MemoryFile = DEFAULT_MEMORY,
    group: GroupName = "default",
    as_json: AsJson = False,
) -> None:
    """Remember something that was said, with facts if any are given; a memory is made where there is none.

    A fact holds from the time that the text names, or else from the moment at which it was said.
    """
    from ..stores.memory import Episode
    from ..stores.memory.reading.hits import text_of

    display = make_display(as_json)
    if not text.strip():
        raise RagloomError("the text is empty; say something")
    said = Episode(text, _instant(at, "--at") or datetime.now(UTC), source)
    with _extractor(fact, llm) as extractor, _open(path, group, create=True) as opened:
        done = opened.remember(said, extractor=extractor)
        facts = tuple(opened.history(each)[-1] for each in done.facts)
    told = {"episode": done.episode, "is_new": done.is_new, "dropped": [asdict(each) for each in done.dropped]}
    display.data({**told, "facts": [text_of(each) for each in facts]})
    display.line(f"episode {done.episode}" + ("" if done.is_new else " (known already)"))
    if facts and not as_json:
        _versions(display, facts)
    for each in done.dropped:
        display.note(f"dropped: {each.what}: {each.why}")


@contextmanager
def _extractor(facts: list[str], llm: str) -> Iterator[Extractor | None]:
    """What makes the facts: those that are given, an LLM, or nothing."""
    from ..stores.memory import Fact
    from ..stores.memory.extracting import StatedFacts

    if facts and llm:
        raise RagloomError("facts are given, or found by an LLM: leave --fact or --llm out")
    if not llm:
        parts = [[part.strip() for part in each.split("|")] for each in facts]
        if wrong := [each for each, its in zip(facts, parts, strict=True) if len(its) != 3]:
            raise RagloomError(f"--fact is no fact: {wrong[0]!r}; write it like 'Ann | lives in | Berlin'")
        stated = tuple(Fact(subject, relation, target) for subject, relation, target in parts)
        yield StatedFacts(stated) if stated else None
        return
    from ..agents import FactExtractor
    from .llm import load

    with load(llm) as loaded:
        yield FactExtractor(loaded)


@memory_app.command("search")
def search_command(
    query: Annotated[str, typer.Argument(help="A question, or words.")],
    k: TopK = 10,
    kind: Annotated[list[str], typer.Option(help="episode, fact or entity; may be repeated.")] = [],  # noqa: B006
    valid_at: Annotated[
        str, typer.Option(help="Facts that held then, in ISO's form; by default as the question says.")
    ] = "",
    known_at: KnownAt = "",
    path: MemoryFile = DEFAULT_MEMORY,
    group: GroupName = "default",
    as_json: AsJson = False,
) -> None:
    """Find episodes, facts and entities."""
    from ..stores.memory.langchain import as_document

    display = make_display(as_json)
    instants = {"valid_at": _instant(valid_at, "--valid-at"), "known_at": _instant(known_at, "--known-at")}
    with _open(path, group) as opened:
        hits = opened.search(query, k, kinds=kind or None, **instants)  # type: ignore[arg-type]  # search checks it
    for note in hits.notes:
        display.note(note)
    documents = [as_document(hit) for hit in hits]
    display.data([{"text": each.page_content, **each.metadata} for each in documents])
    display.table(
        ["", "found", "id", "why"],
        [
            [str(hit.rank), each.page_content, f"{each.metadata['kind']} {hit.id}", hit.why]
            for hit, each in zip(hits, documents, strict=True)
        ],
    )
    if not hits:
        display.line("nothing found")
        raise typer.Exit(NOTHING)


@memory_app.command("timeline")
def timeline_command(
    entity: Annotated[str, typer.Argument(help="Its name.")],
    known_at: KnownAt = "",
    path: MemoryFile = DEFAULT_MEMORY,
    group: GroupName = "default",
    as_json: AsJson = False,
) -> None:
    """All that ever held of an entity, in the order in which it began."""
    display = make_display(as_json)
    with _open(path, group) as opened:
        _versions(display, opened.timeline(entity, known_at=_instant(known_at, "--known-at")))


@memory_app.command("history")
def history_command(
    of: Annotated[int, typer.Argument(help="Id of a fact or an entity, as `search` shows it.")],
    path: MemoryFile = DEFAULT_MEMORY,
    group: GroupName = "default",
    as_json: AsJson = False,
) -> None:
    """What was believed of a fact or an entity, and when."""
    display = make_display(as_json)
    with _open(path, group) as opened:
        _versions(display, opened.history(of))


@memory_app.command("forget")
def forget_command(
    episode: EpisodeId, path: MemoryFile = DEFAULT_MEMORY, group: GroupName = "default", as_json: AsJson = False
) -> None:
    """Take back an episode and what rests on it alone; what it had ended holds on, and history still shows it."""
    display = make_display(as_json)
    with _open(path, group) as opened:
        opened.forget(episode)
    display.data({"forgotten": episode})
    display.line(f"episode {episode} is forgotten")


@memory_app.command("erase")
def erase_command(
    episode: Annotated[int | None, typer.Argument(help="Id of an episode; without one the whole group.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Erase the whole group.")] = False,
    path: MemoryFile = DEFAULT_MEMORY,
    group: GroupName = "default",
    as_json: AsJson = False,
) -> None:
    """Remove an episode, or with --all a whole group, for good: from the file's free space, too."""
    if (episode is None) is not everything:
        raise RagloomError("say what to erase: the id of an episode, or --all for the whole group")
    display = make_display(as_json)
    with _open_memory(path) as memory:
        if episode is None:
            memory.erase(group)
        else:
            memory.group(group).erase(episode)
    what = f"the group {group!r}" if episode is None else f"episode {episode}"
    display.data({"erased": group if episode is None else episode})
    display.line(f"{what} is erased")


@memory_app.command("export")
def export_command(
    file: Annotated[Path, typer.Argument(help="A .jsonl file for everything, or a .html file for a timeline.")],
    path: MemoryFile = DEFAULT_MEMORY,
    group: GroupName = "default",
    as_json: AsJson = False,
) -> None:
    """Write all that is remembered to a file."""
    display = make_display(as_json)
    with _open(path, group) as opened:
        written = opened.export(file)
    display.data({"file": str(file), "records": written})
    display.line(f"{written} records in {file}")


@memory_app.command("stats")
def stats_command(path: MemoryFile = DEFAULT_MEMORY, as_json: AsJson = False) -> None:
    """How much is remembered, group by group."""
    display = make_display(as_json)
    with _open_memory(path) as memory:
        rows = {name: asdict(memory.group(name).stats()) for name in memory.groups()}
    display.data(rows)
    names = ["episodes", "facts", "entities", "versions", "vectors"]
    display.table(["group", *names], [[group, *(f"{row[name]:,}" for name in names)] for group, row in rows.items()])


@contextmanager
def _open(path: Path, group: str, *, create: bool = False) -> Iterator[Group]:
    with _open_memory(path, create=create) as memory:
        if not create and group not in (groups := memory.groups()):
            there = f"; there are: {', '.join(groups)}" if groups else ", nor any other"
            raise RagloomError(f"there is no group {group!r} in {path}{there}")
        yield memory.group(group)


def _open_memory(path: Path, *, create: bool = False) -> Memory:
    from ..stores.memory import Memory

    return Memory(path, create=create)


def _instant(text: str, option: str) -> datetime | None:
    """A moment as it was typed; UTC where no zone is."""
    if not text:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise RagloomError(
            f"{option} is no date or time: {text!r}; write it like 2024-03-05 or 2024-03-05T09:30+01:00"
        ) from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _versions(display: Display, records: tuple[FactRecord | EntityRecord, ...]) -> None:
    from ..stores.memory.reading.exporting import as_json
    from ..stores.memory.reading.hits import text_of
    from ..stores.memory.reading.wording import shown

    display.data([as_json(record) for record in records])
    display.table(
        ["id", "what", "held", "believed"],
        [
            [
                str(record.id),
                text_of(record),
                shown(record.fact.valid) if hasattr(record, "fact") else "",
                shown(record.recorded),
            ]
            for record in records
        ],
    )
