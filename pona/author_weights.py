"""Loads weights with the names of the authors' published code."""

import re
from collections.abc import Mapping

from torch import Tensor

from pona.errors import PoNAError
from pona.generator import PoNAGenerator


def generator_from_author_weights(state_dict: Mapping[str, Tensor], sigma: float | None = 6.0) -> PoNAGenerator:
    """Builds a generator from a state dict with the names of the authors' code, in eval mode.

    Width, number of blocks and norms follow from the tensors. The prefixes `module.` and `model.` are optional.

    Args:
        state_dict: names -> tensors.
        sigma: heatmaps that the weights were trained with: 6 px (Market-1501), None = impulses (DeepFashion).

    Raises:
        PoNAError: where the names or shapes are not those of the authors' generator.
    """
    renamed = {_renamed(name): tensor for name, tensor in state_dict.items()}
    first = renamed.get("image_encoder.1.weight")
    indices = [int(name.split(".")[1]) for name in renamed if re.match(r"blocks\.\d+\.", name)]
    if first is None or first.ndim != 4 or not indices:
        raise PoNAError(
            f"not the authors' generator: {len(state_dict)} entries without stream1_down.1.weight and att.0.*; "
            "give a state dict such as latest_net_netG.pth"
        )
    generator = PoNAGenerator(
        width=first.shape[0],
        blocks=max(indices) + 1,
        norm="batch" if "image_encoder.2.weight" in renamed else "instance",
        block_norm="batch" if "blocks.0.image_conv1.1.weight" in renamed else "instance",
        self_attention="blocks.0.self_attention.gamma" in renamed,
        cross_attention="blocks.0.cross_attention.gamma" in renamed,
        sigma=sigma,
    )
    expected = generator.state_dict()
    wrong = [name for name, tensor in expected.items() if name in renamed and renamed[name].shape != tensor.shape]
    if not wrong:
        missing, unknown = generator.load_state_dict(renamed, strict=False)
        wrong = [*missing, *unknown]
    if wrong:
        raise PoNAError(
            f"the authors' names, but not a generator that this package can build: {len(wrong)} entries are missing, "
            f"unknown or of another shape, such as {wrong[0]} (in this package's names)"
        )
    return generator.eval()


_AUTHOR_NAMES = (
    (r"^(module\.)?(model\.)?", ""),
    (r"^stream1_down\.", "image_encoder."),
    (r"^stream2_down\.", "pose_encoder."),
    (r"^stream1_up\.", "decoder."),
    (r"^att\.(\d+)\.att2\.", r"blocks.\1.self_attention."),
    (r"^att\.(\d+)\.(query_conv|key_conv|value_conv|gamma)\b", r"blocks.\1.cross_attention.\2"),
    (r"^att\.(\d+)\.conv\.conv\.", r"blocks.\1.image_conv1."),
    (r"^att\.(\d+)\.conv2\.conv\.", r"blocks.\1.image_conv2."),
    (r"^att\.(\d+)\.dconv\.conv\.", r"blocks.\1.pose_conv1."),
    (r"^att\.(\d+)\.dconv2\.conv\.", r"blocks.\1.pose_conv2."),
    (r"\.(query|key|value)_conv\.", r".\1."),
)


def _renamed(name: str) -> str:
    for pattern, replacement in _AUTHOR_NAMES:
        name = re.sub(pattern, replacement, name)
    return name
