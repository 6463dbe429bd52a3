"""A re-ID network judges identity while a generator is trained."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from reid_baseline import RECIPES, ReIDError, build_model, extract_features, save_model
from reidaug.cli.app import app
from reidaug.synthesis.identity import load_identity_loss
from tests.cli.commands import runner

pytestmark = pytest.mark.usefixtures("small_quick", "small_network", "own_folder")


@pytest.fixture
def reid(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "reid.pt"
    save_model(path, build_model("resnet18", 4), RECIPES["quick"], range(4))
    return path


def test_its_features_are_those_that_the_baseline_is_tested_by(reid: Path) -> None:
    pixels = torch.from_numpy(np.random.RandomState(0).randint(0, 256, (2, 3, 32, 16)).astype(np.uint8))
    loss = load_identity_loss(reid)
    model = build_model("resnet18", 4)
    model.load_state_dict(torch.load(reid, weights_only=True)["state_dict"])
    wanted = extract_features(model, pixels, replace(RECIPES["quick"], flip_test=False), "cpu", precision="fp32")
    found = torch.nn.functional.normalize(loss.network(pixels / 127.5 - 1))
    assert torch.allclose(found, wanted, atol=1e-4)
    assert loss(torch.rand(2, 3, 64, 32), torch.rand(2, 3, 64, 32)).shape == ()  # of another size


def test_train_takes_it_and_reports_its_loss(reid: Path, tiny_root: Path, tmp_path: Path) -> None:
    command = ["train", "--data", str(tiny_root), "--preset", "mini", "--width", "8", "--blocks", "1", "--iterations"]
    command += ["2", "--batch-size", "2", "--perceptual", "none", "--device", "cpu", "--out", str(tmp_path / "g.pt")]
    result = runner.invoke(app, [*command, "--identity", str(reid), "--identity-weight", "2"])
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "g.pt.jsonl").read_text().splitlines()[-1])["losses"]["identity"] > 0


def test_a_file_that_is_no_network_is_one_line(tiny_root: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.pt").write_bytes(b"broken")
    with pytest.raises(ReIDError, match=r"broken\.pt.*no file of plain tensors"):
        load_identity_loss(tmp_path / "broken.pt")
    command = ["train", "--data", str(tiny_root), "--preset", "mini", "--out", str(tmp_path / "g.pt")]
    result = runner.invoke(app, [*command, "--identity", str(tmp_path / "nowhere.pt")])
    assert result.exit_code == 1 and "nowhere.pt" in result.stderr
