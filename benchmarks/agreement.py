"""How far a packed network and the network that was trained agree, on all test images of CIFAR-10.

    python benchmarks/agreement.py MODEL [MODEL ...] --data-dir DIR --data-label LABEL

Folding batch norm into the binary layers moves values by units in the last place, and where an activation lies that
close to zero its sign flips. Counted are the bits that the binary layers read (a flip changes what follows, so one flip
makes others), the images that hold one, and the answers; the logits of images without a flip differ by rounding alone.
On the first images the packed network is also compared with its definition, bit by bit.
"""

import argparse
from pathlib import Path

from measuring import fix_threads, machine, write_tables

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("models", type=Path, nargs="+", help="model files that the training script has written")
parser.add_argument("--data-dir", type=Path, help="folder of CIFAR-10's binary files; default: $BBDG_DATA")
parser.add_argument("--data-label", help="what to call the data")
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--out", type=Path, default=Path("benchmarks/results/agreement"))
arguments = parser.parse_args()
fix_threads(arguments.threads)

import numpy as np

from bbdg_ref import compile_network, nn
from bbdg_ref.datasets import load_cifar10
from bbdg_ref.spec.evaluation import evaluate
from bbdg_ref.training.augmentation import normalise

BATCH = 200
TOLERANCE = 1e-5  # of the logits of images without a flip


def bits_read(network: nn.Network, images: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Return what every binary layer of the network as trained reads, and the logits."""
    read: list[np.ndarray] = []
    layers = list(network.binary_layers().values())
    for layer in layers:

        def forward(x: np.ndarray, *, training: bool, layer: nn.BinaryConv2d = layer) -> np.ndarray:
            read.append(x > 0)
            return type(layer).forward(layer, x, training=training)

        layer.forward = forward  # type: ignore[method-assign]
    logits = network.forward(images, training=False)
    for layer in layers:
        del layer.forward
    return read, logits


def compared(path: Path, images: np.ndarray, labels: np.ndarray) -> dict[str, object]:
    """Return one row of the table."""
    network = nn.load_network(path)
    packed = compile_network(network)
    first = images[:BATCH]
    defined, traced = evaluate(packed.folded, first), packed.trace(first)
    if not (np.array_equal(defined.logits, traced.logits) and all(map(np.array_equal, defined.bits, traced.bits))):
        raise SystemExit(f"{path}: the packed network differs from its definition")
    flips, total, touched, equal, right, worst = 0, 0, 0, 0, np.zeros(2, int), 0.0
    for begin in range(0, len(images), BATCH):
        batch, answers = images[begin : begin + BATCH], labels[begin : begin + BATCH]
        bits, logits = bits_read(network, batch)
        run = packed.trace(batch)
        differ = [ours != theirs for ours, theirs in zip(run.bits, bits, strict=True)]
        flips += sum(int(np.count_nonzero(layer)) for layer in differ)
        total += sum(layer.size for layer in differ)
        flipped = np.any([layer.reshape(len(batch), -1).any(axis=1) for layer in differ], axis=0)
        touched += int(np.count_nonzero(flipped))
        equal += int(np.count_nonzero(run.logits.argmax(axis=1) == logits.argmax(axis=1)))
        right += [np.count_nonzero(each.argmax(axis=1) == answers) for each in (logits, run.logits)]
        if not flipped.all():
            worst = max(worst, float(np.abs(run.logits - logits)[~flipped].max()))
    if worst > TOLERANCE:
        raise SystemExit(f"{path}: logits without a flip differ by {worst}, more than {TOLERANCE}")
    density = np.mean(np.concatenate([layer.bits.ravel() for layer in network.binary_layers().values()]))
    return {
        "network": network.name,
        "density": f"{density:.3f}",
        "images": len(images),
        "bits flipped": f"{flips} of {total / 1e6:.1f} M",
        "images with a flip": touched,
        "same answer": f"{100 * equal / len(images):.2f} %",
        "right as trained, packed": f"{right[0]}, {right[1]}",
        "largest difference of logits without a flip": f"{worst:.1e}",
    }


data = load_cifar10(arguments.data_dir, label=arguments.data_label)
images = normalise(data.test_images, data.mean, data.std)
about = machine(arguments.threads, ["bbdg_ref", "numpy", "numba"]) | {"data": f"{data.label}, test images"}
rows = [compared(path, images, data.test_labels) for path in arguments.models]
print(write_tables(arguments.out, "The packed network against the network as trained", about, rows))
