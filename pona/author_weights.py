"""Loads weights with the names that the authors of PoNA and PATN published."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from pona.errors import PoNAError
from pona.generators.patn import PATNConfig, PATNGenerator
from pona.generators.pona import PoNAGenerator
from pona.torch_reader import misfits


def generator_from_author_weights(
    state_dict: Mapping[str, Tensor], sigma: float | None = 6.0
) -> PoNAGenerator | PATNGenerator:
    """Builds a generator from a state dict with the names of PoNA's or PATN's code, in eval mode.

    Which of the two, width, number of blocks and norms follow from the tensors. The prefixes `module.` and `model.` are
    optional.

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
    width, blocks = first.shape[0], max(indices) + 1
    norm = "batch" if "image_encoder.2.weight" in renamed else "instance"

    def build() -> PoNAGenerator | PATNGenerator:
        if "blocks.0.image_path.1.weight" in renamed:
            return PATNGenerator(PATNConfig(width, blocks, norm, sigma))
        return PoNAGenerator(
            width=width,
            blocks=blocks,
            norm=norm,
            block_norm="batch" if "blocks.0.image_conv1.1.weight" in renamed else "instance",
            self_attention="blocks.0.self_attention.gamma" in renamed,
            cross_attention="blocks.0.cross_attention.gamma" in renamed,
            sigma=sigma,
        )

    with torch.device("meta"):  # takes no memory, whatever the names claim
        expected = build().state_dict()
    if "blocks.0.image_path.1.weight" in renamed:  # torch 0.3.1 counted no batches, and stored statistics of IN unused
        stale = {name for name in renamed if name.endswith(("running_mean", "running_var")) and name not in expected}
        counted = {name: torch.tensor(0) for name in expected if name.endswith("num_batches_tracked")}
        renamed = counted | {name: tensor for name, tensor in renamed.items() if name not in stale}
    if wrong := misfits(expected, renamed):
        raise PoNAError(
            f"the authors' names, but not a generator that this package can build: {len(wrong)} entries are missing, "
            f"unknown or of another shape, such as {wrong[0]} (in this package's names)"
        )
    generator = build()
    generator.load_state_dict(renamed)
    return generator.eval()


_AUTHOR_NAMES = (
    (r"^(module\.)?(model\.)?", ""),
    (r"^stream1_down\.", "image_encoder."),
    (r"^stream2_down\.", "pose_encoder."),
    (r"^stream1_up\.", "decoder."),
    (r"^att\.(\d+)\.conv_block_stream1\.", r"blocks.\1.image_path."),
    (r"^att\.(\d+)\.conv_block_stream2\.", r"blocks.\1.pose_path."),
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
