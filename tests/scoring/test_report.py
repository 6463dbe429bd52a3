"""The table and the files of `score`, from given figures."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console

from reidaug.scoring.generated import ImageFiles
from reidaug.scoring.report import score_table, score_values, write_details
from reidaug.scoring.score import Score, SetScore
from tests.factories import posed_images_of

HEADINGS = "SSIM ↑ IS ↑ mask-SSIM ↑ mask-IS ↑ PSNR ↑ PCKh ↑ L1 % ↓ LPIPS ↓ FID ↓ identity ↑ SSIM win 51 ↑ PSNR wrapped"
FIGURES = {
    **{"ssim": 0.3131, "mask_ssim": 0.8126, "ssim_win51": 0.25, "psnr": 14.256, "psnr_wrapped": 28.2, "l1": 0.1234},
    **{"lpips": 0.2, "identity": -0.5, "pckh": 0.945, "is": 3.5, "is_std": 0.25, "mask_is": 3.75, "mask_is_std": 0.125},
    "fid": 31.25,
}
CELLS = "0.313 3.500 ± 0.250 0.813 3.750 ± 0.125 14.26 94.5 12.34 0.200 31.2 -0.500 0.250 28.20"


def score_of(root: Path, pairs: int = 3) -> Score:
    """Of training images in the role of generated ones; the L1 rises from first to last."""
    source = posed_images_of(root)
    names = [path.name for path in source.train[-pairs - 1 :]]
    per_image = {"ssim": np.linspace(1, 0, pairs), "l1": np.linspace(0, 1, pairs) / 3}
    sets = [
        SetScore("pona", {**per_image, "joints_right": np.arange(pairs)}, FIGURES),
        SetScore("real", per_image, {"ssim": 1.0, "psnr": float("inf"), "mask_ssim": float("nan")}),
    ]
    generated = ImageFiles(root / "bounding_box_train", (128, 64))
    pairs_of = [(names[0], name) for name in names[1:]]
    return Score(
        sets, pairs_of, [generated], {generated.label: None}, ["lpips: no weights"], {"data": "DATA", "seed": 3}
    )


def printed(score: Score) -> list[list[str]]:
    """The cells of each line."""
    console = Console(width=250)
    with console.capture() as capture:
        console.print(score_table(score))
    lines = capture.get().replace("┃", "│").splitlines()
    return [[cell.strip() for cell in line.strip("│ ").split("│")] for line in lines]


def test_the_table_has_a_row_for_each_set_and_the_columns_of_the_paper_first(tiny_root: Path) -> None:
    lines = printed(score_of(tiny_root))
    assert lines[0] == ["3 pairs of DATA"]
    headings, pona, real = lines[2], lines[4], lines[5]
    assert " ".join(headings) == f"images {HEADINGS}"
    assert " ".join(pona) == f"pona {CELLS}"
    assert dict(zip(headings, real, strict=True)) | {"images": "real"} == {
        **dict.fromkeys(headings, "-"),
        **{"images": "real", "SSIM ↑": "1.000", "PSNR ↑": "inf"},
    }
    history = "bounding_box_train: trained on an unknown number of the true images"
    assert lines[-2:] == [[history], ["not computed: lpips: no weights"]]


def test_plain_values(tiny_root: Path) -> None:
    values = score_values(score_of(tiny_root))
    assert values["rows"][0] == {"set": "pona", **FIGURES}
    assert values["not_computed"] == ["lpips: no weights"] and values["targets_seen"] == {"bounding_box_train": None}
    assert values["data"] == "DATA" and values["seed"] == 3


def test_files_of_details(tiny_root: Path, tmp_path: Path) -> None:
    score = score_of(tiny_root)
    files = write_details(posed_images_of(tiny_root), score, tmp_path / "details")
    assert [path.name for path in files] == ["per-image.csv", "worst.png", "best.png"]
    rows = list(csv.DictReader(files[0].open()))
    assert list(rows[0]) == ["set", "condition", "target", "ssim", "l1", "joints_right"]
    assert [row["l1"] for row in rows] == ["0", "0.166667", "0.333333"] * 2
    assert [row["joints_right"] for row in rows] == ["0", "1", "2", "", "", ""]
    worst, best = (np.asarray(Image.open(path)) for path in files[1:])
    assert worst.shape == best.shape and not np.array_equal(worst, best)
