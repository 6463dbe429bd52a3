"""Makes Typer's parameters from declared options, and requests from the typed values."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, is_dataclass, replace
from keyword import iskeyword
from pathlib import Path
from types import GenericAlias
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer

from reidaug.cli.console import say
from reidaug.cli.settings import load_settings
from reidaug.core.options import OUTPUT, Argument, LeaveOut, Option

USUAL_ARCHS = ("resnet50", "resnet18")  # of `reid_baseline.BACKBONES`, whose import takes seconds
_EMPTY: Any = inspect.Parameter.empty
_LITERAL: Any = Literal

Json = Annotated[bool, Option("Print one JSON object on stdout and nothing else.", panel=OUTPUT)]
METAVARS = {Path: "FILE", int: "N", float: "X", str: "TEXT", bool: ""}  # a switch takes no value


def _check_arch(arch: str) -> str:
    """Usage error for an unknown network; only one that is not of the usual ones costs an import of torch."""
    if arch in USUAL_ARCHS:
        return arch
    say("loading torch")
    from reid_baseline import ReIDError
    from reid_baseline.backbones import find_backbone

    try:
        find_backbone(arch)
    except ReIDError as error:
        raise typer.BadParameter(str(error)) from None
    return arch


CALLBACKS: dict[str, Callable[..., Any]] = {
    "--study": load_settings,
    "--folder": load_settings,  # the argument that stands in place of --study
    "--arch": _check_arch,
}
EAGER = ("--study",)  # parsed first: its study.toml may hold the values of the others


@dataclass(frozen=True)
class Typed:
    """One option or argument."""

    name: str  # of the field
    kind: Any  # its type
    default: Any
    option: Option

    @property
    def flag(self) -> str:
        return self.option.flag or f"--{self.name.replace('_', '-')}"

    @property
    def key(self) -> str:
        """Its name among the parameters of a command: that of the flag, whatever the field is called."""
        key = self.name if isinstance(self.option, Argument) else self.flag[2:].replace("-", "_")
        return f"{key}_" if iskeyword(key) else key

    def parameters(self) -> Iterator[inspect.Parameter]:
        """The single parameter that Typer reads."""
        option, kind, default = self.option, self.kind, self.default
        if option.parse:
            kind, default = (str, ...) if default is _EMPTY else (str | None, _as_typed(default))
        elif get_origin(kind) is tuple:
            several = GenericAlias(list, get_args(kind)[:1])
            kind, default = (several, ...) if default is _EMPTY else (several | None, None)
        elif option.choices:
            kind = _LITERAL[tuple(option.choices)]
        default = ... if default is _EMPTY else default
        shown: dict[str, Any] = {"min": option.min, "max": option.max, "help": option.help}
        if isinstance(option, Argument):
            callback = CALLBACKS.get(self.flag)
            info = typer.Argument(default, metavar=option.metavar or None, callback=callback, **shown)
        else:
            info = typer.Option(
                default,
                f"{self.flag}/--no-{self.flag[2:]}" if kind == bool | None else self.flag,
                *filter(None, [option.short]),
                metavar=option.metavar or _metavar(kind),
                envvar=option.environment,
                rich_help_panel=option.panel,
                callback=CALLBACKS.get(self.flag),
                is_eager=self.flag in EAGER,
                **shown,
            )
        yield inspect.Parameter(self.key, inspect.Parameter.KEYWORD_ONLY, default=info, annotation=kind)

    def value(self, typed: dict[str, Any]) -> Any:
        """The value of the field, from what was typed for the parameters."""
        value = typed[self.key]
        if self.option.parse:
            return self.default if value is None else self.option.parse(value)
        if get_origin(self.kind) is tuple:
            return tuple(value) if value else self.default
        return value


@dataclass(frozen=True)
class Group:
    """A function or a request, with those of its parameters or fields that are options."""

    make: Callable[..., Any]
    default: Any
    members: dict[str, "Typed | Group"]

    def parameters(self) -> Iterator[inspect.Parameter]:
        for member in self.members.values():
            yield from member.parameters()

    def earlier(self) -> dict[str, str]:
        """Flags that options once had, with those of today; both without leading dashes."""
        names: dict[str, str] = {}
        for member in self.members.values():
            if isinstance(member, Group):
                names |= member.earlier()
            else:
                names |= {flag[2:]: member.flag[2:] for flag in member.option.earlier}
        return names

    def value(self, typed: dict[str, Any]) -> Any:
        """The request, or what the function returns."""
        values = {name: member.value(typed) for name, member in self.members.items()}
        return self.make(**values) if self.default is _EMPTY else replace(self.default, **values)


def group_of(make: Callable[..., Any], default: Any = _EMPTY, left_out: tuple[str, ...] = ()) -> Group:
    """The options of a function or a dataclass.

    Args:
        make: the function or dataclass; `reidaug.core.options` explains how it declares options.
        default: for a dataclass, an instance that holds the defaults.
        left_out: fields that are not offered.

    Raises:
        TypeError: a parameter that is neither an option nor has a default.
    """
    hints, members = get_type_hints(make, include_extras=True), {}
    for name, parameter in inspect.signature(make).parameters.items():
        member_default = parameter.default if default is _EMPTY else getattr(default, name)
        member = None if name in left_out else _member(name, hints[name], member_default)
        if member is not None:
            members[name] = member
        elif member_default is _EMPTY:
            raise TypeError(f"{make.__qualname__}: {name} is no option and has no default")
    return Group(make, default, members)


def _member(name: str, hint: Any, default: Any) -> Typed | Group | None:
    kind, *notes = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    for note in notes:
        if isinstance(note, Option):
            return Typed(name, kind, default, note)
    if is_dataclass(kind):
        left_out = [field for note in notes if isinstance(note, LeaveOut) for field in note.fields]
        return group_of(kind, default, tuple(left_out))  # type: ignore[arg-type]
    return None


def _metavar(kind: Any) -> str | None:
    """What --help shows as the value of an option; None = its choices."""
    kinds = [part for part in get_args(kind) if part is not type(None)] or [kind]
    if get_origin(kinds[0]) is list:
        kinds = list(get_args(kinds[0]))
    return METAVARS.get(kinds[0])


def _as_typed(default: Any) -> str | None:
    """The text that parses to a default; None for an empty one."""
    return None if default in (None, ()) else ",".join(map(str, default if isinstance(default, tuple) else [default]))


DEBUG = Typed("debug", bool, False, Option("Show the whole trace of an error.", panel=OUTPUT))
