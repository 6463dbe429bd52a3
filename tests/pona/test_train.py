"""Training: it learns, it resumes exactly, and it stops with one clear line."""

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pona import PoNAError, PoseImages, load_checkpoint
from pona.generators import generator_config
from pona.train import PRESETS, TrainConfig, TrainProgress
from tests.factories import RECORD, TINY, equal, kill_at, torchvision_layout, train_tiny, weights


def blobs(seed: int, persons: int) -> PoseImages:
    """Persons are black or white, with a disc of the opposite colour at the place of their only joint."""
    generator = torch.Generator().manual_seed(seed)
    images, keypoints, pairs = [], torch.full((2 * persons, 18, 2), float("nan")), []
    grid_y, grid_x = torch.meshgrid(torch.arange(32), torch.arange(16), indexing="ij")
    for person in range(persons):
        colour = 255 * torch.randint(2, (1, 1, 1), generator=generator).expand(3, 1, 1)
        for view in range(2):
            x, y = (torch.rand(2, generator=generator) * torch.tensor([16, 32])).round().tolist()
            disc = ((grid_x - x) ** 2 + (grid_y - y) ** 2 < 64).long()
            images.append(((255 - colour) * disc + colour * (1 - disc)).to(torch.uint8))
            keypoints[2 * person + view, 0] = torch.tensor([x, y])
        pairs += [(2 * person, 2 * person + 1), (2 * person + 1, 2 * person)]
    return PoseImages(torch.stack(images), keypoints, torch.tensor(pairs))


def test_learns_beyond_both_guesses_on_persons_never_seen(tmp_path: Path) -> None:
    reports: list[TrainProgress] = []
    config = replace(
        TINY, width=8, batch_size=8, iterations=70, log_every=70, validate_every=70, learning_rate=2e-3, sigma=3.0,
        ema=0.9, gan_weight=0.5, precision="fp32",
    )  # fmt: skip
    train_tiny(tmp_path / "g.pt", config, data=blobs(0, 100), validation=blobs(1, 30), progress=reports.append)
    measured = reports[-1].validation
    assert measured is not None
    assert measured["l1"] < 0.5 * measured["l1_mean"]
    assert measured["l1"] < 0.5 * measured["l1_copy"]
    assert load_checkpoint(tmp_path / "g.pt").training["validation"] == measured


def test_record_of_a_run(tmp_path: Path) -> None:
    torch.save(torchvision_layout(), tmp_path / "vgg.pth")
    config = replace(TINY, perceptual="required")
    out = train_tiny(tmp_path / "g.pt", config, vgg_weights=tmp_path / "vgg.pth", protocol="strict")
    assert out == tmp_path / "g.pt"
    checkpoint = load_checkpoint(tmp_path / "g.pt")
    training = checkpoint.training
    assert checkpoint.config == generator_config(config)
    assert training["trained_on"] == RECORD
    wanted = {"preset": "mini", "iteration": 6, "iterations": 6, "finished": True, "batch_size": 4, "seed": 0}
    wanted |= {"perceptual": "vgg19-torchvision", "protocol": "strict", "weights": "moving average, decay 0.998"}
    assert {name: training[name] for name in wanted} == wanted
    assert TrainConfig(**training["config"]) == config
    lines = [json.loads(line) for line in (tmp_path / "g.pt.jsonl").read_text().splitlines()]
    assert [line["iteration"] for line in lines] == [1, 2, 3, 4, 5, 6]
    names = {"l1", "gan", "perceptual", "discriminator_appearance", "discriminator_pose"}
    assert set(lines[0]["losses"]) == names
    assert sorted(path.name for path in tmp_path.iterdir()) == ["g.pt", "g.pt.jsonl", "vgg.pth"]


