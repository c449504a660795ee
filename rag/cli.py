"""The `ragloom` command: parse, call, print.

Exit codes: 0 done; 1 done, but there is nothing to show for it (no hit, "I don't know", a check that failed, nobody who
reads the output to its end); 2 bad input or a fault, told in one line on standard error; 130 interrupted.

Whatever can be checked without loading a model is checked first.
"""

from __future__ import annotations

import atexit
import gc
import io
import os
import sys
import threading

import typer

from ..errors import RagloomError
from .cli_ask import ask_command, demo_command, search_command
from .cli_care import cache_app, corpus_app, doctor_command
from .cli_chat import chat_command
from .cli_evaluate import eval_command
from .cli_graph import graph_app
from .cli_heads import heads_app
from .cli_ingest import ingest_command
from .cli_memory import memory_app
from .cli_parts import FAULT, INTERRUPTED, NOTHING, make_display
from .cli_tune import tune_command

app = typer.Typer(
    help="Answers from your own documents, on your own machine.",
    epilog="Exit codes: 0 done; 1 nothing found or a check failed; 2 bad input or a fault; 130 interrupted.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("chat")(chat_command)
app.command("demo")(demo_command)
app.command("ingest")(ingest_command)
app.command("ask")(ask_command)
app.command("search")(search_command)
app.command("doctor")(doctor_command)
app.command("eval")(eval_command)
app.command("tune")(tune_command)
app.add_typer(graph_app, name="graph")
app.add_typer(heads_app, name="heads")
app.add_typer(memory_app, name="memory")
app.add_typer(corpus_app, name="corpus")
app.add_typer(cache_app, name="cache")


def main() -> None:
    """Run the command; a fault that is foreseen becomes one line on standard error."""
    atexit.register(gc.freeze)  # or Python looks for garbage in all that was imported, for most of a second
    try:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # not every terminal has every letter
        code = app(standalone_mode=False, prog_name="ragloom")
        if sys.stdout is not None:  # it may be closed: ragloom ... >&-
            sys.stdout.flush()
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        hint = f" (see {context.command_path} --help)" if context else ""
        code = _fault(f"{error.format_message().rstrip('.')}{hint}")
    except RagloomError as error:
        problems = getattr(error, "problems", None) or [error]  # a graph may have several
        code = [_fault(str(problem)) for problem in problems][-1]
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes at exit
        code = NOTHING
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        code = _fault(f"{error.strerror or error}{where}")
    except KeyboardInterrupt:
        code = INTERRUPTED
        if any(thread.name.startswith("ragloom-") for thread in threading.enumerate()):
            if sys.stdout is not None:
                sys.stdout.flush()
            os._exit(code)  # what still loads cannot be stopped, and aborts when Python ends under it
    sys.exit(code)


def _fault(message: str) -> int:
    make_display(as_json=False).note(f"ragloom: {' '.join(message.split())}")
    return FAULT


@app.callback(invoke_without_command=True)
@graph_app.callback(invoke_without_command=True)
@heads_app.callback(invoke_without_command=True)
@memory_app.callback(invoke_without_command=True)
@corpus_app.callback(invoke_without_command=True)
@cache_app.callback(invoke_without_command=True)
def _help(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(FAULT)


if __name__ == "__main__":
    main()
