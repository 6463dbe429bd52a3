"""Options from dataclasses: a toy request and its command, built as all commands are."""

import inspect
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import typer
from typer.testing import CliRunner, Result

import reid_baseline
from reidaug.cli.app import app as whole_program
from reidaug.cli.app import newest
from reidaug.cli.frame import command
from reidaug.cli.options import USUAL_ARCHS, Json, group_of
from reidaug.core.errors import ReidAugError
from reidaug.core.options import ABLATIONS, Argument, LeaveOut, Option, Seed
from tests.cli.commands import error_of, runner


def parse_colours(text: str) -> tuple[str, ...]:
    if "grey" in text:
        raise ReidAugError("--colours: grey is no colour")
    return tuple(text.split(","))


@dataclass(frozen=True)
class Varnish:
    coats: Annotated[int, Option("How often.", min=1, max=3)] = 1
    gloss: Annotated[float | None, Option("Between 0 and 1.", min=0.0, max=1.0, panel="Finish")] = None
    seed: Seed = 0


@dataclass(frozen=True)
class ToyRequest:
    name: Annotated[str, Argument("Its name.")]
    wood: Annotated[Literal["oak", "beech"], Option("What it is made of.")] = "oak"
    varnish: Annotated[Varnish, LeaveOut("seed")] = Varnish(coats=2, seed=5)
    wheels: Annotated[tuple[int, ...], Option("Diameter; may be repeated.", flag="--wheel", min=1)] = (4, 4)
    colours: Annotated[tuple[str, ...], Option("Comma between.", parse=parse_colours)] = ("red", "blue")
    size: Annotated[str, Option("Of a table.", choices={"small": 1, "large": 2})] = "small"
    price: Annotated[float, Option("In a shop.", environment="TOY_PRICE")] = 9.5
    horn: Annotated[bool | None, Option("Without either: depends on the wood.")] = None
    plan: Annotated[Path, Option("A drawing.", short="-p", earlier=("--drawing",))] = Path("plan.png")
    axes: Annotated[int, Option("How many.", panel=ABLATIONS)] = 2
    crew: Annotated[tuple[str, ...], Option("May be repeated.", metavar="NAME", panel="Crew")] = ()
    weight: float = 1.0  # for callers in Python


seen: list[Any] = []
app = typer.Typer(rich_markup_mode="markdown", pretty_exceptions_enable=False)


@command
def build(
    *,
    request: ToyRequest,
    out: Annotated[Path, Option("Where to.")] = Path("toy"),
    force: Annotated[bool, Option("Even so.")] = False,
    json: Json = False,
) -> None:
    """Build a toy."""
    seen.append((request, out, force, json))


app.command(context_settings={"token_normalize_func": partial(newest, build)})(build)


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner(env={"TERMINAL_WIDTH": "120", **environment}).invoke(app, list(arguments))


def built(*arguments: str, **environment: str) -> Any:
    result = run(*arguments, **environment)
    assert result.exit_code == 0, result.output
    return seen.pop()


def test_an_option_that_is_not_typed_has_its_default() -> None:
    assert built("car") == (ToyRequest("car"), Path("toy"), False, False)
    assert ToyRequest("car").varnish.coats == 2  # the default of the request, not that of `Varnish`


def test_typed_values_are_in_the_request() -> None:
    arguments = ["car", "--wood", "beech", "--coats", "3", "--gloss", "0.5", "--wheel", "7", "--wheel", "8"]
    arguments += ["--colours", "green", "--size", "large", "--no-horn", "--out", "x", "--force", "--json"]
    varnish = Varnish(coats=3, gloss=0.5, seed=5)
    wanted = ToyRequest("car", "beech", varnish, wheels=(7, 8), colours=("green",), size="large", price=2.0, horn=False)
    assert built(*arguments, TOY_PRICE="2") == (wanted, Path("x"), True, True)
    assert built("car", "--price", "3", TOY_PRICE="2")[0].price == 3.0


def test_help_shows_defaults_limits_panels_and_choices() -> None:
    shown = run("--help").stdout
    texts = ["Build a toy.", "[default: 2]", "[1<=x<=3]", "Finish", "<oak|beech>", "<small|large>", "--no-horn"]
    texts += ["[default: red,blue]", "TOY_PRICE", "[default: toy]", "--debug"]
    assert all(text in shown for text in texts)
    assert not any(text in shown for text in ("--seed", "--weight", "--no-force", "--varnish", "--wheels"))


def test_help_says_what_a_value_is_and_ends_with_the_ablations() -> None:
    shown = run("--help").stdout
    options = {match[1]: match[2] for match in re.finditer(r"(--[a-z-]+) +(?:-[a-z] +)?([A-Z]*)(?= |\[)", shown)}
    assert options["--crew"] == "NAME" and options["--plan"] == "FILE" and options["--axes"] == "N"
    assert options["--wheel"] == "N" and options["--force"] == "" and options["--price"] == "X"
    panels = re.findall(r"╭─ ([A-Z][^─]*) ─", shown)
    assert panels == ["Arguments", "Options", "Finish", "Crew", "Output", ABLATIONS]


def test_an_earlier_spelling_is_taken_and_not_shown() -> None:
    for typed in (("--drawing", "a.png"), ("--drawing=a.png",), ("-p", "a.png"), ("-pa.png",)):
        assert built("car", *typed)[0].plan == Path("a.png")
    assert "drawing" not in run("--help").stdout.replace("A drawing.", "")


WRONG = ["", "car --coats 4", "car --wood pine", "car --wheel 0", "car --size huge", "car --seed 1", "car --no-force"]


@pytest.mark.parametrize("typed", WRONG)
def test_a_wrong_value_is_a_usage_error(typed: str) -> None:
    assert run(*typed.split()).exit_code == 2 and not seen


def test_a_text_that_does_not_parse_is_one_line() -> None:
    result = run("car", "--colours", "grey")
    assert (result.exit_code, result.stderr) == (1, "error: --colours: grey is no colour\n") and not seen
    assert isinstance(run("car", "--colours", "grey", "--debug").exception, ReidAugError)


def test_the_usual_networks_are_among_all() -> None:
    assert set(USUAL_ARCHS) <= set(reid_baseline.BACKBONES)


def test_a_network_that_reid_baseline_gains_is_known(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(reid_baseline.BACKBONES, "toynet", reid_baseline.BACKBONES["resnet18"])
    assert "run `reidaug shrink" in error_of("evaluate", "--arch", "toynet")


def test_an_unknown_network_is_a_usage_error_with_near_names(own_folder: Path) -> None:
    pytest.importorskip("timm")
    result = runner.invoke(whole_program, ["evaluate", "--arch", "mobilnetv3_small_50"])
    text = " ".join(result.stderr.replace("│", " ").split())
    assert result.exit_code == 2 and "did you mean" in text and "mobilenetv3_small_050" in text
    assert "run `reidaug shrink" in error_of("evaluate", "--arch", "mobilenetv3_small_050")


def test_a_parameter_that_is_neither_an_option_nor_has_a_default_is_refused() -> None:
    def forgotten(*, wood: str) -> None: ...

    def twice(*, first: Varnish, second: Varnish) -> None: ...

    with pytest.raises(TypeError, match="wood is no option and has no default"):
        group_of(forgotten)
    with pytest.raises(ValueError, match="duplicate parameter name: 'coats'"):
        inspect.Signature(list(group_of(twice).parameters()))
