"""Which generated images are shown, and their measures against a plain computation."""

from pathlib import Path

import numpy as np
import pytest

from reidaug.cli.app import app
from reidaug.core.errors import ReidAugError
from reidaug.datasets.images import read_image
from reidaug.datasets.market1501 import split_folder
from reidaug.reports.examples import choose, draw_examples, find_generated
from reidaug.study.folder import Study
from tests.cli.commands import runner
from tests.factories import write_checkpoint


@pytest.fixture
def completed(study: Study, tmp_path: Path) -> Study:
    checkpoint = write_checkpoint(tmp_path / "tiny.pt", seed=0)
    assert runner.invoke(app, ["synthesize", "--ckpt", str(checkpoint)]).exit_code == 0
    return study


def test_the_best_the_worst_and_others_at_random() -> None:
    random = np.random.RandomState(0)
    l1, identity = random.random_sample(100), random.random_sample(100)
    tags = choose(l1, identity, 24)
    assert len(tags) == 24
    wanted = {
        "best by L1": np.argsort(l1)[:4],
        "worst by L1": np.argsort(l1)[-4:],
        "best by identity": np.argsort(identity)[-4:],
        "worst by identity": np.argsort(identity)[:4],
    }
    for tag, indices in wanted.items():
        assert {index for index, why in tags.items() if tag in why} == set(indices.tolist())
    drawn = sorted(index for index, why in tags.items() if "random" in why)
    assert drawn == list(range(len(drawn))) and len(drawn) >= 8  # the first ones of a random order, the best among them
    without = choose(l1, None, 24)
    assert len(without) == 24 and not any("identity" in tag for why in without.values() for tag in why)
    assert len(choose(l1[:3], None, 24)) == 3 and choose(l1, None, 1) == {0: ("random",)}


def test_measures_and_photos(completed: Study, tiny_root: Path) -> None:
    ((key, manifest),) = find_generated(completed).items()
    assert key == (0.4, "pona")

    def mean_colour(images: np.ndarray) -> np.ndarray:
        features = images.mean(axis=(1, 2))
        return features / np.linalg.norm(features, axis=1, keepdims=True)

    options = {"count": 6, "measured": 10, "features": mean_colour, "seed": 0}
    examples = draw_examples(completed, *key, manifest, photos=True, **options)
    assert examples.generated == sum(row.action == "generate" for row in manifest) and examples.measured == 10
    assert [example.order for example in examples.shown] == sorted(example.order for example in examples.shown)
    conditions = {row.name: row.condition for row in manifest}
    generated = split_folder(completed.set_root(*key), "train")
    for example in examples.shown:
        condition, pose, image, real = example.photos
        np.testing.assert_array_equal(real, read_image(split_folder(tiny_root, "train") / example.name))
        np.testing.assert_array_equal(image, read_image(generated / example.name))
        source = split_folder(tiny_root, "train") / conditions[example.name]
        np.testing.assert_array_equal(condition, read_image(source))
        assert pose.shape == real.shape and example.pid == int(example.name[:4])
        assert np.isclose(example.l1, 100 * np.abs(image / 255 - real / 255).mean())
        a, b = mean_colour(np.stack([image, real]))
        assert example.identity is not None and np.isclose(example.identity, a @ b)
    assert examples.identity is not None and examples.l1.generated > 0 and examples.l1.condition > 0
    without = draw_examples(completed, *key, manifest, photos=False, **options)
    assert not any(example.photos for example in without.shown) and without.l1 == examples.l1
    again = draw_examples(completed, *key, manifest, photos=False, **{**options, "seed": 1})
    assert [e.name for e in again.shown] != [e.name for e in without.shown]


def test_images_that_have_changed_are_refused(completed: Study, tiny_root: Path) -> None:
    ((key, manifest),) = find_generated(completed).items()
    image = next(split_folder(tiny_root, "train").glob("*.jpg"))
    image.write_bytes(next(split_folder(tiny_root, "query").glob("*.jpg")).read_bytes())
    with pytest.raises(ReidAugError, match="have changed since"):
        draw_examples(completed, *key, manifest, count=6, measured=6, features=None, photos=True, seed=0)


def test_an_image_that_is_gone_from_the_set_is_named(completed: Study) -> None:
    ((key, manifest),) = find_generated(completed).items()
    gone = next(row.name for row in manifest if row.action == "generate")
    (split_folder(completed.set_root(*key), "train") / gone).unlink()
    with pytest.raises(ReidAugError, match=f"{gone} of the manifest is gone"):
        draw_examples(completed, *key, manifest, count=99, measured=99, features=None, photos=True, seed=0)


def test_a_study_without_generated_images(study: Study) -> None:
    assert find_generated(study) == {}
