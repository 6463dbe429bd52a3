"""One training step of PoNA, and the state that a resumed run needs."""

import copy
from dataclasses import asdict
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pona.architectures import ARCHITECTURES, architecture_of
from pona.data import Batch, PoseImages, draw_colors, draw_pairs, make_batch
from pona.discriminator import APPEARANCE_CHANNELS, POSE_CHANNELS, Discriminator
from pona.errors import PoNAError
from pona.generate import check_size
from pona.identity import IdentityLoss
from pona.image_pool import ImagePool
from pona.interface import Generator
from pona.layers import HalfDropout, zero_biases
from pona.losses import PerceptualLoss, adversarial_loss
from pona.presets import TrainConfig
from pona.processes import Processes


class Trainer:
    """Networks, optimisers and random states of one run.

    PoNA's repository has no training code; what the paper leaves open follows the code of PATN (Zhu et al., CVPR 2019),
    on which PoNA is built.

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
        self.seconds = 0.0  # of training so far, including earlier parts of a resumed run
        generator = ARCHITECTURES[config.architecture].from_config(config.generator_config())
        check_size(generator, (data.images.shape[2], data.images.shape[3]))
        if config.initialisation == "normal":
            generator.apply(zero_biases)
        for module in generator.modules():
            if isinstance(module, HalfDropout):
                module.enabled = config.dropout
        self.generator, self.generator_optimizer = self._set_up(generator, config.attention_rate)
        self.average: Generator | None = None
        if config.ema:
            self.average = copy.deepcopy(self.generator.module).eval().requires_grad_(False)
        self.discriminators: dict[str, Any] = {}
        self.discriminator_optimizers: dict[str, torch.optim.Optimizer] = {}
        self.pools: dict[str, ImagePool] = {}
        if config.discriminator_width and config.gan_weight:
            norm = config.discriminator_norm or config.norm
            for index, (name, channels) in enumerate((("appearance", APPEARANCE_CHANNELS), ("pose", POSE_CHANNELS))):
                network = Discriminator(
                    channels, config.discriminator_width, norm, config.discriminator_variant, config.initialisation
                )
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
        check_architecture(self.config, generator)
        self.generator.load_state_dict(generator.state_dict())
        if self.average is not None:
            self.average.load_state_dict(generator.state_dict())

    def step(self, learning_rate: float) -> dict[str, Tensor]:
        """One iteration: the generator first, then the discriminators, on the same batch.

        Returns:
            The losses, detached, on the device.
        """
        for optimizer in (self.generator_optimizer, *self.discriminator_optimizers.values()):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate * group["relative_rate"]
        batch = self.draw_batch()
        generated, losses = self._step_generator(batch)
        for name in self.discriminators:
            losses |= self._step_discriminator(name, batch, generated)
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
        return make_batch(self.data, pairs[part], self.config.sigma, flip, colors)

    def _step_generator(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        config = self.config
        generated = self.generator(batch.condition_image, batch.condition_heatmaps, batch.target_heatmaps)
        losses = {"l1": F.l1_loss(generated, batch.target_image)}
        total = config.l1_weight * losses["l1"]
        # The discriminators' weights get no gradient here, so they are called without their wrappers, which would
        # average it over devices.
        with self.fabric.autocast():
            if self.discriminators:
                terms = []
                for name, network in self.discriminators.items():
                    network.requires_grad_(False)
                    score = network.module(_discriminator_input(name, generated, batch))
                    terms.append(adversarial_loss(score, True, config.adversarial))
                losses["gan"] = torch.stack(terms).mean()
                total = total + config.gan_weight * losses["gan"]
            if self.perceptual is not None:
                losses["perceptual"] = self.perceptual(generated, batch.target_image)
                total = total + config.perceptual_weight * losses["perceptual"]
            if self.identity is not None:
                losses["identity"] = self.identity(generated, batch.target_image)
                total = total + config.identity_weight * losses["identity"]
        self.generator_optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(total)
        self.generator_optimizer.step()
        return generated.detach(), {name: loss.detach() for name, loss in losses.items()}

    def _step_discriminator(self, name: str, batch: Batch, generated: Tensor) -> dict[str, Tensor]:
        network, optimizer = self.discriminators[name], self.discriminator_optimizers[name]
        network.requires_grad_(True)
        real = network(_discriminator_input(name, batch.target_image, batch))
        fake = network(self.pools[name].query(_discriminator_input(name, generated, batch)))
        kind = self.config.adversarial
        loss = 0.5 * (adversarial_loss(real, True, kind) + adversarial_loss(fake, False, kind))
        optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(self.config.gan_weight * loss)
        optimizer.step()
        return {f"discriminator_{name}": loss.detach()}

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
        """Restores a state of the same configuration and number of processes."""
        local = state if self.processes.is_first else state["others"][self.processes.rank - 1]
        self.iteration, self.seconds = state["iteration"], state["seconds"]
        self.generator.load_state_dict(state["generator"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.generator_optimizer.load_state_dict(state["generator_optimizer"])
        for name in self.discriminators:
            self.discriminators[name].load_state_dict(state["discriminators"][name])
            self.discriminator_optimizers[name].load_state_dict(state["discriminator_optimizers"][name])
            self.pools[name].load_state_dict(local["pools"][name], self.fabric.device)
        self.fabric.strategy.precision.load_state_dict(state["loss_scale"])
        self.random.set_state(state["pair_random"])
        torch.set_rng_state(local["torch_random"])
        if self.fabric.device.type == "cuda":
            torch.cuda.set_rng_state(local["cuda_random"], self.fabric.device)


def check_architecture(config: TrainConfig, start: Generator) -> None:
    """Raises PoNAError for weights that a run cannot start from, as it trains another architecture."""
    theirs = {"architecture": architecture_of(start)} | asdict(start.config)
    ours = {"architecture": config.architecture} | asdict(config.generator_config())
    different = [f"{name} {theirs.get(name)} -> {ours[name]}" for name in ours if ours[name] != theirs.get(name)]
    if different:
        raise PoNAError(f"the generator to start from has another architecture: {', '.join(different)}")


def _discriminator_input(name: str, image: Tensor, batch: Batch) -> Tensor:
    """B x 6 x H x W for the appearance discriminator, B x 21 x H x W for the pose discriminator."""
    condition = batch.condition_image if name == "appearance" else batch.target_heatmaps
    return torch.cat((image, condition), dim=1)


def _floats(network: nn.Module) -> list[Tensor]:
    """Weights and running statistics, without the integer counters."""
    return [tensor for tensor in (*network.parameters(), *network.buffers()) if tensor.is_floating_point()]


def _all_finite(network: nn.Module) -> bool:
    return bool(torch.stack([tensor.isfinite().all() for tensor in _floats(network)]).all())
