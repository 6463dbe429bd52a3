"""For Hugging Face's datasets."""

import csv
import re
import shlex
from pathlib import Path

from reidaug.datasets.layouts import open_dataset
from reidaug.study.folder import Study
from reidaug.study.plan import ManifestRow, manifest_rows, read_plan, write_manifest
from tests.study.exports.conftest import Exporter


def read_image_folder(root: Path) -> dict[str, dict[str, dict[str, str]]]:
    """Its reader: the card names the files of each split; a metadata.csv has a row for each, by `file_name`."""
    card = (root / "README.md").read_text()
    assert card.startswith("---\nconfigs:\n") and "\n---\n" in card[4:]
    splits = {}
    for split, pattern in re.findall(r"- split: (\w+)\n    path: (\S+)\n", card):
        files = {
            path.name for path in root.glob(pattern + "/*" if pattern.endswith("**") else pattern) if path.is_file()
        }
        with (root / split / "metadata.csv").open(newline="") as file:
            rows = {row["file_name"]: row for row in csv.DictReader(file)}
        assert rows.keys() == files - {"metadata.csv"}
        splits[split] = rows
    return splits


def test_each_image_has_its_row(exported: Exporter, study: Study, tmp_path: Path) -> None:
    root = study.set_root(0.4, "none")
    rows = manifest_rows(row for row in read_plan(study.plan_path(0.4)) if row.kept)
    first, second = rows[:2]
    made = ManifestRow(first.name, first.pid, first.camid, True, second.name, "generate")
    write_manifest(root / "manifest.csv", [made, *rows[1:]])
    values = exported("huggingface")
    splits = read_image_folder(tmp_path / "sets")
    data = open_dataset(root)
    for split, table in splits.items():
        images = {image.name: image for image in data.images(split)}
        assert {name: (int(row["pid"]), int(row["camid"])) for name, row in table.items()} == {
            name: (image.pid, image.camid) for name, image in images.items()
        }
    assert splits.keys() == {"train", "query", "gallery"} and values["synthetic"] == 1
    assert (splits["train"][first.name]["synthetic"], splits["train"][first.name]["condition"]) == ("1", second.name)
    assert (splits["train"][second.name]["synthetic"], splits["train"][second.name]["condition"]) == ("0", "")
    assert f"load_dataset('{tmp_path / 'sets'}')" in shlex.split(values["type"])[-1]
