from __future__ import annotations

from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage, SystemMessage
from ragloom.prompts import Prompt, PromptError, load_prompt
from ragloom.prompts.loader import own_prompts


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", own_prompts())
def test_every_prompt_of_the_package_renders(name: str) -> None:
    prompt = load_prompt(name)
    messages = prompt.render(**{variable: f"<{variable}>" for variable in prompt.variables})
    text = "\n".join(message.text for message in messages)
    assert all(f"<{variable}>" in text for variable in prompt.variables)
    assert "$" not in text


def test_the_cited_prompt_takes_passages_and_a_question() -> None:
    assert load_prompt("cited").variables == {"passages", "question"}


def test_system_and_user_become_messages(tmp_path: Path) -> None:
    prompt = load_prompt(write(tmp_path, "description: d\nsystem: Speak $language.\nuser: |\n  Greet $name.\n"))
    assert prompt.render(language="Latin", name="Ada") == [
        SystemMessage("Speak Latin."),
        HumanMessage("Greet Ada."),
    ]


def test_without_system_there_is_one_message(tmp_path: Path) -> None:
    assert load_prompt(write(tmp_path, "description: d\nuser: Hi\n")).render() == [HumanMessage("Hi")]


def test_values_are_put_in_as_they_are() -> None:
    prompt = Prompt(name="p", description="d", user="$$5 or $a or ${b}s")
    assert prompt.render(a="$b costs $$3 {b} ", b="\\g<0>")[0].text == "$5 or $b costs $$3 {b}  or \\g<0>s"


def test_a_missing_variable_is_named_with_those_the_prompt_has() -> None:
    with pytest.raises(PromptError, match=r"'cited' lacks \$question; its variables are \$passages, \$question"):
        load_prompt("cited").render(passages="[1] a")


def test_an_unknown_variable_is_named_with_those_the_prompt_has() -> None:
    with pytest.raises(PromptError, match=r"'cited' has no \$quesion; its variables are \$passages, \$question"):
        load_prompt("cited").render(passages="", question="", quesion="")


def test_a_value_that_is_not_a_string_is_refused() -> None:
    with pytest.raises(PromptError, match=r"'cited' takes a string for \$passages, not list"):
        load_prompt("cited").render(passages=["a"], question="q")  # type: ignore[arg-type]


def test_an_unknown_prompt_is_answered_with_one_that_is_spelt_like_it() -> None:
    with pytest.raises(PromptError, match=r"unknown prompt 'citd'; did you mean 'cited'\?"):
        load_prompt("citd")


@pytest.mark.parametrize("name", ["../errors", "cited.yaml", "", "/cited"])
def test_only_listed_names_are_found(name: str) -> None:
    with pytest.raises(PromptError, match="unknown prompt"):
        load_prompt(name)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("description: d\nusr: Hi\n", "unknown key 'usr'; did you mean 'user'?"),
        ("description: d\nuser: Hi\nsytem: s\n", "unknown key 'sytem'; did you mean 'system'?"),
        ("description: d\nuser: Hi\nx: s\n", "unknown key 'x'; expected one of: description, system, user"),
        ("description: d\nuser: Hi\nname: n\n", "unknown key 'name'; a prompt is named by its file"),
        ("description: d\nsystem: s\n", "the key 'user' is missing"),
        ("description: d\nuser: costs $5\n", "user contains a $ that begins no variable; write $$ for a dollar sign"),
        ("description: d\nuser: yes\n", "user should be a valid string, not True"),
        ("description: d\nuser: ''\n", "user should have at least 1 character, not ''"),
        ("1: d\n", "the key 'description' is missing"),
        ("just text", "must have the keys description, system (optional) and user"),
        ("", "must have the keys description, system (optional) and user"),
        ("a: [", "is not valid YAML: while parsing a flow node"),
    ],
)
def test_a_file_that_is_no_prompt_is_explained_on_one_line(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(PromptError) as caught:
        load_prompt(write(tmp_path, text))
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match=r"cannot read the prompt .*gone\.yaml: No such file"):
        load_prompt(tmp_path / "gone.yaml")
