"""What the commands share: one line and an exit code for what goes wrong, and the printing of a result."""

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec

import typer

from reidaug.cli.console import print_json, say, stdout
from reidaug.cli.options import TableFormat
from reidaug.core.errors import ReidAugError, one_line

Parameters = ParamSpec("Parameters")


def reports_errors(command: Callable[Parameters, None]) -> Callable[Parameters, None]:
    """Turns what the user can mend into one line and exit code 1, and Ctrl-C into 130."""

    @functools.wraps(command)
    def wrapped(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except KeyboardInterrupt:
            say("interrupted: run the same command again to go on from here")
            raise typer.Exit(130) from None
        except BrokenPipeError:  # `reidaug table | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except typer.Exit:
            raise
        except Exception as error:
            if kwargs.get("debug"):
                raise
            say(f"error: {one_line(error)}")
            raise typer.Exit(1) from None

    return wrapped


def results_of(study: Path) -> list[dict[str, Any]]:
    """The newest result of each cell of a study."""
    from reidaug.evaluation.results import current_results, read_results
    from reidaug.study.folder import Study

    rows = current_results(read_results(Study(study).results_path))
    if not rows:
        raise ReidAugError(f"no results in {study}: run `reidaug evaluate` first, or name the study with --study")
    return rows


def show_table(rows: list[dict[str, Any]], format: TableFormat, study: Any) -> None:
    """Prints result rows of a study in the wanted format on stdout."""
    from reidaug.reports.table import format_table, table_values

    if format == "json":
        print_json(table_values(rows, study.queries_path))
    elif format == "rich":
        stdout().print(format_table(rows, "rich", study.queries_path))
    else:
        print(format_table(rows, format, study.queries_path))


def report(values: dict[str, Any], as_json: bool) -> None:
    """A short result: one JSON object, or one ``name: value`` line each."""
    if as_json:
        print_json(values)
        return
    for name, value in values.items():
        print(f"{name.replace('_', ' ')}: {value}")
