"""Speed of painting and training beside other work, by settings of OpenMP, whose threads wait for one another.

Each setting is a process of its own; all work in turns, first with no other work, then beside busy processes.

usage: python benchmarks/loaded.py [SETTING ...] [--busy N] [--seconds 2] [--rounds 4]

A setting is `torch` (nothing is set) or variables, such as `GOMP_SPINCOUNT=30000,OMP_PROC_BIND=true`.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

BATCH = 32
SETTINGS = ["torch", "GOMP_SPINCOUNT=30000", "OMP_WAIT_POLICY=passive", "OMP_NUM_THREADS=1"]


def work() -> None:
    """A process of one setting: reads "painting SECONDS" or "training SECONDS", writes images per second."""
    import torch

    from pona import fold_norms, generate_images, load_checkpoint
    from reid_baseline import RECIPES, build_model
    from reid_baseline.augmentation import augment
    from reid_baseline.optimizer import make_optimizer
    from reid_baseline.train import Objective, train_step, training_precision
    from reidaug.synthesis.painter import shipped_checkpoint

    random, cpu = torch.Generator().manual_seed(0), torch.device("cpu")
    images = torch.randint(256, (BATCH, 3, 128, 64), dtype=torch.uint8, generator=random)
    poses, targets = (torch.rand(BATCH, 18, 2, generator=random) * torch.tensor([63.0, 127.0]) for _ in "ab")
    generator = fold_norms(load_checkpoint(shipped_checkpoint()).generator)
    recipe, labels = RECIPES["quick"], torch.arange(BATCH)
    precision = training_precision(cpu, "auto", recipe)
    model = build_model("resnet18", BATCH, **recipe.network()).lay_out(cpu, precision).train()
    objective, optimizer = Objective(model, recipe, BATCH), make_optimizer(model, recipe)

    def train() -> None:
        batch = augment(images, recipe, random, model.colours)
        train_step(objective, optimizer, batch, labels, None, 0.0, precision).tolist()

    works: dict[str, Callable[[], object]] = {
        "painting": lambda: generate_images(generator, images, poses, targets),
        "training": train,
    }
    for function in works.values():
        function()
    print(torch.get_num_threads(), precision, flush=True)
    for line in sys.stdin:
        name, seconds = line.split()
        begun, count = time.perf_counter(), 0
        while (passed := time.perf_counter() - begun) < float(seconds):
            works[name]()
            count += BATCH
        print(count / passed, flush=True)


def start(setting: str) -> subprocess.Popen:
    """Starts the process of a setting."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    environment |= dict(part.split("=") for part in setting.split(",") if "=" in part)
    command = [sys.executable, __file__, "--work"]
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@contextmanager
def busy_processes(count: int) -> Iterator[Callable[[bool], None]]:
    """Processes that only count; yields a function that lets them run, or pauses them."""
    command = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(command) for _ in range(count)]

    def let(run: bool) -> None:
        for process in processes:
            process.send_signal(signal.SIGCONT if run else signal.SIGSTOP)

    try:
        yield let
    finally:
        for process in processes:
            process.kill()
            process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", nargs="*", metavar="SETTING", default=SETTINGS)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--busy", type=int, default=os.cpu_count(), help="busy processes; default: one per core")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work()
        return
    speeds = defaultdict[tuple[str, str, bool], list[float]](list)
    with busy_processes(arguments.busy) as let:
        let(False)
        workers = {setting: start(setting) for setting in arguments.settings}
        for setting, worker in workers.items():
            print(f"{setting}: {worker.stdout.readline().strip()}")
        for _ in range(arguments.rounds):
            for loaded in (False, True):
                let(loaded)
                for name in ("painting", "training"):
                    for setting, worker in workers.items():
                        worker.stdin.write(f"{name} {arguments.seconds}\n")
                        worker.stdin.flush()
                        speed = float(worker.stdout.readline())
                        speeds[setting, name, loaded].append(speed)
                        print(f"{'loaded' if loaded else 'idle':6} {name} {setting:24} {speed:6.1f}", flush=True)
        for worker in workers.values():
            worker.stdin.close()
            worker.wait()
    print(f"images/s by the median of {arguments.rounds} rounds (slowest round), {arguments.busy} busy processes")
    print(f"{'setting':24} {'work':10} {'idle':>16} {'loaded':>16}   idle/loaded   idle: of the first setting")
    for setting in workers:
        for name in ("painting", "training"):
            idle, loaded = (statistics.median(speeds[setting, name, state]) for state in (False, True))
            slowest = [min(speeds[setting, name, state]) for state in (False, True)]
            first = statistics.median(speeds[arguments.settings[0], name, False])
            shown = "".join(f"{median:9.1f} ({low:5.1f})" for median, low in zip((idle, loaded), slowest, strict=True))
            print(f"{setting:24} {name:10} {shown}   {idle / loaded:11.2f}   {idle / first:.2f}")


if __name__ == "__main__":
    main()
