"""Torch files that are damaged, or made to do harm: refused before they take memory; all else is read as torch does."""

import os
import pickle
import struct
import time
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pona.torch_reader import UnreadableFile, check_optimizer, load_tensors, misfits

CONTENT = {
    "state": OrderedDict(a=torch.arange(6.0).view(2, 3), b=torch.ones(2, dtype=torch.int64)),
    "n": [1, "t", None],
}


def saved(path: Path, content: object = CONTENT, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


def rewritten(path: Path, change: Callable[[bytes], bytes], record: str = "data.pkl", **options: Any) -> Path:
    """The archive with one record changed, and right sums."""
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, content in records.items():
            archive.writestr(name, change(content) if name.endswith(f"/{record}") else content)
    return path


def pickled(path: Path, content: bytes) -> Path:
    return rewritten(saved(path), lambda _: content)


def refused(path: Path) -> str:
    began = time.monotonic()
    with pytest.raises(UnreadableFile) as caught:
        load_tensors(path)
    assert time.monotonic() - began < 5 and "\n" not in str(caught.value) and len(str(caught.value)) < 200
    return str(caught.value)


@pytest.mark.parametrize("zipped", [True, False])
def test_what_torch_saves_is_read(tmp_path: Path, zipped: bool) -> None:
    shared, numbers = torch.randn(4, 3), {"rank1": np.float32(0.5), "map": np.float64(0.7), "seen": {1, 2}}
    content = {
        **CONTENT,
        **{"half": shared.half(), "view": shared.t()[1:], "shared": shared, "empty": torch.zeros(0), **numbers},
        **{"weight": torch.nn.Parameter(shared), "bytes": b"\x00\xff", "size": shared.shape, "large": 2**70},
        **{"state_dict": torch.nn.BatchNorm1d(2).state_dict()},
    }
    read = load_tensors(saved(tmp_path / "a.pt", content, _use_new_zipfile_serialization=zipped))
    assert list(read) == list(content) and read["size"] == shared.shape and read["large"] == 2**70
    assert torch.equal(read["view"], content["view"]) and torch.equal(read["half"], content["half"])
    assert torch.equal(read["weight"], content["weight"]) and torch.equal(read["state"]["a"], CONTENT["state"]["a"])
    assert all(read[name] == value for name, value in numbers.items())


@pytest.mark.parametrize("record", ["data/0", "data.pkl"])
def test_a_flipped_bit_is_found(tmp_path: Path, record: str) -> None:
    path = saved(tmp_path / "a.pt")
    with zipfile.ZipFile(path) as archive:
        content = archive.read(f"a/{record}")
    place = path.read_bytes().index(content) + len(content) // 2
    flipped = bytearray(path.read_bytes())
    flipped[place] ^= 1
    path.write_bytes(flipped)
    assert f"damaged, in its record '{record.rpartition('/')[2]}'" in refused(path)


def test_compressed_records_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pt", {"a": torch.zeros(10**6)})
    rewritten(path, lambda content: content, compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 10_000
    assert "compressed" in refused(path)


def test_encrypted_records_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pt")
    content = bytearray(path.read_bytes())
    place = content.rindex(b"PK\x01\x02")
    content[place + 8] |= 1
    path.write_bytes(content)
    assert "encrypted" in refused(path)


def test_a_record_that_a_flipped_bit_marks_as_a_folder_is_refused(tmp_path: Path) -> None:
    """torch takes it for read, and returns what happens to be in the memory."""
    path = saved(tmp_path / "a.pt")
    content = bytearray(path.read_bytes())
    place = content.index(b"a/data/0", content.index(b"PK\x01\x02"))
    content[place - 8] ^= 0x10  # the directory's attributes of the file, 8 bytes before its name
    path.write_bytes(content)
    assert "damaged" in refused(path)


def test_records_on_top_of_each_other_are_refused(tmp_path: Path) -> None:
    """The directory names the same bytes a thousand times."""
    path = saved(tmp_path / "a.pt", {"a": torch.zeros(1000)})
    with zipfile.ZipFile(path, "a") as archive:
        (large,) = (record for record in archive.infolist() if record.filename == "a/data/0")
        for number in range(1000):
            copy = zipfile.ZipInfo(f"a/data/{number + 1}")
            copy.header_offset, copy.CRC = large.header_offset, large.CRC
            copy.file_size = copy.compress_size = large.file_size
            archive.filelist.append(copy)
        archive.writestr("a/end", b"")
    assert "damaged" in refused(path)


@pytest.mark.parametrize("numbers", [5, 7, 2**31 - 1])
def test_a_tensor_that_claims_other_numbers_than_there_are_is_refused(tmp_path: Path, numbers: int) -> None:
    def claim(content: bytes) -> bytes:
        assert content.count(b"K\x06t") == 1
        return content.replace(b"K\x06t", b"J" + struct.pack("<i", numbers) + b"t")

    assert "claims" in refused(rewritten(saved(tmp_path / "a.pt", {"a": torch.arange(6.0)}), claim))


def test_an_old_file_that_claims_a_trillion_numbers_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pt", {"a": torch.arange(6.0)}, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    assert content.count(b"K\x06N") == 1
    path.write_bytes(content.replace(b"K\x06N", b"\x8a\x06" + (10**12).to_bytes(6, "little") + b"N"))
    assert "claims more" in refused(path)


@pytest.mark.parametrize(
    "content",
    [
        torch.zeros(1).expand(10**12),
        torch.zeros(1).expand(10**5, 10**5),
        [torch.zeros(1000)[:990]] * 10_000,
    ],
)
def test_tensors_that_repeat_numbers_without_end_are_refused(tmp_path: Path, content: object) -> None:
    assert "claim more" in refused(saved(tmp_path / "a.pt", content))


def call(module: str, name: str, argument: bytes) -> bytes:
    """The pickle of a call."""
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + argument + b"\x85R."


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("__builtin__", "bytearray"),
        ("torch", "FloatTensor"),
        ("torch", "Tensor"),
        ("torch.storage", "UntypedStorage"),
        ("torch._utils", "_rebuild_meta_tensor_no_storage"),
        ("posix", "mkdir"),
    ],
)
@pytest.mark.parametrize("put", [pickled, None])
def test_calls_that_take_memory_or_do_harm_are_refused_by_name(
    tmp_path: Path, module: str, name: str, put: Callable[[Path, bytes], Path] | None
) -> None:
    content = call(module, name, b"\x8a\x05" + (10**11).to_bytes(5, "little"))
    if put:
        put(tmp_path / "a.pt", content)
    else:
        old = saved(tmp_path / "a.pt", 7, _use_new_zipfile_serialization=False)
        assert old.read_bytes().count(pickle.dumps(7, 2)) == 1
        old.write_bytes(old.read_bytes().replace(pickle.dumps(7, 2), content))
    assert name in refused(tmp_path / "a.pt")


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02Nr\xff\xff\xff\xff.",  # put aside under the highest number
        b"\x80\x05\x96" + (2**40).to_bytes(8, "little") + b".",  # a byte array of a terabyte
        b"\x80\x02X\xff\xff\xff\xffabc.",  # a text of 4 GB
        b"\x80\x02" + b"]" * 10,
        b"\x80\x02",
        b"",
        b"\x80\x02U\x05cpuabQ.",
        b"\x80\x02" + b"(" * 1000 + b"." + b"0" * 50,
    ],
)
def test_pickles_that_are_broken_or_claim_too_much_are_refused(tmp_path: Path, content: bytes) -> None:
    assert "damaged" in refused(pickled(tmp_path / "a.pt", content))


