"""Draws the pictures of docs/packed-inference.md: `python docs/draw_packed.py` writes docs/images/packed-*.svg.

Nothing but the standard library, so that the same bytes come out everywhere. The picture of the crossover shows
benchmarks/results/crossover.json. (packed-density.svg is drawn by benchmarks/convolution.py.)
"""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
CROSSOVER = ROOT / "benchmarks" / "results" / "crossover.json"

INK, PALE, BLUE, LIGHT, ORANGE, GREEN, RED = "#24292f", "#57606a", "#3b76c4", "#e8eef7", "#f3c98b", "#8fc79a", "#c4483b"
CELL = 24
Bits = Sequence[int]


class Drawing:
    """An SVG picture on white, with the few shapes that are needed here."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.width, self.height = width, height
        self.lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
            ' font-family="Helvetica, Arial, sans-serif" font-size="13">',
            f"<title>{escape(title)}</title>",
            '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7"'
            f' orient="auto"><path d="M0 0 10 5 0 10z" fill="{PALE}"/></marker></defs>',
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        ]

    def rect(self, x: float, y: float, w: float, h: float, fill: str = LIGHT, edge: str = PALE) -> None:
        """Add a rectangle."""
        self.lines.append(
            f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" fill="{fill}" stroke="{edge}" stroke-width="1"/>'
        )

    def text(self, x: float, y: float, text: object, *, fill: str = INK, at: str = "start", size: int = 13) -> None:
        """Add a line of text whose baseline is at y; `at` is start, middle or end."""
        self.lines.append(
            f'<text x="{x:g}" y="{y:g}" fill="{fill}" text-anchor="{at}" font-size="{size}">{escape(str(text))}</text>'
        )

    def line(self, points: Sequence[tuple[float, float]], *, colour: str = PALE, tip: bool = False) -> None:
        """Add a line through the points, with or without an arrow's tip."""
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        end = ' marker-end="url(#tip)"' if tip else ""
        self.lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.4"{end}/>')

    def circle(self, x: float, y: float, radius: float, fill: str, edge: str) -> None:
        """Add a disc."""
        self.lines.append(
            f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{fill}" stroke="{edge}" stroke-width="1.6"/>'
        )

    def cells(self, x: float, y: float, values: Sequence[object], fills: Sequence[str], cell: float = CELL) -> None:
        """Add a row of cells with what they hold, white on blue."""
        for number, (value, fill) in enumerate(zip(values, fills, strict=True)):
            self.rect(x + number * cell, y, cell, cell, fill)
            ink = "#ffffff" if fill in (BLUE, RED) else INK
            size = round(cell * (0.54 if len(str(value)) < 3 else 0.44))
            self.text(x + (number + 0.5) * cell, y + cell * 0.68, value, fill=ink, at="middle", size=size)

    def bits(self, x: float, y: float, bits: Bits, valid: Bits | None = None, cell: float = CELL) -> None:
        """Add a row of bits; those that are not valid are orange."""
        fills = [BLUE if bit else LIGHT for bit in bits]
        if valid is not None:
            fills = [fill if ok else ORANGE for fill, ok in zip(fills, valid, strict=True)]
        self.cells(x, y, bits, fills, cell)

    def svg(self) -> str:
        """Return the file's text."""
        return "\n".join([*self.lines, "</svg>"]) + "\n"


