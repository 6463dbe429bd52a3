"""What torch.compile lacks on a machine."""

import importlib.util
import sysconfig
from pathlib import Path

import pytest

from pona.compiler import why_not_compile


@pytest.fixture
def complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a compiler, headers and triton; the folder of both."""
    compiler = tmp_path / "compiler"
    compiler.touch(mode=0o755)
    (tmp_path / "Python.h").touch()
    monkeypatch.setenv("CXX", str(compiler))
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    return tmp_path


def test_nothing_is_missing(complete: Path) -> None:
    assert why_not_compile("cpu") is None and why_not_compile("cuda") is None


def test_a_compiler_is_missing(complete: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "no-such-compiler" in (why_not_compile("cpu") or "")


def test_headers_are_missing(complete: Path) -> None:
    (complete / "Python.h").unlink()
    assert "Python.h" in (why_not_compile("cpu") or "")


def test_triton_is_missing(complete: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert why_not_compile("cpu") is None and "triton" in (why_not_compile("cuda") or "")
