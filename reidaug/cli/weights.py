"""The published weights that some commands need: what needs each file, where it is looked for, and how to get it."""

import hashlib
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reidaug.core.errors import ReidAugError


class ComesWithPackageError(ReidAugError):
    """Weights that no downloader gets: an extra of reidaug brings them."""


@dataclass(frozen=True)
class Found:
    """What is where a file is looked for."""

    state: str  # whole, missing or damaged
    place: str  # the path, or the package


@dataclass(frozen=True)
class WeightFile:
    """Weights that some commands need."""

    name: str  # for `reidaug fetch --name`
    needed: str  # what needs it
    look: Callable[[], Found]
    fetch: Callable[[], None]


def weight_files() -> list[WeightFile]:
    """All of them; torch and torchvision must be installed."""
    import torchvision

    from reid_baseline import BACKBONES
    from reidaug.scoring.metrics.inception import INCEPTION_URL
    from reidaug.scoring.metrics.lpips import ALEXNET_URL

    files = [_of_url("vgg19", "train (perceptual loss)", torchvision.models.VGG19_Weights.IMAGENET1K_V1.url)]
    for arch, backbone in BACKBONES.items():
        needed = f"evaluate --arch {arch} --weights imagenet"
        if backbone.imagenet_url is not None:
            files.append(_of_url(arch, needed, backbone.imagenet_url()))
        elif backbone.imagenet_file is not None:
            files.append(
                WeightFile(arch, needed, *_packaged(backbone.imagenet_file.find, backbone.imagenet_file.install))
            )
    files.append(_of_url("inception", "score (IS, mask-IS, FID)", INCEPTION_URL))
    files.append(_of_url("alexnet", "score (LPIPS)", ALEXNET_URL))
    return [*files, WeightFile("vitpose", "pose, score --model vitpose", _look_for_vitpose, _fetch_vitpose)]


def fetch_files(names: Sequence[str], say: Callable[[str], None]) -> list[tuple[WeightFile, Found]]:
    """Gets files that are not there and whole, by torch's and Hugging Face's own downloaders, which check digests.

    Goes on with the others where one cannot be had.

    Args:
        names: which; none = all, but for those of extras that are not installed.
        say: told what is fetched, and what is not.

    Returns:
        Each file, and where it is.

    Raises:
        ReidAugError: an unknown name, or at last files that could not be had: no network, or other ones than expected.
    """
    files = weight_files()
    if unknown := set(names) - {file.name for file in files}:
        known = ", ".join(file.name for file in files)
        raise ReidAugError(f"{', '.join(sorted(unknown))}: no such weights; expected some of {known}")
    chosen = [file for file in files if not names or file.name in names]
    failed = []
    for file in chosen:
        if file.look().state == "whole":
            continue
        say(f"fetching {file.name}, for {file.needed}")
        try:
            file.fetch()
        except ReidAugError as error:
            if names or not isinstance(error, ComesWithPackageError):
                failed.append(str(error))
            else:
                say(f"left out: {error}")
    if failed:
        raise ReidAugError("; ".join(failed))
    return [(file, file.look()) for file in chosen]


def _of_url(name: str, needed: str, url: str) -> WeightFile:
    """A file in torch's cache, whose name ends in the first digits of its SHA-256."""
    import torch

    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    match = re.search(r"-([0-9a-f]{8,})\.", path.name)
    digits = match[1] if match else ""

    def look() -> Found:
        if not path.is_file():
            return Found("missing", str(path))
        return Found("whole" if _sha256(path).startswith(digits) else "damaged", str(path))

    def fetch() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path), hash_prefix=digits or None, progress=sys.stderr.isatty())
        except (OSError, RuntimeError) as error:  # no network; another digest
            raise ReidAugError(f"{name}: cannot get {url} ({error}); put that file at {path}") from None

    return WeightFile(name, needed, look, fetch)


def _packaged(find: Callable[[], Path], install: str) -> tuple[Callable[[], Found], Callable[[], None]]:
    from reid_baseline import ReIDError

    def look() -> Found:
        try:
            return Found("whole", str(find()))
        except ReIDError as error:
            return Found("damaged" if "not the expected file" in str(error) else "missing", str(error))

    def fetch() -> None:
        raise ComesWithPackageError(f"these weights come with a package: {install}")

    return look, fetch


def _look_for_vitpose() -> Found:
    from reidaug.datasets.estimators.vitpose import DEFAULT_MODEL, FILES

    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return Found("missing", "transformers is not installed: pip install 'reidaug[pose]'")
    paths = [try_to_load_from_cache(DEFAULT_MODEL, file) for file in FILES]
    if not all(isinstance(path, str) for path in paths):
        return Found("missing", f"Hugging Face's cache, {DEFAULT_MODEL}")
    weights = Path(paths[-1])
    blob = weights.resolve()  # its name is its SHA-256
    whole = not re.fullmatch(r"[0-9a-f]{64}", blob.name) or _sha256(blob) == blob.name
    return Found("whole" if whole else "damaged", str(weights.parent))


def _fetch_vitpose() -> None:
    from reidaug.datasets.estimators.vitpose import DEFAULT_MODEL, FILES

    try:
        from huggingface_hub import snapshot_download

        snapshot_download(
            DEFAULT_MODEL, allow_patterns=list(FILES), force_download=_look_for_vitpose().state == "damaged"
        )
    except ImportError:
        raise ComesWithPackageError("vitpose needs transformers: pip install 'reidaug[pose]'") from None
    except Exception as error:  # of the network; the hub has many kinds
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ReidAugError(
            f"vitpose: cannot get {DEFAULT_MODEL} from huggingface.co ({first[:200]}); put {', '.join(FILES)} "
            "into a folder and give it as --model"
        ) from None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