def identity() -> Drawing:
    """Draw the two terms into which the weights split."""
    d = Drawing(760, 190, "Weights of two values are alpha everywhere, plus the difference where the bit is one")
    bits = ((1, 0, 0), (0, 0, 1), (0, 0, 0))
    for row, line in enumerate(bits):
        y = 42 + 30 * row
        d.cells(20, y, ["β" if bit else "α" for bit in line], [BLUE if bit else LIGHT for bit in line], 30)
        d.cells(220, y, [1, 1, 1], [GREEN] * 3, 30)
        d.bits(450, y, line, cell=30)
    d.text(65, 30, "the weights", at="middle")
    for x, text in ((130, "=    α  ·"), (330, "+   (β − α)  ·"), (590, "a ∗ b costs as many")):
        d.text(x, 92, text, size=16 if x < 500 else 13)
    d.text(265, 30, "ones", at="middle")
    d.text(495, 30, "the bits b", at="middle")
    d.text(265, 158, "a ∗ 1: one map,", at="middle", fill=PALE)
    d.text(265, 175, "shared by all output channels", at="middle", fill=PALE)
    d.text(495, 158, "a ∗ b: one map", at="middle", fill=PALE)
    d.text(495, 175, "for each output channel", at="middle", fill=PALE)
    d.text(590, 110, "additions as b has ones")
    return d


U, TAPS = (1, 0, 1, 1), ((0, 1, 1, 1), (1, 1, 1, 1), (1, 1, 1, 0))  # the worked example: bits, and where taps are valid


def shifted(bits: Bits, by: int) -> list[int]:
    """Return what a tap reads that lies `by` pixels to the right; what is not there is 0."""
    return [bits[p + by] if 0 <= p + by < len(bits) else 0 for p in range(len(bits))]


def example_planes() -> list[list[int]]:
    """Return the planes of the worked example."""
    return [shifted(U, by) for by in (-1, 0, 1)]


