"""A trained baseline for other programs: its backbone as a state dict under torchvision's names."""

import io
from pathlib import Path

from reidaug.core.errors import ReidAugError
from reidaug.core.files import atomic_write, check_out
from reidaug.study.exports.layout import quoted

TOOLS = ("torchreid", "torchvision")


def export_network(path: Path, out: Path, tool: str) -> dict[str, object]:
    """Writes the backbone of a network that `evaluate --save-models` kept: a file of tensors alone.

    Neck and classifier are left out: no other program has these.

    Returns:
        The file, what the network sees, and the line to type.

    Raises:
        ReidAugError: another tool, a file in the way with other content, or a backbone that the tools do not have.
        ReIDError: the file is no kept network.
    """
    if tool not in TOOLS:
        raise ReidAugError(f"--for {tool} takes images; a network can be written for {' or '.join(TOOLS)}")
    check_out(out)
    import torch
    import torchvision

    from reid_baseline import load_model

    model, recipe = load_model(path)
    state = {name: tensor.contiguous() for name, tensor in model.backbone.state_dict().items()}
    try:
        with torch.device("meta"):
            theirs = torchvision.models.get_model(model.arch, weights=None).state_dict()
    except ValueError:
        theirs = {}
    wanted = {name: tensor.shape for name, tensor in theirs.items() if not name.startswith("fc.")}
    if wanted != {name: tensor.shape for name, tensor in state.items()}:
        raise ReidAugError(
            f"{path} is a {model.arch}, which {tool} does not have under these names: nothing is written"
        )
    content = io.BytesIO()
    torch.save(state, content)
    if out.exists() and out.read_bytes() != content.getvalue():
        raise ReidAugError(f"{out} is there already with other content: give another file, or remove it")
    atomic_write(out, content.getvalue())
    stride = recipe.network()["last_stride"]
    return {
        "out": str(out),
        "arch": model.arch,
        "image_size": f"{recipe.size[0]}x{recipe.size[1]}",
        "last_stride": stride,
        "type": _line(tool, model.arch, out.absolute()),
    }


def _line(tool: str, arch: str, out: Path) -> str:
    if tool == "torchreid":
        build = f"import torchreid; m = torchreid.models.build_model({arch!r}, 751, pretrained=False)"
        code = f"{build}; torchreid.utils.load_pretrained_weights(m, {str(out)!r})"
    else:
        build = f"import torch, torchvision; m = torchvision.models.{arch}()"
        code = f"{build}; print(m.load_state_dict(torch.load({str(out)!r}), strict=False))"
    return f"python -c {quoted(code)}"
