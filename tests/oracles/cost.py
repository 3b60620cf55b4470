"""Costs of binary convolutions by plain counting, and Huffman codes with a heap."""

import heapq
import math
from fractions import Fraction


def pattern(kernel) -> int:
    """The code of one 3x3 kernel, read as nine binary digits, the last one the most significant."""
    digits = [str(int(bool(bit))) for row in kernel for bit in row]
    return int("".join(reversed(digits)), 2)


def patterns(bits) -> dict[int, int]:
    """How often each pattern occurs."""
    found: dict[int, int] = {}
    for filter_ in bits:
        for kernel in filter_:
            found[pattern(kernel)] = found.get(pattern(kernel), 0) + 1
    return found


def huffman_total(counts) -> int:
    """Bits of an optimal prefix code: the sum of all joined weights; a single symbol takes one bit each time."""
    heap = [int(count) for count in counts if count]
    if len(heap) == 1:
        return heap[0]
    heapq.heapify(heap)
    total = 0
    while len(heap) > 1:
        joined = heapq.heappop(heap) + heapq.heappop(heap)
        total += joined
        heapq.heappush(heap, joined)
    return total


def best_prefix_total(counts) -> int:
    """The least bits of all prefix codes: every sorted tuple of lengths with Kraft's sum at most 1 is tried."""
    weights = sorted((int(count) for count in counts if count), reverse=True)

    def search(index: int, shortest: int, room: Fraction) -> float:
        if index == len(weights):
            return 0
        best = math.inf
        for length in range(shortest, len(weights) + 1):
            taken = Fraction(1, 2**length)
            if taken <= room:
                best = min(best, weights[index] * length + search(index + 1, length, room - taken))
        return best

    return int(search(0, 1, Fraction(1)))


def entropy(counts) -> float:
    """Entropy in bits of the distribution that the counts give, by the logarithm of the multiplicities."""
    total = sum(int(count) for count in counts)
    return math.log2(total) - math.fsum(int(count) * math.log2(int(count)) for count in counts if count) / total


def packed_words(out: int, channels: int, height: int, width: int) -> int:
    """64-bit words of the layout (out, height, width, words of the channels), opened one after the other."""
    words = 0
    for _ in range(out * height * width):
        for c in range(channels):
            words += c % 64 == 0
    return words


def bops(bits, output_size) -> dict[str, int]:
    """Dense, sparse and kernel-skip operations, counted weight by weight for one output pixel."""
    dense = sparse = skip = 0
    for filter_ in bits:
        for kernel in filter_:
            flat = [bool(bit) for row in kernel for bit in row]
            dense += len(flat)
            sparse += flat.count(True)
            skip += len(flat) if True in flat else 0
    first = bits[0]
    sparse += len(first)  # the sum over the channels
    sparse += sum(1 for row in first[0] for _ in row)  # the sum over the window
    pixels = sum(1 for _ in range(output_size[0]) for _ in range(output_size[1]))
    return {"dense": dense * pixels, "sparse": sparse * pixels, "kernel_skip": skip * pixels}


def subbit(out: int, channels: int, output_size, b: int) -> Fraction:
    """The published formula in rational arithmetic, not rounded."""
    pixels = output_size[0] * output_size[1]
    if 2**b < out:
        return Fraction(pixels * channels) * (9 * 2**b + Fraction(out, 2))
    return Fraction(pixels * channels * 9 * out)


def resnet18_imagenet() -> list[tuple[int, int, tuple[int, int]]]:
    """(out, in, output size) of the 3x3 layers of ResNet-18 for 224x224 images; the stem halves twice, to 56x56."""
    layers = []
    channels, size = 64, 56
    for stage, out in enumerate((64, 128, 256, 512)):
        size = size if stage == 0 else size // 2
        for _ in range(4):
            layers.append((out, channels, (size, size)))
            channels = out
    return layers
