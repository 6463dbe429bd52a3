"""For torchreid."""

from pathlib import Path

from reidaug.datasets.layouts import open_dataset
from reidaug.study.folder import Study
from tests.study.exports.conftest import Exporter
from tests.study.exports.readers import numbers, numbers_of, read_market, read_msmt17


def test_its_market_reader_finds_every_image(exported: Exporter, study: Study, tmp_path: Path) -> None:
    values = exported("torchreid")
    splits = read_market(tmp_path / "sets" / "market1501" / "Market-1501-v15.09.15")
    data = open_dataset(study.path / "p0.40" / "none")
    assert {split: numbers_of(rows) for split, rows in splits.items()} == {
        split: numbers(data, split) for split in ("train", "query", "gallery")
    }
    assert values["train_images"] == 14 and values["synthetic"] == 0
    assert values["type"].startswith("python scripts/main.py --config-file configs/im_")
    assert values["type"].endswith(f"--root {tmp_path / 'sets'} -s market1501 -t market1501")


def test_numbers_beyond_market_go_into_its_msmt17_reader(exported: Exporter, large: Path, tmp_path: Path) -> None:
    assert "-s msmt17 -t msmt17" in exported("torchreid", large)["type"]
    splits = read_msmt17(tmp_path / "sets" / "msmt17" / "MSMT17_V1")
    assert numbers_of(splits["train"]) == [(0, 1), (0, 15), (1, 1), (1, 15)] and splits["val"] == []
    assert numbers_of(splits["query"]) == [(0, 7), (1, 7)] and numbers_of(splits["gallery"]) == [(0, 14), (1, 14)]


def test_junk_is_left_out_of_lists_and_distractors_have_a_number_of_their_own(
    exported: Exporter, tiny_root: Path, tmp_path: Path
) -> None:
    (image, *_) = sorted((tiny_root / "bounding_box_train").iterdir())
    image.rename(image.with_name("1600_c1s1_000001_00.jpg"))
    exported("torchreid", tiny_root)
    splits = read_msmt17(tmp_path / "sets" / "msmt17" / "MSMT17_V1")
    assert len(splits["gallery"]) == 20 and {pid for _, pid, _ in splits["query"]} == {0, 1, 2, 3}
    assert {pid for _, pid, _ in splits["gallery"]} == {0, 1, 2, 3, 4}  # 4: distractors, of no query
