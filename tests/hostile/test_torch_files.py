"""Checkpoints, networks and states with flipped bits, or any value exchanged: refused in one line, or harmless."""

import copy
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor

import pona
from pona.errors import PoNAError
from pona.torch_file import read_torch
from reid_baseline import (
    BACKBONES,
    BaselineNet,
    ReIDError,
    StateError,
    load_model,
    save_model,
    train_baseline,
    training_seconds,
)
from reid_baseline.backbones import Backbone
from reid_baseline.weights import read_tensors
from tests.factories import kill_at, train_tiny, write_checkpoint
from tests.reid_baseline.factories import TINY, Toy, coloured_people

FLIPS = 400
HOSTILE = settings.get_profile("hostile")


def flat(value: Any) -> list[Any]:
    """All values of a content in their order; tensors as kind, shape and bytes."""
    if isinstance(value, Tensor):
        return [(value.dtype, tuple(value.shape), value.detach().numpy().tobytes())]
    if isinstance(value, dict):
        return [part for item in value.items() for part in (item[0], *flat(item[1]))]
    if isinstance(value, list | tuple):
        return [type(value), len(value), *(part for item in value for part in flat(item))]
    return [value]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    folder = tmp_path_factory.mktemp("torch")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BACKBONES, "toy", Backbone(Toy))
        checkpoint = write_checkpoint(folder / "g.pt", 0, {"iteration": 7, "trained_on": {"names": ["a.jpg"]}})
        with pytest.raises(OSError, match="killed"):
            train_tiny(folder / "t.pt", progress=kill_at(3))
        recipe = replace(TINY, epochs=1, embedding=8)
        model = BaselineNet("toy", 3, **recipe.network())
        save_model(folder / "m.pt", model, recipe, [7, 9, 12])
        resume(folder / "s.pt")
        yield {
            "checkpoint": checkpoint,
            "state": folder / "t.pt.last",
            "network": folder / "m.pt",
            "baseline": folder / "s.pt",
        }


def resume(path: Path) -> object:
    """The training of a baseline that goes on with a state, or writes it; and how long it took."""
    recipe = replace(TINY, epochs=1, embedding=8)
    model = train_baseline(*coloured_people(), recipe, arch="toy", device="cpu", checkpoint=path)
    return [model.state_dict(), training_seconds(path)]


def train_on(path: Path) -> object:
    """The generator of a training that goes on with a state."""
    out = path.with_suffix("")
    out.unlink(missing_ok=True)
    train_tiny(out)
    return pona.load_checkpoint(out).generator.state_dict()


def generator(path: Path) -> object:
    loaded = pona.load_checkpoint(path)
    images = torch.zeros(1, 3, 32, 16)
    keypoints = torch.full((1, 18, 2), 4.0)
    with torch.no_grad():
        loaded.generator.generate(images, keypoints, keypoints)
    return [loaded.generator.state_dict(), loaded.training, str(loaded.config)]


def network(path: Path) -> object:
    model, recipe = load_model(path)
    with torch.no_grad():
        model(torch.zeros(1, 3, 32, 16))
    return [model.state_dict(), str(recipe)]


READERS: dict[str, tuple[Callable[[Path], object], type[Exception]]] = {
    "checkpoint": (generator, PoNAError),
    "state": (train_on, PoNAError),
    "network": (network, ReIDError),
    "baseline": (resume, StateError),
}


@pytest.mark.parametrize("kind", READERS)
def test_a_flipped_bit_is_refused_or_changes_nothing(tmp_path: Path, files: dict[str, Path], kind: str) -> None:
    read = read_torch if READERS[kind][1] is PoNAError else partial(read_tensors, what="file")
    whole, target, draw = files[kind].read_bytes(), tmp_path / "f.pt", random.Random(0)
    expected, refused = flat(read(files[kind])), 0
    for number in range(FLIPS):  # every second one in the directory at the end, where torch looks for little
        start = number % 2 * whole.index(b"PK\x01\x02")
        bit = draw.randrange(8 * start, 8 * len(whole))
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        target.write_bytes(flipped)
        try:
            content = read(target)
        except (PoNAError, ReIDError) as refusal:
            refused += 1
            assert str(target) in str(refusal) and "\n" not in str(refusal)
        else:
            assert flat(content) == expected, bit
    print(f"{kind}: {refused} of {FLIPS} flips refused, the others changed nothing")
    assert refused > FLIPS // 2


NUMBERS = st.one_of(st.integers(-3, 300), st.sampled_from([10**6, 10**9, 2**63, 10**23, -(10**30), 2**1000]))
TENSORS = st.builds(
    lambda shape, kind, value: torch.full(shape, value).to(kind),
    st.lists(st.integers(0, 5), max_size=4),
    st.sampled_from([torch.float32, torch.float16, torch.int64, torch.bool, torch.uint8]),
    st.sampled_from([0.0, 1.0, -1.0, float("nan"), float("inf"), 3e38]),
)
LEAVES = st.one_of(
    NUMBERS, TENSORS, st.none(), st.booleans(), st.floats(), st.text(max_size=5), st.binary(max_size=5).map(list)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.one_of(st.text(max_size=3), st.integers(-2, 3)), inner, max_size=3),
    ),
    max_leaves=5,
)


def mutated(content: Any, draw: st.DataObject) -> Any:
    """A copy with one to three values exchanged, left out or added, anywhere in it."""
    content = copy.deepcopy(content)
    for _ in range(draw.draw(st.integers(1, 3))):
        holder: Any = content
        while True:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            if not keys:
                break
            key = draw.draw(st.sampled_from(keys))
            if isinstance(holder[key], dict | list) and draw.draw(st.integers(0, 7)):
                holder = holder[key]
                continue
            match draw.draw(st.integers(0, 5)):
                case 0:
                    del holder[key]
                case 1 if isinstance(holder, dict):
                    holder["more"] = draw.draw(VALUES)
                case 2 if isinstance(holder[key], Tensor) and holder[key].numel():
                    change = draw.draw(st.sampled_from([torch.nan, torch.inf, -1e30, 0.0]))
                    if holder[key].is_floating_point():
                        holder[key][(0,) * holder[key].ndim] = change
                case _:
                    holder[key] = draw.draw(VALUES)
            break
    return content


@pytest.mark.parametrize("kind", READERS)
def test_only_the_documented_errors_escape_from_any_content(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, Path], kind: str
) -> None:
    reader, error = READERS[kind]
    content = torch.load(files[kind], weights_only=True)
    target = tmp_path_factory.mktemp("mutated") / "t.pt.last"
    seen = {"read": 0, "refused": 0}

    @settings(HOSTILE, max_examples=40 if kind == "state" else 200, phases=[Phase.generate])
    @given(st.data())
    def read(draw: st.DataObject) -> None:
        changed = mutated(content, draw)
        torch.save(changed, target)
        try:
            reader(target)
            seen["read"] += 1
        except error as refusal:
            seen["refused"] += 1
            assert "\n" not in str(refusal) and len(str(refusal)) < 1000 and "t.pt" in str(refusal)
            if kind == "baseline":
                target.unlink(missing_ok=True)

    read()
    print(kind, seen)
    assert seen["refused"] > 20, seen
