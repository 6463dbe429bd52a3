"""`study.toml`: options of the commands that a user stores with a study. The program only reads it."""

import reprlib
import stat
import tomllib
from pathlib import Path
from typing import Any

import typer

from reidaug.cli.console import say
from reidaug.core.errors import ReidAugError, one_line
from reidaug.core.fingerprint import refuse_pipe

# A study may come from somebody else: it says what is computed, and from what. Where to write, what to replace or to
# fetch, on which device and how to print is for the command line: a key that is in neither of these sets is refused.
SHARED = {  # options with the same meaning in all commands that have them
    *("reid", "images"),
    *("data", "portion", "seed", "batch-size", "precision", "ckpt", "pairs", "count"),
    *("keep", "source", "recipe", "arch", "weights", "epochs", "seeds", "controls", "save-models", "rerank"),
    *("smooth-synthetic", "real-per-synthetic", "synthetic-weight", "copy"),
    *("same-camera", "name", "condition", "target", "iterations", "start-from", "vgg-weights"),
}
ALONE = {  # options of one command
    *("portions", "factor", "per-person"),  # sweep, augment
    *("preset", "generator", "width", "blocks", "fusion", "self-attention", "cross-attention", "dropout"),  # train
    *("discriminator", "adversarial", "perceptual", "identity", "identity-weight", "learning-rate", "ema"),
    *("color-jitter", "mix", "validate-every", "minutes", "compile", "tensorboard"),
    *("poses", "key", "query", "worst", "best"),  # score, ranks
    *("format", "layout", "point", "no-photos"),  # table, grid, attention, report
}
MAY_HOLD = SHARED | ALONE
APART = {  # options that mean something else in a command: there, only its own table sets them
    "ranks": ("name", "portion", "seed"),  # of the result to draw
    "adapt": ("iterations", "start-from", "portion"),  # of a short training; with --out, of no study
    "augment": ("name", "portion"),  # with --out, it works on no study
    "adopt": ("name",),  # of another program's images
    "evaluate": ("precision",),  # of the baseline; in other commands, of the generator
    "sweep": ("precision",),
    "train": ("precision",),  # of the training
    "report": ("images", "seed"),  # that it shows; of what it draws
}
LARGEST = 1_000_000  # bytes of the file


def load_settings(context: typer.Context, study: Path | None) -> Path | None:
    """Takes the values of ``study.toml`` as defaults: flags and environment override them.

    A study folder that is given as an argument is read after that of --study, and takes its place; None = not given.

    A key in a table such as ``[evaluate]`` sets the option of that command; a key at the top that of all commands that
    have it, except where it is `APART`. What is wrong is one line and exit code 1, whatever the file holds.
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
        held = [
            (key, key, [] if isinstance(value, dict) else _reached(key, options)) for key, value in settings.items()
        ]
        held += [(f"{t}.{key}", key, [t] if key in options[t] else []) for t, table in tables.items() for key in table]
        if unknown := [shown for shown, _, names in held if not names]:
            raise ReidAugError(
                f"{path} holds {_some(unknown)}: expected options, such as seed = 1, "
                "or tables of a command's options, such as [evaluate]"
            )
        if refused := [(shown, key) for shown, key, names in held if _flag(options[names[0]][key]) not in MAY_HOLD]:
            raise ReidAugError(
                f"{path} holds {_some([shown for shown, _ in refused])}, which is not for a study to say: remove it "
                f"there, and give --{refused[0][1]} on the command line"
            )
        command = str(context.info_name)
        chosen = {key: value for key, value in settings.items() if command in _reached(key, options)}
        context.default_map = {
            options[command][key].name: _checked(context, options[command][key], f"{path}: {key}", value)
            for key, value in (chosen | tables.get(command, {})).items()
        }
    except Exception as error:  # also those of an option's own check, which imports what it needs
        say(f"error: {one_line(error)}")
        raise typer.Exit(1) from None
    return study


def _some(keys: list[str]) -> str:
    """The first keys in their order, for a message; what would not print is escaped."""
    shown = [key if key.isprintable() and len(key) < 100 else reprlib.repr(key) for key in sorted(keys)]
    return ", ".join(shown[:5]) + (f" and {len(keys) - 5:,} more" if len(keys) > 5 else "")


def _read(path: Path) -> dict[str, object]:
    """The content of the file; empty if there is none."""
    refuse_pipe(path)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
            raise ReidAugError(f"{path} is no file of options: expected a text of at most {LARGEST:,} bytes")
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise ReidAugError(f"{path} is not valid TOML: {error}; fix or remove it") from None


def _options(command: Any) -> dict[str, Any]:
    """The options of a command by their flags without leading dashes; an argument is none."""
    options = {flag[2:]: option for option in command.params for flag in option.opts if flag.startswith("--")}
    return options | {before: options[now] for before, now in command.callback.earlier.items()}


def _flag(option: Any) -> str:
    """The name of an option now, without leading dashes."""
    return str(option.opts[0][2:])


def _reached(key: str, options: dict[str, dict[str, Any]]) -> list[str]:
    """The commands whose option a key at the top sets."""
    return [name for name in options if key in options[name] and _flag(options[name][key]) not in APART.get(name, ())]


def _checked(context: typer.Context, option: Any, where: str, value: Any) -> Any:
    """The value as the option takes it: a list if the option may be repeated. ReidAugError for a wrong value."""
    values = value if isinstance(value, list) else [value]
    where = f"{where} = {_shown(value)}"
    if not option.multiple and len(values) != 1:
        raise ReidAugError(f"{where}: expected one value")
    switch = option.is_flag
    for single in values:
        if not isinstance(single, str | int | float) or (isinstance(single, bool) and not switch):
            raise ReidAugError(f"{where}: expected {'true or false' if switch else 'text or a number'}")
        if isinstance(single, int | float) and not abs(single) < 2**63:  # more than TOML has, infinite, or no number
            raise ReidAugError(f"{where}: expected a number of at most 64 bits")
    taken = values if option.multiple else values[0]
    try:
        option.process_value(context, taken)
    except typer.BadParameter as error:
        raise ReidAugError(f"{where}: {error.message}") from None
    return taken


def _shown(value: object) -> str:
    """A value for a message, cut short."""
    try:
        return reprlib.repr(value)
    except ValueError:
        return "a number of thousands of digits"
