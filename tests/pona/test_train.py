"""Training: it learns, it resumes exactly, and it stops with one clear line."""

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import pona.run
import pona.trainer
from pona import PoNAError, PoseImages, load_checkpoint, save_checkpoint
from pona.checkpoint import read_torch, write_torch
from pona.errors import out_of_memory
from pona.launch import launch
from pona.layers import HalfDropout
from pona.run import rate_factor
from pona.train import PRESETS, TrainConfig, TrainProgress, train
from tests.factories import RECORD, TINY, equal, small_data, torchvision_layout, weights


def run(out: Path, config: TrainConfig = TINY, **options: Any) -> Path:
    defaults: dict[str, Any] = {"data": small_data(), "trained_on": RECORD, "device": "cpu"}
    return train(config=config, out=out, **(defaults | options))


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
    run(tmp_path / "g.pt", config, data=blobs(0, 100), validation=blobs(1, 30), progress=reports.append)
    measured = reports[-1].validation
    assert measured is not None
    assert measured["l1"] < 0.5 * measured["l1_mean"]
    assert measured["l1"] < 0.5 * measured["l1_copy"]
    assert load_checkpoint(tmp_path / "g.pt").training["validation"] == measured


def test_record_of_a_run(tmp_path: Path) -> None:
    torch.save(torchvision_layout(), tmp_path / "vgg.pth")
    config = replace(TINY, perceptual="required")
    assert run(tmp_path / "g.pt", config, vgg_weights=tmp_path / "vgg.pth", protocol="strict") == tmp_path / "g.pt"
    checkpoint = load_checkpoint(tmp_path / "g.pt")
    training = checkpoint.training
    assert checkpoint.config == config.generator_config()
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
    run(tmp_path / "whole.pt", config)

    def kill(progress: TrainProgress) -> None:
        if progress.iteration == 5:
            raise OSError("killed")

    with pytest.raises(OSError, match="killed"):
        run(tmp_path / "cut.pt", config, progress=kill)
    torch.manual_seed(99)  # what the process draws elsewhere does not matter
    assert load_checkpoint(tmp_path / "cut.pt").training["iteration"] == 4
    seen: list[int] = []
    run(tmp_path / "cut.pt", config, progress=lambda progress: seen.append(progress.iteration))
    assert seen == [5, 6]
    assert equal(weights(tmp_path / "whole.pt"), weights(tmp_path / "cut.pt"))
    logged = [json.loads(line)["iteration"] for line in (tmp_path / "cut.pt.jsonl").read_text().splitlines()]
    assert logged == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_saves_and_the_run_goes_on_from_there(tmp_path: Path, signum: signal.Signals) -> None:
    before = signal.getsignal(signum)
    run(tmp_path / "whole.pt")

    def interrupt(progress: TrainProgress) -> None:
        if progress.iteration == 2:
            signal.raise_signal(signum)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut.pt", progress=interrupt)
    assert load_checkpoint(tmp_path / "cut.pt").training["iteration"] == 3
    run(tmp_path / "cut.pt")
    assert equal(weights(tmp_path / "whole.pt"), weights(tmp_path / "cut.pt"))
    assert signal.getsignal(signum) is before


def test_an_interrupted_run_is_safe_before_its_last_validation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(pona.train.Validation):
        def __call__(self, *arguments: Any) -> dict[str, Any]:
            raise OSError("killed")

    monkeypatch.setattr(pona.train, "Validation", Killed)
    config, data = replace(TINY, validate_every=100), small_data(6, 32, 16)
    with pytest.raises(OSError, match="killed"):
        run(
            tmp_path / "g.pt",
            config,
            data=data,
            validation=data,
            progress=lambda _: signal.raise_signal(signal.SIGTERM),
        )
    assert read_torch(tmp_path / "g.pt.last")["state"]["iteration"] == 2


