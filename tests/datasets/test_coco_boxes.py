"""Boxes in a COCO JSON file."""

import json
from pathlib import Path

import numpy as np
import pytest

from reidaug.core.errors import ReidAugError
from reidaug.datasets.images import read_image
from reidaug.datasets.layouts import open_dataset, open_source
from tests.cli.commands import error_of, values_of
from tests.datasets.makers import write_coco

ANNOTATIONS = [
    {"image_id": 1, "bbox": [10, 20, 64, 128], "pid": 7, "category_id": 1},
    {"image_id": 2, "bbox": [-8, 100, 64, 200], "attributes": {"track_id": 9}},
    {"image_id": 2, "bbox": [1.4, 2, 30, 60.2], "person_id": "8", "camid": 2, "split": "query"},
    {"image_id": 2, "bbox": [0, 0, 30, 60], "category_id": 2},
]


def test_import_cuts_people_out(tmp_path: Path) -> None:
    path = write_coco(tmp_path / "boxes.json", ANNOTATIONS)
    with pytest.raises(ReidAugError, match=r"`reidaug import .*boxes.json OUT` cuts the people out"):
        open_dataset(path)
    data = open_source(path)
    assert [(i.pid, i.camid, i.box) for i in data.images("train")] == [
        (7, 3, (10, 20, 64, 128)),
        (9, 4, (-8, 100, 64, 200)),
    ]
    assert [(i.pid, i.camid, i.box) for i in data.images("query")] == [(8, 2, (1, 2, 30, 60))]
    assert [p.message for p in data.look_at("train")[1]] == [
        "1 annotations have no person (pid, person_id, track_id): passed over"
    ]
    values = values_of("import", str(path), str(tmp_path / "out"))
    assert values["layout"] == "COCO boxes" and values["size"] == "128x64"
    first, second = open_dataset(tmp_path / "out").images("train")
    whole = read_image(tmp_path / "a.jpg").astype(int)
    assert np.abs(read_image(first.path).astype(int) - whole[20:148, 10:74]).mean() < 30  # JPEG of noise
    assert read_image(second.path).shape == (128, 64, 3)


def test_broken_annotations_are_named(tmp_path: Path) -> None:
    broken = [{"image_id": 3, "bbox": [0, 0, 1, 1], "pid": 1}, {"image_id": 1, "bbox": [0, 0, 0, 1], "pid": 1}]
    with pytest.raises(ReidAugError, match=r"annotation 1: expected image_id .* \(2 such problems\)"):
        open_source(write_coco(tmp_path / "boxes.json", [ANNOTATIONS[0], *broken])).images("train")
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(ReidAugError, match="not a data set"):
        open_source(tmp_path / "other.json")


def test_ids_and_people_of_other_types_are_no_crash(tmp_path: Path) -> None:
    path = write_coco(tmp_path / "boxes.json", [{"image_id": 1, "bbox": [0, 0, 30, 60], "pid": [7]}])
    assert "there are no train images" in error_of("import", str(path), str(tmp_path / "out"))
    content = json.loads(path.read_text())
    content["images"][0]["id"] = {"a": [1]}
    path.write_text(json.dumps({**content, "annotations": [{**ANNOTATIONS[0], "image_id": [1]}]}))
    assert "annotation 0: expected image_id" in error_of("import", str(path), str(tmp_path / "out"))


def test_a_large_file_is_read_once_and_again_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, reads, load = write_coco(tmp_path / "boxes.json", ANNOTATIONS), list[str](), json.loads
    monkeypatch.setattr(json, "loads", lambda text: reads.append(text) or load(text))
    data = open_source(path)
    assert [len(data.images(split)) for split in ("train", "query")] == [2, 1] and len(reads) == 1
    write_coco(path, ANNOTATIONS[:1])
    assert len(open_source(path).images("train")) == 1 and len(reads) == 2
