"""Commands in processes of their own, which start at once, as they are forked; and what such a process leaves."""

import hashlib
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reidaug.cli.app import app
from reidaug.datasets.layouts import open_dataset
from reidaug.datasets.market1501 import ROOT_NAME
from reidaug.demo.mannequins import write_mannequins
from reidaug.demo.request import MannequinConfig
from reidaug.evaluation.results import append_result
from reidaug.study.folder import Study
from reidaug.study.request import ShrinkConfig
from reidaug.study.shrink import shrink
from tests.factories import TABLE_VI, write_checkpoint

CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.truncate")
STUDY_SET = f"study/p0.40/none/{ROOT_NAME}"
SMALL = "--width 8 --blocks 1 --batch-size 4 --iterations 6 --validate-every 2 --perceptual none"
EVALUATE = "--recipe quick --arch resnet18 --weights none --epochs 1 --device cpu"

COMMANDS = {
    "mannequins": "mannequins people --train-ids 3 --test-ids 2 --images 4",
    "shrink": "shrink --portion 0.2 --data data --copy",
    "shrink-force": "shrink --portion 0.4 --data data --seed 1 --force",
    "synthesize": "synthesize --ckpt a.pt --device cpu",
    "synthesize-force": "synthesize --ckpt a.pt --device cpu --name old --force",
    "augment": "augment --data data --ckpt a.pt --per-person 8 --out out --device cpu",
    "adopt": "adopt pictures --name x --portion 0.4",
    "import": "import data out",
    "split": "split data out",
    "export": f"export {STUDY_SET} out --for torchreid --copy",
    "pose": "pose data/query --out poses.csv --device cpu --batch-size 8",
    "train": f"train --data data --out g.pt --preset mini {SMALL} --device cpu",
    "report": "report --study rows --out report.html",
    "evaluate": f"evaluate {EVALUATE} --save-models",
    "sweep": f"sweep --portions 0.2 --ckpt a.pt --data data {EVALUATE}",
}
KEPT = {".poses.csv.record", ".reidaug-export.json", ".work"}  # hidden, and not left over


def make_workplace(folder: Path) -> Path:
    """A data set, a study, two generators: all that `COMMANDS` read."""
    folder.mkdir()
    write_mannequins(folder / "data", MannequinConfig(train_ids=6, test_ids=4, images=6))
    checkpoint = write_checkpoint(folder / "a.pt", seed=0)
    write_checkpoint(folder / "b.pt", seed=1)
    shrink(open_dataset(folder / "data"), Study(folder / "study"), ShrinkConfig(0.4))
    assert run(folder, "synthesize --ckpt b.pt --device cpu --name old").code == 0
    shutil.copytree(folder / "study" / "p0.40" / "old" / ROOT_NAME / "bounding_box_train", folder / "pictures")
    for result in TABLE_VI:
        append_result(folder / "rows" / "results.jsonl", result)
    assert checkpoint.exists()
    return folder


@dataclass(frozen=True)
class Ended:
    """A process that has ended."""

    code: int  # negative: the signal that killed it
    output: str
    changes: int  # of the disk; 0 for one that was killed


def start(folder: Path, typed: str, kill_at: int = 0, output: Path | None = None) -> Callable[[], Ended]:
    """Starts a command in a folder; returns a function that waits for its end.

    Args:
        kill_at: it kills itself before its n-th change of a file's name or opening of a file to write; 0 = never.
        output: the folder for what it prints; None = that around `folder`.
    """
    printed, counted = ((output or folder.parent) / f"{os.urandom(8).hex()}.{ending}" for ending in ("txt", "count"))
    pid = os.fork()
    if pid == 0:
        _command(folder, typed, kill_at, printed, counted)

    def wait() -> Ended:
        status = os.waitpid(pid, 0)[1]
        changes = int(counted.read_text()) if counted.exists() else 0
        return Ended(os.waitstatus_to_exitcode(status), printed.read_text(errors="replace"), changes)

    return wait


def run(folder: Path, typed: str, kill_at: int = 0, output: Path | None = None) -> Ended:
    """Runs a command in a folder to its end, see `start`."""
    return start(folder, typed, kill_at, output)()


def _command(folder: Path, typed: str, kill_at: int, output: Path, counted: Path) -> None:
    changes, code = 0, 99

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal changes
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if (writes and not str(arguments[0]).startswith("/dev/")) or event in CHANGES:
            changes += 1
            if changes == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    try:
        os.chdir(folder)
        handle = os.open(output, os.O_WRONLY | os.O_CREAT)
        for number in (1, 2):
            os.dup2(handle, number)
        sys.stdout, sys.stderr = (open(number, "w", buffering=1) for number in (1, 2))  # noqa: SIM115
        sys.argv = ["reidaug", *typed.split()]
        for name in [name for name in os.environ if name.startswith("REIDAUG_")]:
            del os.environ[name]
        sys.addaudithook(count)
        app(typed.split())
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0
    except BaseException:
        traceback.print_exc()
    finally:
        number = changes
        kill_at = -1
        counted.write_text(str(number))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def snapshot(folder: Path) -> dict[str, str]:
    """The digests of all files, by path; links count by where they lead."""
    digests = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            digests[name] = f"-> {os.readlink(path)}"
        elif path.is_file():
            digests[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return digests


def hidden(folder: Path) -> list[str]:
    """What is hidden in a folder, and none of `KEPT`."""
    return sorted(str(path) for path in folder.rglob(".*") if path.name not in KEPT)
