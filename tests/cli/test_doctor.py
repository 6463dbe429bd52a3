"""reidaug doctor: what it reports, and that a broken part becomes a check with a fix."""

import builtins
import errno
import fcntl
import json
import os
import shutil
import sys
from collections import namedtuple
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import Mock

import pytest
import torch

from pona.precision import resolve_precision
from reid_baseline.device import choose_precision
from reidaug.cli import doctor
from reidaug.cli.app import app
from reidaug.cli.doctor import Check, examine
from reidaug.core.locks import locked
from tests.cli.commands import error_of, runner, values_of


def checks_by_name() -> dict[str, Check]:
    return {check.name: check for check in examine()}


def test_this_machine_has_all_that_is_needed() -> None:
    checks = checks_by_name()
    assert list(checks)[:6] == ["Python", "torch", "torchvision", "GPU", "CPU", "mAP"]
    assert list(checks)[-2:] == ["memory", "disk"]
    for name in ("Python", "torch", "torchvision", "mAP"):
        assert checks[name].ok and not checks[name].fix
    assert checks["Python"].detail.startswith(".".join(map(str, sys.version_info[:3])))
    assert all(check.fix for check in checks.values() if not check.ok)


def test_torchvision_that_does_not_fit_torch_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def broken_import(name: str, *args: Any, **kwargs: Any) -> ModuleType:
        if name == "torchvision":
            raise RuntimeError("operator torchvision::nms does not exist\nmore")
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", broken_import)
    check = checks_by_name()["torchvision"]
    assert not check.ok and check.detail.endswith("torchvision::nms does not exist")
    assert "install torch and torchvision together" in check.fix


def test_an_average_precision_unlike_that_of_scikit_learn_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "scikit-learn" in checks_by_name()["mAP"].detail
    monkeypatch.setattr("sklearn.metrics.average_precision_score", lambda right, similarity: 0.5)
    check = checks_by_name()["mAP"]
    assert not check.ok and "differs" in check.detail and check.fix


@pytest.mark.parametrize("units", [["amx_bf16", "amx_tile", "avx512_bf16"], ["avx512_bf16"], ["avx2"]])
def test_bfloat16_units_are_those_that_both_libraries_look_for(
    monkeypatch: pytest.MonkeyPatch, units: list[str]
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: dict.fromkeys(units, True))
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: "amx_tile" in units)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: "avx512_bf16" in units)
    cpu, precision = torch.device("cpu"), "fp32" if units == ["avx2"] else "bf16"
    assert resolve_precision(cpu, "auto") == choose_precision(cpu) == precision
    detail = checks_by_name()["CPU"].detail
    assert detail.endswith("float32 is used" if precision == "fp32" else units[-1])


def test_both_libraries_choose_the_same_precision_here() -> None:
    for device in [torch.device("cpu"), torch.device("meta")]:
        assert resolve_precision(device, "auto") == choose_precision(device)
    capabilities = torch.cpu.get_capabilities()
    faster = capabilities.get("amx_bf16") or capabilities.get("avx512_bf16")
    assert resolve_precision(torch.device("cpu"), "auto") == ("bf16" if faster else "fp32")


def test_missing_torch_does_not_stop_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    checks = checks_by_name()
    assert not checks["torch"].ok and "pip install" in checks["torch"].fix
    assert "torchvision" not in checks and "disk" in checks


def test_packages_are_those_that_the_distribution_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ["numpy>=1.26", "no-such-package>=1", "torch>=2.5", 'no-such-extra (>=3); extra == "pose"']
    monkeypatch.setattr(metadata, "requires", lambda name: wanted)
    checks = checks_by_name()
    assert checks["numpy"].ok and checks["numpy"].detail == metadata.version("numpy")
    assert checks["no-such-package"] == Check("no-such-package", False, "not installed", "pip install no-such-package")
    assert checks["no-such-extra"].ok and checks["no-such-extra"].fix == "pip install 'reidaug[pose]'"


def test_full_disk_and_little_memory_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(2**40, 2**40, 2**20))
    monkeypatch.setattr(doctor, "LEAST_MEMORY", 1e6)
    checks = checks_by_name()
    assert not checks["disk"].ok and checks["disk"].detail.startswith("0.0 GiB free at ") and checks["disk"].fix
    assert not checks["memory"].ok and checks["memory"].fix


def test_folder_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.os, "access", lambda path, mode: False)
    check = checks_by_name()["disk"]
    assert not check.ok and "not writable" in check.detail and str(Path.cwd()) in check.detail


def test_an_mps_is_named_with_the_option_that_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(doctor.Path, "exists", lambda path: False)
    assert "--device mps" in doctor.examine()[3].detail


def test_a_system_that_does_not_tell_which_cores_are_free_is_described_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(doctor.os, "sched_getaffinity")
    monkeypatch.setattr(doctor.os, "cpu_count", lambda: 6)
    assert checks_by_name()["CPU"].detail.startswith("6 of 6 cores")


def test_a_failed_check_is_one_line_and_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LEAST_MEMORY", 1e6)
    assert error_of("doctor").startswith("error: memory must be fixed")
    result = runner.invoke(app, ["doctor", "--json"])
    assert result.exit_code == 1 and json.loads(result.stdout)["ok"] is False and "error: " in result.stderr


def test_left_overs_of_a_study_are_listed_and_removed_when_asked(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "examine", list)
    assert values_of("doctor")["left_overs"] == []
    for folder in ("study/.p0.40.partial", "study/.p0.20.stale"):
        Path(folder).mkdir(parents=True)
        (Path(folder) / "a.jpg").write_bytes(bytes(2_000_000))
    with locked(Path("study/.p0.20.lock"), "it"):
        lines = " ".join(runner.invoke(app, ["doctor"]).stdout.split())
        assert "left study/.p0.40.partial: 2.0 MB" in lines
        assert "left study/.p0.20.stale: a process is at work on it, 2.0 MB" in lines
        assert "1 left by killed runs, 2.0 MB: run them again, or `reidaug doctor --study study --clean`" in lines
        found = {left["path"]: left for left in values_of("doctor", "--clean")["left_overs"]}
        assert found["study/.p0.40.partial"] == {
            **{"path": "study/.p0.40.partial", "size": 2_000_000},
            **{"held": False, "removed": True},
        }
        assert found["study/.p0.20.stale"]["held"] and not found["study/.p0.20.stale"]["removed"]
        assert sorted(os.listdir("study")) == [".p0.20.lock", ".p0.20.stale"]
    assert "removed, 2.0 MB" in runner.invoke(app, ["doctor", "--clean"]).stdout
    assert not os.listdir("study")


def test_without_locks_nothing_is_removed_and_said_so(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "examine", list)
    Path("study/.p0.40.partial").mkdir(parents=True)
    monkeypatch.setattr(fcntl, "flock", Mock(side_effect=OSError(errno.ENOLCK, "No locks available")))
    assert "cannot be locked (No locks available)" in error_of("doctor", "--clean")
    assert Path("study/.p0.40.partial").exists()
