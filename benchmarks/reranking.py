"""Time and peak memory of k-reciprocal re-ranking at the size of Market-1501, on random clustered features.

usage: python benchmarks/reranking.py [--queries 3368] [--gallery 19732] [--junk 0.19] [--dimensions 512]
                                      [--persons 1501] [--noise 1.0]

Peak memory is that of the whole process with torch, as the system counts it; run each setting in a separate process.
"""

import argparse
import resource
import time

import numpy as np

from reid_baseline import evaluate_ranking, reranked_distances


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=3368)
    parser.add_argument("--gallery", type=int, default=19732)
    parser.add_argument("--junk", type=float, default=0.19, help="share of the gallery (3,819 of 19,732)")
    parser.add_argument("--dimensions", type=int, default=512)
    parser.add_argument("--persons", type=int, default=1501)
    parser.add_argument("--noise", type=float, default=1.0, help="length of the noise; a person's centre has 1")
    args = parser.parse_args()

    rng = np.random.default_rng(0)
    centres = rng.standard_normal((args.persons, args.dimensions), dtype=np.float32)
    query_pids, query_camids = rng.integers(1, args.persons, args.queries), rng.integers(1, 7, args.queries)
    gallery_pids, gallery_camids = rng.integers(1, args.persons, args.gallery), rng.integers(1, 7, args.gallery)
    query, gallery = (
        centres[pids] + args.noise * rng.standard_normal((len(pids), args.dimensions), dtype=np.float32)
        for pids in (query_pids, gallery_pids)
    )
    gallery_pids[rng.random(args.gallery) < args.junk] = -1
    print(
        f"{args.queries} queries x {args.gallery} gallery items, {(gallery_pids < 0).sum()} of them junk,"
        f" x {args.dimensions}; noise {args.noise}"
    )
    for name, distances in (("cosine", None), ("re-ranked", reranked_distances)):
        start = time.perf_counter()
        ranking = evaluate_ranking(
            *(query, gallery, query_pids, gallery_pids, query_camids, gallery_camids), distances=distances
        )
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # KiB on Linux
        print(f"{name}: mAP {100 * ranking.mean_ap:.2f}, {seconds:.1f} s, peak memory so far {peak:.2f} GiB")


if __name__ == "__main__":
    main()
