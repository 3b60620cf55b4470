"""The peer of `training.py`: the same binary networks in PyTorch, with the method's published layer."""

import torch
import torch.nn.functional as F

from bbdg_ref import nn


class Sign(torch.autograd.Function):
    """sign(x) with EDE's derivative."""

    @staticmethod
    def forward(context, x, t, k):
        context.save_for_backward(x)
        context.t, context.k = t, k
        return torch.where(x > 0, 1.0, -1.0)

    @staticmethod
    def backward(context, dy):
        (x,) = context.saved_tensors
        return dy * context.k * context.t * (1 - torch.tanh(context.t * x) ** 2), None, None


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

    def forward(self, x):
        weight = self.tau * Sign.apply(self.latent, self.t, self.k) + self.phi
        return F.conv2d(Sign.apply(x, self.t, self.k), weight, **self.where)


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
    """Training steps of the PyTorch network."""

    def __init__(self, network: nn.Network, *, limit: float, gamma: float):
        self.network = convert(network)
        self.latents = [m.latent for m in self.network.modules() if isinstance(m, BinaryConv2d)]
        self.total = sum(latent.numel() for latent in self.latents)
        self.limit, self.gamma = limit, gamma
        self.optimizer = torch.optim.Adam(self.network.parameters(), 1e-3)

    def gradients(self, source: nn.Network):
        """Return the gradients of the last step by the names of bbdg_ref's parameters."""
        found = {}
        for index, (part, _) in enumerate(source.parts()):
            for name, parameter in self.network[index].named_parameters():
                for scalar in ("tau", "phi"):
                    if name.endswith(f".{scalar}"):
                        name = name.replace(f".{scalar}", f".domain.{scalar}")
                found[f"{part}.{name}"] = parameter.grad.numpy()
        return found

    def step(self, x, labels):
        """Take one step; return the task loss."""
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.network(x), labels)
        excess = torch.clamp(sum(CountOnes.apply(w) for w in self.latents) / self.total - self.limit, min=0)
        h = float(excess.detach())
        weight = 0.0 if h <= 1e-4 else self.gamma * float(loss.detach()) / (h * (1 - self.gamma))
        (loss + weight * excess).backward()
        self.optimizer.step()
        with torch.no_grad():
            for latent in self.latents:
                latent.clamp_(-1.5, 1.5)
        return float(loss.detach())
