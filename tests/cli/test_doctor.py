"""Doctor: it names what it sees, and what is broken becomes a check with a way to mend it."""

import builtins
import shutil
import sys
from collections import namedtuple
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from reidaug.cli import doctor
from reidaug.cli.doctor import Check, examine


def checks_by_name() -> dict[str, Check]:
    return {check.name: check for check in examine()}


def test_this_machine_is_fit() -> None:
    checks = checks_by_name()
    assert list(checks)[:5] == ["Python", "torch", "torchvision", "GPU", "CPU"] and list(checks)[-2:] == [
        "memory",
        "disk",
    ]
    for name in ("Python", "torch", "torchvision"):
        assert checks[name].ok and not checks[name].mend
    assert checks["Python"].detail.startswith(".".join(map(str, sys.version_info[:3])))
    assert all(check.mend for check in checks.values() if not check.ok)


def test_torchvision_that_does_not_fit_torch_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def broken_import(name: str, *args: Any, **kwargs: Any) -> ModuleType:
        if name == "torchvision":
            raise RuntimeError("operator torchvision::nms does not exist\nmore")
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", broken_import)
    check = checks_by_name()["torchvision"]
    assert not check.ok and check.detail.endswith("torchvision::nms does not exist")
    assert "install torch and torchvision together" in check.mend


def test_missing_torch_does_not_stop_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    checks = checks_by_name()
    assert not checks["torch"].ok and "pip install" in checks["torch"].mend
    assert "torchvision" not in checks and "disk" in checks


def test_packages_are_those_that_the_distribution_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ["numpy>=1.26", "no-such-package>=1", "torch>=2.5", 'no-such-extra (>=3); extra == "pose"']
    monkeypatch.setattr(metadata, "requires", lambda name: wanted)
    checks = checks_by_name()
    assert checks["numpy"].ok and checks["numpy"].detail == metadata.version("numpy")
    assert checks["no-such-package"] == Check("no-such-package", False, "not installed", "pip install no-such-package")
    assert checks["no-such-extra"].ok and checks["no-such-extra"].mend == "pip install 'reidaug[pose]'"


def test_full_disk_and_little_memory_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(2**40, 2**40, 2**20))
    monkeypatch.setattr(doctor, "LEAST_MEMORY", 1e6)
    checks = checks_by_name()
    assert not checks["disk"].ok and checks["disk"].detail.startswith("0.0 GiB free at ") and checks["disk"].mend
    assert not checks["memory"].ok and checks["memory"].mend


def test_folder_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.os, "access", lambda path, mode: False)
    check = checks_by_name()["disk"]
    assert not check.ok and "not writable" in check.detail and str(Path.cwd()) in check.detail
