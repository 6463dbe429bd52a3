"""What the commands share: options from requests, exit codes, and the printing of results."""

import functools
import inspect
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import typer

from reidaug.cli.console import draw, notices, print_json, say
from reidaug.cli.options import DEBUG, group_of
from reidaug.core.device import pick_device
from reidaug.core.errors import ReidAugError, one_line
from reidaug.core.fingerprint import refuse_pipe
from reidaug.core.options import ABLATIONS, DATA, MACHINE, OUTPUT

if TYPE_CHECKING:
    from rich.console import RenderableType

    from reidaug.evaluation.results import Result
    from reidaug.study.folder import Study

PANELS_AT_THE_END = {panel: place for place, panel in enumerate((DATA, MACHINE, OUTPUT, ABLATIONS), start=1)}


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Makes a command of a function: its parameters and the fields of its requests become options.

    An error becomes one line and exit code 1; Ctrl-C, SIGTERM and SIGHUP exit code 130; --debug shows the whole trace.
    """
    group = group_of(function)
    parameters = [*group.parameters(), *DEBUG.parameters()]
    parameters.sort(key=lambda parameter: PANELS_AT_THE_END.get(parameter.default.rich_help_panel, 0))

    @functools.wraps(function)
    def wrapped(**typed: Any) -> None:
        try:
            with notices(), stopped_by_signals():
                for value in typed.values():  # a shell's pipes are in /dev
                    if isinstance(value, str | Path) and not str(value).startswith("/dev/"):
                        refuse_pipe(Path(value))
                if typed.get("device") not in (None, "auto", "cpu"):
                    say(f"looking for the device {typed['device']}")
                    pick_device(typed["device"])  # before anything is written
                group.value(typed)
        except KeyboardInterrupt:
            say("interrupted: run the same command again to continue from here")
            raise typer.Exit(130) from None
        except BrokenPipeError:  # `reidaug table | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except typer.Exit:
            raise
        except Exception as error:
            if typed["debug"]:
                raise
            say(f"error: {one_line(error)}")
            raise typer.Exit(1) from None

    wrapped.earlier = group.earlier()  # type: ignore[attr-defined]
    wrapped.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return wrapped


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """A context in which SIGTERM and SIGHUP do what Ctrl-C does, unless they are ignored, as under nohup."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    main = threading.current_thread() is threading.main_thread()  # only there are signals handled
    known = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # Windows has the first
    taken = [signum for signum in known if main and signal.getsignal(signum) == signal.SIG_DFL]
    for signum in taken:
        signal.signal(signum, stop)
    try:
        yield
    finally:
        for signum in taken:
            signal.signal(signum, signal.SIG_DFL)


def results_of(study: Path) -> "list[Result]":
    """The current results of a study."""
    from reidaug.evaluation.results import current_results, read_results
    from reidaug.study.folder import Study

    results = current_results(read_results(Study(study).results_path))
    if not results:
        raise ReidAugError(f"no results in {study}: run `reidaug evaluate` first, or name the study with --study")
    return results


def show_table(results: "Sequence[Result]", format: str, study: "Study") -> None:
    """Prints the table of the results of a study on stdout."""
    from reidaug.reports.formats import FORMATS
    from reidaug.reports.table import make_tables

    written = FORMATS[format](make_tables(results, study.queries_path))
    if isinstance(written, str):
        print(written)
    else:
        draw(written)


def show(drawn: "RenderableType", values: Mapping[str, object], json: bool) -> None:
    """Prints a result: one JSON object, or what `rich` draws."""
    if json:
        print_json(values)
    else:
        draw(drawn)


def report(values: Mapping[str, object], json: bool, json_values: Mapping[str, object] | None = None) -> None:
    """Prints a short result: ``name: value`` lines, or one JSON object, which may hold other values."""
    if json:
        print_json(json_values or values)
    else:
        for name, value in values.items():
            print(f"{name.replace('_', ' ')}: {value}")
