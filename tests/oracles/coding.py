"""The codes of a model file, read bit by bit from front to back, and the best of their kind by trying everything."""

import math
import zlib
from collections.abc import Iterator

import numpy as np


def entropy(p: float) -> float:
    """Bits per independent bit that is one with probability p."""
    return 0.0 if p in (0, 1) else -p * math.log2(p) - (1 - p) * math.log2(1 - p)


def stream(data: bytes) -> list[int]:
    return [byte >> i & 1 for byte in data for i in range(8)]


def count(data: Iterator[int]) -> int:
    value, shift = 0, 0
    for byte in data:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value
    raise EOFError


def truncated_binary_bits(r: int, m: int) -> int:
    width = math.ceil(math.log2(m))
    return width - 1 if r < 2**width - m else width


def golomb_length(gaps, m: int) -> int:
    return sum(g // m + 1 + truncated_binary_bits(g % m, m) for g in gaps)


def golomb_bits(data: bytes, total: int) -> list[bool]:
    """Decode with three places to read from: unary parts, fields, last bits."""
    head = iter(data)
    number, divisor = count(head), count(head)
    m, listed = divisor // 2, bool(divisor % 2)
    flags = stream(bytes(head))
    width = math.ceil(math.log2(m))
    short = 2**width - m
    quotients, unary = [], 0
    for _ in range(number):
        zeros = 0
        while not flags[unary]:
            unary, zeros = unary + 1, zeros + 1
        unary += 1
        quotients.append(zeros)
    field, last = unary, unary + number * max(width - 1, 0)
    result = [not listed] * total
    place = -1
    for q in quotients:
        r = 0
        if width > 0:
            r = sum(flags[field + i] << i for i in range(width - 1))
            field += width - 1
            if r >= short:
                r = 2 * r + flags[last] - short
                last += 1
        place += q * m + r + 1
        result[place] = listed
    assert len(flags) - last < 8 and not any(flags[last:])
    return result


def huffman_patterns(data: bytes, kernels: int) -> list[int]:
    """Decode the words one after another, leaving the segments aside."""
    head = iter(data)
    table = bytes(next(head) for _ in range(count(head)))
    nibbles = zlib.decompress(table, -15)
    lengths = [half for byte in nibbles for half in (byte & 15, byte >> 4)]
    words, word, before = {}, 0, 0
    for length, pattern in sorted((length, pattern) for pattern, length in enumerate(lengths) if length):
        word <<= length - before
        words[format(word, f"0{length}b")] = pattern
        word, before = word + 1, length
    for _ in range(2 * math.ceil(kernels / 1024)):
        next(head)
    result, text = [], ""
    for bit in stream(bytes(head)):
        if len(result) == kernels:
            break
        text += str(bit)
        if text in words:
            result.append(words[text])
            text = ""
    return result


def kernel_bits(pattern: int) -> list[list[bool]]:
    return [[bool(pattern >> (3 * i + j) & 1) for j in range(3)] for i in range(3)]


def shortest_code(counts, longest: int) -> int:
    """The fewest bits of any prefix code with words of at most `longest` bits: all lengths that Kraft allows."""
    budget = 1 << longest  # a word of l bits takes 2^(longest - l) of it
    cost = np.zeros(budget + 1)
    for c in counts:
        options = np.full((longest + 1, budget + 1), np.inf)
        for length in range(1, longest + 1):
            share = 1 << (longest - length)
            options[length, share:] = cost[: budget + 1 - share] + c * length
        cost = options.min(axis=0)
    return int(cost[budget])
