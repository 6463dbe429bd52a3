"""Estimate the joints of the person in an image with ViTPose; the whole image is the person's box.

Xu et al., "ViTPose: Simple Vision Transformer Baselines for Human Pose Estimation", NeurIPS 2022, as in
transformers: an affine crop of 1.25 times the box, and heatmaps read with DARK (Zhang et al., CVPR 2020).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reidaug.core.device import pick_device
from reidaug.core.errors import ReidAugError
from reidaug.datasets.estimators.estimator import PoseEstimator

if TYPE_CHECKING:
    import torch

DEFAULT_MODEL = "usyd-community/vitpose-base-simple"
COCO_JOINTS = 17
FILES = ("config.json", "preprocessor_config.json", "model.safetensors")
_EXPECTED = (
    f"expected movenet, or a folder with {', '.join(FILES)}, such as those of https://huggingface.co/{DEFAULT_MODEL}, "
    "or the name of such a model there (--model)"
)


@dataclass(frozen=True, eq=False)
class ViTPose(PoseEstimator):
    """A ViTPose network ready for use; ``ViTPose.load()`` makes one."""

    network: Any  # transformers.VitPoseForPoseEstimation, float32, in evaluation mode, on `device`
    processor: Any  # transformers.VitPoseImageProcessor
    device: "torch.device"

    @classmethod
    def load(cls, device: "str | torch.device" = "auto", model: str | Path = DEFAULT_MODEL) -> "ViTPose":
        """Read a ViTPose model; weights are read from safetensors only, so no code in the files is run.

        Args:
            device: auto, cpu, cuda, cuda:N, mps, or a `torch.device`.
            model: a folder, or its name at huggingface.co; a model that was fetched before needs no network.

        Raises:
            ReidAugError: transformers is not installed, no such model or device, or not a ViTPose of 17 joints.
        """
        try:
            from transformers import VitPoseForPoseEstimation, VitPoseImageProcessor
        except ImportError:
            raise ReidAugError(
                "ViTPose needs transformers 4.48 or newer: pip install 'reidaug[pose]'; movenet, the default, does not"
            ) from None

        device = pick_device(device)
        check_folder(str(model))
        with _quiet():
            options = {"use_safetensors": True, "output_loading_info": True, "ignore_mismatched_sizes": True}
            network, info = _read(VitPoseForPoseEstimation, model, **options)
            processor = _read(VitPoseImageProcessor, model)
        unfit = [*info["missing_keys"], *(str(mismatch[0]) for mismatch in info["mismatched_keys"])]
        if unfit:
            raise ReidAugError(f"{model} is not a ViTPose model: {len(unfit)} weights do not fit, such as {min(unfit)}")
        if network.config.num_labels != COCO_JOINTS:
            raise ReidAugError(
                f"{model} has {network.config.num_labels} joints, expected the {COCO_JOINTS} of COCO: choose another"
            )
        return cls(network.float().eval().to(device), processor, device)

    def find(self, images: Sequence[np.ndarray] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        import torch

        boxes = [[[0.0, 0.0, float(image.shape[1]), float(image.shape[0])]] for image in images]  # x, y, width, height
        inputs = self.processor(
            list(map(np.array, images)), boxes=boxes, return_tensors="pt", input_data_format="channels_last"
        )
        arguments = {"pixel_values": inputs["pixel_values"].to(self.device)}
        if getattr(self.network.config.backbone_config, "num_experts", 1) > 1:  # ViTPose+: expert 0 is COCO's
            arguments["dataset_index"] = torch.zeros(len(boxes), dtype=torch.int64, device=self.device)
        with torch.inference_mode():
            outputs = self.network(**arguments)
        people = [person for (person,) in self.processor.post_process_pose_estimation(outputs, boxes=boxes)]
        points = np.stack([person["keypoints"].numpy() for person in people]).astype(np.float32)
        scores = np.stack([person["scores"].numpy() for person in people])
        return points, scores


def check_folder(model: str) -> None:
    """Says which files of a local model are missing, before transformers looks for it at huggingface.co."""
    folder = Path(model)
    if not folder.exists():
        if model.count("/") != 1 or model[0] in "/.~":
            raise ReidAugError(f"no pose model {model}; {_EXPECTED}")
        return
    sharded = (folder / "model.safetensors.index.json").is_file()
    missing = [name for name in FILES[: 2 if sharded else 3] if not (folder / name).is_file()]
    if missing:
        pickles = sorted(path.name for form in ("*.bin", "*.pt", "*.pth") for path in folder.glob(form))
        pickled = f" ({pickles[0]} is a pickle, which could run code, and is not read)" if pickles else ""
        raise ReidAugError(f"no {', no '.join(missing)} in the pose model's folder {model}{pickled}; {_EXPECTED}")


def _read(kind: Any, model: str | Path, **arguments: Any) -> Any:
    """Loads part of a model; the network is asked only for what is not on this machine."""
    for local in (True,) if Path(model).exists() else (True, False):
        try:
            return kind.from_pretrained(model, local_files_only=local, **arguments)
        except Exception as error:  # a broken model fails in many ways
            problem = error
    reason = (str(problem).strip().splitlines() or [type(problem).__name__])[0][:160]
    raise ReidAugError(f"the pose model {model} cannot be loaded: {reason.rstrip('.')}; {_EXPECTED}") from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences the progress bars and retry messages of the libraries that load the model."""
    from huggingface_hub.utils import logging as hub_logging
    from transformers.utils import logging

    verbosity, hub_verbosity = logging.get_verbosity(), hub_logging.get_verbosity()
    bars = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    hub_logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        hub_logging.set_verbosity(hub_verbosity)
        if bars:
            logging.enable_progress_bar()
