"""What networks start from: names in results, files that change, a network of rendered people."""

from pathlib import Path

import pytest

from reid_baseline import RECIPES
from reidaug.core.errors import ReidAugError
from reidaug.evaluation.request import EvaluationRequest
from reidaug.evaluation.setting import choose_setting
from reidaug.evaluation.start import NotPretrainedError, Start, find_start, rendered_path, rendered_start
from tests.factories import training_set

QUICK, PAPER = RECIPES["quick"], RECIPES["paper"]
NONE = Start("none", "none")

pytestmark = pytest.mark.usefixtures("own_folder")


def write_rendered(first: Start = NONE, content: bytes = b"a network") -> Path:
    path = rendered_path(first, QUICK, "resnet18")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_weights_file_is_named_by_its_content_and_not_its_folder(tmp_path: Path) -> None:
    files = [tmp_path / folder / "start.pth" for folder in ("a", "b", "c")]
    for path, content in zip(files, (b"one", b"one", b"other"), strict=True):
        path.parent.mkdir()
        path.write_bytes(content)
    starts = [find_start(str(path), QUICK, "resnet18") for path in files]
    assert starts[0].name == starts[1].name != starts[2].name and starts[0].name.startswith("start.pth:")
    starts[0].check_unchanged()
    NONE.check_unchanged()
    files[0].write_bytes(b"other")
    with pytest.raises(ReidAugError, match=r"start\.pth have changed"):
        starts[0].check_unchanged()


def test_missing_files_are_named() -> None:
    with pytest.raises(ReidAugError, match=r"nowhere\.pth: no such file; give a file, imagenet, rendered or none"):
        find_start("nowhere.pth", QUICK, "resnet18")


@pytest.mark.parametrize(
    ("weights", "recipe", "command"),
    [
        ("none", QUICK, "reidaug pretrain --recipe quick --arch resnet18`"),
        ("imagenet", PAPER, "reidaug pretrain --recipe paper --arch resnet18`"),
        ("imagenet", QUICK, "reidaug pretrain --recipe quick --arch resnet18 --weights imagenet`"),
    ],
)
def test_a_network_that_is_not_there_is_asked_for_by_its_command(weights: str, recipe: object, command: str) -> None:
    with pytest.raises(NotPretrainedError) as error:
        rendered_start(Start(weights, weights), recipe, "resnet18")  # type: ignore[arg-type]
    assert command in str(error.value)


def test_each_recipe_network_and_start_has_its_file_and_others_epochs_the_same() -> None:
    from dataclasses import replace

    files = {rendered_path(*made_of) for made_of in [(NONE, QUICK, "resnet18"), (NONE, QUICK, "resnet50")]}
    files |= {rendered_path(Start("imagenet", "imagenet"), QUICK, "resnet18"), rendered_path(NONE, PAPER, "resnet18")}
    assert len(files) == 4 and rendered_path(NONE, replace(QUICK, epochs=3), "resnet18") in files


def test_a_network_of_rendered_people_is_a_start_that_is_named_by_its_content() -> None:
    path = write_rendered()
    first = find_start("rendered", QUICK, "resnet18")
    assert Path(first.weights) == path and first.name.startswith("rendered:")
    assert rendered_start(first, QUICK, "resnet18") == first  # it needs no second time
    write_rendered(content=b"another network")
    assert find_start("rendered", QUICK, "resnet18").name != first.name
    with pytest.raises(ReidAugError, match="have changed"):
        first.check_unchanged()


def test_a_control_that_needs_one_is_refused_before_the_work() -> None:
    request = EvaluationRequest(recipe="quick", arch="resnet18", device="cpu", controls=("rendered-first",))
    with pytest.raises(NotPretrainedError):
        choose_setting(request, print)
    write_rendered()
    setting = choose_setting(request, print)
    assert setting.start_of(training_set()) == setting.start == NONE
    assert setting.start_of(training_set(rendered_first=True)).name.startswith("rendered:")
