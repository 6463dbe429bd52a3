"""The walls of the house: who may import whom, and what the command line may load before it works."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = ("torch", "torchvision", "lightning_fabric", "skimage", "sklearn", "transformers")


def imports_of(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("pona", {"reidaug", "reid_baseline", "typer", "rich", "click"}),
        ("reid_baseline", {"reidaug", "pona", "typer", "rich", "click"}),
        ("reidaug", {"click"}),
    ],
)
def test_imports_run_one_way(package: str, forbidden: set[str]) -> None:
    files = list((ROOT / package).rglob("*.py"))
    assert files
    offenders = {str(path): imports_of(path) & forbidden for path in files}
    assert not {path: names for path, names in offenders.items() if names}


@pytest.mark.parametrize("package", ["pona", "reid_baseline"])
def test_libraries_do_not_print(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        assert not [call for call in calls if isinstance(call, ast.Name) and call.id in ("print", "exit", "input")], (
            path
        )


def test_only_the_command_line_prints() -> None:
    for path in (ROOT / "reidaug").rglob("*.py"):
        if path.name in ("cli.py", "console.py") or path.parent.name == "commands":
            continue
        calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        assert not [call for call in calls if isinstance(call, ast.Name) and call.id in ("print", "exit", "input")], (
            path
        )


def test_help_loads_nothing_heavy() -> None:
    code = f"import sys, reidaug.cli; sys.exit(sum(name in sys.modules for name in {HEAVY!r}))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
