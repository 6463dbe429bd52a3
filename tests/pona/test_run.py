"""The loop of a run: schedule, files, and how it ends."""

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import pona.run
import pona.train
import pona.trainer
from pona import PoNAError, load_checkpoint
from pona.run import rate_factor
from pona.torch_file import read_torch
from pona.train import TrainProgress
from tests.factories import TINY, equal, kill_at, small_data, train_tiny, weights


def test_an_interrupted_run_is_safe_before_its_last_validation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(pona.train.Validation):
        def __call__(self, *arguments: Any) -> dict[str, Any]:
            raise OSError("killed")

    monkeypatch.setattr(pona.train, "Validation", Killed)
    config, data = replace(TINY, validate_every=100), small_data(6, 32, 16)
    with pytest.raises(OSError, match="killed"):
        train_tiny(
            tmp_path / "g.pt",
            config,
            data=data,
            validation=data,
            progress=lambda _: signal.raise_signal(signal.SIGTERM),
        )
    assert read_torch(tmp_path / "g.pt.last")["state"]["iteration"] == 2


def test_state_is_saved_every_few_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(TINY, validate_every=100, log_every=2)
    train_tiny(tmp_path / "whole.pt", config)
    monkeypatch.setattr(pona.run, "SAVE_SECONDS", 0)
    with pytest.raises(OSError, match="killed"):
        train_tiny(tmp_path / "cut.pt", config, progress=kill_at(4))
    assert read_torch(tmp_path / "cut.pt.last")["state"]["iteration"] == 3
    train_tiny(tmp_path / "cut.pt", config)
    assert equal(weights(tmp_path / "whole.pt"), weights(tmp_path / "cut.pt"))
    logged = [json.loads(line)["iteration"] for line in (tmp_path / "cut.pt.jsonl").read_text().splitlines()]
    assert logged == [2, 4, 6]


def test_best_weights_are_kept_under_their_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = iter([0.3, 0.2, 0.25])

    class Measured(pona.train.Validation):
        def __call__(self, *arguments: Any) -> dict[str, float]:
            return super().__call__(*arguments) | {"l1": next(figures)}

    monkeypatch.setattr(pona.train, "Validation", Measured)
    reports: list[TrainProgress] = []
    data = small_data(6, 32, 16)
    train_tiny(tmp_path / "g.pt", data=data, validation=data, progress=reports.append)
    best, last = load_checkpoint(tmp_path / "g.best.pt"), load_checkpoint(tmp_path / "g.pt")
    assert best.training["iteration"] == 4 and last.training["iteration"] == 6
    assert best.training["best"] == last.training["best"] == {"iteration": 4, "l1": 0.2}
    assert not equal(best.generator.state_dict(), last.generator.state_dict())
    assert [report.iteration for report in reports if report.samples is not None] == [2, 4, 6]
    assert all("samples" not in json.loads(line) for line in (tmp_path / "g.pt.jsonl").read_text().splitlines())


def test_best_so_far_survives_a_kill(tmp_path: Path) -> None:
    data = small_data(6, 32, 16)
    train_tiny(tmp_path / "whole.pt", data=data, validation=data)
    with pytest.raises(OSError, match="killed"):
        train_tiny(tmp_path / "cut.pt", data=data, validation=data, progress=kill_at(5))
    train_tiny(tmp_path / "cut.pt", data=data, validation=data)
    whole, cut = (load_checkpoint(tmp_path / f"{name}.best.pt") for name in ("whole", "cut"))
    assert whole.training["best"] == cut.training["best"]
    assert equal(whole.generator.state_dict(), cut.generator.state_dict())


def test_time_budget_ends_the_run_with_the_learning_rate_at_zero(tmp_path: Path) -> None:
    reports: list[TrainProgress] = []
    config = replace(TINY, iterations=None, minutes=0.02)
    train_tiny(tmp_path / "g.pt", config, progress=reports.append)
    training = load_checkpoint(tmp_path / "g.pt").training
    assert training["finished"]
    assert training["iteration"] == reports[-1].iteration >= 2
    assert 1.2 <= training["seconds"] < 10
    assert reports[-1].seconds_left == 0


def test_divergence_is_said_and_the_last_good_weights_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = pona.objectives.adversarial.adversarial_loss

    def poisoned(score: torch.Tensor, *arguments: Any) -> torch.Tensor:
        return real(score, *arguments) * (float("nan") if (tmp_path / "g.pt").exists() else 1)

    monkeypatch.setattr(pona.objectives.adversarial, "adversarial_loss", poisoned)
    with pytest.raises(PoNAError, match=r"diverged before iteration 3: .*gan.* keeps the last good weights"):
        train_tiny(tmp_path / "g.pt")
    assert all(tensor.isfinite().all() for tensor in weights(tmp_path / "g.pt").values())


@pytest.mark.parametrize("name", ["generator", "average", "discriminator"])
def test_weights_that_the_last_step_ruined_are_not_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    step = pona.trainer.Trainer.step

    def ruined(trainer: pona.trainer.Trainer, rate: float, fraction: float) -> dict[str, torch.Tensor]:
        losses = step(trainer, rate, fraction)
        if trainer.iteration == 4:  # of which the losses of this step tell nothing yet
            ruins = {"discriminator": trainer.discriminators["pose"]}.get(name) or getattr(trainer, name)
            next(ruins.parameters()).data[0] = float("inf")
        return losses

    monkeypatch.setattr(pona.trainer.Trainer, "step", ruined)
    with pytest.raises(PoNAError, match=rf"diverged before iteration 4: weights .*{name}.* not finite"):
        train_tiny(tmp_path / "g.pt")
    assert load_checkpoint(tmp_path / "g.pt").training["iteration"] == 2
    assert read_torch(tmp_path / "g.pt.last")["state"]["iteration"] == 2


