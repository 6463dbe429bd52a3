"""The networks, optimisers and random states of a training, and the state that a resumed run needs."""

import copy
import math
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from pona.data import Batch, PoseImages, draw_colors, draw_pairs, make_batch
from pona.errors import PoNAError
from pona.generate import check_size
from pona.generators import architecture_of, generator_class, generator_config
from pona.generators.generator import Generator
from pona.identity import IdentityLoss
from pona.image_pool import ImagePool
from pona.layers import HalfDropout, zero_biases
from pona.losses import PerceptualLoss
from pona.processes import Processes
from pona.torch_reader import check_optimizer
from pona.train_config import MOST_ITERATIONS, TrainConfig


class Trainer:
    """Networks, optimisers and random states of one run.

    What a step does is the generator's `objective`.

    Several devices share each batch: all draw the same pairs and each takes its part, so the pairs do not depend on the
    number of devices. Gradients are averaged; each device has its own dropout and image pools (of `pool_size` each). On
    GPUs BN normalises by the whole batch (torch's SyncBatchNorm), as on one device. torch has no such layer for CPUs:
    each process normalises by its part, and the running statistics are the mean over the processes.

    Args:
        processes: of this run; they decide device and precision.
        config: the run.
        data: training images, the same in every process; moved to the device.
        perceptual: the perceptual loss, moved to the device; None = without.
        identity: the identity loss, moved to the device; None = without.
        compiled: pass generator and discriminators through torch.compile.

    Raises:
        PoNAError: for images of a size that the generator does not take.
    """

    def __init__(
        self,
        processes: Processes,
        config: TrainConfig,
        data: PoseImages,
        perceptual: PerceptualLoss | None,
        compiled: bool = False,
        identity: IdentityLoss | None = None,
    ) -> None:
        self.compiled = compiled
        self.processes, self.fabric, self.config = processes, processes.fabric, config
        fabric = self.fabric
        self.data = data.to(fabric.device)
        self.iteration = 0
        self.fraction = 0.0  # of the run that is over, 0..1
        self.started_from = False  # whether the first weights are those of a trained generator
        self.seconds = 0.0  # of training so far, including earlier parts of a resumed run
        kind = generator_class(config.architecture)
        size = (data.images.shape[2], data.images.shape[3])
        generator = kind.from_config(generator_config(config, size))
        check_size(generator, size)
        if config.initialisation == "normal":
            generator.apply(zero_biases)
        for module in generator.modules():
            if isinstance(module, HalfDropout):
                module.enabled = config.dropout
            elif isinstance(module, nn.Dropout) and not config.dropout:
                module.p = 0.0
        self.generator, self.generator_optimizer = self._set_up(generator, config.attention_rate)
        self.average: Generator | None = None
        if config.ema:
            self.average = copy.deepcopy(self.generator.module).eval().requires_grad_(False)
        self.discriminators: dict[str, Any] = {}
        self.discriminator_optimizers: dict[str, torch.optim.Optimizer] = {}
        self.pools: dict[str, ImagePool] = {}
        self.objective = kind.objective(config)
        for index, (name, network) in enumerate(self.objective.discriminators(generator).items()):
            self.discriminators[name], self.discriminator_optimizers[name] = self._set_up(network)
            self.pools[name] = ImagePool(config.pool_size, seed=config.seed + index + 2 * processes.rank)
        self.perceptual = None
        if perceptual is not None:
            self.perceptual = perceptual.to(fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.identity = None
        if identity is not None:
            self.identity = identity.to(fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.random = torch.Generator(device=fabric.device).manual_seed(config.seed)
        if not processes.is_first:  # the weights are drawn: from here on each process draws its own dropout
            torch.manual_seed(config.seed + processes.rank)

    def start_from(self, generator: Generator) -> None:
        """Copies the weights of a trained generator of the same architecture.

        Raises:
            PoNAError: for another architecture.
        """
        check_architecture(self.config, generator, (self.data.images.shape[2], self.data.images.shape[3]))
        self.started_from = True
        self.generator.load_state_dict(generator.state_dict())
        if self.average is not None:
            self.average.load_state_dict(generator.state_dict())

    def step(self, learning_rate: float, fraction: float = 0.0) -> dict[str, Tensor]:
        """One iteration of the objective, at a share of the run; returns its losses, detached, on the device."""
        for optimizer in (self.generator_optimizer, *self.discriminator_optimizers.values()):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate * group["relative_rate"]
        self.fraction = fraction
        if self.iteration == 0 and not self.started_from:
            self.objective.begin(self)
        losses = self.objective.step(self)
        self._update_average()
        self.iteration += 1
        return losses

    def draw_batch(self) -> Batch:
        """This process's part of the next batch."""
        count = self.config.batch_size
        pairs = draw_pairs(self.data, count, self.random)
        flip = colors = None
        share = count // self.processes.count
        part = slice(self.processes.rank * share, (self.processes.rank + 1) * share)
        if self.config.flip:
            flip = (torch.rand(count, generator=self.random, device=pairs.device) < 0.5)[part]
        if self.config.color_jitter:
            colors = draw_colors(count, self.config.color_jitter, self.random)[part]
        return make_batch(self.data, pairs[part], flip, colors)

    def generate(self, batch: Batch, **options: Any) -> tuple[Tensor, Any]:
        """The generated images of a batch, and the generator's inputs for it; options go to its `forward`."""
        inputs = self.prepare(batch)
        return self.generator(*inputs, **options), inputs

    @torch.no_grad()
    def prepare(self, batch: Batch) -> Any:
        """What the generator makes of a batch, before its network."""
        return self.generator.module.prepare(batch.condition_image, batch.condition_keypoints, batch.target_keypoints)

    def judge(self, name: str, image: Tensor) -> Tensor:
        """The score of a discriminator whose weights get no gradient.

        It is called without its wrapper, which would average gradients over devices.
        """
        network = self.discriminators[name]
        network.requires_grad_(False)
        scores: Tensor = network.module(image)
        network.requires_grad_(True)
        return scores

    def update_generator(self, loss: Tensor) -> None:
        """Takes a step that lowers a loss of the generator."""
        self._update(self.generator_optimizer, loss)

    def update_discriminator(self, name: str, loss: Tensor) -> None:
        """Takes a step that lowers a loss of a discriminator."""
        self._update(self.discriminator_optimizers[name], loss)

    def _update(self, optimizer: Any, loss: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        optimizer.step()

    @torch.no_grad()
    def _update_average(self) -> None:
        if not self._syncs_norms():
            self.processes.mean_([b for b in self.generator.module.buffers() if b.is_floating_point()])
        if self.average is None:
            return
        # At first the average follows fast: it would otherwise be mostly the random start.
        decay = min(self.config.ema, (1 + self.iteration) / (10 + self.iteration))
        average, current = _floats(self.average), _floats(self.generator.module)
        torch._foreach_lerp_(average, current, 1 - decay)

    def not_finite(self) -> list[str]:
        """The names of the networks with a weight or a running statistic that is not finite."""
        networks = {"generator": self.generator.module}
        networks |= {f"{name} discriminator": network.module for name, network in self.discriminators.items()}
        if self.average is not None:
            networks["average"] = self.average
        return [name for name, network in networks.items() if not _all_finite(network)]

    def loss_scale(self) -> float:
        """The factor that fp16 multiplies its losses by, to keep gradients in range; 1 for other precisions."""
        return float(self.fabric.strategy.precision.state_dict().get("scale", 1.0))

    def _set_up(self, network: nn.Module, attention_rate: float = 1.0) -> tuple[Any, Any]:
        network = network.to(memory_format=torch.channels_last)
        if self._syncs_norms():
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        if self.compiled:
            network.compile()  # in place: the names of the weights stay
        # Adam moves a weight by about the learning rate per step, whatever the gradient. Gammas start at 0, and the
        # pose has no effect without them: at the common rate they would stay near 0 for thousands of steps.
        is_scalar = {name: name.endswith(("gamma", "beta")) for name, _ in network.named_parameters()}
        rates = {False: 1.0, True: attention_rate}
        groups = []
        for scalar, rate in rates.items():
            parameters = [p for name, p in network.named_parameters() if is_scalar[name] == scalar]
            groups.append({"params": parameters, "relative_rate": rate})
        betas = (self.config.beta1, self.config.beta2)
        optimizer = torch.optim.Adam(groups, self.config.learning_rate, betas=betas, fused=True)
        return self.fabric.setup(network, optimizer)

    def _syncs_norms(self) -> bool:
        return self.processes.count > 1 and self.fabric.device.type == "cuda"

    def state_dict(self) -> dict[str, Any]:
        """Everything that decides the rest of the run, random states included; all processes must call it.

        Only that of the first process is complete: its "others" are the local states of the other processes.
        """
        local, *others = self.processes.gather(self._local_state()) or [self._local_state()]
        common = {
            "iteration": self.iteration,
            "seconds": self.seconds,
            "generator": self.generator.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "generator_optimizer": self.generator_optimizer.state_dict(),
            "discriminators": {name: network.state_dict() for name, network in self.discriminators.items()},
            "discriminator_optimizers": {name: o.state_dict() for name, o in self.discriminator_optimizers.items()},
            "loss_scale": self.fabric.strategy.precision.state_dict(),  # empty except for fp16
            "pair_random": self.random.get_state(),
        }
        return common | local | ({"others": others} if others else {})

    def _local_state(self) -> dict[str, Any]:
        """What differs between the processes."""
        state: dict[str, Any] = {
            "pools": {name: pool.state_dict() for name, pool in self.pools.items()},
            "torch_random": torch.get_rng_state(),
        }
        if self.fabric.device.type == "cuda":
            state["cuda_random"] = torch.cuda.get_rng_state(self.fabric.device)
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores a state of the same configuration and number of processes.

        Raises:
            ValueError: for numbers that no training reaches; other kinds of errors for one that is broken otherwise.
        """
        local = state if self.processes.is_first else state["others"][self.processes.rank - 1]
        self.iteration, self.seconds = state["iteration"], state["seconds"]
        most = self.config.iterations or MOST_ITERATIONS
        if type(self.iteration) is not int or not 0 <= self.iteration <= most:
            raise ValueError("no iteration of this run")
        if type(self.seconds) not in (int, float) or not 0 <= self.seconds < math.inf:
            raise ValueError("no time")
        check_optimizer(self.generator_optimizer, state["generator_optimizer"])
        for name, optimizer in self.discriminator_optimizers.items():
            check_optimizer(optimizer, state["discriminator_optimizers"][name])
        self.generator.load_state_dict(state["generator"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.generator_optimizer.load_state_dict(state["generator_optimizer"])
        for name in self.discriminators:
            self.discriminators[name].load_state_dict(state["discriminators"][name])
            self.discriminator_optimizers[name].load_state_dict(state["discriminator_optimizers"][name])
            self.pools[name].load_state_dict(local["pools"][name], self.fabric.device)
        if self.not_finite():
            raise ValueError("weights that are not finite")
        self.fabric.strategy.precision.load_state_dict(state["loss_scale"])
        self.random.set_state(state["pair_random"])
        torch.set_rng_state(local["torch_random"])
        if self.fabric.device.type == "cuda":
            torch.cuda.set_rng_state(local["cuda_random"], self.fabric.device)


def check_architecture(config: TrainConfig, start: Generator, size: tuple[int, int] | None = None) -> None:
    """Raises PoNAError for weights that a run cannot start from, as it trains another architecture.

    `size` is the (height, width) of its images in pixels; None = not known yet.
    """
    theirs = {"architecture": architecture_of(start)} | asdict(start.config)
    ours = {"architecture": config.architecture} | asdict(
        generator_config(config, size or getattr(start.config, "size", None))
    )
    different = [f"{name} {theirs.get(name)} -> {ours[name]}" for name in ours if ours[name] != theirs.get(name)]
    if different:
        raise PoNAError(f"the generator to start from has another architecture: {', '.join(different)}")


def _floats(network: nn.Module) -> list[Tensor]:
    """Weights and running statistics, without the integer counters."""
    return [tensor for tensor in (*network.parameters(), *network.buffers()) if tensor.is_floating_point()]


def _all_finite(network: nn.Module) -> bool:
    return bool(torch.stack([tensor.isfinite().all() for tensor in _floats(network)]).all())
