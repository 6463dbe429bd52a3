"""Checkpoints: what goes in comes out; everything else is refused in one line."""

import os
import pickle
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pona import GeneratorConfig, PoNAError, PoNAGenerator, load_checkpoint, save_checkpoint
from pona.checkpoint import MAX_NAMES_SIZE

SMALL = GeneratorConfig(width=4, blocks=1, norm="instance", fusion="tail", sigma=None)
TRAINING = {"preset": "mini", "iteration": 7, "trained_on": {"fingerprint": "ab", "names": ["a.jpg"], "portion": None}}


def written(
    path: Path, half: bool = False, config: GeneratorConfig = SMALL, training: dict[str, Any] = TRAINING
) -> PoNAGenerator:
    torch.manual_seed(0)
    generator = PoNAGenerator.from_config(config)
    save_checkpoint(path, generator, config, training, half=half)
    return generator


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    generator = written(tmp_path / "g.pt")
    checkpoint = load_checkpoint(tmp_path / "g.pt")
    assert checkpoint.config == SMALL == checkpoint.generator.config
    assert checkpoint.training == TRAINING
    assert not checkpoint.generator.training
    for name, tensor in generator.state_dict().items():
        assert torch.equal(checkpoint.generator.state_dict()[name], tensor)


def test_half_precision_is_half_the_size_and_loads_as_float32(tmp_path: Path) -> None:
    generator = written(tmp_path / "h.pt", half=True)
    loaded = load_checkpoint(tmp_path / "h.pt").generator.state_dict()
    for name, tensor in generator.state_dict().items():
        assert loaded[name].dtype == torch.float32
        torch.testing.assert_close(loaded[name], tensor, rtol=1e-3, atol=1e-6)


def test_a_weight_that_half_precision_cannot_hold_stays_float32(tmp_path: Path) -> None:
    generator = PoNAGenerator.from_config(SMALL)
    with torch.no_grad():
        generator.decoder[0].weight[0, 0, 0, 0] = 1e5  # half ends at 65504
    save_checkpoint(tmp_path / "h.pt", generator, SMALL, TRAINING, half=True)
    loaded = load_checkpoint(tmp_path / "h.pt").generator.state_dict()
    assert torch.equal(loaded["decoder.0.weight"], generator.decoder[0].weight)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_by_name(tmp_path: Path, value: float) -> None:
    written(tmp_path / "g.pt")
    content = torch.load(tmp_path / "g.pt", weights_only=True)
    for name in ("image_encoder.1.weight", "decoder.0.weight"):
        content["state"][name][0, 0] = value
    torch.save(content, tmp_path / "g.pt")
    message = refused(tmp_path / "g.pt")
    assert "2 of " in message and "not finite" in message and "image_encoder.1.weight" in message


@pytest.mark.parametrize("names", [[], ["a.jpg"], ["a.jpg", "b c.jpg"]])
def test_names_survive_in_their_order(tmp_path: Path, names: list[str]) -> None:
    training = {"trained_on": {"fingerprint": "ab", "names": names, "portion": 0.4}}
    written(tmp_path / "g.pt", training=training)
    assert load_checkpoint(tmp_path / "g.pt").training == training


@pytest.mark.parametrize(
    "packed", ["a.jpg", b"nonsense", zlib.compress(bytes(MAX_NAMES_SIZE + 1)), zlib.compress(b"a.jpg")[:-3]]
)
def test_names_that_are_damaged_or_a_bomb_are_refused(tmp_path: Path, packed: bytes | str) -> None:
    written(tmp_path / "g.pt", training=TRAINING)
    content = torch.load(tmp_path / "g.pt", weights_only=True)
    names = torch.frombuffer(bytearray(packed), dtype=torch.uint8) if isinstance(packed, bytes) else packed
    content["training"]["trained_on"]["names"] = names
    torch.save(content, tmp_path / "g.pt")
    with pytest.raises(PoNAError, match="is damaged"):
        load_checkpoint(tmp_path / "g.pt")


