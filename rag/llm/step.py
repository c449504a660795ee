"""What asks an LLM, as a LangChain Runnable: one method does the work, here is the rest."""

from __future__ import annotations

import asyncio
import threading
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig, RunnableSerializable
from pydantic import ConfigDict

from ..._explain import unknown
from .copying import Copied
from .errors import AskedError
from .waiting import Ended

Asked = TypeVar("Asked")
Made = TypeVar("Made")


class Step(RunnableSerializable[Asked, Made], Copied):
    """Makes something of what it is asked; a step of a chain with `|`.

    A subclass says how in `_make`. Its options are its fields, checked and never changed.

    ```python
    import threading
    from ragloom.rag.llm.step import Step

    class Shout(Step[str, str]):
        mark: str = "!"

        def _make(self, asked: str, cancelled: threading.Event) -> str:
            return asked.upper() + self.mark

    print((Shout() | Shout(mark="?")).invoke("toad"))  # -> TOAD!?
    ```
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    @abstractmethod
    def _make(self, asked: Asked, cancelled: threading.Event) -> Made:
        """Do it; `cancelled` is set as soon as nobody waits for it any longer."""

    def invoke(
        self,
        input: Asked,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        *,
        cancelled: threading.Event | None = None,
        **options: Any,
    ) -> Made:
        """Do it.

        Args:
            input: what the component is asked.
            config: LangChain's.
            cancelled: may be set from any thread when nobody waits any longer, which ends what the LLM does.
            options: there are no others.

        Raises:
            AskedError: there are other options; what a step does is said by its fields.
            Cancelled: `cancelled` was set.
        """
        self._refuse(options)
        ended = cancelled or threading.Event()
        return self._call_with_config(lambda asked: self._make(asked, ended), input, config)

    async def ainvoke(
        self,
        input: Asked,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        *,
        cancelled: threading.Event | None = None,
        **options: Any,
    ) -> Made:
        """Do it as `invoke` does, without blocking the event loop; a cancelled task ends what the LLM does, too."""
        self._refuse(options)
        ended = Ended(cancelled)

        async def make(asked: Asked) -> Made:
            try:
                return await asyncio.to_thread(self._make, asked, ended)
            finally:
                ended.set()

        return await self._acall_with_config(make, input, config)

    def _refuse(self, options: Mapping[str, Any]) -> None:
        for name in options:
            if name in type(self).model_fields:
                raise AskedError(f"{name!r} is no option of a call; write {type(self).__name__}({name}=...)")
            raise AskedError(unknown("option", name, ["cancelled"]))