def worked() -> Drawing:
    """Draw the worked example: four pixels, three planes, one full adder."""
    d = Drawing(760, 330, "The worked example: four pixels, three planes, one full adder")
    values, planes = (0.7, -0.2, 0.4, 1.3), example_planes()
    d.text(20, 32, "activations x")
    d.cells(150, 15, values, [LIGHT] * 4, 30)
    d.text(20, 72, "bits u = (x > 0)")
    d.bits(150, 55, U, cell=30)
    d.text(290, 76, "pixel 0 is the lowest bit, here on the left", fill=PALE)
    for tap, plane in enumerate(planes):
        y = 125 + 40 * tap
        d.text(20, y + 20, f"plane of tap {tap}")
        d.bits(150, y, plane, TAPS[tap], cell=30)
        d.line([(275, y + 15), (330, 180)], tip=True)
    d.text(150, 113, "shifted and masked (orange: outside the image)", fill=PALE)
    sums = [sum(column) % 2 for column in zip(*planes, strict=True)]
    carries = [sum(column) // 2 for column in zip(*planes, strict=True)]
    d.rect(332, 155, 86, 50, "#ffffff", INK)
    d.text(375, 185, "full adder", at="middle")
    d.line([(418, 170), (490, 140)], tip=True)
    d.line([(418, 190), (490, 220)], tip=True)
    d.bits(495, 125, sums, cell=30)
    d.text(625, 145, "sum, weight 1")
    d.bits(495, 205, carries, cell=30)
    d.text(625, 225, "carry, weight 2")
    counts = [low + 2 * high for low, high in zip(sums, carries, strict=True)]
    valid = [sum(column) for column in zip(*TAPS, strict=True)]
    rows = (("count c", counts), ("valid taps", valid), ("a ∗ 1 = 2 c − valid",
            [2 * c - v for c, v in zip(counts, valid, strict=True)]))  # fmt: skip
    for number, (name, row) in enumerate(rows):
        x = (20, 230, 450)[number]
        d.text(x, 300, name)
        d.cells(x + (150 if number == 2 else 75), 280, row, [LIGHT] * 4, 30)
    return d


def planes() -> Drawing:
    """Draw how the plane of a tap comes from the stream of a 4 x 4 image."""
    d = Drawing(760, 300, "The plane of the upper left tap: the stream shifted by five bits, and masked")
    image = ((1, 0, 1, 1), (0, 1, 0, 1), (1, 1, 0, 0), (0, 0, 1, 1))
    stream = [bit for row in image for bit in row]
    mask = [int(row > 0 and column > 0) for row in range(4) for column in range(4)]
    moved = shifted(stream, -5)
    plane = [bit & ok for bit, ok in zip(moved, mask, strict=True)]
    for row, line in enumerate(image):
        d.bits(20, 45 + CELL * row, line)
        d.bits(640, 165 + CELL * row, plane[4 * row : 4 * row + 4], mask[4 * row : 4 * row + 4])
    d.text(20, 32, "one channel's bits")
    d.text(590, 150, "its plane for tap (0, 0)")
    names = (
        "the stream: row after row", "shifted by 5 = one row and one pixel", "mask: the tap is on the image", "plane",
    )  # fmt: skip
    for number, (name, bits) in enumerate(zip(names, (stream, moved, mask, plane), strict=True)):
        y = 45 + 62 * number
        d.text(170, y - 6, name, fill=PALE)
        d.bits(170, y, bits, mask if number % 2 else None)
    for column in range(4, 13, 4):
        d.line([(170 + CELL * column, 40), (170 + CELL * column, 74)], colour=INK)
    d.line([(140, 57), (166, 57)], tip=True)
    d.line([(556, 243), (634, 225)], tip=True)
    return d


def phases() -> Drawing:
    """Draw the four phases that a convolution of stride 2 reads."""
    d = Drawing(760, 250, "Stride 2: the four phases of an image, and which of them each tap reads")
    colours, cell = (LIGHT, ORANGE, GREEN, BLUE), 28
    for row in range(6):
        fills = [colours[row % 2 * 2 + column % 2] for column in range(6)]
        d.cells(20, 45 + cell * row, [row * 6 + column for column in range(6)], fills, cell)
    d.text(20, 32, "a 6 × 6 image")
    d.line([(200, 129), (235, 129)], tip=True)
    for phase in range(4):
        x, y = 250 + 130 * (phase % 2), 45 + 108 * (phase // 2)
        d.text(x, y - 6, f"phase {phase}", fill=PALE)
        for row in range(3):
            pixels = [(2 * row + phase // 2) * 6 + 2 * column + phase % 2 for column in range(3)]
            d.cells(x, y + cell * row, pixels, [colours[phase]] * 3, cell)
    d.text(530, 32, "what the nine taps read (padding 1)")
    for i in range(3):
        for j in range(3):
            (qv, rv), (qh, rh) = divmod(i - 1, 2), divmod(j - 1, 2)
            d.rect(530 + 70 * j, 45 + 52 * i, 66, 48, colours[2 * rv + rh])
            ink = "#ffffff" if rv and rh else INK
            d.text(563 + 70 * j, 65 + 52 * i, f"phase {2 * rv + rh}", at="middle", fill=ink)
            d.text(563 + 70 * j, 83 + 52 * i, f"shift {3 * qv + qh}", at="middle", fill=ink)
    d.text(530, 225, "shift = 3 q_v + q_h (3: grid width)", fill=PALE)
    return d


def adders() -> Drawing:
    """Draw the tree that adds sixteen planes to a counter."""
    d = Drawing(760, 300, "Sixteen planes enter the counter through fifteen full adders")
    d.text(20, 28, "16 planes of weight 1 (sixteen loads)")
    for number in range(16):
        d.rect(20 + 17 * (number % 8), 40 + 17 * (number // 8), 15, 15, BLUE)
    stages = ((1, 8, 8), (2, 4, 4), (4, 2, 2), (8, 1, 1))
    for number, (weight, count, carries) in enumerate(stages):
        x = 20 + 150 * number
        d.rect(x, 110, 112, 56, "#ffffff", INK)
        d.text(x + 56, 133, f"{count} full adder{'s' * (count > 1)}", at="middle")
        d.text(x + 56, 153, f"weight {weight}", at="middle", fill=PALE)
        d.line([(x + 112, 138), (x + 148, 138)], tip=True)
        d.text(x + 131, 130, carries, at="middle", size=12)
        d.line([(x + 40, 216), (x + 40, 168)], tip=True)
        d.line([(x + 72, 168), (x + 72, 216)], tip=True)
        d.rect(x + 20, 220, 72, 26, GREEN)
        d.text(x + 56, 238, f"plane {number}", at="middle")
    d.line([(84, 78), (84, 108)], tip=True)
    d.rect(620, 110, 120, 56, "#ffffff", INK)
    d.text(680, 133, "4 half adders", at="middle")
    d.text(680, 153, "weights 16–128", at="middle", fill=PALE)
    d.line([(664, 216), (664, 168)], tip=True)
    d.line([(696, 168), (696, 216)], tip=True)
    d.rect(630, 220, 100, 26, GREEN)
    d.text(680, 238, "planes 4 to 7", at="middle")
    note = "The bit-sliced counter: plane k holds bit k of every pixel's count. On the arrows: the number of carries."
    d.text(20, 280, note, fill=PALE)
    return d


def expansion() -> Drawing:
    """Draw how a square of bits, transposed, makes integers of a bit-sliced counter."""
    d = Drawing(760, 300, "A bit-sliced counter becomes integers: a square of bits is transposed")
    counts = (5, 130, 7, 0, 64, 3, 200, 17)
    d.text(20, 28, "eight planes, a byte of each: 8 pixels")
    d.text(420, 28, "a byte for each pixel: its count")
    for row in range(8):
        y, number = 45 + 30 * row, 7 - row
        d.text(20, y + 17, f"{number}")
        d.bits(40, y, [count >> number & 1 for count in counts])
        d.text(390, y + 17, f"{row}")
        d.bits(420, y, [counts[row] >> bit & 1 for bit in range(7, -1, -1)])
        d.text(640, y + 17, f"= {counts[row]}")
    d.line([(248, 164), (372, 164)], tip=True)
    d.text(274, 154, "transposed")
    return d


def borders() -> Drawing:
    """Draw the numbers of valid taps, and the kinds of words of a larger image."""
    d = Drawing(760, 300, "Valid taps at the border, and the kinds of words of a 32 x 32 image")
    d.text(20, 28, "valid taps of a 3 × 3 kernel, padding 1")
    for row in range(6):
        counts = [(2 if row in (0, 5) else 3) * (2 if column in (0, 5) else 3) for column in range(6)]
        fills = [{4: RED, 6: ORANGE, 9: LIGHT}[count] for count in counts]
        d.cells(20, 45 + 32 * row, counts, fills, 32)
    d.text(290, 28, "the 16 words of a 32 × 32 image (two rows of pixels each)")
    for word in range(16):
        kind = 0 if word == 0 else 1 if word == 15 else 2
        d.rect(290, 45 + 14 * word, 130, 14, (RED, BLUE, LIGHT)[kind])
        d.line([(422, 52 + 14 * word), (508, (66, 198, 132)[kind])], colour="#b0b8c1")
    d.text(510, 48, "starts: 64 int16 for each kind", fill=PALE)
    for kind, (y, name) in enumerate(((56, "first word: upper border"), (122, "the 14 between: sides only"),
                                      (188, "last word: lower border"))):  # fmt: skip
        d.rect(510, y, 230, 22, (RED, LIGHT, BLUE)[kind])
        d.text(518, y + 15, name, fill=INK if kind == 1 else "#ffffff")
    d.text(20, 285, "start[o, pixel] = −(listed weights of output channel o on the taps that are valid there); "
           "one such table for each o.", fill=PALE)  # fmt: skip
    return d


def layouts() -> Drawing:
    """Draw the same bits cut into words along the pixels and along the channels."""
    d = Drawing(760, 270, "The same bits as planes, words along the pixels, and as columns, words along the channels")
    bits = ((1, 0, 1, 1, 0, 1), (0, 1, 1, 0, 0, 1), (1, 1, 0, 0, 1, 0), (0, 0, 1, 1, 1, 1))
    for side, x in enumerate((60, 440)):
        name = ("planes: a word is 64 pixels of a channel", "columns: a word is 64 channels of a pixel")[side]
        d.text(x, 28, name)
        d.text(x + 84, 52, "pixels →", at="middle", fill=PALE)
        for channel, row in enumerate(bits):
            d.text(x - 8, 78 + 28 * channel, f"c{channel}", at="end", fill=PALE)
            d.bits(x, 60 + 28 * channel, row, cell=28)
        for number in range(4 if side == 0 else 6):
            if side == 0:
                d.lines.append(outline(x, 60 + 28 * number, 168, 28))
            else:
                d.lines.append(outline(x + 28 * number, 60, 28, 112))
    for number, text in enumerate(("add up the planes that the ones of b name:", "full adders, down the channels;",
                                   "zeros of b are never looked at")):  # fmt: skip
        d.text(60, 205 + 20 * number, text)
    for number, text in enumerate(("popcount(u & b) of every word:", "one AND and one count for 64 channels;",
                                   "the same work at every density")):  # fmt: skip
        d.text(440, 205 + 20 * number, text)
    return d


def outline(x: float, y: float, w: float, h: float) -> str:
    """Return a thick frame."""
    return f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" fill="none" stroke="{INK}" stroke-width="2.5"/>'


def program() -> Drawing:
    """Draw the table of a program and the arenas that it points into."""
    d = Drawing(760, 330, "A network as a program: a row of numbers for each step, and the arenas they point into")
    columns = ("kind", "source", "target", "shortcut", "result", "sizes …", "constants …")
    rows = (
        ("STEM", "images", "bits 0", "–", "map 0"), ("BINARY", "bits 0", "bits 1", "–", "–"),
        ("BINARY", "bits 1", "bits 0", "map 0", "map 0"), ("REAL", "map 0", "–", "–", "map 1"),
        ("BINARY", "bits 0", "bits 1", "–", "–"), ("COLUMNS", "bits 1", "bits 0", "map 1", "map 1"),
        ("CLASSIFIER", "map 1", "–", "–", "–"),
    )  # fmt: skip
    width = 102
    for number, name in enumerate(columns):
        d.rect(20 + width * number, 15, width, 24, "#d5dde8")
        d.text(26 + width * number, 32, name)
    for line, row in enumerate(rows):
        for number, value in enumerate((*row, "", "")):
            d.rect(20 + width * number, 39 + 22 * line, width, 22, "#ffffff")
            fill = BLUE if value.startswith("bits") else "#b3541e" if value.startswith("map") else INK
            d.text(26 + width * number, 55 + 22 * line, value, fill=fill)
    arenas = (
        ("integers", "int64"), ("reals", "float32"), ("places", "uint32"), ("starts", "int16"), ("masks", "uint64"),
    )  # fmt: skip
    d.text(20, 225, "between the layers")
    for number, (name, colour) in enumerate((("bits, uint64", BLUE), ("maps, float32", ORANGE))):
        for place in range(2):
            d.rect(20 + 42 * place, 235 + 40 * number, 38, 30, colour)
            d.text(39 + 42 * place, 255 + 40 * number, place, at="middle", fill="#ffffff" if number == 0 else INK)
        d.text(112, 255 + 40 * number, name)
    d.text(300, 225, "constants of all layers, one array each")
    for number, (name, kind) in enumerate(arenas):
        d.rect(300 + 88 * number, 235, 82, 48, GREEN)
        d.text(341 + 88 * number, 256, name, at="middle")
        d.text(341 + 88 * number, 274, kind, at="middle", fill=PALE, size=11)
    d.line([(683, 195), (560, 232)], tip=True)
    d.line([(173, 195), (150, 232)], tip=True)
    note = "Two blocks, the second with a real shortcut. Two places in turn are enough for maps, and two for bits."
    d.text(20, 322, note, fill=PALE)
    return d


def crossover() -> Drawing:
    """Draw time against density of both kernels, from the measurements of benchmarks/crossover.py."""
    rows = json.loads(CROSSOVER.read_text(encoding="utf-8"))["rows"]
    shapes, batches = list(dict.fromkeys(r["shape"] for r in rows)), sorted({r["batch"] for r in rows})
    d = Drawing(40 + 235 * len(shapes), 62 + 170 * len(batches), "Time of both kernels against the density of the ones")
    for x, colour, name in (
        (45, BLUE, "adding planes"), (185, RED, "counting along the channels"),
        (415, GREEN, "where the plan changes to columns"),
    ):  # fmt: skip
        d.line([(x, 16), (x + 26, 16)], colour=colour)
        d.text(x + 32, 20, name)
    d.circle(705, 16, 4, "#ffffff", INK)
    d.text(715, 20, "measured crossover")
    for row in rows:
        x = 45 + 235 * shapes.index(row["shape"])
        y = 50 + 170 * batches.index(row["batch"])
        panel(d, x, y, row)
    note = "density of the ones (logarithmic); time in microseconds (logarithmic)"
    d.text(d.width / 2, d.height - 12, note, at="middle", fill=PALE)
    return d


def panel(d: Drawing, x: float, y: float, row: dict[str, Any]) -> None:
    """Draw one shape and batch size."""
    width, height = 170, 115
    times = {key: 1e6 * min(values) for key, values in row["_seconds"]}
    columns = times.pop("columns")
    low, high = min(*times.values(), columns) / 1.3, max(*times.values(), columns) * 1.3
    place_x = scale(0.01, 0.5, x, x + width)
    place_y = scale(low, high, y + height, y)
    d.rect(x, y, width, height, "#ffffff")
    d.text(x, y - 6, f"{row['shape']}, batch {row['batch']}", size=12)
    if row["_predicted"] is not None:
        at = place_x(max(row["_predicted"], 0.01))
        d.line([(at, y), (at, y + height)], colour=GREEN)
    d.line([(x, place_y(columns)), (x + width, place_y(columns))], colour=RED)
    d.line([(place_x(key), place_y(value)) for key, value in times.items()], colour=BLUE)
    if row["_measured"] is not None:
        d.circle(place_x(row["_measured"]), place_y(columns), 4, "#ffffff", INK)
    for density in (0.01, 0.05, 0.1, 0.5):
        d.text(place_x(density), y + height + 14, f"{density:g}", at="middle", fill=PALE, size=10)
    for value in (times[0.01], times[0.5]):
        d.text(x - 4, place_y(value) + 4, f"{value:.0f}", at="end", fill=BLUE, size=10)
    d.text(x + width + 4, place_y(columns) + 4, f"{columns:.0f}", fill=RED, size=10)


def scale(low: float, high: float, first: float, last: float) -> Callable[[float], float]:
    """Return the logarithmic map of [low, high] to [first, last], rounded to tenths."""
    return lambda value: round(first + (last - first) * math.log(value / low) / math.log(high / low), 1)


PICTURES: dict[str, Callable[[], Drawing]] = {
    "packed-identity.svg": identity, "packed-worked.svg": worked, "packed-planes.svg": planes,
    "packed-phases.svg": phases, "packed-adders.svg": adders, "packed-expansion.svg": expansion,
    "packed-borders.svg": borders, "packed-layouts.svg": layouts, "packed-crossover.svg": crossover,
    "packed-program.svg": program,
}  # fmt: skip


def main() -> None:
    """Write every picture."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    for name, draw in PICTURES.items():
        (IMAGES / name).write_text(draw().svg(), encoding="utf-8")


if __name__ == "__main__":
    main()
