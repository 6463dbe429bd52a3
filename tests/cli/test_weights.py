"""Published weights: where they are looked for, whether they are whole, and fetching them from this machine."""

import hashlib
from pathlib import Path

import huggingface_hub
import pytest
import torchvision

from reidaug.cli.weights import ComesWithPackageError, Found, WeightFile, fetch_files, weight_files
from reidaug.core.errors import ReidAugError
from reidaug.datasets.estimators.vitpose import FILES
from tests.cli.commands import error_of, values_of

pytestmark = pytest.mark.usefixtures("own_folder")
CONTENT = b"weights"
DIGITS = hashlib.sha256(CONTENT).hexdigest()[:8]


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file:// URL in place of that of AlexNet."""
    path = tmp_path / "server" / f"alexnet-{DIGITS}.pth"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    monkeypatch.setattr("reidaug.scoring.metrics.lpips.ALEXNET_URL", path.as_uri())
    return path.as_uri()


def test_every_file_says_what_needs_it_and_where_it_is_looked_for() -> None:
    files = {file.name: file for file in weight_files()}
    assert list(files) == ["vgg19", "resnet50", "resnet18", "tf_efficientnet_lite0", "inception", "alexnet", "vitpose"]
    for name in ("vgg19", "resnet50", "resnet18", "inception", "alexnet"):
        found = files[name].look()
        assert found.state == "missing" and "no-weights/hub/checkpoints" in found.place
    assert files["vgg19"].look().place.endswith(torchvision.models.VGG19_Weights.IMAGENET1K_V1.url.split("/")[-1])
    assert "--arch resnet18" in files["resnet18"].needed and "LPIPS" in files["alexnet"].needed


def test_a_file_is_fetched_once_and_a_damaged_one_again(url: str) -> None:
    said: list[str] = []
    path = Path()
    for state in ("missing", "whole", "damaged"):
        if state == "damaged":
            path.write_bytes(b"cut")
        (before,) = [file for file in weight_files() if file.name == "alexnet"]
        assert before.look().state == state
        ((file, found),) = fetch_files(["alexnet"], said.append)
        path = Path(found.place)
        assert found.state == "whole" and path.read_bytes() == CONTENT and file.name == "alexnet"
    assert said == ["fetching alexnet, for score (LPIPS)"] * 2
    assert values_of("fetch", "-n", "alexnet") == {"files": [{"name": "alexnet", "state": "whole", "place": str(path)}]}


def test_doctor_lists_each_file_and_a_damaged_one_must_be_fixed(url: str) -> None:
    checks = {check["name"]: check for check in values_of("doctor")["checks"]}
    assert checks["weights alexnet"]["ok"] and checks["weights alexnet"]["mend"] == "reidaug fetch -n alexnet"
    assert checks["weights alexnet"]["detail"].startswith("missing, ")
    ((_, found),) = fetch_files(["alexnet"], print)
    Path(found.place).write_bytes(b"cut")
    assert "weights alexnet must be fixed" in error_of("doctor")


def test_what_cannot_be_fetched_is_one_line(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "nonsense: no such weights; expected some of vgg19, " in error_of("fetch", "-n", "nonsense")
    Path(url.removeprefix("file://")).write_bytes(b"another")
    message = error_of("fetch", "-n", "alexnet")
    assert "invalid hash value" in message and "put that file at" in message
    Path(url.removeprefix("file://")).unlink()
    assert f"cannot get {url}" in error_of("fetch", "-n", "alexnet")
    (file,) = [file for file in weight_files() if file.name == "alexnet"]
    assert file.look().state == "missing"


def test_one_that_cannot_be_had_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def made(name: str, error: ReidAugError | None) -> WeightFile:
        def fetch() -> None:
            if error:
                raise error
            done.append(name)

        return WeightFile(name, "x", lambda: Found("whole" if name in done else "missing", name), fetch)

    offline, packaged = ReidAugError("offline"), ComesWithPackageError("pip install it")
    files = [made("a", offline), made("b", packaged), made("c", None)]
    monkeypatch.setattr("reidaug.cli.weights.weight_files", lambda: files)
    said: list[str] = []
    with pytest.raises(ReidAugError, match=r"^offline$"):
        fetch_files([], said.append)
    assert done == ["c"] and "left out: pip install it" in said
    with pytest.raises(ReidAugError, match=r"^pip install it$"):
        fetch_files(["b"], said.append)


def test_the_pose_model_is_looked_for_in_the_hub_s_cache_and_fetched_by_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = tmp_path / hashlib.sha256(CONTENT).hexdigest()
    cached: dict[str, str] = {}

    def download(model: str, allow_patterns: list[str], force_download: bool) -> None:
        blob.write_bytes(CONTENT)
        for name in allow_patterns:
            (tmp_path / name).unlink(missing_ok=True)
            (tmp_path / name).symlink_to(blob)
            cached[name] = str(tmp_path / name)

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda model, file: cached.get(file))
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    (file,) = [file for file in weight_files() if file.name == "vitpose"]
    assert file.look().state == "missing"
    ((_, found),) = fetch_files(["vitpose"], print)
    assert found.state == "whole" and found.place == str(tmp_path) and set(cached) == set(FILES)
    blob.write_bytes(b"cut")
    assert file.look().state == "damaged"
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *a, **k: (_ for _ in ()).throw(OSError("offline")))
    assert "offline" in error_of("fetch", "-n", "vitpose")
