"""For Hugging Face's datasets: `train/`, `query/` and `gallery/` with a `metadata.csv` each, and a card naming them.

Splits of such names are found by the card alone: without it datasets looks for train and test.
"""

from pathlib import Path

from reidaug.core.files import atomic_write, write_csv
from reidaug.datasets.dataset import SPLITS
from reidaug.study.exports.layout import Export, ImageSet, quoted

COLUMNS = ("file_name", "pid", "camid", "synthetic", "condition")


def lay_out(images: ImageSet, root: Path) -> None:
    for split in SPLITS:
        folder = root / split
        folder.mkdir()
        images.put({folder / image.name: image for image in images.images[split]})
        rows: list[list[object]] = [list(COLUMNS)]
        for image in images.images[split]:
            origin = images.manifest.get(image.name) if split == "train" else None
            made = [int(origin.synthetic), origin.condition] if origin else [0, ""]
            rows.append([image.name, image.pid, image.camid, *made])
        write_csv(folder / "metadata.csv", rows)
    files = "".join(f"  - split: {split}\n    path: {split}/**\n" for split in SPLITS)
    card = f"---\nconfigs:\n- config_name: default\n  data_files:\n{files}---\n"
    atomic_write(
        root / "README.md", f"{card}\nPeople for re-identification; synthetic = 1: generated from condition.\n"
    )


def command(images: ImageSet, out: Path) -> str:
    code = f"import datasets; print(datasets.load_dataset({str(out)!r}))"
    return f"python -c {quoted(code)}"


EXPORT = Export(lambda images: "", lay_out, command)
