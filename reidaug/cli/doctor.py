"""Checks of this machine: what is installed, which devices there are, and how to fix what is missing."""

import os
import platform
import re
import shutil
import sys
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from reidaug.cli.weights import weight_files
from reidaug.core.locks import check_locks

OLDEST_PYTHON = (3, 11)
LEAST_MEMORY = 3.0  # GiB; enough for a synthesis of the size of Market-1501
LEAST_DISK = 1.0  # GiB; a completed set of Market-1501 takes about 50 MB
TOGETHER = "install torch and torchvision together, from one index: pip install --force-reinstall torch torchvision"


@dataclass(frozen=True)
class Check:
    """The result of one check."""

    name: str  # what was checked
    ok: bool  # whether the commands can work with it
    detail: str
    fix: str = ""  # what to do; empty if there is nothing to do


@dataclass(frozen=True)
class Found:
    """What is half written in a study."""

    path: Path
    size: int  # bytes
    held: bool  # a living process is at work on it
    removed: bool


def look_at_left_overs(study: Path, clean: bool) -> list[Found]:
    """What killed runs left in a study, and what living ones are writing now.

    Args:
        study: the folder of the study; it need not exist.
        clean: remove what nobody is at work on.

    Raises:
        ReidAugError: a result that cannot be read, or files that cannot be locked.
    """
    from reidaug.evaluation.store import left_overs_of
    from reidaug.study.folder import Study

    found = left_overs_of(Study(study), lock_files=True)
    if clean and found:
        check_locks(study)
    states = [(left, left.size(), left.is_held()) for left in found]  # before any is removed
    return [Found(left.path, size, held, clean and left.remove()) for left, size, held in states]


def examine(folder: Path = Path()) -> list[Check]:
    """Checks everything that the commands need, and the disk of the folder of a study; without network access."""
    checks = [_python(), _torch(), *_distributions()]
    if checks[1].ok:
        checks[2:2] = [_torchvision(), _gpu(), _bfloat16(), _average_precision()]
        if checks[2].ok:
            checks += _weights()
    return [*checks, _memory(), _disk(folder)]


def _python() -> Check:
    ok = sys.version_info >= OLDEST_PYTHON
    fix = "" if ok else f"install Python {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or newer"
    return Check("Python", ok, f"{platform.python_version()} on {platform.platform(terse=True)}", fix)


def _torch() -> Check:
    try:
        import torch
    except Exception as error:  # a broken installation fails in many ways
        return Check("torch", False, f"cannot be imported: {_first_line(error)}", "pip install torch torchvision")
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU only"
    return Check("torch", True, f"{torch.__version__} ({build}), {torch.get_num_threads()} threads")


def _torchvision() -> Check:
    """A CPU-only torch with PyPI's torchvision fails at import: `torchvision::nms does not exist`."""
    import torch

    try:
        import torchvision

        torchvision.ops.nms(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.ones(1), 0.5)
    except Exception as error:
        return Check("torchvision", False, f"does not fit torch {torch.__version__}: {_first_line(error)}", TOGETHER)
    return Check("torchvision", True, f"{torchvision.__version__}, fits torch")


def _gpu() -> Check:
    import torch

    if torch.cuda.is_available():
        try:
            torch.zeros(8, device="cuda").sum().item()
        except Exception as error:
            fix = "install a torch build for this GPU and driver, see pytorch.org/get-started"
            return Check("GPU", False, f"torch cannot use it: {_first_line(error)}", fix)
        gpus = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
        return Check("GPU", True, ", ".join(f"{gpu.name} ({gpu.total_memory / 2**30:.0f} GiB)" for gpu in gpus))
    if Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi"):
        fix = "update the driver, or install the CUDA build of torch, see pytorch.org/get-started"
        return Check("GPU", True, "there is an NVIDIA driver, but torch sees no GPU: the CPU is used", fix)
    if torch.backends.mps.is_available():
        return Check(
            "GPU", True, "mps, used with --device mps alone, where reidaug was never run: else the CPU is used"
        )
    return Check("GPU", True, "none: the CPU is used, and `evaluate` uses the recipe quick")


