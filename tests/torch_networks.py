"""The networks of the official code in PyTorch, with its names for their arrays and nothing of its text.

A second opinion on `bbdg_ref.nn.official`: module attributes give a state dict its names, so that PyTorch itself says
whether all of them are there. For evaluation only.
"""

from itertools import pairwise

import pytest

torch = pytest.importorskip("torch")  # this file is collected, for its doctests, where there is no torch too
nn, functional = torch.nn, torch.nn.functional


def signs(x: torch.Tensor) -> torch.Tensor:
    return torch.where(x > 0, 1.0, -1.0).to(x.dtype)


class SignConv(nn.Module):
    """conv(x, τ·sign(w) + φ), or conv(x, mean|w|·sign(w)) for `scaled`; x is binary already."""

    def __init__(self, into: int, out: int, size: int, stride: int, *, scaled: bool = False, column: bool = False):
        super().__init__()
        self.shape, self.stride, self.padding, self.scaled = (out, into, size, size), stride, size // 2, scaled
        latent = nn.Parameter(torch.empty((out * into * size * size, 1) if column else self.shape))
        self.register_parameter("weights" if column else "weight", latent)
        self.tau, self.phi = nn.Parameter(torch.ones(())), nn.Parameter(torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        latent = next(p for name, p in self.named_parameters() if name.startswith("weight")).view(self.shape)
        scale = latent.abs().mean((1, 2, 3), keepdim=True) if self.scaled else self.tau
        weights = scale * signs(latent) + (0 if self.scaled else self.phi)
        return functional.conv2d(x, weights, stride=self.stride, padding=self.padding)


class Bias(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.bias


def conv(into: int, out: int, size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(into, out, size, stride, size // 2, bias=False)


class ResNetBlock(nn.Module):
    """Two binary convolutions; `each` puts a shortcut round each of them, otherwise one goes round both."""

    def __init__(self, into: int, out: int, stride: int, *, each: bool):
        super().__init__()
        self.conv1, self.bn1 = SignConv(into, out, 3, stride), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = SignConv(out, out, 3, 1), nn.BatchNorm2d(out)
        self.shortcut, self.each, self.grown = nn.Sequential(), each, out - into
        if self.grown and not each:
            self.shortcut = nn.Sequential(conv(into, out, 1, stride), nn.BatchNorm2d(out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        around = self.shortcut(x)
        if self.each and self.grown:
            half = self.grown // 2
            around = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, half, half))
        first = self.bn1(self.conv1(signs(x)))
        first = functional.hardtanh(first + around if self.each else first)
        second = self.bn2(self.conv2(signs(first)))
        return functional.hardtanh(second + (first if self.each else around))


class ResNet(nn.Module):
    def __init__(self, width: int, stages: int, blocks: int, classes: int, *, each: bool):
        super().__init__()
        self.conv1, self.bn1, self.each = conv(3, width, 3), nn.BatchNorm2d(width), each
        for stage in range(stages):
            out = width << stage
            into = max(out // 2, width)
            first = ResNetBlock(into, out, 1 if stage == 0 else 2, each=each)
            others = [ResNetBlock(out, out, 1, each=each) for _ in range(blocks - 1)]
            setattr(self, f"layer{stage + 1}", nn.Sequential(first, *others))
        self.stages = stages
        self.bn2, self.linear = nn.BatchNorm1d(width << (stages - 1)), nn.Linear(width << (stages - 1), classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.bn1(self.conv1(x))
        x = functional.hardtanh(x) if self.each else x
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        x = self.linear(self.bn2(x.mean((2, 3))))
        return x if self.each else functional.log_softmax(x, 1)


class ReActBlock(nn.Module):
    def __init__(self, into: int, out: int, stride: int, *, scaled: bool):
        super().__init__()
        self.move0, self.binary_conv = Bias(into), SignConv(into, out, 3, stride, scaled=scaled)
        self.bn1, self.move1, self.prelu, self.move2 = nn.BatchNorm2d(out), Bias(out), nn.PReLU(out), Bias(out)
        if into != out:
            self.downsample = nn.Sequential(nn.AvgPool2d(2), conv(into, out, 1), nn.BatchNorm2d(out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        around = self.downsample(x) if hasattr(self, "downsample") else x
        x = self.bn1(self.binary_conv(signs(self.move0(x)))) + around
        return self.move2(self.prelu(self.move1(x)))


class ReActNet18(nn.Module):
    def __init__(self, width: int, classes: int, *, scaled: bool):
        super().__init__()
        self.conv1, self.bn1 = conv(3, width, 3), nn.BatchNorm2d(width)
        for stage in range(4):
            out = width << stage
            first = ReActBlock(max(out // 2, width), out, 1 if stage == 0 else 2, scaled=scaled)
            others = [ReActBlock(out, out, 1, scaled=scaled) for _ in range(3)]
            setattr(self, f"layer{stage + 1}", nn.Sequential(first, *others))
        self.fc = nn.Linear(8 * width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.max_pool2d(self.bn1(self.conv1(x)), 3, 2, 1)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return self.fc(x.mean((2, 3)))


class ReActABlock(nn.Module):
    def __init__(self, into: int, out: int, stride: int):
        super().__init__()
        self.stride = stride
        self.move11, self.binary_3x3 = Bias(into), SignConv(into, into, 3, stride, column=True)
        self.bn1, self.move12, self.prelu1, self.move13 = nn.BatchNorm2d(into), Bias(into), nn.PReLU(into), Bias(into)
        self.move21 = Bias(into)
        names = ["binary_pw", "bn2"] if out == into else ["binary_pw_down1", "bn2_1", "binary_pw_down2", "bn2_2"]
        for one, two in zip(names[::2], names[1::2], strict=True):
            setattr(self, one, SignConv(into, into, 1, 1, column=True))
            setattr(self, two, nn.BatchNorm2d(into))
        self.move22, self.prelu2, self.move23, self.names = Bias(out), nn.PReLU(out), Bias(out), names

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        around = x if self.stride == 1 else functional.avg_pool2d(x, 2)
        x = self.bn1(self.binary_3x3(signs(self.move11(x)))) + around
        x = self.move13(self.prelu1(self.move12(x)))
        binary, parts = signs(self.move21(x)), []
        for one, two in zip(self.names[::2], self.names[1::2], strict=True):
            parts.append(getattr(self, two)(getattr(self, one)(binary)) + x)
        return self.move23(self.prelu2(self.move22(torch.cat(parts, 1))))


class Stem(nn.Module):
    def __init__(self, out: int):
        super().__init__()
        self.conv1, self.bn1 = conv(3, out, 3, 2), nn.BatchNorm2d(out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.bn1(self.conv1(x))


class ReActNetA(nn.Module):
    def __init__(self, width: int, classes: int):
        super().__init__()
        channels = [width * times for times in (1, 2, 4, 4, 8, 8, 16, 16, 16, 16, 16, 16, 32, 32)]
        blocks = [ReActABlock(i, o, 2 if i != o and i > width else 1) for i, o in pairwise(channels)]
        self.feature, self.fc = nn.ModuleList([Stem(width), *blocks]), nn.Linear(channels[-1], classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.feature:
            x = block(x)
        return self.fc(x.mean((2, 3)))


def build(name: str, width: int, classes: int, *, scaled: bool = False) -> nn.Module:
    """The network of that name, in float64, in evaluation mode."""
    made = {
        "resnet18": lambda: ResNet(width, 4, 2, classes, each=False),
        "resnet20": lambda: ResNet(width, 3, 3, classes, each=True),
        "reactnet18": lambda: ReActNet18(width, classes, scaled=scaled),
        "reactnet-a": lambda: ReActNetA(width, classes),
    }[name]()
    return made.double().eval()