def test_state_is_saved_every_few_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(TINY, validate_every=100, log_every=2)
    run(tmp_path / "whole.pt", config)

    def kill(progress: TrainProgress) -> None:
        if progress.iteration == 4:
            raise OSError("killed")

    monkeypatch.setattr(pona.run, "SAVE_SECONDS", 0)
    with pytest.raises(OSError, match="killed"):
        run(tmp_path / "cut.pt", config, progress=kill)
    assert read_torch(tmp_path / "cut.pt.last")["state"]["iteration"] == 3
    run(tmp_path / "cut.pt", config)
    assert equal(weights(tmp_path / "whole.pt"), weights(tmp_path / "cut.pt"))
    logged = [json.loads(line)["iteration"] for line in (tmp_path / "cut.pt.jsonl").read_text().splitlines()]
    assert logged == [2, 4, 6]


@pytest.mark.parametrize("rest", ['{"iteration": 4, "iterations": 6, "losses": {"l1": 0.1}', '{"itera', "\0\0\0", "7"])
def test_a_log_cut_by_a_crash_does_not_hinder_the_resume(tmp_path: Path, rest: str) -> None:
    interrupted(tmp_path / "g.pt")
    with (tmp_path / "g.pt.jsonl").open("a") as log:
        log.write(rest)
    run(tmp_path / "g.pt")
    logged = [json.loads(line)["iteration"] for line in (tmp_path / "g.pt.jsonl").read_text().splitlines()]
    assert logged == [1, 2, 3, 4, 5, 6]


def test_a_full_disk_leaves_the_log_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted(tmp_path / "g.pt")
    before = (tmp_path / "g.pt.jsonl").read_text()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PoNAError, match="No space left"):
        run(tmp_path / "g.pt")
    assert (tmp_path / "g.pt.jsonl").read_text() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["g.pt.jsonl", "g.pt.last"]


def test_same_seed_same_weights_and_the_callers_random_state_is_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run(tmp_path / f"{name}.pt", replace(TINY, iterations=2, seed=seed))
    assert torch.rand(1) == expected
    assert equal(weights(tmp_path / "a.pt"), weights(tmp_path / "b.pt"))
    assert not equal(weights(tmp_path / "a.pt"), weights(tmp_path / "c.pt"))


def test_finished_run_is_not_run_again_nor_overwritten(tmp_path: Path) -> None:
    run(tmp_path / "g.pt")
    before = (tmp_path / "g.pt").stat().st_mtime_ns
    run(tmp_path / "g.pt", progress=lambda _: pytest.fail("ran again"))
    assert (tmp_path / "g.pt").stat().st_mtime_ns == before
    with pytest.raises(PoNAError, match=r"another run \(seed 0 -> 1\).*delete g.pt to start anew"):
        run(tmp_path / "g.pt", replace(TINY, seed=1))
    with pytest.raises(PoNAError, match="other training images"):
        run(tmp_path / "g.pt", trained_on=RECORD | {"fingerprint": "def"})
    run(tmp_path / "g.pt", replace(TINY, seed=1), resume=False)
    assert load_checkpoint(tmp_path / "g.pt").training["seed"] == 1


def test_best_weights_are_kept_under_their_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = iter([0.3, 0.2, 0.25])

    class Measured(pona.train.Validation):
        def __call__(self, *arguments: Any) -> dict[str, float]:
            return super().__call__(*arguments) | {"l1": next(figures)}

    monkeypatch.setattr(pona.train, "Validation", Measured)
    reports: list[TrainProgress] = []
    data = small_data(6, 32, 16)
    run(tmp_path / "g.pt", data=data, validation=data, progress=reports.append)
    best, last = load_checkpoint(tmp_path / "g.best.pt"), load_checkpoint(tmp_path / "g.pt")
    assert best.training["iteration"] == 4 and last.training["iteration"] == 6
    assert best.training["best"] == last.training["best"] == {"iteration": 4, "l1": 0.2}
    assert not equal(best.generator.state_dict(), last.generator.state_dict())
    assert [report.iteration for report in reports if report.samples is not None] == [2, 4, 6]
    assert all("samples" not in json.loads(line) for line in (tmp_path / "g.pt.jsonl").read_text().splitlines())


def test_best_so_far_survives_a_kill(tmp_path: Path) -> None:
    data = small_data(6, 32, 16)
    run(tmp_path / "whole.pt", data=data, validation=data)

    def kill(progress: TrainProgress) -> None:
        if progress.iteration == 5:
            raise OSError("killed")

    with pytest.raises(OSError, match="killed"):
        run(tmp_path / "cut.pt", data=data, validation=data, progress=kill)
    run(tmp_path / "cut.pt", data=data, validation=data)
    whole, cut = (load_checkpoint(tmp_path / f"{name}.best.pt") for name in ("whole", "cut"))
    assert whole.training["best"] == cut.training["best"]
    assert equal(whole.generator.state_dict(), cut.generator.state_dict())


