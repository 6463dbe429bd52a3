"""Training steps: what each setting does to them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pona import PoNAGenerator, load_checkpoint
from pona.generators import generator_config
from pona.launch import launch
from pona.torch_file import read_torch
from pona.trainer import Trainer
from tests.factories import TINY, equal, interrupted, small_data, train_tiny, weights


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
        {"initialisation": "code", "discriminator_norm": None, "rate_steps": 2},
        {"cross_attention": False, "self_attention": False, "fusion": "none"},
    ],
)
def test_every_switch_trains(tmp_path: Path, change: dict[str, Any]) -> None:
    config = replace(TINY, iterations=2, **change)
    data = small_data(6, 32, 16)
    train_tiny(tmp_path / "g.pt", config, data=data, validation=data)
    assert load_checkpoint(tmp_path / "g.pt").config == generator_config(config)


def test_fp16_scales_its_losses_and_trains_as_fp32_does(tmp_path: Path) -> None:
    l1, scales = {}, {}
    for precision in ("fp32", "fp16"):
        out = tmp_path / f"{precision}.pt"
        train_tiny(out, replace(TINY, iterations=20, validate_every=100, precision=precision))
        l1[precision] = [json.loads(line)["losses"]["l1"] for line in out.with_suffix(".pt.jsonl").open()]
        interrupted(tmp_path / f"{precision}-cut.pt", replace(TINY, precision=precision))
        scales[precision] = read_torch(tmp_path / f"{precision}-cut.pt.last")["state"]["loss_scale"].get("scale")
    assert l1["fp16"][-1] < 0.97 * l1["fp16"][0]
    assert l1["fp16"] == pytest.approx(l1["fp32"], rel=0.02)
    assert scales["fp32"] is None and scales["fp16"] > 1


def test_colour_jitter_changes_what_is_seen_not_what_is_drawn() -> None:
    processes, config = launch(replace(TINY, precision="fp32"), "cpu"), replace(TINY, precision="fp32", flip=False)
    batches = [
        Trainer(processes, replace(config, color_jitter=strength), small_data(), None).draw_batch()
        for strength in (0.0, 0.3)
    ]
    assert torch.equal(batches[0].target_keypoints, batches[1].target_keypoints)
    assert not torch.allclose(batches[0].target_image, batches[1].target_image, atol=0.05)


def test_dropout_is_the_training_s_not_the_network_s(tmp_path: Path) -> None:
    processes, config = launch(replace(TINY, precision="fp32"), "cpu"), replace(TINY, precision="fp32")
    batch = {}
    for dropout in (True, False):
        trainer = Trainer(processes, replace(config, dropout=dropout), small_data(), None)
        block = trainer.generator.module.blocks[0].image_conv1.train()
        x = torch.ones(2, 16, 4, 2)
        batch[dropout] = [block(x), block(x)]
        assert trainer.average.config == generator_config(config)
    assert torch.equal(*batch[False]) and not torch.equal(*batch[True])


def test_attention_rate_moves_gammas_and_nothing_else_faster(tmp_path: Path) -> None:
    moved = []
    for name, rate in (("slow", 1.0), ("fast", 20.0)):
        config = replace(TINY, iterations=1, ema=0.0, half=False, attention_rate=rate)
        train_tiny(tmp_path / f"{name}.pt", config)
        moved.append(weights(tmp_path / f"{name}.pt"))
    slow, fast = moved
    gamma = "blocks.0.cross_attention.gamma"
    assert abs(slow[gamma].item()) == pytest.approx(2e-4, rel=0.01)
    assert fast[gamma].item() == pytest.approx(20 * slow[gamma].item(), rel=0.01)
    assert torch.equal(slow["decoder.7.weight"], fast["decoder.7.weight"])


def test_average_follows_the_weights_slowly(tmp_path: Path) -> None:
    for name, ema in (("average", 0.998), ("last", 0.0)):
        train_tiny(tmp_path / f"{name}.pt", replace(TINY, ema=ema, iterations=1))
    # After one step the average has taken 9/10 of the way from the start to the last weights.
    torch.manual_seed(0)
    first = PoNAGenerator.from_config(generator_config(TINY)).state_dict()["decoder.7.weight"]
    last = weights(tmp_path / "last.pt")["decoder.7.weight"]
    torch.testing.assert_close(
        weights(tmp_path / "average.pt")["decoder.7.weight"], first + 0.9 * (last - first), rtol=2e-3, atol=1e-5
    )


def test_no_average_is_kept_where_none_is_saved(tmp_path: Path) -> None:
    config = replace(TINY, ema=0.0)
    train_tiny(tmp_path / "whole.pt", config)
    state = interrupted(tmp_path / "cut.pt", config)
    assert state["state"]["average"] is None
    train_tiny(tmp_path / "cut.pt", config)
    assert equal(weights(tmp_path / "whole.pt"), weights(tmp_path / "cut.pt"))


def test_gan_weight_is_also_that_of_the_discriminators_own_losses() -> None:
    gradients = []
    for weight in (1.0, 5.0):
        config = replace(TINY, precision="fp32", gan_weight=weight)
        torch.manual_seed(0)
        trainer = Trainer(launch(config, "cpu"), config, small_data(), None)
        losses = trainer.step(1e-4)
        gradients.append([parameter.grad for parameter in trainer.discriminators["pose"].parameters()])
        assert losses["discriminator_pose"].item() == pytest.approx(0.693, abs=0.1)  # logged without the weight
    for one, five in zip(*gradients, strict=True):
        torch.testing.assert_close(five, 5 * one, rtol=1e-4, atol=1e-6)


def test_biases_start_at_zero_or_as_the_authors() -> None:
    for initialisation, zero in (("normal", True), ("code", False)):
        config = replace(TINY, precision="fp32", initialisation=initialisation)
        trainer = Trainer(launch(config, "cpu"), config, small_data(), None)
        assert trainer.generator.module.decoder[7].bias.any() != zero
        assert trainer.average.decoder[7].bias.any() != zero