def test_width_24_with_3_blocks_and_10000_names_fits_in_10_mb(tmp_path: Path) -> None:
    names = [f"{place // 12:04d}_c1s1_{place * 7919 % 1000000:06d}_01.jpg" for place in range(10_000)]
    training = {"trained_on": {"fingerprint": "ab", "names": names, "portion": None}}
    written(tmp_path / "mini.pt", half=True, config=GeneratorConfig(width=24), training=training)
    assert 9_700_000 < (tmp_path / "mini.pt").stat().st_size <= 10_000_000


def test_nothing_but_the_checkpoint_is_left_with_the_rights_that_the_user_gives(tmp_path: Path) -> None:
    path = tmp_path / ("g" * 255)
    for umask in (0o022, 0o077):
        before = os.umask(umask)
        try:
            written(path)
        finally:
            os.umask(before)
        assert [*tmp_path.iterdir()] == [path]
        assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "g.pt")
    before = (tmp_path / "g.pt").read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PoNAError, match="No space left"):
        written(tmp_path / "g.pt", half=True)
    assert (tmp_path / "g.pt").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(PoNAError, match=r"no/g\.pt.*No such file"):
        written(tmp_path / "no" / "g.pt")


@pytest.mark.parametrize("value", [np.float64(1), np.int64(1), Path("x"), (1, 2), {"a": [torch.zeros(1)]}])
def test_values_that_a_safe_reader_refuses_are_refused_when_written(tmp_path: Path, value: Any) -> None:
    with pytest.raises(PoNAError, match="plain values"):
        save_checkpoint(tmp_path / "g.pt", PoNAGenerator.from_config(SMALL), SMALL, {"value": value})
    assert not list(tmp_path.iterdir())


class Bomb:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.marker),))


