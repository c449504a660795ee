"""A group behind LangChain's interfaces: a chat history and a retriever."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, HumanMessage
from pydantic import Field, SkipValidation, ValidationError

from ..._explain import first_problem
from ..retrieving import StoreRetriever
from .checks import whole_number
from .errors import MemoryValueError
from .interval import Interval
from .reading import recipes
from .reading.exporting import as_json
from .reading.found import episodes_of_kind, last_recorded
from .reading.hits import Kind, MemoryHit
from .reading.reader import Reader
from .reading.recipes import Recipe
from .reading.wording import shown
from .types import Episode

if TYPE_CHECKING:
    from .group import Group

USER, ASSISTANT = "user", "assistant"

_NEXT = timedelta(microseconds=1)
_TICK = timedelta(seconds=1)
"""The coarsest clock."""


class MemoryChatHistory(BaseChatMessageHistory):
    """The messages of a group as a LangChain chat history: what goes through it is remembered.

    ```python
    from ragloom.stores.memory import Memory

    history = Memory("memory.sqlite3").group("session-1").as_chat_history()
    history.add_user_message("I live in Berlin.")
    print(history.messages[-1].content, "|", history.group.search("Berlin")[0].text)
    # -> I live in Berlin. | I live in Berlin.
    ```

    A message is an episode from `user` or `assistant`. Of a user who has a `name` it is from that; of an assistant with
    one, such as an agent of several, from `assistant` and the name. What is no text of one of the two, such as a tool's
    result, is not kept. `clear` forgets; `Group.erase` is for good.
    """

    def __init__(self, group: Group, *, last: int | None = None) -> None:
        """Read and write the messages of a group.

        Args:
            group: a conversation should have one to itself.
            last: how many messages `messages` gives, the latest; None: all.

        Raises:
            MemoryValueError: `last` is no whole number above 0.
        """
        self.group = group
        self.last = None if last is None else whole_number("last", last)

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override]  # LangChain's is an attribute
        """The messages, oldest first."""
        with self.group.reading() as reading:
            records = episodes_of_kind(reading, "message", self.last)
        return [_message(record.episode) for record in records]

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Remember messages, in their order."""
        at = self._after_the_last()
        for message in messages:
            source = _source(message)
            if source and (text := message.text):
                self.group.remember(Episode(text, at, source))
                at += _NEXT

    def _after_the_last(self) -> datetime:
        """Now, or just after the last message where the clock has not moved on since: the same words are another."""
        now = self.group.now()
        with self.group.reading() as reading:
            last = last_recorded(reading, "message")
        return last + _NEXT if last is not None and now <= last < now + _TICK else now

    def clear(self) -> None:
        """Forget every message."""
        self.group.forget_all("message")


def _source(message: BaseMessage) -> str | None:
    """Whom a message is from; `_message` can tell from it which of the two it was. None: from neither."""
    role = message.role if isinstance(message, ChatMessage) else ""
    if isinstance(message, AIMessage) or role == ASSISTANT:
        return f"{ASSISTANT} {message.name}" if message.name else ASSISTANT
    if isinstance(message, HumanMessage) or role == USER:
        name = message.name or USER
        return USER if name.split()[:1] == [ASSISTANT] else name
    return None


def _message(episode: Episode) -> BaseMessage:
    role, _, name = episode.source.partition(" ")
    if role == ASSISTANT:
        return AIMessage(episode.content, name=name or None)
    return HumanMessage(episode.content, name=None if episode.source == USER else episode.source)


class MemoryRetriever(StoreRetriever):
    """Search of a group behind LangChain's `BaseRetriever`; every field can be overridden in `invoke`.

    ```python
    from datetime import datetime, timezone
    from ragloom.stores.memory import Episode, Memory

    group = Memory("memory.sqlite3").group("user-7")
    group.remember(Episode("I moved to Berlin.", datetime(2021, 3, 8, tzinfo=timezone.utc), source="Ann"))
    (found,) = group.as_retriever(k=1).invoke("Where did Ann move?")
    print(found.page_content, found.metadata["source"])  # -> I moved to Berlin. Ann
    ```

    The fields besides `group` are those of `Group.search`. A document has the text of what was found, a fact with its
    validity; its metadata have all that is known of it, with `score`, `rank` and `why`.
    """

    group: SkipValidation[Reader]
    k: int = Field(default=10, ge=1)
    valid_at: datetime | Interval | None = None
    known_at: datetime | None = None
    kinds: tuple[Kind, ...] | None = None
    types: tuple[str, ...] = ()
    relations: tuple[str, ...] = ()
    around: str | int | None = None
    recipe: SkipValidation[Recipe] = recipes.conversation

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002 - LangChain's signature
        **overrides: Any,
    ) -> list[Document]:
        options = {name: getattr(self, name) for name in OPTIONS} | overrides
        return [as_document(hit) for hit in self.group.search(query, **options)]


OPTIONS = ("k", "valid_at", "known_at", "kinds", "types", "relations", "around", "recipe")


def as_document(hit: MemoryHit) -> Document:
    """A hit as a document: its text, a fact's with its validity, and all that is known of it as metadata."""
    known = as_json(hit.record)
    text = f"{hit.text} ({shown(hit.fact.fact.valid)})" if hit.fact else hit.text
    source = {"source": f"{known['kind']} {hit.id}", "source_id": str(hit.id), "start": 0, "end": len(text)}
    return Document(
        text, id=str(hit.id), metadata=source | known | {"score": hit.score, "rank": hit.rank, "why": hit.why}
    )


def make_retriever(group: Reader, options: Mapping[str, Any]) -> MemoryRetriever:
    """A retriever over a group with these fields.

    Raises:
        MemoryValueError: there is no such field, or it cannot have that value.
    """
    try:
        return MemoryRetriever(group=group, **options)
    except ValidationError as error:
        raise MemoryValueError(first_problem(error, "option", OPTIONS)) from None