def test_state_of_another_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "g.pt", progress=lambda _: signal.raise_signal(signal.SIGINT))
    with pytest.raises(PoNAError, match=r"width 4 -> 8.*delete g.pt.last to start anew"):
        run(tmp_path / "g.pt", replace(TINY, width=8))
    with pytest.raises(PoNAError, match="other training images"):
        run(tmp_path / "g.pt", trained_on=RECORD | {"fingerprint": "def"})


def interrupted(out: Path, config: TrainConfig = TINY) -> dict[str, Any]:
    """The state that a run leaves which is interrupted in its first step."""
    with pytest.raises(KeyboardInterrupt):
        run(out, config, progress=lambda _: signal.raise_signal(signal.SIGINT))
    return read_torch(out.with_name(out.name + ".last"))


@pytest.mark.parametrize(
    ("part", "name"), [("config", "color_jitter"), ("origin", "keypoints"), ("origin", "validation")]
)
def test_records_older_than_a_setting_or_digest_are_of_this_run(tmp_path: Path, part: str, name: str) -> None:
    state = interrupted(tmp_path / "g.pt")
    del state[part][name]
    write_torch(tmp_path / "g.pt.last", state)
    run(tmp_path / "g.pt")
    done = load_checkpoint(tmp_path / "g.pt")
    del done.training[part][name]
    save_checkpoint(tmp_path / "g.pt", done.generator, done.config, done.training)
    run(tmp_path / "g.pt", progress=lambda _: pytest.fail("ran again"))
    run(tmp_path / "h.pt", initial=tmp_path / "g.pt")
    with pytest.raises(PoNAError, match=r"color_jitter 0.0 -> 0.3"):
        run(tmp_path / "g.pt", replace(TINY, color_jitter=0.3))


def test_the_state_of_another_kind_of_device_is_another_run(tmp_path: Path) -> None:
    state = interrupted(tmp_path / "g.pt")
    state["state"]["cuda_random"] = torch.zeros(16, dtype=torch.uint8)
    write_torch(tmp_path / "g.pt.last", state)
    with pytest.raises(PoNAError, match=r"another run \(device cuda -> cpu\)"):
        run(tmp_path / "g.pt")


def test_another_validation_is_another_run(tmp_path: Path) -> None:
    data = small_data(6, 32, 16)
    run(tmp_path / "g.pt", data=data, validation=data)
    with pytest.raises(PoNAError, match=r"another run \(other validation images or keypoints\)"):
        run(tmp_path / "g.pt", data=data, validation=replace(data, keypoints=data.keypoints + 1))


def test_other_keypoints_are_another_run(tmp_path: Path) -> None:
    data = small_data()
    moved = replace(data, keypoints=data.keypoints + 1)
    interrupted(tmp_path / "g.pt")
    with pytest.raises(PoNAError, match=r"g.pt.last is of another run \(other keypoints\)"):
        run(tmp_path / "g.pt", data=moved)
    run(tmp_path / "g.pt")
    with pytest.raises(PoNAError, match=r"finished generator of another run \(other keypoints\)"):
        run(tmp_path / "g.pt", data=moved)


def test_how_often_is_looked_makes_no_other_run(tmp_path: Path) -> None:
    other = replace(TINY, log_every=3, validate_every=6)
    run(tmp_path / "whole.pt")
    interrupted(tmp_path / "cut.pt")
    run(tmp_path / "cut.pt", other)
    assert equal(weights(tmp_path / "whole.pt"), weights(tmp_path / "cut.pt"))
    run(tmp_path / "whole.pt", other, progress=lambda _: pytest.fail("ran again"))


def test_time_budget_ends_the_run_with_the_learning_rate_at_zero(tmp_path: Path) -> None:
    reports: list[TrainProgress] = []
    config = replace(TINY, iterations=None, minutes=0.02)
    run(tmp_path / "g.pt", config, progress=reports.append)
    training = load_checkpoint(tmp_path / "g.pt").training
    assert training["finished"]
    assert training["iteration"] == reports[-1].iteration >= 2
    assert 1.2 <= training["seconds"] < 10
    assert reports[-1].seconds_left == 0


