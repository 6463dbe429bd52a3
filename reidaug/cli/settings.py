"""`study.toml`: options of the commands that a study remembers."""

from pathlib import Path
from typing import Any

import typer

from reidaug.cli.console import say
from reidaug.core.errors import ReidAugError, one_line


def load_settings(context: typer.Context, study: Path) -> Path:
    """Puts the values of ``study.toml`` below flags and environment, and above the defaults.

    A key acts on every command that has the option, in a table such as ``[evaluate]`` on that one alone. An option that
    only shares its flag with others (``--seed`` of ``ranks`` is that of a result) must be named in a table.
    """
    from reidaug.study.folder import Study

    try:
        settings = Study(study).read_settings()
        commands = getattr(context.find_root().command, "commands", {})
        known = {name: _spellings(command) for name, command in commands.items()}
        known = {  # of the commands that read the file; what it lies in it cannot name
            name: {flag: option for flag, option in own.items() if option != "study"}
            for name, own in known.items()
            if "study" in own
        }
        tables = {name: settings.pop(name) for name in known if isinstance(settings.get(name), dict)}
        shared = {name: {key for key in own if own[key] == key.replace("-", "_")} for name, own in known.items()}
        unknown = set(settings).difference(*shared.values()) | {
            key for key in settings if isinstance(settings[key], dict)
        }
        unknown |= {f"{name}.{key}" for name, table in tables.items() for key in table if key not in known[name]}
        if unknown:
            raise ReidAugError(
                f"{Study(study).settings_path} holds {', '.join(sorted(unknown))}: expected options, such as seed = 1, "
                "or tables of a command's options, such as [evaluate]"
            )
        command = str(context.info_name)
        chosen = {key: value for key, value in settings.items() if key in shared[command]} | tables.get(command, {})
        options = {option.name: option for option in context.command.params}
        context.default_map = {
            name: _checked(context, options[name], f"{Study(study).settings_path}: {key}", value)
            for key, value in chosen.items()
            if (name := known[command][key]) != "data" or key in tables.get(command, {})  # else see resolve_data
        }
    except (ReidAugError, OSError) as error:
        say(f"error: {one_line(error)}")
        raise typer.Exit(1) from None
    return study


def _checked(context: typer.Context, option: Any, where: str, value: Any) -> Any:
    """The value as the option takes it: a list where it may be repeated.

    Raises:
        ReidAugError: it takes no such value.
    """
    values = value if isinstance(value, list) else [value]
    if not option.multiple and len(values) != 1:
        raise ReidAugError(f"{where} = {value!r}: expected one value")
    taken = values if option.multiple else values[0]
    try:
        option.process_value(context, taken)
    except typer.BadParameter as error:
        raise ReidAugError(f"{where} = {value!r}: {error.message}") from None
    return taken


def _spellings(command: Any) -> dict[str, str]:
    """The names of a command's options as flags without dashes in front, with their parameters."""
    return {flag.lstrip("-"): str(option.name) for option in command.params for flag in option.opts}