def _bfloat16() -> Check:
    """Whether bf16 is used on the CPU, and with which instructions."""
    import torch

    from reid_baseline.device import choose_precision

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()  # Linux has it
    cores = f"{usable} of {os.cpu_count()} cores"
    if choose_precision(torch.device("cpu")) == "fp32":
        return Check("CPU", True, f"{cores}, without bfloat16 instructions: float32 is used")
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # torch 2.8 and later
    units = [name for name in ("amx_bf16", "avx512_bf16") if capabilities.get(name)]
    return Check("CPU", True, f"{cores}, with {', '.join(units) or 'bfloat16 instructions'}")


def _average_precision() -> Check:
    """Whether scikit-learn computes the same average precision for random rankings."""
    import numpy as np

    from reid_baseline import evaluate_ranking

    try:
        from sklearn.metrics import average_precision_score
    except Exception as error:  # a broken installation fails in many ways
        return Check("mAP", False, f"cannot be compared: {_first_line(error)}", "pip install scikit-learn")
    random = np.random.default_rng(0)
    query, gallery = random.standard_normal((20, 8)), random.standard_normal((200, 8))
    query_pids, gallery_pids = np.arange(20), np.arange(200) % 20
    ranking = evaluate_ranking(query, gallery, query_pids, gallery_pids, np.full(20, 1), np.full(200, 2))
    similarity = query @ gallery.T / np.linalg.norm(gallery, axis=1)
    expected = [average_precision_score(gallery_pids == pid, similarity[pid]) for pid in query_pids]
    difference = float(np.abs(ranking.average_precision - expected).max())
    if difference < 1e-9:
        return Check("mAP", True, f"{np.mean(expected):.4f} for 20 random queries, the same as scikit-learn's")
    detail = f"differs from scikit-learn's by up to {difference:.1g}"
    return Check("mAP", False, detail, "run the tests of this installation")


def _distributions() -> list[Check]:
    """The packages that the installed reidaug requires, and those of its extras except test and dev."""
    try:
        requirements = metadata.requires("reidaug") or []
    except metadata.PackageNotFoundError:
        return [Check("packages", True, "reidaug runs from its source folder", "pip install . checks them")]
    checks: list[Check] = []
    for requirement in requirements:
        name = re.split(r"[\s\[<>=!~;(]", requirement, maxsplit=1)[0]
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", requirement)
        if name in ("torch", "torchvision", "reidaug") or (extra and extra[1] in ("test", "dev")):
            continue
        try:
            check = Check(name, True, metadata.version(name))
        except metadata.PackageNotFoundError:
            check = Check(name, False, "not installed", f"pip install {name}")
            if extra:
                check = Check(name, True, "not installed, optional", f"pip install 'reidaug[{extra[1]}]'")
        checks.append(check)
    return checks


def _weights() -> list[Check]:
    """The published weights that some commands need; none is needed by all."""
    checks = []
    for file in weight_files():
        found = file.look()
        fix = "" if found.state == "whole" else f"reidaug fetch -n {file.name}"
        detail = f"{found.state}, {found.place}; for {file.needed}"
        checks.append(Check(f"weights {file.name}", found.state != "damaged", detail, fix))
    return checks


def _memory() -> Check:
    try:
        memory = Path("/proc/meminfo").read_text(encoding="utf-8")
        available = int(re.findall(r"MemAvailable:\s+(\d+) kB", memory)[0]) / 2**20
    except (OSError, IndexError):
        return Check("memory", True, "cannot be read on this system")
    group = Path("/sys/fs/cgroup")  # of a container, whose limit may be lower; its file cache does not count as used
    with suppress(OSError, ValueError, IndexError):
        used = int(re.findall(r"^anon (\d+)", (group / "memory.stat").read_text(encoding="utf-8"), re.MULTILINE)[0])
        available = min(available, (int((group / "memory.max").read_text(encoding="utf-8")) - used) / 2**30)
    ok = available >= LEAST_MEMORY
    fix = "" if ok else f"close other programs: {LEAST_MEMORY:.0f} GiB are needed"
    return Check("memory", ok, f"{available:.1f} GiB free", fix)


def _disk(folder: Path) -> Check:
    free, writable = shutil.disk_usage(folder).free / 2**30, os.access(folder, os.W_OK)
    detail = f"{free:.1f} GiB free at {folder.absolute()}" + ("" if writable else ", not writable")
    ok = writable and free >= LEAST_DISK
    return Check("disk", ok, detail, "" if ok else f"choose a writable folder with {LEAST_DISK:.0f} GiB free")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