def test_divergence_before_anything_was_saved_claims_no_good_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        pona.objectives.adversarial, "adversarial_loss", lambda score, *_: score.float().mean() * float("nan")
    )
    with pytest.raises(PoNAError, match=r"diverged before iteration 1: .*not finite.*try a smaller") as caught:
        train_tiny(tmp_path / "g.pt")
    assert "keeps" not in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried"),
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
        train_tiny(tmp_path / "g.pt")


def test_another_runtime_error_is_not_called_out_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(pona.trainer.Trainer, "step", broken)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        train_tiny(tmp_path / "g.pt")


def test_fp16_that_can_take_no_step_has_diverged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(score: torch.Tensor, real: bool, kind: str) -> torch.Tensor:
        return 1 + (0 * score).sqrt().mean()  # a number, and its gradient is none

    monkeypatch.setattr(pona.objectives.adversarial, "adversarial_loss", broken)
    with pytest.raises(PoNAError, match=r"diverged before iteration 20: gradients .*not finite"):
        train_tiny(tmp_path / "g.pt", replace(TINY, iterations=20, validate_every=20, precision="fp16"))


def test_learning_rate_falls_to_zero_at_the_end() -> None:
    assert [rate_factor(f, 0.5) for f in (0, 0.5, 0.75, 1)] == [1, 1, 0.5, 0]
    assert [rate_factor(f, 0) for f in (0, 1)] == [1, 1]
    assert rate_factor(600 / 700, 200 / 700) == pytest.approx(0.5)


@pytest.mark.parametrize("iterations", [7, 70, 87_500, 400_400])
def test_learning_rate_stays_within_a_step_and_ends_at_zero(iterations: int) -> None:
    steps = 7
    rates = [rate_factor(i / iterations, 3 / steps, steps) for i in range(0, iterations, iterations // 7)]
    assert rates == pytest.approx([1, 1, 1, 1, 2 / 3, 1 / 3, 0])
    ends = [rate_factor((i + 1) / steps - 1 / iterations, 3 / steps, steps) for i in range(steps)]
    assert ends == pytest.approx(rates)


def broken(content: dict[str, Any], *keys: str, to: object) -> dict[str, Any]:
    """The same with one value exchanged."""
    return {**content, keys[0]: broken(content[keys[0]], *keys[1:], to=to) if keys[1:] else to}


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("state")
    with pytest.raises(OSError, match="killed"):
        train_tiny(folder / "g.pt", progress=kill_at(3))
    return dict(read_torch(folder / "g.pt.last"))


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("state",), {}),
        (("state",), None),
        (("config",), [1]),
        (("origin",), None),
        (("best",), {"iteration": 2, "l1": "0.3"}),
        (("validation",), [torch.ones(2)]),
        (("state", "iteration"), "2"),
        (("state", "iteration"), -1),
        (("state", "iteration"), 10**9),
        (("state", "seconds"), float("nan")),
        (("state", "pair_random"), torch.zeros(3, dtype=torch.uint8)),
        (("state", "torch_random"), "random"),
        (("state", "generator"), {}),
        (("state", "generator", "decoder.0.weight"), torch.ones(3)),
        (("state", "generator_optimizer", "state"), {0: {}}),
        (("state", "generator_optimizer", "param_groups"), [{}]),
        (("state", "discriminators"), {}),
        (("state", "pools"), {"appearance": None}),
    ],
)
def test_a_broken_state_is_refused_and_says_what_to_delete(
    tmp_path: Path, state: dict[str, Any], keys: tuple[str, ...], value: object
) -> None:
    torch.save(broken(state, *keys, to=value), tmp_path / "g.pt.last")
    (tmp_path / "g.pt").write_bytes(b"the generator so far")
    with pytest.raises(PoNAError, match=r"g\.pt\.last.*delete.*to start again") as caught:
        train_tiny(tmp_path / "g.pt")
    assert "\n" not in str(caught.value)
    assert (tmp_path / "g.pt").read_bytes() == b"the generator so far"


def test_a_state_with_weights_that_are_not_finite_is_refused(tmp_path: Path, state: dict[str, Any]) -> None:
    weight = torch.full_like(state["state"]["generator"]["decoder.0.weight"], torch.nan)
    content = broken(state, "state", "generator", "decoder.0.weight", to=weight)
    torch.save(content, tmp_path / "g.pt.last")
    with pytest.raises(PoNAError, match=r"damaged: delete g\.pt\.last to start again"):
        train_tiny(tmp_path / "g.pt")


def test_a_flipped_bit_of_the_state_is_refused(tmp_path: Path, state: dict[str, Any]) -> None:
    torch.save(state, tmp_path / "g.pt.last")
    content = bytearray((tmp_path / "g.pt.last").read_bytes())
    content[len(content) // 2] ^= 4
    (tmp_path / "g.pt.last").write_bytes(content)
    with pytest.raises(PoNAError, match=r"damaged.*delete g\.pt\.last to start again"):
        train_tiny(tmp_path / "g.pt")
