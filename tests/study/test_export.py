"""Exports: what is replaced, what is refused, links and copies."""

import os
import shutil
from pathlib import Path
from typing import get_args

import pytest

from reidaug.core.errors import ReidAugError
from reidaug.datasets.market1501 import ROOT_NAME, split_folder
from reidaug.evaluation.kept_network import TOOLS
from reidaug.study.export import MARK, export_set
from reidaug.study.exports import EXPORTS
from reidaug.study.exports.layout import Export, ImageSet
from reidaug.study.folder import Study
from reidaug.study.request import ExportRequest, Tool
from tests.cli.commands import error_of, values_of
from tests.datasets.makers import write_images


def test_the_option_offers_the_tools_of_the_tables() -> None:
    assert set(get_args(Tool)) == EXPORTS.keys() | set(TOOLS)


def test_another_set_takes_the_place_of_the_first_and_nothing_enters_the_study(study: Study, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(study.set_root(0.4, "none"), other / ROOT_NAME)
    names = sorted(os.listdir(split_folder(other / ROOT_NAME, "train")))
    (split_folder(other / ROOT_NAME, "train") / names[0]).unlink()
    (other / ROOT_NAME / "manifest.csv").unlink()
    before = sorted(map(str, study.path.rglob("*")))
    for source, expected in ((study.path / "p0.40" / "none", names), (other, names[1:]), (other, names[1:])):
        assert values_of("export", str(source), "sets", "--for", "torchreid")["train_images"] == len(expected)
        folder = split_folder(Path("sets") / "market1501" / ROOT_NAME, "train")
        assert sorted(os.listdir(folder)) == expected
        assert all((folder / name).samefile(split_folder(source / ROOT_NAME, "train") / name) for name in expected)
    assert sorted(map(str, study.path.rglob("*"))) == before
    assert os.listdir("sets") == ["market1501"]


def test_what_it_did_not_make_stays(study: Study, tmp_path: Path) -> None:
    source = study.path / "p0.40" / "none"
    place = tmp_path / "sets" / "market1501"
    place.parent.mkdir()
    place.symlink_to(source)  # as an earlier hint for torchreid had it
    line = error_of("export", str(source), "sets", "--for", "torchreid")
    assert f"{place} is a link to {source}" in line and "did not make it" in line and place.is_symlink()
    place.unlink()
    place.mkdir()
    (place / "mine.txt").touch()
    assert f"{place} is there, and `reidaug export` did not make it" in error_of(
        "export", str(source), "sets", "--for", "transreid"
    )
    (place / "mine.txt").unlink()
    values_of("export", str(source), "sets", "--for", "transreid")  # an empty folder will do
    values_of("export", str(source), "sets", "--for", "fastreid")
    assert "market1501 is an export for transreid: remove it" in error_of(
        "export", str(source), "sets", "--for", "torchreid"
    )
    assert sorted(os.listdir("sets")) == [ROOT_NAME, "market1501"]


def test_images_of_other_endings_get_the_one_that_the_tools_look_for(tmp_path: Path) -> None:
    files = ["bounding_box_train/1_c1.PNG", "query/2_c1.bmp", "bounding_box_test/2_c2.jpeg"]
    write_images(tmp_path / "in", files)
    export_set(ExportRequest(tmp_path / "in", tmp_path / "out", "fastreid", copy=True))
    shutil.rmtree(tmp_path / "in")
    written = {str(path.relative_to(tmp_path / "out" / ROOT_NAME)) for path in (tmp_path / "out").rglob("*.jpg")}
    assert written == {"bounding_box_train/1_c1.jpg", "query/2_c1.jpg", "bounding_box_test/2_c2.jpg"}
    assert all(path.stat().st_size > 100 for path in (tmp_path / "out").rglob("*.jpg"))


def test_what_cannot_be_exported_is_refused(study: Study, tmp_path: Path) -> None:
    source = study.path / "p0.40" / "none"
    assert "for a network; for images give torchreid" in error_of("export", str(source), "x", "--for", "torchvision")
    with pytest.raises(ReidAugError, match="lie in each other"):
        export_set(ExportRequest(source, source / ROOT_NAME / "sets", "fastreid"))
    with pytest.raises(ReidAugError, match="person and camera"):
        export_set(ExportRequest(source, tmp_path / "run_05_c3_x", "fastreid"))
    (source / "synthesis.json").touch()
    (source / ROOT_NAME / "manifest.csv").rename(tmp_path / "manifest.csv")
    with pytest.raises(ReidAugError, match="is not complete"):
        export_set(ExportRequest(source, tmp_path / "sets", "fastreid"))
    (tmp_path / "manifest.csv").rename(source / ROOT_NAME / "manifest.csv")
    next(split_folder(source / ROOT_NAME, "train").iterdir()).unlink()
    with pytest.raises(ReidAugError, match="its manifest and its images differ in 1"):
        export_set(ExportRequest(source, tmp_path / "sets", "fastreid"))


def test_a_tool_is_a_file_and_a_line(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lay_out(images: ImageSet, root: Path) -> None:
        lines = [f"{image.path} {image.pid}" for image in images.images["train"]]
        (root / "list.txt").write_text("\n".join(lines))

    toy = Export(lambda images: "toy", lay_out, lambda images, out: f"toy {out}")
    monkeypatch.setitem(EXPORTS, "toy", toy)
    request = ExportRequest(study.path / "p0.40" / "none", tmp_path / "sets", "toy")  # type: ignore[arg-type]
    assert export_set(request)["type"] == f"toy {tmp_path / 'sets'}"
    assert len((tmp_path / "sets" / "toy" / "list.txt").read_text().splitlines()) == 14


def test_what_was_added_to_an_export_is_not_removed(study: Study, tmp_path: Path) -> None:
    source = str(study.path / "p0.40" / "none")
    values_of("export", source, "sets", "--for", "huggingface")
    values_of("export", source, "sets", "--for", "fastreid")  # in the same folder
    assert f"an export, but {ROOT_NAME} in it is not of it" in error_of(
        "export", source, "sets", "--for", "huggingface"
    )
    assert Path("sets", ROOT_NAME).is_dir()
    values_of("export", source, "sets", "--for", "layumi")
    Path("sets", "Market", "pytorch").mkdir()  # as that tool does
    values_of("export", source, "sets", "--for", "layumi")
    assert not Path("sets", "Market", "pytorch").exists()


@pytest.mark.parametrize("mark", [b"[" * 100_000, b'{"for": "fastreid"}', b'{"for": "fastreid", "holds": 3}', None])
def test_a_broken_mark_is_no_export(study: Study, tmp_path: Path, mark: bytes | None) -> None:
    folder = Path("sets", ROOT_NAME)
    folder.mkdir(parents=True)
    os.mkfifo(folder / MARK) if mark is None else (folder / MARK).write_bytes(mark)
    line = error_of("export", str(study.path / "p0.40" / "none"), "sets", "--for", "fastreid")
    assert "did not make it" in line and (folder / MARK).exists()
