"""`study.toml`: options of the commands that a user stores with a study. The program only reads it."""

import tomllib
from pathlib import Path
from typing import Any

import typer

from reidaug.cli.console import say
from reidaug.core.errors import ReidAugError, one_line
from reidaug.core.fingerprint import refuse_pipe

SHARED = {  # options with the same meaning in all commands that have them
    *("reid", "images"),
    *("data", "portion", "seed", "device", "batch-size", "precision", "ckpt", "pairs", "count"),
    *("keep", "source", "recipe", "arch", "weights", "epochs", "seeds", "controls", "save-models", "rerank"),
    *("smooth-synthetic", "real-per-synthetic", "synthetic-weight", "out", "copy", "force", "json", "debug"),
    *("same-camera", "name", "condition", "target", "iterations", "start-from", "vgg-weights"),
}
APART = {  # options that mean something else in a command: there, only its own table sets them
    "ranks": ("name", "portion", "seed"),  # of the result to draw
    "adapt": ("iterations", "start-from", "out", "portion"),  # of a short training; with out, of no study
    "augment": ("name", "out", "portion"),  # with out, it works on no study
    "adopt": ("name",),  # of another program's images
    "evaluate": ("precision",),  # of the baseline; in other commands, of the generator
    "sweep": ("precision",),
    "train": ("precision",),  # of the training
    "report": ("images", "seed"),  # that it shows; of what it draws
}


def load_settings(context: typer.Context, study: Path | None) -> Path | None:
    """Takes the values of ``study.toml`` as defaults: flags and environment override them.

    A study folder that is given as an argument is read after that of --study, and takes its place; None = not given.

    A key in a table such as ``[evaluate]`` sets the option of that command. A key at the top sets the option of the one
    command that has it, or of all commands if it is `SHARED`, except where it is `APART`.
    """
    if study is None:
        return None
    path = study / "study.toml"
    try:
        settings = _read(path)
        commands = getattr(context.find_root().command, "commands", {})
        options = {name: _options(command) for name, command in commands.items()}
        options = {name: flags for name, flags in options.items() if flags.pop("study", None)}  # they read the file
        tables: dict[str, dict[str, object]] = {
            name: table for name in options if isinstance(table := settings.get(name), dict)
        }
        settings = {key: value for key, value in settings.items() if key not in tables}
        unknown = [key for key, value in settings.items() if isinstance(value, dict) or not _reached(key, options)]
        unknown += [f"{name}.{key}" for name, table in tables.items() for key in table if key not in options[name]]
        if unknown:
            raise ReidAugError(
                f"{path} holds {', '.join(sorted(unknown))}: expected options, such as seed = 1, "
                "or tables of a command's options, such as [evaluate]"
            )
        command = str(context.info_name)
        chosen = {key: value for key, value in settings.items() if command in _reached(key, options)}
        context.default_map = {
            options[command][key].name: _checked(context, options[command][key], f"{path}: {key}", value)
            for key, value in (chosen | tables.get(command, {})).items()
        }
    except (ReidAugError, OSError) as error:
        say(f"error: {one_line(error)}")
        raise typer.Exit(1) from None
    return study


def _read(path: Path) -> dict[str, object]:
    """The content of the file; empty if there is none."""
    refuse_pipe(path)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise ReidAugError(f"{path} is not valid TOML: {error}; fix or remove it") from None


def _options(command: Any) -> dict[str, Any]:
    """The options of a command by their flags without leading dashes; an argument is none."""
    options = {flag[2:]: option for option in command.params for flag in option.opts if flag.startswith("--")}
    return options | {before: options[now] for before, now in command.callback.earlier.items()}


def _reached(key: str, options: dict[str, dict[str, Any]]) -> list[str]:
    """The commands whose option a key at the top sets."""
    commands = [name for name in options if key in options[name]]
    alone = len(commands) == 1
    return [
        name
        for name in commands
        if (key in SHARED or alone) and options[name][key].opts[0][2:] not in APART.get(name, ())
    ]


def _checked(context: typer.Context, option: Any, where: str, value: Any) -> Any:
    """The value as the option takes it: a list if the option may be repeated. ReidAugError for a wrong value."""
    values = value if isinstance(value, list) else [value]
    if not option.multiple and len(values) != 1:
        raise ReidAugError(f"{where} = {value!r}: expected one value")
    taken = values if option.multiple else values[0]
    try:
        option.process_value(context, taken)
    except typer.BadParameter as error:
        raise ReidAugError(f"{where} = {value!r}: {error.message}") from None
    return taken
