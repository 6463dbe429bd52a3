"""Time and memory of ``evaluate_ranking`` compared with the matrix product alone, at the size of Market-1501.

usage: python benchmarks/ranking.py [--queries 3368] [--gallery 19732] [--dimensions 512] [--repeats 5]
"""

import argparse
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from reid_baseline import evaluate_ranking


def resident_mib() -> float:
    """Returns the memory of this process in MiB (Linux)."""
    return int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]) * 4096 / 2**20


def peak_extra_mib(function: Callable[[], object]) -> float:
    """Returns the peak growth of the process while ``function`` runs, sampled every 2 ms."""
    before = peak = resident_mib()
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.002):
            peak = max(peak, resident_mib())

    watcher = threading.Thread(target=watch)
    watcher.start()
    function()
    done.set()
    watcher.join()
    return peak - before


def seconds(function: Callable[[], object], repeats: int) -> float:
    """Returns the time of the fastest run."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=3368)
    parser.add_argument("--gallery", type=int, default=19732)
    parser.add_argument("--dimensions", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()

    rng = np.random.default_rng(0)
    query = rng.standard_normal((args.queries, args.dimensions), dtype=np.float32)
    gallery = rng.standard_normal((args.gallery, args.dimensions), dtype=np.float32)
    # As in Market-1501: 750 persons, a fifth of the gallery junk, a seventh distractors, 6 cameras.
    query_pids, query_camids = rng.integers(1, 751, args.queries), rng.integers(1, 7, args.queries)
    gallery_pids, gallery_camids = rng.integers(1, 751, args.gallery), rng.integers(1, 7, args.gallery)
    draw = rng.random(args.gallery)
    gallery_pids[draw < 0.19] = -1
    gallery_pids[draw > 0.86] = 0

    def evaluate() -> None:
        evaluate_ranking(query, gallery, query_pids, gallery_pids, query_camids, gallery_camids)

    extra = peak_extra_mib(evaluate)
    product = seconds(lambda: query @ gallery.T, args.repeats)
    ranking = seconds(evaluate, args.repeats)
    print(f"{args.queries} queries x {args.gallery} gallery items x {args.dimensions}")
    print(f"matrix product {product:.3f} s, ranking {ranking:.3f} s = {ranking / product:.2f} x")
    print(f"extra memory of ranking {extra:.0f} MiB")


if __name__ == "__main__":
    main()