def test_divergence_is_said_and_the_last_good_weights_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = pona.trainer.adversarial_loss

    def poisoned(score: torch.Tensor, *arguments: Any) -> torch.Tensor:
        return real(score, *arguments) * (float("nan") if (tmp_path / "g.pt").exists() else 1)

    monkeypatch.setattr(pona.trainer, "adversarial_loss", poisoned)
    with pytest.raises(PoNAError, match=r"diverged before iteration 3: loss gan, .* keeps the last good weights"):
        run(tmp_path / "g.pt")
    assert all(tensor.isfinite().all() for tensor in weights(tmp_path / "g.pt").values())


@pytest.mark.parametrize("name", ["generator", "average", "discriminator"])
def test_weights_that_the_last_step_ruined_are_not_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    step = pona.trainer.Trainer.step

    def ruined(trainer: pona.trainer.Trainer, rate: float) -> dict[str, torch.Tensor]:
        losses = step(trainer, rate)
        if trainer.iteration == 4:  # of which the losses of this step tell nothing yet
            ruins = {"discriminator": trainer.discriminators["pose"]}.get(name) or getattr(trainer, name)
            next(ruins.parameters()).data[0] = float("inf")
        return losses

    monkeypatch.setattr(pona.trainer.Trainer, "step", ruined)
    with pytest.raises(PoNAError, match=rf"diverged before iteration 4: weights of the .*{name}.* not finite"):
        run(tmp_path / "g.pt")
    assert load_checkpoint(tmp_path / "g.pt").training["iteration"] == 2
    assert read_torch(tmp_path / "g.pt.last")["state"]["iteration"] == 2


def test_divergence_before_anything_was_saved_claims_no_good_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pona.trainer, "adversarial_loss", lambda score, *_: score.float().mean() * float("nan"))
    with pytest.raises(PoNAError, match=r"diverged before iteration 1: .*finite; try a smaller"):
        run(tmp_path / "g.pt")


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"
        ),
        MemoryError(),
    ],
)
def test_out_of_memory_names_the_batch_to_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def full(*_: Any) -> None:
        raise error

    monkeypatch.setattr(pona.trainer.Trainer, "step", full)
    with pytest.raises(PoNAError, match="batches of 4: try 2"):
        run(tmp_path / "g.pt")


@pytest.mark.parametrize(
    ("batch", "devices", "advice"),
    [
        (32, 1, "try 16"),
        (3, 1, "try 2"),
        (2, 1, "a smaller --width or another device"),
        (6, 2, "try 2"),
        (12, 4, "try 4"),
        (4, 4, "a smaller --width or another device"),
    ],
)
def test_out_of_memory_advises_what_is_possible(batch: int, devices: int, advice: str) -> None:
    assert out_of_memory(batch, devices) == f"out of memory with batches of {batch}: {advice}"


def test_another_runtime_error_is_not_called_out_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(pona.trainer.Trainer, "step", broken)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        run(tmp_path / "g.pt")


@pytest.mark.parametrize(
    "change",
    [
        {"adversarial": "lsgan", "norm": "instance", "sigma": None, "pool_size": 0},
        {"discriminator_width": 0},
        {"gan_weight": 0.0},
        {"ema": 0.0},
        {"precision": "fp32"},
        {"dropout": True},
        {"precision": "bf16"},
        {"precision": "fp16"},
        {"color_jitter": 0.3},
        {"cross_attention": False, "self_attention": False, "fusion": "none"},
    ],
)
def test_every_switch_trains(tmp_path: Path, change: dict[str, Any]) -> None:
    config = replace(TINY, iterations=2, **change)
    data = small_data(6, 32, 16)
    run(tmp_path / "g.pt", config, data=data, validation=data)
    assert load_checkpoint(tmp_path / "g.pt").config == config.generator_config()


