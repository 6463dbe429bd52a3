"""Rendered people per second on one core, with JPEG and files: `python benchmarks/mannequins.py [--ids 40]`."""

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # one core; before numpy is loaded

from reidaug.demo.mannequins import MannequinConfig, write_mannequins


def main() -> None:
    """Renders a data set into a temporary folder and prints images/s by processor time and by the clock."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ids", type=int, default=40, help="training identities; half as many for testing")
    parser.add_argument("--images", type=int, default=12, help="images per identity")
    arguments = parser.parse_args()
    config = MannequinConfig(arguments.ids, max(1, arguments.ids // 2), arguments.images)
    with tempfile.TemporaryDirectory() as folder:
        clock, processor = time.perf_counter(), time.process_time()
        root = write_mannequins(Path(folder) / "people", config)
        clock, processor = time.perf_counter() - clock, time.process_time() - processor
        images = sum(1 for _ in root.rglob("*.jpg"))
    print(f"{images} images: {images / processor:.0f}/s of processor time, {images / clock:.0f}/s by the clock")


if __name__ == "__main__":
    main()