@pytest.mark.parametrize(
    "change", [{"discriminator_variant": "code"}, {"discriminator_variant": "paper"}, {"precision": "fp16"}]
)
def test_killed_and_resumed_gives_the_weights_of_one_never_killed(tmp_path: Path, change: dict[str, Any]) -> None:
    config = replace(TINY, color_jitter=0.3, **change)
    train_tiny(tmp_path / "whole.pt", config)
    with pytest.raises(OSError, match="killed"):
        train_tiny(tmp_path / "cut.pt", config, progress=kill_at(5))
    torch.manual_seed(99)  # what the process draws elsewhere does not matter
    assert load_checkpoint(tmp_path / "cut.pt").training["iteration"] == 4
    seen: list[int] = []
    train_tiny(tmp_path / "cut.pt", config, progress=lambda progress: seen.append(progress.iteration))
    assert seen == [5, 6]
    assert equal(weights(tmp_path / "whole.pt"), weights(tmp_path / "cut.pt"))
    logged = [json.loads(line)["iteration"] for line in (tmp_path / "cut.pt.jsonl").read_text().splitlines()]
    assert logged == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupt_saves_and_the_run_goes_on_from_there(tmp_path: Path, signum: signal.Signals) -> None:
    before = signal.getsignal(signum)
    train_tiny(tmp_path / "whole.pt")

    def interrupt(progress: TrainProgress) -> None:
        if progress.iteration == 2:
            signal.raise_signal(signum)

    with pytest.raises(KeyboardInterrupt):
        train_tiny(tmp_path / "cut.pt", progress=interrupt)
    assert load_checkpoint(tmp_path / "cut.pt").training["iteration"] == 3
    train_tiny(tmp_path / "cut.pt")
    assert equal(weights(tmp_path / "whole.pt"), weights(tmp_path / "cut.pt"))
    assert signal.getsignal(signum) is before


def test_a_signal_that_is_ignored_stays_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
    try:
        train_tiny(tmp_path / "g.pt", progress=lambda _: signal.raise_signal(signal.SIGHUP))
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_same_seed_same_weights_and_the_callers_random_state_is_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train_tiny(tmp_path / f"{name}.pt", replace(TINY, iterations=2, seed=seed))
    assert torch.rand(1) == expected
    assert equal(weights(tmp_path / "a.pt"), weights(tmp_path / "b.pt"))
    assert not equal(weights(tmp_path / "a.pt"), weights(tmp_path / "c.pt"))


def test_finished_run_is_not_run_again_nor_overwritten(tmp_path: Path) -> None:
    train_tiny(tmp_path / "g.pt")
    before = (tmp_path / "g.pt").stat().st_mtime_ns
    train_tiny(tmp_path / "g.pt", progress=lambda _: pytest.fail("ran again"))
    assert (tmp_path / "g.pt").stat().st_mtime_ns == before
    with pytest.raises(PoNAError, match=r"another run.*seed 0 -> 1.*delete g.pt"):
        train_tiny(tmp_path / "g.pt", replace(TINY, seed=1))
    with pytest.raises(PoNAError, match="other training images"):
        train_tiny(tmp_path / "g.pt", trained_on=RECORD | {"fingerprint": "def"})
    train_tiny(tmp_path / "g.pt", replace(TINY, seed=1), resume=False)
    assert load_checkpoint(tmp_path / "g.pt").training["seed"] == 1


def test_starting_from_a_generator_takes_its_weights_and_its_past(tmp_path: Path) -> None:
    train_tiny(tmp_path / "first.pt", trained_on=RECORD | {"names": ["a.jpg", "b.jpg"]})
    config = replace(TINY, iterations=1, learning_rate=1e-12, ema=0.0, half=False)
    train_tiny(tmp_path / "second.pt", config, trained_on=RECORD | {"names": ["c.jpg"]}, initial=tmp_path / "first.pt")
    assert load_checkpoint(tmp_path / "second.pt").training["trained_on"]["names"] == ["a.jpg", "b.jpg", "c.jpg"]
    first, second = weights(tmp_path / "first.pt"), weights(tmp_path / "second.pt")
    torch.testing.assert_close(second["decoder.7.weight"], first["decoder.7.weight"], rtol=0, atol=1e-9)
    with pytest.raises(PoNAError, match="width 4 -> 8"):
        train_tiny(tmp_path / "third.pt", replace(config, width=8), initial=tmp_path / "first.pt")


def test_unwritable_output_is_said_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(PoNAError, match="cannot write"):
        train_tiny(tmp_path / "no" / "g.pt", progress=lambda _: pytest.fail("trained first"))


def test_market_refuses_without_vgg_weights_and_mini_goes_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(PoNAError, match="perceptual loss needs VGG-19"):
        train_tiny(tmp_path / "g.pt", PRESETS["market"])
    train_tiny(tmp_path / "g.pt", replace(TINY, perceptual="optional", iterations=1))
    assert load_checkpoint(tmp_path / "g.pt").training["perceptual"] == "none"


def test_vgg_weights_for_a_run_without_perceptual_loss_are_refused(tmp_path: Path) -> None:
    torch.save(torchvision_layout(), tmp_path / "vgg.pth")
    with pytest.raises(PoNAError, match=r"vgg.pth .*perceptual 'none'.*leave one out"):
        train_tiny(tmp_path / "g.pt", vgg_weights=tmp_path / "vgg.pth")
