"""Which recorded run is the same as the one that is asked for."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pona import PoNAError, load_checkpoint, save_checkpoint
from pona.torch_file import write_torch
from tests.factories import RECORD, TINY, equal, interrupted, small_data, torchvision_layout, train_tiny, weights


def test_state_of_another_run_is_refused(tmp_path: Path) -> None:
    interrupted(tmp_path / "g.pt")
    with pytest.raises(PoNAError, match=r"width 4 -> 8.*delete g.pt.last"):
        train_tiny(tmp_path / "g.pt", replace(TINY, width=8))
    with pytest.raises(PoNAError, match="other training images"):
        train_tiny(tmp_path / "g.pt", trained_on=RECORD | {"fingerprint": "def"})


@pytest.mark.parametrize(
    ("part", "name"), [("config", "color_jitter"), ("origin", "keypoints"), ("origin", "vgg"), ("origin", "validation")]
)
def test_a_record_that_lacks_a_setting_or_an_input_is_of_another_run(tmp_path: Path, part: str, name: str) -> None:
    data = small_data(6, 32, 16)
    torch.save(torchvision_layout(), tmp_path / "vgg.pth")
    config = replace(TINY, perceptual="required")
    options: dict[str, Any] = {"data": data, "validation": data, "vgg_weights": tmp_path / "vgg.pth"}
    done = load_checkpoint(train_tiny(tmp_path / "g.pt", config, **options))
    del done.training[part][name]
    save_checkpoint(tmp_path / "g.pt", done.generator, done.config, done.training)
    with pytest.raises(PoNAError, match=r"another run \((color_jitter None -> 0.0|other .*)\)"):
        train_tiny(tmp_path / "g.pt", config, **options)
    train_tiny(tmp_path / "h.pt", initial=tmp_path / "g.pt")  # and yet its weights can be started from


def test_the_shipped_generator_is_of_another_run_and_not_overwritten(tmp_path: Path) -> None:
    """It was trained before some settings existed."""
    content = (Path(__file__).parents[2] / "reidaug/demo/demo-pona.pt").read_bytes()
    (tmp_path / "g.pt").write_bytes(content)
    with pytest.raises(PoNAError, match="finished generator of another run"):
        train_tiny(tmp_path / "g.pt")
    assert (tmp_path / "g.pt").read_bytes() == content


def test_the_state_of_another_kind_of_device_is_another_run(tmp_path: Path) -> None:
    state = interrupted(tmp_path / "g.pt")
    state["state"]["cuda_random"] = torch.zeros(16, dtype=torch.uint8)
    write_torch(tmp_path / "g.pt.last", state)
    with pytest.raises(PoNAError, match=r"another run.*device cuda -> cpu"):
        train_tiny(tmp_path / "g.pt")


def test_another_validation_is_another_run(tmp_path: Path) -> None:
    data = small_data(6, 32, 16)
    train_tiny(tmp_path / "g.pt", data=data, validation=data)
    with pytest.raises(PoNAError, match=r"another run.*other validation"):
        train_tiny(tmp_path / "g.pt", data=data, validation=replace(data, keypoints=data.keypoints + 1))


def test_other_keypoints_are_another_run(tmp_path: Path) -> None:
    data = small_data()
    moved = replace(data, keypoints=data.keypoints + 1)
    interrupted(tmp_path / "g.pt")
    with pytest.raises(PoNAError, match=r"g.pt.last .*another run.*other keypoints"):
        train_tiny(tmp_path / "g.pt", data=moved)
    train_tiny(tmp_path / "g.pt")
    with pytest.raises(PoNAError, match=r"finished .*another run.*other keypoints"):
        train_tiny(tmp_path / "g.pt", data=moved)


def test_how_often_a_run_reports_makes_no_other_run(tmp_path: Path) -> None:
    other = replace(TINY, log_every=3, validate_every=6)
    train_tiny(tmp_path / "whole.pt")
    interrupted(tmp_path / "cut.pt")
    train_tiny(tmp_path / "cut.pt", other)
    assert equal(weights(tmp_path / "whole.pt"), weights(tmp_path / "cut.pt"))
    train_tiny(tmp_path / "whole.pt", other, progress=lambda _: pytest.fail("ran again"))