def test_numpy_numbers_of_other_types_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pt", np.float32(1))
    assert "damaged" in refused(rewritten(path, lambda c: c.replace(b"X\x02\x00\x00\x00f4", b"X\x04\x00\x00\x00V999")))


def test_nesting_without_end_is_refused(tmp_path: Path) -> None:
    deep: list[object] = []
    for _ in range(200):
        deep = [deep]
    endless: list[object] = []
    endless.append(endless)
    wide: list[object] = []
    for _ in range(40):
        wide = [wide] * 10
    for content in (deep, endless, wide):
        assert "levels" in refused(saved(tmp_path / "a.pt", content))


def test_names_of_any_length_are_refused(tmp_path: Path) -> None:
    assert "besides its tensors" in refused(saved(tmp_path / "a.pt", ["n" * 2**24]))


def test_pipes_and_folders_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "is a pipe" in refused(tmp_path / "pipe") and "is a pipe or a device" in refused(Path("/dev/zero"))
    with pytest.raises(IsADirectoryError):
        load_tensors(tmp_path)


def test_what_does_not_fit_a_network_is_named() -> None:
    expected = {"a": torch.zeros(2, device="meta"), "n": torch.tensor(0)}
    assert misfits(expected, {"a": torch.zeros(2).half(), "n": torch.tensor(1)}) == []
    for wrong in (torch.zeros(3), torch.zeros(2, 1), torch.zeros(2).int(), torch.zeros(2).cfloat(), [0.0, 0.0], None):
        assert misfits(expected, {"a": wrong, "n": torch.tensor(1)}) == ["a"]
    assert misfits(expected, {"b": 1}) == ["a", "n", "b"] and misfits(expected, None) == ["a", "n"]


def stepped(**options: Any) -> torch.optim.Adam:
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.Adam([weight], **options)
    weight.sum().backward()
    optimizer.step()
    return optimizer


def test_the_state_of_another_optimizer_is_refused() -> None:
    optimizer = stepped()
    check_optimizer(optimizer, stepped(lr=0.5).state_dict())
    for values in ({"exp_avg": torch.ones(3)}, {"exp_avg": torch.tensor([1, torch.nan])}, {"step": "7"}):
        state = optimizer.state_dict()
        state["state"] = {0: state["state"][0] | values}
        with pytest.raises((ValueError, TypeError)):
            check_optimizer(optimizer, state)
    with pytest.raises(ValueError, match="settings"):
        check_optimizer(optimizer, stepped(betas=(0.1, 0.2)).state_dict())
