"""PoNA (Li et al., IEEE TIP 2020): generates images of a person in another pose, and trains the generator."""

from pona.author_weights import generator_from_author_weights
from pona.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from pona.data import PoseImages
from pona.errors import PoNAError
from pona.generate import fold_norms, generate_images
from pona.generators.pona import GeneratorConfig, PoNAGenerator
from pona.keypoints import render_heatmaps

__all__ = [
    "Checkpoint",
    "GeneratorConfig",
    "PoNAError",
    "PoNAGenerator",
    "PoseImages",
    "fold_norms",
    "generate_images",
    "generator_from_author_weights",
    "load_checkpoint",
    "render_heatmaps",
    "save_checkpoint",
]