def refused(path: Path) -> str:
    with pytest.raises(PoNAError) as caught:
        load_checkpoint(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    assert len(message) < 300 + len(str(path))
    return message


@pytest.mark.parametrize("zipped", [True, False])
def test_bomb_is_refused_by_name_and_not_run(tmp_path: Path, zipped: bool) -> None:
    torch.save({"format": Bomb(tmp_path / "boom")}, tmp_path / "g.pt", _use_new_zipfile_serialization=zipped)
    assert "mkdir" in refused(tmp_path / "g.pt")
    assert not (tmp_path / "boom").exists()


def test_bare_pickle_bomb_is_refused(tmp_path: Path) -> None:
    (tmp_path / "g.pt").write_bytes(pickle.dumps(Bomb(tmp_path / "boom")))
    refused(tmp_path / "g.pt")
    assert not (tmp_path / "boom").exists()


@pytest.mark.parametrize("share", [0.001, 0.3, 0.99])
def test_file_cut_short_is_refused(tmp_path: Path, share: float) -> None:
    written(tmp_path / "g.pt")
    content = (tmp_path / "g.pt").read_bytes()
    (tmp_path / "g.pt").write_bytes(content[: int(share * len(content))])
    assert "cut short" in refused(tmp_path / "g.pt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        (b"", "is empty"),
        (b"\n<!DOCTYPE html><html>404</html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "LFS"),
        (b"a line of text", "no file of plain tensors"),
        (b"\x89PNG\r\n\x1a\n0000", "no file of plain tensors"),
        (b"PK\x05\x06" + bytes(18), "cut short"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "g.pt").write_bytes(content)
    assert message in refused(tmp_path / "g.pt")


def test_a_torchscript_archive_is_named_as_such(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.trace(torch.nn.Linear(1, 1), torch.ones(1)), tmp_path / "g.pt")
    assert "TorchScript" in refused(tmp_path / "g.pt")


def test_folder_is_refused(tmp_path: Path) -> None:
    assert "directory" in refused(tmp_path)


PLAUSIBLE = {"format": "pona-checkpoint", "version": 1, "architecture": "PoNAGenerator", "state": {}, "training": {}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "no PoNA checkpoint"),
        ({"conv.weight": torch.zeros(1)}, "no PoNA checkpoint"),
        ({"model.stream1_down.1.weight": torch.zeros(1)}, "generator_from_author_weights"),
        ({"format": "pona-training-state"}, "no PoNA checkpoint"),
        ({"format": "pona-checkpoint", "version": 2}, "update"),
        ({"format": "pona-checkpoint", "version": 1}, "damaged"),
        (PLAUSIBLE | {"config": {"width": 3}}, "damaged"),
        (PLAUSIBLE | {"config": {"width": 4}}, "damaged"),
        (PLAUSIBLE | {"config": {"depth": 4}}, "damaged"),
        (PLAUSIBLE | {"architecture": ["PoNAGenerator"]}, "damaged"),
        (PLAUSIBLE | {"architecture": None}, "damaged"),
        (
            PLAUSIBLE | {"architecture": "Nonesuch"},
            "update it: architecture is 'Nonesuch', expected one",
        ),
    ],
)
def test_foreign_contents_are_refused(tmp_path: Path, content: Any, message: str) -> None:
    torch.save(content, tmp_path / "g.pt")
    assert message in refused(tmp_path / "g.pt")


def changed(path: Path, *keys: str, to: object) -> Path:
    """A checkpoint with one value exchanged, and written as torch does."""
    written(path)
    content = torch.load(path, weights_only=True)
    inner = content
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = to
    torch.save(content, path)
    return path


@pytest.mark.parametrize("place", [0.2, 0.5, 0.8])
def test_a_flipped_bit_of_the_weights_is_refused(tmp_path: Path, place: float) -> None:
    written(tmp_path / "g.pt")
    content = bytearray((tmp_path / "g.pt").read_bytes())
    content[int(place * len(content))] ^= 1
    (tmp_path / "g.pt").write_bytes(content)
    assert "damaged, in its record" in refused(tmp_path / "g.pt")


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("config", "blocks"), 10**6, "blocks is 1000000, expected a whole number of at most 100"),
        (("config", "blocks"), 3, "do not fit its own configuration"),
        (("config", "width"), 10**9, "width is 1000000000"),
        (("config", "width"), 10_000, "do not fit its own configuration"),
        (("config", "width"), 4.0, "width is 4.0"),
        (("config", "sigma"), float("nan"), "sigma is nan"),
        (("config", "sigma"), "6", "sigma is 6"),
        (("config", "self_attention"), torch.ones(2), "self_attention is"),
        (("config", "norm"), torch.ones(2, 2), "norm is tensor"),
        (("config",), [1], "configuration"),
        (("version",), torch.ones(2), "names no version"),
        (("architecture",), "Nonesuch" * 1000, "update it"),
        (("state",), [torch.ones(1)], "do not fit"),
        (("state", "decoder.0.weight"), torch.ones(3), "first: decoder.0.weight"),
        (("state", "decoder.0.weight"), [1.0], "first: decoder.0.weight"),
        (("state", "more"), torch.ones(3), "first: more"),
        (("training",), None, "record of its training"),
        (("training", "iteration"), "seven", "iteration is seven"),
        (("training", "iteration"), -1, "iteration is -1"),
        (("training", "iteration"), 10**200, "iteration is 1000"),
        (("training", "seconds"), float("nan"), "seconds is nan"),
        (("training", "trained_on"), "all", "trained_on is no dict"),
        (("training", "trained_on"), {"names": 7}, "record of its training"),
        (("training", "image_size"), [128, "64"], "image_size"),
        (("training", "image_size"), [10**5, 64], "image_size"),
        (("training", "note"), torch.ones(1), "plain values"),
    ],
)
def test_values_that_no_checkpoint_has_are_refused(
    tmp_path: Path, keys: tuple[str, ...], value: object, message: str
) -> None:
    assert message in refused(changed(tmp_path / "g.pt", *keys, to=value))


def test_a_weight_of_another_kind_of_numbers_is_refused(tmp_path: Path) -> None:
    generator = written(tmp_path / "g.pt")
    for kind in (torch.int64, torch.bool):
        weight = generator.state_dict()["decoder.0.weight"].to(kind)
        assert "decoder.0.weight" in refused(changed(tmp_path / "g.pt", "state", "decoder.0.weight", to=weight))


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "g.pt")
    assert "is a pipe" in refused(tmp_path / "g.pt")
