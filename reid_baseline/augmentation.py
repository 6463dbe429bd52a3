"""Augmentation of a whole batch on its device, with separate random draws for each sample."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from reid_baseline.recipe import Recipe

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # RGB in [0, 1], as torchvision's weights expect
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Colours:
    """By what a network wants its images normalised; the default is ImageNet's."""

    mean: tuple[float, float, float] = IMAGENET_MEAN  # RGB in [0, 1]
    std: tuple[float, float, float] = IMAGENET_STD


IMAGENET_COLOURS = Colours()


def normalise(images: torch.Tensor, colours: Colours = IMAGENET_COLOURS) -> torch.Tensor:
    """Turns (B, 3, H, W) uint8 into float32, less the mean and divided by the deviation, channels last in memory."""
    mean = torch.tensor(colours.mean, device=images.device).mul(255).view(3, 1, 1)
    std = torch.tensor(colours.std, device=images.device).mul(255).view(3, 1, 1)
    return images.to(torch.float32, memory_format=torch.channels_last).sub(mean).div_(std)


def augment(
    images: torch.Tensor, recipe: Recipe, generator: torch.Generator, colours: Colours = IMAGENET_COLOURS
) -> torch.Tensor:
    """Pads, crops, flips, normalises and erases as the recipe says.

    Args:
        images: (B, 3, H, W) uint8, any device.
        recipe: its ``padding``, ``flip`` and ``erasing`` are used.
        generator: on the CPU, so that the draws are the same on every device.
        colours: of the network that gets them.

    Returns:
        (B, 3, H, W) float32, normalised; padding is black, as in the paper's baseline; erased boxes are mean colour.
    """
    normalised = normalise(_crop_and_flip(images, recipe.padding, recipe.flip, generator), colours)
    return _erase(normalised, recipe.erasing, generator) if recipe.erasing else normalised


def _crop_and_flip(images: torch.Tensor, padding: int, flip: float, generator: torch.Generator) -> torch.Tensor:
    batch, _, height, width = images.shape
    top, left = torch.randint(0, 2 * padding + 1, (2, batch, 1), generator=generator)
    flipped = torch.rand(batch, 1, generator=generator) < flip
    rows = top + torch.arange(height)
    columns = left + torch.arange(width)
    columns = torch.where(flipped, columns.flip(1), columns)
    padded = F.pad(images, (padding,) * 4).permute(0, 2, 3, 1)
    device = images.device
    sample = torch.arange(batch, device=device)[:, None, None]
    return padded[sample, rows.to(device)[:, :, None], columns.to(device)[:, None, :]].permute(0, 3, 1, 2)


def _erase(images: torch.Tensor, probability: float, generator: torch.Generator) -> torch.Tensor:
    """Random erasing (Zhong et al., AAAI 2020): a box of 2-40 % of the area and aspect 0.3-3.3, cut at the frame."""
    batch, _, height, width = images.shape
    chosen, area, aspect, y, x = torch.rand(5, batch, 1, generator=generator)
    area = (0.02 + 0.38 * area) * height * width
    aspect = torch.exp((2 * aspect - 1) * torch.log(torch.tensor(1 / 0.3)))
    box_height = (area * aspect).sqrt().clamp(max=height)
    box_width = (area / aspect).sqrt().clamp(max=width)
    rows = torch.arange(height) - y * (height - box_height)
    columns = torch.arange(width) - x * (width - box_width)
    inside_rows = (rows >= 0) & (rows < box_height) & (chosen < probability)
    inside_columns = (columns >= 0) & (columns < box_width)
    box = inside_rows[:, None, :, None] & inside_columns[:, None, None, :]
    return images.masked_fill_(box.to(images.device), 0)
