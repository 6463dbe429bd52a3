"""`reidaug score`: its figures against a second computation, from a checkpoint and from a folder."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner, Result

import reidaug.scoring.score
from pona import PoNAGenerator, generate_images, load_checkpoint, metrics, save_checkpoint
from reidaug.cli.app import app
from reidaug.core.errors import ReidAugError
from reidaug.datasets.keypoints import write_annotations
from reidaug.datasets.pairs import write_pairs
from reidaug.datasets.posed_images import PosedImages
from reidaug.demo.mannequins import MannequinConfig, write_mannequins
from reidaug.scoring.metrics import pixel
from reidaug.scoring.report import score_table
from reidaug.scoring.request import ScoreRequest
from reidaug.scoring.score import Score, choose_pairs, score
from reidaug.study.plan import ManifestRow, write_manifest
from reidaug.synthesis.provenance import describe_training_images
from tests.factories import image_named, images_in, posed_images_of, write_checkpoint

SIZE = (128, 64)


@pytest.fixture(autouse=True)
def no_weights(weights_folder: Path) -> None:
    """The weights of this machine are not used."""


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "pona.pt", seed=0)


@pytest.fixture
def source(tiny_root: Path) -> PosedImages:
    return posed_images_of(tiny_root)


def run(source: PosedImages, **changes: object) -> Score:
    return score(source, ScoreRequest(device="cpu", **changes), lambda done, total: None)  # type: ignore[arg-type]


def command(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["score", *map(str, arguments)])


def tensor(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def test_figures_are_those_of_the_metrics_on_the_whole(source: PosedImages, checkpoint: Path) -> None:
    result = run(source, checkpoints=(checkpoint,), count=9)
    conditions, targets = zip(*result.pairs, strict=True)
    true, given = tensor(source.images(targets)), tensor(source.images(conditions))
    poses = torch.from_numpy(source.keypoints(targets))
    generated = generate_images(
        load_checkpoint(checkpoint).generator, given, torch.from_numpy(source.keypoints(conditions)), poses
    )
    train = np.stack([np.asarray(Image.open(path)) for path in source.train])
    mean = tensor(np.repeat(train.mean(axis=0).round().astype(np.uint8)[None], 9, axis=0))
    for scores, images, close in zip(
        result.sets, (generated, given, mean, true), (2e-3, 1e-9, 1e-9, 1e-9), strict=True
    ):
        for name in ("ssim", "ssim_win51", "psnr", "l1"):
            expected = getattr(metrics, name)(images, true).mean().item()
            assert scores.overall[name] == pytest.approx(expected, rel=close, abs=close), (scores.name, name)
        assert scores.overall["mask_ssim"] == pytest.approx(
            metrics.mask_ssim(images, true, poses).mean().item(), abs=close
        )


def test_the_true_images_are_perfect(source: PosedImages, checkpoint: Path) -> None:
    real = run(source, checkpoints=(checkpoint,), count=5).sets[-1]
    assert real.name == "real"
    assert [real.overall[name] for name in ("ssim", "mask_ssim", "ssim_win51", "l1")] == [1, 1, 1, 0]
    assert np.isposinf(real.overall["psnr"])


def test_figures_do_not_depend_on_the_batch(
    source: PosedImages, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(source, checkpoints=(checkpoint,), count=7)
    monkeypatch.setattr(reidaug.scoring.score, "CHUNK", 2)
    parts = run(source, checkpoints=(checkpoint,), count=7)
    for one, other in zip(whole.sets, parts.sets, strict=True):
        for name in pixel.METRIC.per_image:
            assert np.allclose(one.per_image[name], other.per_image[name], rtol=1e-3), (one.name, name)


def test_saved_images_score_as_the_checkpoint(source: PosedImages, checkpoint: Path, tmp_path: Path) -> None:
    measured = run(source, checkpoints=(checkpoint,), count=6, save_images=tmp_path / "images")
    write_pairs(tmp_path / "pairs.csv", *named(measured.pairs))
    result = run(source, images=tmp_path / "images", pairs=tmp_path / "pairs.csv")
    assert result.sets[0].overall == measured.sets[0].overall and result.sets[0].name == "images"
    assert result.seen == {"images": None} and list(measured.record["checkpoints"])


def named(pairs: list[tuple[str, str]]) -> tuple[list[str], np.ndarray]:
    names = sorted({name for pair in pairs for name in pair})
    return names, np.array([[names.index(a), names.index(b)] for a, b in pairs])


def test_the_generated_images_of_a_set(source: PosedImages, tiny_root: Path, tmp_path: Path) -> None:
    a, b, c = (path.name for path in source.train[-3:])
    folder = tmp_path / "pona" / "root" / "bounding_box_train"
    folder.mkdir(parents=True)
    for name in (b, c):
        (folder / name).write_bytes((tiny_root / "bounding_box_train" / name).read_bytes())
    people = [image_named(name) for name in (b, c)]
    rows = [
        ManifestRow(image.name, image.pid, image.camid, True, a, action)
        for image, action in zip(people, ("generate", "copy"), strict=True)
    ]
    write_manifest(folder.parent / "manifest.csv", rows)
    result = run(source, images=folder.parent)
    assert result.pairs == [(a, b)] and result.sets[0].name == "pona" and result.sets[0].overall["ssim"] == 1


def test_seen_images_are_counted(source: PosedImages, checkpoint: Path, tiny_root: Path, tmp_path: Path) -> None:
    names = [path.name for path in source.train[-3:]]
    trained_on = describe_training_images(images_in(tiny_root / "bounding_box_train", names[:2]), None)
    generator = PoNAGenerator(width=8, blocks=1)
    save_checkpoint(checkpoint, generator, generator.config, {"trained_on": trained_on})
    write_pairs(tmp_path / "pairs.csv", names, np.array([[0, 1], [1, 2], [2, 1]]))
    assert run(source, checkpoints=(checkpoint,), pairs=tmp_path / "pairs.csv").seen == {"pona.pt": 1}
    assert run(source, checkpoints=(checkpoint,), count=3).seen == {"pona.pt": 0}


def test_pckh_needs_nothing_else(tmp_path: Path) -> None:
    data = write_mannequins(tmp_path / "people", MannequinConfig(train_ids=2, test_ids=4, images=6), lambda *_: None)
    result = run(posed_images_of(data), checkpoints=(Path("shipped"),), count=8)
    figures = {scores.name: scores.overall["pckh"] for scores in result.sets}
    assert min(figures["real"], figures["demo-pona.pt"]) > 0.7 > 0.5 > max(figures["copy"], figures["mean"])
    assert result.record["poses"] == "movenet" and not any(line.startswith("pckh") for line in result.missing)


def test_pckh_of_keypoints_in_a_file(source: PosedImages, checkpoint: Path, tmp_path: Path) -> None:
    pairs = choose_pairs(source, ScoreRequest(count=6))
    keypoints = source.keypoints([target for _, target in pairs])
    keypoints[0] += 40
    files = [f"{condition}___{target}.png" for condition, target in pairs]
    write_annotations(tmp_path / "poses.csv", files, keypoints)
    result = run(source, checkpoints=(checkpoint,), count=6, poses=tmp_path / "poses.csv")
    visible = np.isfinite(keypoints).all(axis=2).sum(axis=1)
    assert result.sets[0].overall["pckh"] == pytest.approx(visible[1:].sum() / visible.sum())
    assert "pckh" not in result.sets[1].overall
    write_annotations(tmp_path / "poses.csv", files[1:], keypoints[1:])
    with pytest.raises(ReidAugError, match=r"poses.csv has no row for .*___.*\(1 of 6 images\)"):
        run(source, checkpoints=(checkpoint,), count=6, poses=tmp_path / "poses.csv")


def test_the_command(tiny_root: Path, checkpoint: Path, tmp_path: Path) -> None:
    arguments = ("--ckpt", checkpoint, "--data", tiny_root, "--count", 4, "--device", "cpu")
    shown = command(*arguments)
    assert shown.exit_code == 0, shown.output
    assert "4 pairs of" in shown.stdout and "mask-SSIM ↑" in shown.stdout and "copy" in shown.stdout
    assert "not computed: lpips: needs https://download.pytorch.org/models/alexnet" in shown.stdout.replace("\n", " ")
    result = json.loads(command(*arguments, "--json", "--out", tmp_path / "details").stdout)
    assert [row["set"] for row in result["rows"]] == ["pona.pt", "copy", "mean", "real"]
    assert result["rows"][-1]["psnr"] is None and result["pairs"] == 4  # infinite
    rows = list(csv.DictReader((tmp_path / "details" / "per-image.csv").open()))
    assert len(rows) == 16 and {row["set"] for row in rows} == {"pona.pt", "copy", "mean", "real"}
    mean = np.mean([float(row["ssim"]) for row in rows if row["set"] == "pona.pt"])
    assert result["rows"][0]["ssim"] == pytest.approx(mean, rel=1e-4)
    for name in ("worst.png", "best.png"):
        assert Image.open(tmp_path / "details" / name).size[0] > 4 * SIZE[1]


def test_bad_input_is_one_line(tiny_root: Path, checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("from,to\nx.jpg,y.jpg\n")
    (tmp_path / "empty").mkdir()
    cases: list[tuple[tuple[object, ...], str]] = [
        ((), "expected a checkpoint (--ckpt) or a folder of generated images (--images), one of the two"),
        (("--ckpt", checkpoint, "--images", tmp_path), "one of the two"),
        (("--images", tmp_path / "empty"), "no image in"),
        (("--ckpt", checkpoint, "--count", 100_000), "--count 100000: there are"),
        (("--ckpt", checkpoint, "--pairs", tmp_path / "pairs.csv"), "pairs.csv line 2: no image 'x.jpg'"),
        (("--ckpt", checkpoint, "--reid", checkpoint), "pona.pt is no trained baseline"),
        (("--ckpt", tmp_path / "nothing.pt"), "nothing.pt does not exist"),
        (("--ckpt", checkpoint, "--out", tmp_path / "pairs.csv" / "where"), "pairs.csv is a file, expected a folder"),
        (("--ckpt", checkpoint, "--reid", tmp_path / "no.pt"), "no.pt does not exist"),
    ]
    for arguments, message in cases:
        result = command("--data", tiny_root, "--device", "cpu", *arguments)
        assert result.exit_code == 1 and message in " ".join(result.stderr.split()), (message, result.output)


def test_pairs_that_would_flatter_or_count_twice(source: PosedImages, checkpoint: Path, tmp_path: Path) -> None:
    names = [path.name for path in source.train[-3:]]
    for rows in ([[0, 0]], [[0, 1], [0, 1]]):
        write_pairs(tmp_path / "pairs.csv", names, np.array(rows))
        with pytest.raises(ReidAugError, match=rf"pairs.csv line {len(rows) + 1}: .* is the same image, or stands"):
            run(source, checkpoints=(checkpoint,), pairs=tmp_path / "pairs.csv")


def test_kept_photographs_of_a_set_are_no_generated_images(
    source: PosedImages, tiny_root: Path, tmp_path: Path
) -> None:
    a, b, c = (path.name for path in source.train[-3:])
    person = image_named(b)
    write_manifest(tiny_root / "manifest.csv", [ManifestRow(b, person.pid, person.camid, True, a, "generate")])
    write_pairs(tmp_path / "pairs.csv", [a, c], np.array([[0, 1]]))
    with pytest.raises(ReidAugError, match=rf"pairs.csv line 2: {c} was not generated from {a} in this set"):
        run(source, images=tiny_root, pairs=tmp_path / "pairs.csv")


def test_without_training_images_there_is_no_mean_image(checkpoint: Path, tiny_root: Path) -> None:
    for path in (tiny_root / "bounding_box_train").iterdir():
        path.unlink()
    result = run(posed_images_of(tiny_root), checkpoints=(checkpoint,), count=3)
    assert [scores.name for scores in result.sets] == ["pona.pt", "copy", "real"]
    assert any("the row of the mean image" in line for line in result.missing)


def test_measured_images_are_not_overwritten(source: PosedImages, tmp_path: Path) -> None:
    (tmp_path / "strips").mkdir()
    with pytest.raises(ReidAugError, match="that is the folder to measure; name another one"):
        run(source, images=tmp_path / "strips", save_images=tmp_path / "x" / ".." / "strips")


def test_strips_are_cut_for_a_pose_estimator(source: PosedImages, checkpoint: Path, tmp_path: Path) -> None:
    images, strips, cut = (tmp_path / name for name in ("images", "strips", "cut"))
    run(source, checkpoints=(checkpoint,), count=3, save_images=images)
    strips.mkdir()
    for path in images.iterdir():
        image = np.asarray(Image.open(path))
        Image.fromarray(np.concatenate([255 - image] * 4 + [image], axis=1)).save(strips / f"{path.stem}_vis.png")
    pairs = [tuple(path.stem.split("___")) for path in sorted(images.iterdir())]
    whole = source.keypoints([target for _, target in pairs])
    whole[..., 0] += 4 * source.images([pairs[0][0]]).shape[2]
    write_annotations(tmp_path / "poses.csv", [f"{a}___{b}_vis.png" for a, b in pairs], whole)
    with pytest.raises(ReidAugError, match=r"were strips of five estimated whole\? --save-images"):
        run(source, images=strips, count=3, poses=tmp_path / "poses.csv")
    run(source, images=strips, count=3, save_images=cut)
    assert {path.name: path.read_bytes() for path in cut.iterdir()} == {
        path.name: path.read_bytes() for path in images.iterdir()
    }


def test_several_generators_are_measured_side_by_side(source: PosedImages, tmp_path: Path) -> None:
    history = {
        "preset": "mini",
        "iteration": 7,
        "iterations": 7,
        "batch_size": 4,
        "seconds": 65.0,
        "protocol": "strict",
    }
    paths = [write_checkpoint(tmp_path / f"{name}.pt", seed, dict(history)) for seed, name in enumerate("ab")]
    both = run(source, checkpoints=tuple(paths), count=5)
    assert [scores.name for scores in both.sets] == ["a.pt", "b.pt", "copy", "mean", "real"]
    for path, scores in zip(paths, both.sets, strict=False):
        assert run(source, checkpoints=(path,), count=5).sets[0].overall == scores.overall
    console = Console(width=300)
    with console.capture() as shown:
        console.print(score_table(both))
    wanted = "b.pt: PoNA; trained on an unknown number of the true images; preset mini, 7 iterations of 4 in 65 s, "
    assert wanted + "protocol strict" in shown.get() and "the authors' own checkpoints" in shown.get()


def test_generators_that_a_table_could_not_tell_apart(source: PosedImages, checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    same = write_checkpoint(tmp_path / "other" / "pona.pt", seed=1)
    with pytest.raises(ReidAugError, match=r"two checkpoints are called pona\.pt"):
        run(source, checkpoints=(checkpoint, same), count=3)
    with pytest.raises(ReidAugError, match="--save-images is of one generator"):
        run(source, checkpoints=(checkpoint, same), count=3, save_images=tmp_path / "images")
