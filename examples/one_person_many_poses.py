"""Generate one rendered person in the poses of others, with the shipped generator.

`python examples/one_person_many_poses.py` writes poses.png. It uses the libraries, not the command line.
"""

import tempfile
from pathlib import Path

import numpy as np
import torch

import pona
from reidaug.datasets.images import read_images
from reidaug.datasets.keypoints import find_annotations, read_annotations
from reidaug.datasets.market1501 import split_folder
from reidaug.datasets.pairs import usable
from reidaug.demo.mannequins import MannequinConfig, write_mannequins
from reidaug.reports.tiles import TileRow, pose_image, save_tiles
from reidaug.synthesis.painter import shipped_checkpoint

POSES = 8


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = write_mannequins(Path(folder) / "people", MannequinConfig(train_ids=10, test_ids=2, images=6))
        annotations = read_annotations(find_annotations(root, "train"))
        names = [name for name, good in zip(annotations.names, usable(annotations.keypoints), strict=True) if good]
        condition, targets = names[0], names[5 : 5 + POSES]
        image = read_images([split_folder(root, "train") / condition])
    keypoints = annotations.select(targets)
    generated = pona.generate_images(
        pona.load_checkpoint(shipped_checkpoint()).generator,
        torch.from_numpy(np.repeat(image, POSES, axis=0)).permute(0, 3, 1, 2),
        torch.from_numpy(annotations.select([condition] * POSES)),
        torch.from_numpy(keypoints),
    )
    rows = [
        TileRow([image[0], pose_image(pose, image.shape[1:3]), output])
        for pose, output in zip(keypoints, generated.permute(0, 2, 3, 1).numpy(), strict=True)
    ]
    save_tiles(Path("poses.png"), rows, ("condition", "target pose", "generated"), groups=2, scale=2)
    print("poses.png")


if __name__ == "__main__":
    main()
