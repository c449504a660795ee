"""Whether an LLM says, in its own way, that it has no answer, or that a document has none."""

from __future__ import annotations

import re

_DOCUMENT = (
    r"(the|this|these|that|those|any of the|none of the)( \w+)? "
    r"(documents?|texts?|passages?|articles?|contexts?|sources?|notes?)"
)
_KNOWLEDGE = (
    r"((relevant|specific|direct|further|enough|sufficient|any|the|this|that) )*"
    r"(information|mention|answers?|indication|details?|context)"
)
_ABOUT = r"(about|on|of|for|to|in|that|regarding|concerning)\b"
_TOLD = r"((is|are|was|were) )?(given|said|stated|mentioned|told|provided|included|available|found)\b"
_END = r"(?=\W*\Z)"

_I_DO_NOT = (
    r"i (do not|don.t|cannot|can.t|could not|couldn.t|am not able to|am unable to|was unable to) "
    r"(know|answer|find|determine|tell)\b"
    rf"|i (do not|don.t) have {_KNOWLEDGE}\b"
    rf"|(unknown|not (mentioned|stated|given)( in {_DOCUMENT})?){_END}"
)
_NOT_SAID = (
    rf"{_DOCUMENT} ((do|does|did) not|don.t|doesn.t|didn.t) (provide|give|contain|include)\b"
    rf"|(it|{_DOCUMENT}) ((do|does|did) not|don.t|doesn.t|didn.t) "
    r"(say|mention|state|specify|tell|address|discuss|answer)\b"
    rf"|(it|{_DOCUMENT}) (says?|mentions?|states?|contains?|provides?|gives?)"
    rf" (nothing( {_ABOUT}|{_END})|no {_KNOWLEDGE}\b)"
    rf"|(there is|there.s|there are) (no|not enough|not any) {_KNOWLEDGE}( {_ABOUT}| {_TOLD}|{_END})"
    rf"|no {_KNOWLEDGE} ({_ABOUT}|{_TOLD})"
    rf"|nothing ({_ABOUT}|{_TOLD})"
)
_SORRY = r"((i.m|i am) )?(sorry|afraid)\W+(but )?|unfortunately\W+"
_AND_YET = r"(?!.*\b(but|however|only|except|although|though|instead|rather)\b)"
_DECLINES = re.compile(rf"\W*({_SORRY})?{_AND_YET}({_I_DO_NOT}|{_NOT_SAID})[^.!?]*\W*", re.IGNORECASE | re.DOTALL)
"""One sentence that says no more than that there is no answer."""

_NOTHING = re.compile(rf"\W*(nothing|none|no|n/a|no {_KNOWLEDGE})\W*", re.IGNORECASE)
"""What is a note that there is nothing, and may be an answer."""


def declines(written: str) -> bool:
    """Whether a sentence says no more than that there is no answer; where nothing was written, it does.

    ```python
    from ragloom.rag.generate.declining import declines

    print(declines("I'm sorry, I don't know."), declines("The passages do not mention it."))  # -> True True
    print(declines("I cannot find the date, but it was in May."), declines("No."))            # -> False False
    ```
    """
    return not written.strip() or _DECLINES.fullmatch(written.strip()) is not None


def says_nothing(note: str) -> bool:
    """Whether a note on a document says no more than that there is nothing to note.

    ```python
    from ragloom.rag.generate.declining import says_nothing

    print(says_nothing("Nothing."), says_nothing("The document does not mention what was stolen."))  # -> True True
    print(says_nothing("The document does not mention when, but says where."))                       # -> False
    ```
    """
    return declines(note) or _NOTHING.fullmatch(note) is not None
