"""ResNets (He et al., CVPR 2016) as backbones: torchvision's, without the classifier."""

import torch
import torchvision
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck


class ResNet(torchvision.models.ResNet):
    """Maps (B, 3, H, W) normalised images to (B, width) features after global average pooling.

    Args:
        block: kind of the residual blocks.
        layers: blocks in each of the four stages.
        last_stride: 1 or 2, of the last stage (1 doubles the height and width of its map).
    """

    def __init__(self, block: type[BasicBlock] | type[Bottleneck], layers: list[int], last_stride: int) -> None:
        super().__init__(block, layers)
        self.width: int = 512 * block.expansion
        self.fc = nn.Identity()
        if last_stride == 1:
            first = self.layer4[0]
            (first.conv2 if block is Bottleneck else first.conv1).stride = (1, 1)
            first.downsample[0].stride = (1, 1)
        self.layer4.register_forward_pre_hook(_as_the_weights)

    def lay_out(self, device: torch.device, precision: str) -> None:
        """Channels last in memory, except for the last stage on a CPU in float32.

        There the maps have few pixels, for which oneDNN's channels-last kernels take longer.
        """
        for name, part in self.named_children():
            plain = name == "layer4" and device.type == "cpu" and precision == "fp32"
            part.to(memory_format=torch.contiguous_format if plain else torch.channels_last)


def _as_the_weights(stage: nn.Module, inputs: tuple[torch.Tensor]) -> torch.Tensor:
    """Gives a stage its input in the memory format of its weights."""
    last = not stage.get_parameter("0.conv2.weight").is_contiguous()
    return inputs[0].contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)


def resnet50(last_stride: int) -> ResNet:
    return ResNet(Bottleneck, [3, 4, 6, 3], last_stride)


def resnet18(last_stride: int) -> ResNet:
    return ResNet(BasicBlock, [2, 2, 2, 2], last_stride)


def resnet50_url() -> str:
    return torchvision.models.ResNet50_Weights.IMAGENET1K_V1.url


def resnet18_url() -> str:
    return torchvision.models.ResNet18_Weights.IMAGENET1K_V1.url
