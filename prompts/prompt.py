"""A prompt: a system and a user message with named gaps."""

from __future__ import annotations

from string import Template
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from .errors import PromptError

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage


def _valid(text: str) -> str:
    if not Template(text).is_valid():
        raise ValueError("contains a $ that begins no variable; write $$ for a dollar sign")
    return text


Text = Annotated[str, StringConstraints(strict=True, strip_whitespace=True, min_length=1)]
TemplateText = Annotated[Text, AfterValidator(_valid)]


class Prompt(BaseModel):
    """A prompt as its YAML file has it, and the file's name.

    ```python
    from ragloom.prompts import Prompt

    prompt = Prompt(name="greet", description="A greeting.", user="Greet $name in one sentence.")
    print(prompt.render(name="Ada")[0].text)  # -> Greet Ada in one sentence.
    ```

    `$question` or `${question}` in `system` and `user` is a variable, `$$` a dollar sign. Values are put in as they
    are: a `$` in a document stays one.

    Attributes:
        name: what errors call it.
        description: what it is for.
        system: the system message, or None.
        user: the user message.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    description: Text
    system: TemplateText | None = None
    user: TemplateText

    @property
    def variables(self) -> frozenset[str]:
        """The names that `render` needs."""
        return frozenset(Template(f"{self.system or ''}\n{self.user}").get_identifiers())

    def render(self, **values: str) -> list[BaseMessage]:
        """Fill in the variables: a system message, where the prompt has one, and a user message.

        Raises:
            PromptError: a variable is missing or unknown, or its value is not a string.
        """
        from langchain_core.messages import HumanMessage, SystemMessage

        self._check(values)
        user = HumanMessage(Template(self.user).substitute(values))
        return [SystemMessage(Template(self.system).substitute(values)), user] if self.system else [user]

    def _check(self, values: dict[str, str]) -> None:
        known = ", ".join(f"${name}" for name in sorted(self.variables)) or "none"
        for problem, names in (("lacks", self.variables - values.keys()), ("has no", values.keys() - self.variables)):
            if names:
                raise PromptError(f"prompt {self.name!r} {problem} ${min(names)}; its variables are {known}")
        for name, value in values.items():
            if not isinstance(value, str):
                raise PromptError(f"prompt {self.name!r} takes a string for ${name}, not {type(value).__name__}")
