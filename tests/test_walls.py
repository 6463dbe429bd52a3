"""The walls of the house: who may import whom, who may print, and what the command line may load before it works."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("core", "datasets", "study", "synthesis", "evaluation", "reports", "scoring", "demo", "cli")  # bottom up
HEAVY = ("torch", "torchvision", "lightning_fabric", "skimage", "sklearn", "scipy", "transformers", "numpy", "PIL")
KEYPOINTS = "datasets/keypoints.py"
LIBRARY_USERS = {  # where the two libraries may be used: folders, or files
    "pona": (
        "synthesis",
        "evaluation/sweep.py",
        "scoring/metrics",
        "reports/tiles.py",
        "reports/attention.py",
        "reports/monitor.py",  # types of what a training reports
        KEYPOINTS,
    ),
    "reid_baseline": (
        "evaluation",
        "scoring/metrics",
        "core/device.py",
        "core/machine.py",
        "reports/ranks.py",
        "demo/pretrain.py",
        "cli",
        "synthesis/identity.py",
        "datasets/images.py",
    ),
}


def imports_of(path: Path) -> list[str]:
    """The modules that a file imports, also within functions."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def files_of(package: str) -> list[Path]:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    return files


def calls_of(path: Path) -> set[str]:
    nodes = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return {node.id for node in nodes if isinstance(node, ast.Name)}


@pytest.mark.parametrize("package", ["pona", "reid_baseline"])
def test_the_libraries_stand_alone(package: str) -> None:
    forbidden = {"pona", "reid_baseline", "reidaug", "typer", "rich", "click"} - {package}
    for path in files_of(package):
        assert not {name.split(".")[0] for name in imports_of(path)} & forbidden, path
        assert not calls_of(path) & {"print", "exit", "input"}, path


def test_the_libraries_read_torch_files_alike() -> None:
    files = [(ROOT / package / "torch_reader.py").read_text() for package in ("pona", "reid_baseline")]
    assert files[0] == files[1]


def test_every_folder_has_its_floor() -> None:
    assert {path.name for path in (ROOT / "reidaug").iterdir() if path.is_dir()} - {"__pycache__"} == set(FOLDERS)


@pytest.mark.parametrize("floor", range(len(FOLDERS)), ids=FOLDERS)
def test_imports_run_one_way(floor: int) -> None:
    above = set(FOLDERS[floor + 1 :])
    for path in files_of(f"reidaug/{FOLDERS[floor]}"):
        parts = [name.split(".") for name in imports_of(path)]
        upward = [part for part in parts if part[0] == "reidaug" and len(part) > 1 and part[1] in above]
        assert not upward, path


def test_only_the_command_line_knows_it_is_one() -> None:
    for path in files_of("reidaug"):
        place = path.relative_to(ROOT / "reidaug")
        if place.parts[0] == "cli" or str(place) == "__main__.py":
            continue
        used = {name.split(".")[0] for name in imports_of(path)}
        assert not used & {"typer", "click"}, path
        assert "rich" not in used or place.parts[0] == "reports" or str(place) == "scoring/report.py", path
        assert not calls_of(path) & {"print", "exit", "input"}, path


@pytest.mark.parametrize("library", ["pona", "reid_baseline"])
def test_the_libraries_are_used_in_few_places(library: str) -> None:
    for path in files_of("reidaug"):
        place = str(path.relative_to(ROOT / "reidaug"))
        if library in {name.split(".")[0] for name in imports_of(path)}:
            assert place.startswith(LIBRARY_USERS[library]), path


def test_help_loads_nothing_heavy() -> None:
    code = f"import sys, reidaug.cli.app; sys.exit(sum(name in sys.modules for name in {HEAVY!r}))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_pona_knows_no_command_and_no_option_of_one() -> None:
    slurm = {"--gpus-per-node", "--gpus-per-task"}  # srun's own
    for path in files_of("pona"):
        text = path.read_text()
        assert not set(re.findall(r"--[A-Za-z][\w-]*", text)) - slurm and "reidaug" not in text, path