def test_fp16_scales_its_losses_and_trains_as_fp32_does(tmp_path: Path) -> None:
    l1, scales = {}, {}
    for precision in ("fp32", "fp16"):
        out = tmp_path / f"{precision}.pt"
        run(out, replace(TINY, iterations=20, validate_every=100, precision=precision))
        l1[precision] = [json.loads(line)["losses"]["l1"] for line in out.with_suffix(".pt.jsonl").open()]
        interrupted(tmp_path / f"{precision}-cut.pt", replace(TINY, precision=precision))
        scales[precision] = read_torch(tmp_path / f"{precision}-cut.pt.last")["state"]["loss_scale"].get("scale")
    assert l1["fp16"][-1] < 0.97 * l1["fp16"][0]
    assert l1["fp16"] == pytest.approx(l1["fp32"], rel=0.02)
    assert scales["fp32"] is None and scales["fp16"] > 1


def test_fp16_that_can_take_no_step_has_diverged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(score: torch.Tensor, real: bool, kind: str) -> torch.Tensor:
        return 1 + (0 * score).sqrt().mean()  # a number, and its gradient is none

    monkeypatch.setattr(pona.trainer, "adversarial_loss", broken)
    with pytest.raises(PoNAError, match="diverged before iteration 20: gradients are not finite"):
        run(tmp_path / "g.pt", replace(TINY, iterations=20, validate_every=20, precision="fp16"))


def test_colour_jitter_changes_what_is_seen_not_what_is_drawn() -> None:
    processes, config = launch(replace(TINY, precision="fp32"), "cpu"), replace(TINY, precision="fp32", flip=False)
    batches = [
        pona.trainer.Trainer(processes, replace(config, color_jitter=strength), small_data(), None)._draw()
        for strength in (0.0, 0.3)
    ]
    assert torch.equal(batches[0].target_heatmaps, batches[1].target_heatmaps)
    assert not torch.allclose(batches[0].target_image, batches[1].target_image, atol=0.05)


def test_dropout_is_the_training_s_not_the_network_s(tmp_path: Path) -> None:
    processes, config = launch(replace(TINY, precision="fp32"), "cpu"), replace(TINY, precision="fp32")
    batch = {}
    for dropout in (True, False):
        trainer = pona.trainer.Trainer(processes, replace(config, dropout=dropout), small_data(), None)
        block = trainer.generator.module.blocks[0].image_conv1.train()
        x = torch.ones(2, 16, 4, 2)
        batch[dropout] = [block(x), block(x)]
        assert trainer.average.config == config.generator_config()
    assert torch.equal(*batch[False]) and not torch.equal(*batch[True])


def test_attention_rate_moves_gammas_and_nothing_else_faster(tmp_path: Path) -> None:
    moved = []
    for name, rate in (("slow", 1.0), ("fast", 20.0)):
        config = replace(TINY, iterations=1, ema=0.0, half=False, attention_rate=rate)
        run(tmp_path / f"{name}.pt", config)
        moved.append(weights(tmp_path / f"{name}.pt"))
    slow, fast = moved
    gamma = "blocks.0.cross_attention.gamma"
    assert abs(slow[gamma].item()) == pytest.approx(2e-4, rel=0.01)
    assert fast[gamma].item() == pytest.approx(20 * slow[gamma].item(), rel=0.01)
    assert torch.equal(slow["decoder.7.weight"], fast["decoder.7.weight"])


def test_average_follows_the_weights_slowly(tmp_path: Path) -> None:
    for name, ema in (("average", 0.998), ("last", 0.0)):
        run(tmp_path / f"{name}.pt", replace(TINY, ema=ema, iterations=1))
    # After one step the average has taken 9/10 of the way from the start to the last weights.
    start = pona.trainer.PoNAGenerator
    torch.manual_seed(0)
    first = start.from_config(TINY.generator_config()).state_dict()["decoder.7.weight"]
    last = weights(tmp_path / "last.pt")["decoder.7.weight"]
    torch.testing.assert_close(
        weights(tmp_path / "average.pt")["decoder.7.weight"], first + 0.9 * (last - first), rtol=2e-3, atol=1e-5
    )


def test_no_average_is_kept_where_none_is_saved(tmp_path: Path) -> None:
    config = replace(TINY, ema=0.0)
    run(tmp_path / "whole.pt", config)
    state = interrupted(tmp_path / "cut.pt", config)
    assert state["state"]["average"] is None
    state["state"]["average"] = state["state"]["generator"]  # as earlier versions had it
    write_torch(tmp_path / "cut.pt.last", state)
    run(tmp_path / "cut.pt", config)
    assert equal(weights(tmp_path / "whole.pt"), weights(tmp_path / "cut.pt"))


