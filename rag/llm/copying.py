"""Copies of components: what one has worked out from its options does not stand for other options."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Self

from pydantic import BaseModel


class Copied(BaseModel):
    """A component whose `model_copy` works out anew what it keeps as a `cached_property`.

    ```python
    from functools import cached_property
    from ragloom.rag.llm.copying import Copied

    class Shout(Copied):
        mark: str

        @cached_property
        def marks(self) -> str:
            return 3 * self.mark

    loud = Shout(mark="!")
    print(loud.marks, loud.model_copy(update={"mark": "?"}).marks)  # -> !!! ???
    ```
    """

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, with some options changed; they are not checked."""
        copied = super().model_copy(update=update, deep=deep)
        for name in [*vars(copied)]:
            if isinstance(getattr(type(self), name, None), cached_property):
                del vars(copied)[name]
        return copied
