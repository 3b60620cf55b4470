"""The peer of `training.py`: the same binary networks in PyTorch, with the method's published layer.

Written as a PyTorch user would, and where PyTorch offers two ways, the faster one on a CPU is taken: `torch.sign`
rather than `torch.where`, fused Adam, and channels last for the network that gains by it (`memory_format`).
"""

import torch
import torch.nn.functional as F

from bbdg_ref import nn


def memory_format(arch: str) -> torch.memory_format:
    """Return the layout in which an eager step is faster: channels last for ResNet-18, the plain one for ResNet-20."""
    return torch.channels_last if arch == "resnet18" else torch.contiguous_format


class Sign(torch.autograd.Function):
    """sign(x) with EDE's derivative; 0 stays 0, as in the published layer."""

    @staticmethod
    def forward(context, x, t, k):
        context.save_for_backward(x)
        context.t, context.k = t, k
        return x.sign()

    @staticmethod
    def backward(context, dy):
        (x,) = context.saved_tensors
        return dy * (context.k * context.t * (1 - torch.tanh(context.t * x) ** 2)), None, None


class TwoValuedSign(Sign):
    """−1 for 0, as bbdg_ref has it: slower than `torch.sign`, for checks."""

    @staticmethod
    def forward(context, x, t, k):
        Sign.forward(context, x, t, k)
        return torch.where(x > 0, 1.0, -1.0)


class CountOnes(torch.autograd.Function):
    """Number of ones, slope 1/2 for every weight."""

    @staticmethod
    def forward(context, latent):
        context.shape = latent.shape
        return (latent > 0).sum().to(latent.dtype)

    @staticmethod
    def backward(context, dy):
        return dy.expand(context.shape) * 0.5


class BinaryConv2d(torch.nn.Module):
    """conv(sign(x), τ·sign(latent) + φ)."""

    def __init__(self, source: nn.BinaryConv2d):
        super().__init__()
        self.latent = _parameter(source.latent)
        self.tau, self.phi = _parameter(source.domain.tau), _parameter(source.domain.phi)
        self.where = {"stride": source.stride, "padding": source.padding}
        self.t = self.k = 1.0
        self.sign = Sign

    def forward(self, x):
        weight = self.tau * self.sign.apply(self.latent, self.t, self.k) + self.phi
        return F.conv2d(self.sign.apply(x, self.t, self.k), weight, **self.where)


class Residual(torch.nn.Module):
    """hardtanh(main(x) + shortcut(x))."""

    def __init__(self, source: nn.Residual):
        super().__init__()
        self.main, self.shortcut = convert(source.main), convert(source.shortcut)

    def forward(self, x):
        return F.hardtanh(self.main(x) + self.shortcut(x))


class StrideAndPad(torch.nn.Module):
    """Every stride-th pixel, zero channels before and behind."""

    def __init__(self, source: nn.StrideAndPad):
        super().__init__()
        before = (source.out_channels - source.in_channels) // 2
        self.pad = (0, 0, 0, 0, before, source.out_channels - source.in_channels - before)
        self.stride = source.stride

    def forward(self, x):
        return F.pad(x[:, :, :: self.stride, :: self.stride], self.pad)


class GlobalAvgPool(torch.nn.Module):
    """Mean over the pixels."""

    def forward(self, x):
        return x.mean((2, 3))


class BatchNorm(torch.nn.BatchNorm2d):
    """For (batch, channels) as well as (batch, channels, height, width)."""

    def _check_input_dim(self, x):
        pass


def _parameter(source: nn.Parameter) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.from_numpy(source.value.copy()))


def convert(module: nn.Module) -> torch.nn.Module:
    """Build the PyTorch module with the same weights."""
    match module:
        case nn.Sequential():
            return torch.nn.Sequential(*(convert(layer) for layer in module.layers))
        case nn.Residual():
            return Residual(module)
        case nn.BinaryConv2d():
            return BinaryConv2d(module)
        case nn.StrideAndPad():
            return StrideAndPad(module)
        case nn.GlobalAvgPool():
            return GlobalAvgPool()
        case nn.HardTanh():
            return torch.nn.Hardtanh()
        case nn.Conv2d():
            out, inputs, kernel, _ = module.weight.value.shape
            made = torch.nn.Conv2d(inputs, out, kernel, module.stride, module.padding, bias=False)
        case nn.BatchNorm():
            made = BatchNorm(len(module.weight.value))
            made.bias = _parameter(module.bias)
        case nn.Linear():
            out, inputs = module.weight.value.shape
            made = torch.nn.Linear(inputs, out)
            made.bias = _parameter(module.bias)
        case _:
            raise TypeError(f"no PyTorch counterpart for {type(module).__name__}")
    made.weight = _parameter(module.weight)
    return made


class TorchTrainer:
    """Training steps of the PyTorch network, eager until `compile` is called."""

    def __init__(self, network: nn.Network, *, limit: float, gamma: float, layout: torch.memory_format, sign=Sign):
        self.network, self.layout = convert(network).to(memory_format=layout), layout
        layers = [m for m in self.network.modules() if isinstance(m, BinaryConv2d)]
        for layer in layers:
            layer.sign = sign
        self.latents = [layer.latent for layer in layers]
        self.total = sum(latent.numel() for latent in self.latents)
        self.limit, self.gamma = limit, gamma
        self.optimizer = torch.optim.Adam(self.network.parameters(), 1e-3, fused=True)

    def compile(self):
        """Compile network, loss and penalty as one graph, and with it its backward pass; the first call does it.

        Adam is left out: its fused step is one call already.
        """
        self.losses = torch.compile(self.losses, fullgraph=True)

    def losses(self, x, labels):
        """Return the task loss L, and L + λ·h with the penalty; λ stays a tensor so that a graph can hold it."""
        loss = F.cross_entropy(self.network(x.contiguous(memory_format=self.layout)), labels)
        excess = torch.clamp(sum(CountOnes.apply(w) for w in self.latents) / self.total - self.limit, min=0)
        h = excess.detach()
        multiplier = torch.where(h > 1e-4, self.gamma * loss.detach() / (h * (1 - self.gamma)), 0.0)
        return loss, loss + multiplier * excess

    def gradients(self, source: nn.Network, x, labels):
        """Return task loss, its gradients by the names of bbdg_ref's parameters, and the penalty's push on a latent."""
        loss, total = self.losses(x, labels)
        (push,) = torch.autograd.grad(total - loss, self.latents[0], retain_graph=True)
        loss.backward()
        found = {}
        for index, (part, _) in enumerate(source.parts()):
            for name, parameter in self.network[index].named_parameters():
                for scalar in ("tau", "phi"):
                    if name.endswith(f".{scalar}"):
                        name = name.replace(f".{scalar}", f".domain.{scalar}")
                found[f"{part}.{name}"] = parameter.grad.numpy().copy()
        return float(loss.detach()), found, float(push.flatten()[0])

    def step(self, x, labels):
        """Take one step; return the task loss."""
        self.optimizer.zero_grad()
        loss, total = self.losses(x, labels)
        total.backward()
        self.optimizer.step()
        with torch.no_grad():
            for latent in self.latents:
                latent.clamp_(-1.5, 1.5)
        return float(loss.detach())