def test_starting_from_a_generator_takes_its_weights_and_its_past(tmp_path: Path) -> None:
    run(tmp_path / "first.pt", trained_on=RECORD | {"names": ["a.jpg", "b.jpg"]})
    config = replace(TINY, iterations=1, learning_rate=1e-12, ema=0.0, half=False)
    run(tmp_path / "second.pt", config, trained_on=RECORD | {"names": ["c.jpg"]}, initial=tmp_path / "first.pt")
    assert load_checkpoint(tmp_path / "second.pt").training["trained_on"]["names"] == ["a.jpg", "b.jpg", "c.jpg"]
    first, second = weights(tmp_path / "first.pt"), weights(tmp_path / "second.pt")
    torch.testing.assert_close(second["decoder.7.weight"], first["decoder.7.weight"], rtol=0, atol=1e-9)
    with pytest.raises(PoNAError, match="width 4 -> 8"):
        run(tmp_path / "third.pt", replace(config, width=8), initial=tmp_path / "first.pt")


def test_unwritable_output_is_said_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(PoNAError, match="cannot write"):
        run(tmp_path / "no" / "g.pt", progress=lambda _: pytest.fail("trained first"))


def test_market_refuses_without_vgg_weights_and_mini_goes_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(PoNAError, match="perceptual loss needs VGG-19"):
        run(tmp_path / "g.pt", PRESETS["market"])
    run(tmp_path / "g.pt", replace(TINY, perceptual="optional", iterations=1))
    assert load_checkpoint(tmp_path / "g.pt").training["perceptual"] == "none"


def test_vgg_weights_for_a_run_without_perceptual_loss_are_refused(tmp_path: Path) -> None:
    torch.save(torchvision_layout(), tmp_path / "vgg.pth")
    with pytest.raises(PoNAError, match=r"vgg.pth is given .*--perceptual none.*: leave one away"):
        run(tmp_path / "g.pt", vgg_weights=tmp_path / "vgg.pth")


def test_presets_are_the_papers() -> None:
    market, fashion = PRESETS["market"], PRESETS["deepfashion"]
    assert (market.gan_weight, market.l1_weight, market.perceptual_weight) == (5, 10, 10)
    assert (fashion.gan_weight, fashion.l1_weight, fashion.perceptual_weight) == (5, 1, 1)
    assert market.iterations == 700 * 4000 / 32
    assert fashion.iterations == 700 * 4000 / 7
    assert market.decay == pytest.approx(200 / 700)
    assert (market.batch_size, fashion.batch_size, market.pool_size, fashion.pool_size) == (32, 7, 50, 0)
    assert (market.adversarial, fashion.adversarial, fashion.sigma) == ("bce", "lsgan", None)


def test_learning_rate_falls_to_zero_at_the_end() -> None:
    assert [rate_factor(f, 0.5) for f in (0, 0.5, 0.75, 1)] == [1, 1, 0.5, 0]
    assert [rate_factor(f, 0) for f in (0, 1)] == [1, 1]
    assert rate_factor(600 / 700, 200 / 700) == pytest.approx(0.5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"iterations": 0}, {"iterations": None}, {"minutes": -1.0}, {"batch_size": 1}, {"precision": "fp8"},
        {"perceptual": "vgg"}, {"adversarial": "wgan"}, {"width": 5}, {"ema": 1.0}, {"decay": 2.0},
        {"discriminator_variant": "patch"}, {"color_jitter": 1.5},
    ],
)  # fmt: skip
def test_wrong_configuration_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(PoNAError, match="expected"):
        TrainConfig(**wrong)


def test_dropout_keeps_half_and_doubles_it() -> None:
    torch.manual_seed(0)
    x = torch.ones(4, 8, 32, 31, requires_grad=True)
    y = HalfDropout()(x)
    assert set(y.unique().tolist()) == {0, 2}
    assert y.mean().item() == pytest.approx(1, abs=0.02)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())  # type: ignore[arg-type]
    assert torch.equal(HalfDropout().eval()(x), x)
