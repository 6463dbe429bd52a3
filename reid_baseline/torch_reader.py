"""Reads torch files that may be damaged, or made to do harm.

torch alone checks no sums, and a file can make it take any amount of memory. `pona` and `reid_baseline`, which share no
code, each have this file, letter for letter.
"""

import io
import os
import pickle
import pickletools
import stat
import warnings
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

# Bounds that no real file comes near.
MOST_PICKLE = 2**24  # bytes: names and plain values, without the numbers of the tensors
MOST_VALUES = 10**6
MOST_LEVELS = 50  # of dicts and lists in one another
MOST_TIMES = 10  # bytes of all tensors by those of the file: tensors may share numbers

_ZIP = b"PK\x03\x04"
_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # files of torch before 1.6

# Bytes of a number in each kind of storage.
_STORAGES = {
    **{f"torch.{name}Storage": 8 for name in ("Double", "Long")},
    **{f"torch.{name}Storage": 4 for name in ("Float", "Int")},
    **{f"torch.{name}Storage": 2 for name in ("Half", "BFloat16", "Short")},
    **{f"torch.{name}Storage": 1 for name in ("Char", "Byte", "Bool")},
}
_NUMPY_SCALARS = tuple(f"numpy.{core}.multiarray.scalar" for core in ("core", "_core"))  # in numpy 1 and 2
_NUMPY_DTYPES = ("f2", "f4", "f8", "i4", "i8", "b1")
_NUMPY: list[Any] = [  # what re-ID code saves beside the tensors, such as the best rank-1
    *((np.float32(0).__reduce__()[0], name) for name in _NUMPY_SCALARS),
    *(np.dtype, *(type(np.dtype(name)) for name in _NUMPY_DTYPES)),
]
_HARMLESS = {  # besides storages; what else torch would read can take memory at will
    *(f"torch._utils.{name}" for name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter")),
    *("builtins.set", "__builtin__.set", "_codecs.encode", "torch.Size", "torch.device"),
    *("torch.bfloat16", "torch.bool", "torch.uint8"),
    *(f"torch.{kind}{bits}" for kind in ("float", "int") for bits in (8, 16, 32, 64)),
    *_NUMPY_SCALARS,
}


class UnreadableFile(ValueError):
    """The message is the rest of a sentence that begins with the file: what is wrong, what to do."""


_DAMAGED = "is cut short or damaged: get the file again"


def load_tensors(path: Path) -> Any:
    """Reads a torch file of tensors, numbers and containers of them, on the CPU; no code in it is run.

    The sums of its records are checked, and before any memory is taken that it claims no more than it holds.

    Raises:
        OSError: there is no such file, or it cannot be read.
        UnreadableFile: anything else.
    """
    check_regular(path)
    with path.open("rb") as file:
        head, size = file.read(512), os.fstat(file.fileno()).st_size
        try:
            if head.startswith(_ZIP):
                _check_zip(file, size)
            elif head.startswith(_LEGACY):
                _check_legacy(file, size)
            else:
                raise UnreadableFile(_what_it_is(head))
        except (UnreadableFile, MemoryError):
            raise
        except Exception:  # zipfile and pickle raise many kinds for what is broken
            raise UnreadableFile(_DAMAGED) from None
    try:
        # torch's warnings about unusual files are not for users.
        with warnings.catch_warnings(action="ignore"), torch.serialization.safe_globals(_NUMPY):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception:  # a dozen kinds, with long messages
        raise UnreadableFile(_DAMAGED) from None
    _check_content(content, size)
    return content


def check_regular(path: Path) -> None:
    """Raises UnreadableFile for a pipe or device, which would be waited on for ever, and OSError for no file at all."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # opening a folder fails at once
        raise UnreadableFile("is a pipe or a device, expected a file")


def misfits(expected: Mapping[str, Tensor], given: object) -> list[str]:
    """The names of tensors that are missing, unknown, of another shape, or numbers of another kind.

    Args:
        expected: the state dict of a network, of any device.
        given: a state dict from a file.
    """
    if not isinstance(given, dict):
        return list(expected)
    return [
        *(name for name, tensor in expected.items() if not fits(tensor, given.get(name))),
        *(str(name)[:50] for name in given if name not in expected),
    ]


def fits(expected: Tensor, given: object) -> bool:
    """Whether a value from a file is a tensor of this shape, and real or whole numbers as this one."""
    return (
        isinstance(given, Tensor)
        and given.shape == expected.shape
        and not given.is_complex()
        and given.is_floating_point() == expected.is_floating_point()
    )


def check_optimizer(optimizer: torch.optim.Optimizer, given: Any) -> None:
    """Raises ValueError for the state of another optimizer, or one that is not finite; many other kinds may escape.

    Learning rates are not compared: a training sets them in every step.
    """
    ours = [{**group, "lr": 0} for group in optimizer.state_dict()["param_groups"]]
    if [{**group, "lr": 0} for group in given["param_groups"]] != ours:
        raise ValueError("other settings")
    parameters = dict(enumerate(chain.from_iterable(group["params"] for group in optimizer.param_groups)))
    wanted = ("step", "exp_avg", "exp_avg_sq") if isinstance(optimizer, torch.optim.Adam) else ()
    for number, values in given["state"].items():
        if any(name not in values for name in wanted):
            raise ValueError("no state of Adam")
        for value in values.values():
            if isinstance(value, Tensor):
                if (value.ndim and not fits(parameters[number], value)) or not torch.isfinite(value).all():
                    raise ValueError("other parameters, or not finite")
            elif value is not None:
                raise TypeError("no tensor")


def _what_it_is(head: bytes) -> str:
    if not head:
        return "is empty: get the file again"
    if head.lstrip()[:1] == b"<":
        return "is a web page: the download went wrong, get the file itself"
    if head.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer: run `git lfs pull`"
    if head.startswith(b"PK"):
        return _DAMAGED
    return "is no file of plain tensors, as torch.save writes one"


def _check_zip(file: IO[bytes], size: int) -> None:
    with zipfile.ZipFile(file) as archive:
        records = archive.infolist()
        sizes = {record.filename: record.file_size for record in records}
        root = records[0].filename.partition("/")[0]
        if f"{root}/constants.pkl" in sizes:
            raise UnreadableFile("is a TorchScript archive: save the network's state_dict() instead")
        for record in records:
            if record.flag_bits & 1 or record.compress_type != zipfile.ZIP_STORED:
                kind = "encrypted" if record.flag_bits & 1 else "compressed"
                raise UnreadableFile(f"holds {kind} records, and torch.save writes none: get the file again")
            # torch takes a record that is marked as a folder, by one bit, for read, with whatever is in the memory.
            folder = record.is_dir() or record.external_attr & 0x10
            if record.file_size != record.compress_size or folder:
                raise UnreadableFile(_DAMAGED)
        if len({name.lower() for name in sizes}) < len(records) or sum(sizes.values()) > size:
            raise UnreadableFile(_DAMAGED)
        if damaged := archive.testzip():
            raise UnreadableFile(f"is damaged, in its record {damaged.rpartition('/')[2][:50]!r}: get the file again")
        if sizes[f"{root}/data.pkl"] > MOST_PICKLE:
            raise UnreadableFile(_too_long())
        claims = _read_claims(io.BytesIO(archive.read(f"{root}/data.pkl")))
    if any(claim != sizes.get(f"{root}/data/{key}") for key, claim in claims):
        raise UnreadableFile("is damaged: it claims more or fewer numbers than it holds; get the file again")


def _check_legacy(file: IO[bytes], size: int) -> None:
    """Magic number, version, machine, content and keys are a pickle each; the numbers follow."""
    file.seek(0)
    claims = dict(chain.from_iterable([_read_claims(file) for _ in range(5)]))
    if sum(claims.values()) > size:
        raise UnreadableFile("is damaged: it claims more numbers than it holds; get the file again")


def _too_long() -> str:
    return f"holds more than {MOST_PICKLE} bytes besides its tensors: save the network's state_dict() alone"


def _read_claims(file: IO[bytes]) -> list[tuple[str, int]]:
    """Reads one pickle without making what it describes; returns key and bytes of each storage."""
    start = file.tell()
    for code, argument, _ in pickletools.genops(file):
        length = file.tell() - start
        # Later protocols have byte arrays of any claimed length, and Python keeps a list as long as the highest number
        # by which a value is put aside.
        if (code.proto > 2 and code.name != "EMPTY_SET") or (code.name.endswith("PUT") and int(argument or 0) > length):
            raise UnreadableFile(_DAMAGED)
        if length > MOST_PICKLE:
            raise UnreadableFile(_too_long())
    end = file.tell()
    file.seek(start)
    pickled = _Pickle(io.BytesIO(file.read(end - start)))
    pickled.load()
    return pickled.claims


class _Pickle(pickle.Unpickler):
    """Puts a `_Value` in the place of whatever is neither a plain value nor a container."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file, encoding="bytes")
        self.claims: list[tuple[str, int]] = []

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full in _STORAGES:
            return full
        if full in _KEPT:
            return _KEPT[full]
        if full not in _HARMLESS:
            raise UnreadableFile(
                f"holds {full[:80]!r}, expected plain tensors and values: save the network's state_dict() instead"
            )
        return _Value

    def persistent_load(self, pid: Any) -> "_Value":
        _, storage, key, _, numbers, *_ = pid
        key = key.decode() if isinstance(key, bytes) else key
        if type(key) is not str or type(numbers) is not int or numbers < 0:
            raise UnreadableFile(_DAMAGED)
        self.claims.append((key, numbers * _STORAGES[storage]))
        return _Value()


class _Value:
    def __init__(self, *arguments: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


class _Dtype(_Value):
    def __init__(self, name: object, *arguments: object) -> None:
        if name not in _NUMPY_DTYPES:
            raise UnreadableFile(_DAMAGED)


_KEPT = {"collections.OrderedDict": OrderedDict, "collections.Counter": Counter, "numpy.dtype": _Dtype}


def _check_content(content: object, size: int) -> None:
    """Refuses what would fill the memory later: views that repeat numbers, lists in lists in lists."""
    claimed, level = 0, [content]
    for _ in range(MOST_LEVELS):
        claimed += sum(value.nbytes for value in level if isinstance(value, Tensor))
        level = list(islice(chain.from_iterable(map(_items, level)), MOST_VALUES + 1))
        if len(level) > MOST_VALUES:
            break
    if level:
        raise UnreadableFile(f"holds more than {MOST_VALUES} values, or {MOST_LEVELS} levels: get the file again")
    if claimed > MOST_TIMES * size:
        raise UnreadableFile("is damaged: its tensors claim more numbers than it holds; get the file again")


def _items(value: object) -> Iterable[object]:
    if isinstance(value, Mapping):
        return chain(value.keys(), value.values())
    return value if isinstance(value, list | tuple | set) else ()
