"""Re-identification as a library: train a baseline, extract features, score a ranking.

images = load_images(paths, RECIPES["quick"].size)
model = train_baseline(images, labels, RECIPES["quick"])
ranking = evaluate_ranking(extract_features(model, query, RECIPES["quick"]), ...)
"""

from reid_baseline.backbones import ARCHS, BACKBONES, Backbone
from reid_baseline.data import load_images
from reid_baseline.errors import ReIDError, StateError
from reid_baseline.estimate import estimate_seconds
from reid_baseline.features import extract_features
from reid_baseline.matches import Matches, best_matches
from reid_baseline.model import BaselineNet, build_model, load_model, save_model
from reid_baseline.ranking import Ranking, check_matches, evaluate_ranking
from reid_baseline.recipe import RECIPES, Recipe
from reid_baseline.reranking import reranked_distances
from reid_baseline.resume import training_seconds
from reid_baseline.train import TrainProgress, train_baseline

__all__ = [
    "ARCHS",
    "BACKBONES",
    "RECIPES",
    "Backbone",
    "BaselineNet",
    "Matches",
    "Ranking",
    "ReIDError",
    "Recipe",
    "StateError",
    "TrainProgress",
    "best_matches",
    "build_model",
    "check_matches",
    "estimate_seconds",
    "evaluate_ranking",
    "extract_features",
    "load_images",
    "load_model",
    "reranked_distances",
    "save_model",
    "train_baseline",
    "training_seconds",
]
