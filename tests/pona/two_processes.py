"""What two processes do for test_processes.py, started by torchrun; each writes its results to a file."""

import atexit
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from pona.launch import launch
from pona.layers import HalfDropout
from pona.processes import Processes
from pona.run import Run
from pona.train import TrainConfig, TrainProgress, train
from pona.trainer import Trainer
from tests.factories import RECORD, TINY, kill_at, small_data

# Nothing in it is drawn per process or depends on how a batch is split, except for the pairs.
PLAIN = replace(TINY, norm="instance", discriminator_norm="none", pool_size=0, precision="fp32", self_attention=True)
DATA = small_data(6, 32, 16)


def one_step(processes: Processes, config: TrainConfig) -> dict[str, torch.Tensor]:
    """Gradients of all networks in the first step, without dropout."""
    torch.manual_seed(0)
    trainer = Trainer(processes, config, DATA, None)
    with no_dropout():
        trainer.step(1e-4)
    networks = {"generator": trainer.generator, **trainer.discriminators}
    return {
        f"{prefix}.{name}": parameter.grad
        for prefix, network in networks.items()
        for name, parameter in network.module.named_parameters()
    }


class no_dropout:
    def __enter__(self) -> None:
        self.forward = HalfDropout.forward
        HalfDropout.forward = lambda self, x: x  # type: ignore[method-assign]

    def __exit__(self, *_: Any) -> None:
        HalfDropout.forward = self.forward  # type: ignore[method-assign]


def same_everywhere(state: dict[str, torch.Tensor]) -> bool:
    """Whether all processes hold the very same tensors."""
    states: list[Any] = [None, None]
    dist.all_gather_object(states, {name: tensor.cpu() for name, tensor in state.items()})
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def outcome(work: Callable[[], Any]) -> str:
    try:
        work()
    except (Exception, KeyboardInterrupt) as error:
        return f"{type(error).__name__}: {error}"
    return "done"


def main(folder: Path) -> None:
    connected = folder / f"connected{os.environ['RANK']}.json"
    atexit.register(lambda: connected.write_text(json.dumps(dist.is_initialized())))  # runs after what launch registers
    processes = launch(TINY, "cpu")
    results: dict[str, Any] = {"rank": processes.rank, "count": processes.count}
    gradients = one_step(launch(PLAIN, "cpu"), PLAIN)
    if processes.is_first:
        torch.save(gradients, folder / "gradients.pt")

    trainers: list[Trainer] = []
    start = Run.start

    def spied(run: Run, resume: bool) -> None:
        trainers.append(run.trainer)
        start(run, resume)

    Run.start = spied  # type: ignore[method-assign]

    def run(name: str, config: TrainConfig = TINY, progress: Callable[[TrainProgress], None] | None = None) -> str:
        options: dict[str, Any] = {"trained_on": RECORD, "processes": processes, "validation": DATA}
        return outcome(lambda: train(DATA, config, folder / name, progress=progress, **options))

    results["whole"] = run("whole.pt")
    results["weights"] = same_everywhere(trainers[-1].generator.state_dict())
    results["average"] = same_everywhere(trainers[-1].average.state_dict())
    results["discriminators"] = all(
        same_everywhere(dict(network.module.named_parameters())) for network in trainers[-1].discriminators.values()
    )
    results["own dropout"] = not same_everywhere(
        {"random": trainers[-1].pools["pose"].state_dict()["kept"].flatten()[:8]}  # type: ignore[union-attr]
    )

    results["cut"] = run("cut.pt", progress=kill_at(5))
    results["resumed"] = run("cut.pt")

    def interrupt(progress: TrainProgress) -> None:
        if progress.iteration == 2:
            os.kill(int((folder / "pid1").read_text()), signal.SIGINT)

    if not processes.is_first:
        (folder / "pid1").write_text(str(os.getpid()))
    results["interrupted"] = run("interrupted.pt", progress=interrupt)
    results["no folder"] = run("nowhere/g.pt")
    results["other input"] = outcome(lambda: processes.every(lambda: 1 // (1 - processes.rank)))
    results["timed"] = run("timed.pt", replace(TINY, iterations=None, minutes=0.01))
    results["iterations"] = trainers[-1].iteration
    config = replace(TINY, cross_attention=False, discriminator_norm="batch", iterations=2)
    processes = launch(config, "cpu")
    results["no cross-attention, BN"] = run("plain.pt", config)
    (folder / f"results{processes.rank}.json").write_text(json.dumps(results))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
