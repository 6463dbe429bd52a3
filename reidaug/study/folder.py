"""The study folder: where things lie in it, what is there, and what it remembers.

STUDY/study.toml                                    what the study remembers (the data set)
STUDY/results.jsonl                                 one row per evaluation
STUDY/p0.40/plan.csv                                kept and missing images of portion 0.4
STUDY/p0.40/none/Market-1501-v15.09.15/             the kept images as a data set
STUDY/p0.40/<name>/Market-1501-v15.09.15/           a training set with the missing images filled in
"""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reidaug.core.errors import ReidAugError
from reidaug.core.files import atomic_write
from reidaug.datasets import deepfashion
from reidaug.datasets.images import images_fingerprint
from reidaug.datasets.keypoints import Annotations, find_annotations, read_annotations
from reidaug.datasets.layouts import PosedImages, find_posed_images
from reidaug.datasets.market1501 import ROOT_NAME, find_root, scan_split, split_folder

PLAIN_SET = "none"  # the set of the kept images alone
_SET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Study:
    """The places in a study folder. Makes no folder by itself."""

    path: Path  # the study folder; it need not exist

    @property
    def settings_path(self) -> Path:
        """What the study remembers."""
        return self.path / "study.toml"

    @property
    def results_path(self) -> Path:
        """One JSON object per evaluation."""
        return self.path / "results.jsonl"

    @property
    def queries_path(self) -> Path:
        """The folder of each evaluation's scores by query."""
        return self.path / "queries"

    def features_path(self, key: str) -> Path:
        """The features of a baseline, by the key of its result; there where they were asked for."""
        return self.path / "features" / f"{key}.npz"

    def model_path(self, key: str) -> Path:
        """A trained baseline, by the key of its result; there where it was asked for."""
        return self.path / "models" / f"{key}.pt"

    def portion_dir(self, portion: float) -> Path:
        """The folder of a portion."""
        return self.path / portion_name(portion)

    def plan_path(self, portion: float) -> Path:
        """The plan of a portion."""
        return self.portion_dir(portion) / "plan.csv"

    def shrink_path(self, portion: float) -> Path:
        """The settings and the report of the shrink that made a portion."""
        return self.portion_dir(portion) / "shrink.json"

    def set_root(self, portion: float, name: str) -> Path:
        """The Market-1501 root of a training set.

        Raises:
            ReidAugError: the set's name is no plain folder name.
        """
        if not _SET_NAME.fullmatch(name):
            raise ReidAugError(f"set name {name!r} is no plain folder name; use letters, digits, '.', '_' and '-'")
        return self.portion_dir(portion) / name / ROOT_NAME

    def portions(self) -> list[float]:
        """The portions that have been shrunk, ascending."""
        names = (folder.parent.name for folder in self.path.glob("p[0-9].[0-9][0-9]/plan.csv"))
        return sorted(float(name[1:]) for name in names)

    def sets(self, portion: float) -> list[str]:
        """The names of a portion's complete training sets (those with a manifest), "none" first."""
        manifests = self.portion_dir(portion).glob(f"*/{ROOT_NAME}/manifest.csv")
        names = {path.parent.parent.name for path in manifests}
        return sorted((name for name in names if _SET_NAME.fullmatch(name)), key=lambda name: (name != PLAIN_SET, name))

    def unfinished_sets(self, portion: float) -> list[str]:
        """The names of training sets that have been begun and not completed."""
        names = {folder.parent.name for folder in self.portion_dir(portion).glob(f"*/{ROOT_NAME}")}
        return sorted(name for name in names - set(self.sets(portion)) if _SET_NAME.fullmatch(name))

    def data_of(self, portion: float) -> Path:
        """The Market-1501 root that a portion was taken from.

        Raises:
            ReidAugError: the portion has not been shrunk, or the data set is gone.
        """
        try:
            record = json.loads(self.shrink_path(portion).read_text(encoding="utf-8"))
            return find_root(Path(record["data"]))
        except FileNotFoundError:
            raise ReidAugError(f"no {self.shrink_path(portion)}: run `reidaug shrink` first") from None
        except (ValueError, KeyError, TypeError):
            raise ReidAugError(f"{self.shrink_path(portion)} is broken: run `reidaug shrink --force`") from None

    def unchanged_data_of(self, portion: float) -> Path:
        """The Market-1501 root of a portion, whose training images are still those that it was taken from.

        Raises:
            ReidAugError: as `data_of`, or the training images have changed.
        """
        data = self.data_of(portion)
        recorded = json.loads(self.shrink_path(portion).read_text(encoding="utf-8")).get("images")
        names = [record.name for record in scan_split(data, "train")]
        if images_fingerprint(split_folder(data, "train"), names) != recorded:
            raise ReidAugError(
                f"the training images of {data} have changed since p = {portion:.2f} was taken from them: "
                "bring them back, or run `reidaug shrink --force`"
            )
        return data

    def unchanged_annotations_of(self, portion: float) -> Annotations:
        """The keypoints of the training images of a portion, which are still those that it was planned by.

        Raises:
            ReidAugError: as `unchanged_data_of`, or the keypoints have changed. A portion of an earlier version does
                not know its own: it is taken as it is.
        """
        data = self.unchanged_data_of(portion)
        annotations = read_annotations(find_annotations(data, "train"))
        recorded = json.loads(self.shrink_path(portion).read_text(encoding="utf-8")).get("keypoints")
        names = [record.name for record in scan_split(data, "train")]
        if recorded not in (None, annotations.fingerprint(names)):
            raise ReidAugError(
                f"the keypoints of the training images of {data} have changed since p = {portion:.2f} was planned by "
                "them: bring them back, or run `reidaug shrink --force`"
            )
        return annotations

    def read_settings(self) -> dict[str, Any]:
        """What the study remembers; empty where it remembers nothing.

        Raises:
            ReidAugError: `study.toml` is no TOML.
        """
        try:
            return tomllib.loads(self.settings_path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ReidAugError(f"{self.settings_path} is not valid TOML: {error}; mend or remove it") from None

    def write_settings(self, **settings: Any) -> None:
        """Remember some settings beside those already there.

        Args:
            settings: strings, numbers, truth values, lists or (one table deep) dictionaries of them.
        """
        old = self.read_settings()
        new = old | settings
        if new != old:
            self.path.mkdir(parents=True, exist_ok=True)
            atomic_write(self.settings_path, _toml(new))


def parse_portion(text: str) -> float:
    """A portion as typed on the command line.

    Raises:
        ReidAugError: it is no number in 0.01-0.99 with at most two decimals.
    """
    try:
        portion = float(text)
    except ValueError:
        raise ReidAugError(f"portion {text!r} is no number; give one from 0.01 to 0.99, such as 0.4") from None
    portion_name(portion)
    return round(portion, 2)


def portion_name(portion: float) -> str:
    """The folder name of a portion: 0.4 -> "p0.40".

    Raises:
        ReidAugError: it does not lie between 0 and 1 or has more than two decimals.
    """
    if not 0.005 < portion < 0.995:
        raise ReidAugError(f"portion {portion:g} is out of range; give one from 0.01 to 0.99, such as 0.4")
    if abs(portion * 100 - round(portion * 100)) > 1e-9:
        raise ReidAugError(f"portion {portion!r} has more than two decimals; give one such as {max(portion, 0.01):.2f}")
    return f"p{portion:.2f}"


def resolve_data(data: Path | None, study: Study) -> Path:
    """The data set to work on: the one that is named, else the one that the study remembers, else the one at hand.

    Args:
        data: what the command line or the environment names, or None.
        study: the study; it need not exist.

    Returns:
        The absolute path of a Market-1501 root.

    Raises:
        ReidAugError: there is none, or what is there is no Market-1501 root.
    """
    remembered = study.read_settings().get("data")
    if data is None and isinstance(remembered, str):
        data = Path(remembered)
    if data is None:
        data = Path(ROOT_NAME)
        if not data.exists():
            raise ReidAugError(f"no data set: give --data FOLDER, set REIDAUG_DATA, or put it at ./{ROOT_NAME}")
    return find_root(data.absolute())


def chosen_portions(study: Study, portion: str | None) -> list[float]:
    """The portions to work on: the one that is named, else all that the study has.

    Raises:
        ReidAugError: the study has none, or not this one.
    """
    portions = study.portions()
    if not portions:
        raise ReidAugError(
            f"no study at {study.path}: run `reidaug shrink --portion 0.4` first, or name it with --study"
        )
    if portion is None:
        return portions
    wanted = parse_portion(portion)
    if wanted not in portions:
        there = ", ".join(f"{each:.2f}" for each in portions)
        raise ReidAugError(
            f"{study.path} has no portion {wanted:.2f}, only {there}: run `reidaug shrink` with it first"
        )
    return [wanted]


def _toml(settings: Mapping[str, Any]) -> str:
    """TOML of plain values, with one level of tables."""
    plain = {key: value for key, value in settings.items() if not isinstance(value, Mapping)}
    lines = [f"{_toml_string(key)} = {_toml_value(value)}" for key, value in plain.items()]
    for key, table in settings.items():
        if key not in plain:
            lines += [
                "",
                f"[{_toml_string(key)}]",
                *(f"{_toml_string(k)} = {_toml_value(v)}" for k, v in table.items()),
            ]
    return "\n".join(lines) + "\n"


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml_value, value)) + "]"
    if isinstance(value, str | Path):
        return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    raise ReidAugError(f"study.toml cannot hold {value!r}; expected text, numbers, truth values, or lists of them")


def _toml_string(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _toml_value(key)


def look_for_images(data: Path | None, study: Study) -> PosedImages:
    """The images of the data set that is named (Market-1501 or DeepFashion), else of the one that a study remembers.

    Raises:
        ReidAugError: what `resolve_data` and `find_posed_images` raise.
    """
    if data is None or not deepfashion.is_root(data):
        data = resolve_data(data, study)
    return find_posed_images(data)
