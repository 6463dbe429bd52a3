"""The optimizer of a baseline, and its learning rates over time."""

import math

import torch

from reid_baseline.model import BaselineNet
from reid_baseline.recipe import Recipe


def make_optimizer(model: BaselineNet, recipe: Recipe) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum, or Adam; head and backbone have separate learning rates (``base_lr``).

    Call `BaselineNet.lay_out` first, and do not move the weights in memory afterwards. A step takes the gradients out
    of the network, and the next ``zero_grad`` frees them. Call ``zero_grad``, ``backward`` and ``step()`` in this
    order; closures and gradient scalers do not work, as they would not see the network's gradients.
    """
    head = [*model.reduce.parameters(), *model.norm.parameters(), *model.classifier.parameters()]
    pairs: list[tuple[torch.Tensor, torch.Tensor]] = []
    groups: list[dict[str, object]] = []
    for weights, rate in ((model.backbone.parameters(), recipe.lr_backbone), (head, recipe.lr_head)):
        views = [(weight, _in_memory_order(weight)) for weight in weights]
        pairs += views
        groups.append({"params": [view for _, view in views], "base_lr": rate})
    optimizer: torch.optim.Optimizer
    if recipe.optimizer == "adam":
        optimizer = torch.optim.Adam(groups, lr=recipe.lr_head, weight_decay=recipe.weight_decay, fused=True)
    else:
        momentum, decay = recipe.momentum, recipe.weight_decay
        optimizer = torch.optim.SGD(groups, recipe.lr_head, momentum, weight_decay=decay, nesterov=True, fused=True)

    def take_gradients(*_: object) -> None:
        for weight, view in pairs:
            if view.data_ptr() != weight.data_ptr():
                raise RuntimeError("the weights have moved in memory since the optimizer was made")
            view.grad = None if weight.grad is None else _in_memory_order(weight.grad)
            weight.grad = None

    optimizer.register_step_pre_hook(take_gradients)
    return optimizer


def rate_factor(done: float, recipe: Recipe) -> float:
    """Returns the factor of the learning rates after a fraction ``done`` (in [0, 1)) of all steps."""
    if done < recipe.warmup:
        if recipe.warmup_start:
            return recipe.warmup_start + (1 - recipe.warmup_start) * done / recipe.warmup
        return (done + 1e-3) / (recipe.warmup + 1e-3)
    if recipe.schedule == "cosine":
        return (1 + math.cos(math.pi * (done - recipe.warmup) / (1 - recipe.warmup))) / 2
    return 0.1 ** sum(done >= fraction for fraction in recipe.decay_at)


def _in_memory_order(tensor: torch.Tensor) -> torch.Tensor:
    """A view in the order of memory: on a CPU torch's fused optimizers copy any other tensor in each step."""
    last = tensor.ndim == 4 and not tensor.is_contiguous()
    return tensor.detach().permute(0, 2, 3, 1) if last else tensor.detach()
