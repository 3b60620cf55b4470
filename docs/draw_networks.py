"""Draws the pictures of docs/networks.md: `python docs/draw_networks.py` writes docs/images/network-*.svg.

Nothing but the standard library and the drawing board of draw_packed.py, so that the same bytes come out everywhere.
"""

from collections.abc import Callable, Sequence

from draw_packed import BLUE, GREEN, IMAGES, INK, LIGHT, ORANGE, PALE, Drawing

HEIGHT, GAP, LEFT, RADIUS = 30, 16, 22, 10
GREY = "#dfe3e8"
Boxes = Sequence[str]

# What a box is, by the first word of its text.
FILLS = {
    "binary": BLUE, "real": ORANGE, "BN": LIGHT, "sign": LIGHT, "hardtanh": GREEN, "PReLU": GREEN, "+": GREEN,
    "max-pool": GREY, "average": GREY, "every": GREY, "pad": GREY, "concatenate": GREY, "twice": GREY,
}  # fmt: skip


def width_of(text: str) -> float:
    """Return how wide the box of a text is."""
    return 18 + 7 * len(text)


def length_of(boxes: Boxes) -> float:
    """Return how long a path of boxes is, with the arrow into each of them."""
    return sum(width_of(text) + GAP for text in boxes)


def box(board: Drawing, x: float, y: float, text: str) -> float:
    """Draw an arrow from x to a box at height y, and the box; return where it ends."""
    fill, wide = FILLS[text.split()[0]], width_of(text)
    board.line([(x, y), (x + GAP, y)], tip=True)
    board.rect(x + GAP, y - HEIGHT / 2, wide, HEIGHT, fill)
    board.text(x + GAP + wide / 2, y + 4.5, text, at="middle", fill="#ffffff" if fill == BLUE else INK)
    return x + GAP + wide


def path(board: Drawing, x: float, y: float, boxes: Boxes) -> float:
    """Draw boxes one after another; return where the last one ends."""
    for text in boxes:
        x = box(board, x, y, text)
    return x


def plus(board: Drawing, x: float, y: float) -> float:
    """Draw an arrow from x to a sum; return where the sum ends."""
    board.line([(x, y), (x + GAP, y)], tip=True)
    board.circle(x + GAP + RADIUS, y, RADIUS, "#ffffff", INK)
    board.text(x + GAP + RADIUS, y + 5, "+", at="middle", size=16)
    return x + GAP + 2 * RADIUS


def leave(board: Drawing, x: float, y: float, name: str) -> None:
    """Draw the arrow out of a block."""
    board.line([(x, y), (x + 26, y)], tip=True)
    board.text(x + 32, y + 4.5, name)


def bypass(board: Drawing, start: float, end: float, y: float, above: float, boxes: Boxes) -> None:
    """Draw the shortcut: up at `start`, along at the height `above` it, down onto the sum that is about `end`."""
    top = y - above
    board.line([(start, y), (start, top)])
    x = path(board, start, top, boxes)
    board.line([(x, top), (end, top), (end, y - RADIUS)], tip=True)


def residual(
    board: Drawing, y: float, caption: str, main: Boxes, shortcut: Boxes, after: Boxes, names: str = "xy"
) -> None:
    """Draw one residual step: the main path at height y, the shortcut above it."""
    board.text(LEFT, y - 68, caption, fill=PALE)
    board.text(LEFT, y + 4.5, names[0])
    start = LEFT + 24
    board.line([(LEFT + 12, y), (start, y)])
    end = max(path(board, start, y, main), start + length_of(shortcut))
    first = start + length_of(main)
    board.line([(first, y), (end, y)])
    ends = plus(board, end, y)
    bypass(board, start, ends - RADIUS, y, 44, shortcut)
    leave(board, path(board, ends, y, after), y, names[1])


def resnet20() -> Drawing:
    """Draw a block of ResNet-20."""
    board = Drawing(760, 216, "A block of ResNet-20: one binary convolution and a shortcut without parameters")
    main, after = ["sign", "binary 3×3", "BN"], ["hardtanh"]
    residual(board, 84, "the shape stays", main, [], after)
    residual(board, 190, "maps halved, channels doubled", main, ["every 2nd pixel", "pad channels with 0"], after)
    return board


def resnet18() -> Drawing:
    """Draw a block of ResNet-18."""
    board = Drawing(760, 216, "A block of ResNet-18: two binary convolutions in one shortcut")
    main, after = ["sign", "binary 3×3", "BN", "hardtanh", "sign", "binary 3×3", "BN"], ["hardtanh"]
    residual(board, 84, "the shape stays", main, [], after)
    residual(board, 190, "maps halved, channels doubled", main, ["real 1×1, stride 2", "BN"], after)
    return board


def vgg_small() -> Drawing:
    """Draw two layers of VGG-Small."""
    board = Drawing(760, 150, "Layers of VGG-Small: no shortcut, max-pooling before the batch norm")
    for y, caption, pool in ((50, "the size stays", []), (122, "the last layer of a stage", ["max-pool 2×2"])):
        board.text(LEFT, y - 26, caption, fill=PALE)
        board.text(LEFT, y + 4.5, "x")
        leave(board, path(board, LEFT + 12, y, ["sign", "binary 3×3", *pool, "BN", "hardtanh"]), y, "y")
    return board


RSIGN, RPRELU = ["+ bias", "sign"], ["+ bias", "PReLU", "+ bias"]


def reactnet18() -> Drawing:
    """Draw a block of ReActNet-18."""
    board = Drawing(760, 216, "A block of ReActNet-18: shifted sign, one binary convolution, RPReLU after the sum")
    residual(board, 84, "the shape stays", [*RSIGN, "binary 3×3", "BN"], [], RPRELU)
    residual(
        board, 190, "maps halved, channels doubled", [*RSIGN, "binary 3×3", "BN"],
        ["average 2×2", "real 1×1", "BN"], RPRELU,
    )  # fmt: skip
    return board


def reactnet_a() -> Drawing:
    """Draw both steps of a block of ReActNet-A."""
    board = Drawing(
        780, 390, "A block of ReActNet-A: a binary 3×3 step, then a binary 1×1 step that may double channels"
    )
    residual(
        board, 84, "first step; the pooling only where maps are halved", [*RSIGN, "binary 3×3", "BN"],
        ["average 2×2"], RPRELU, "xh",
    )  # fmt: skip
    residual(board, 190, "second step where the channels stay", [*RSIGN, "binary 1×1", "BN"], [], RPRELU, "hy")
    y, apart = 330, 44
    board.text(LEFT, y - 90, "second step where the channels double", fill=PALE)
    board.text(LEFT, y + 4.5, "h")
    start = LEFT + 24
    board.line([(LEFT + 12, y), (start, y)])
    split = path(board, start, y, RSIGN) + GAP
    board.line([(split - GAP, y), (split, y)])
    for side in (-apart / 2, apart / 2):
        board.line([(split, y), (split, y + side)])
        end = path(board, split, y + side, ["binary 1×1", "BN"])
        board.line([(end, y + side), (end + GAP, y + side)], tip=True)
    wide = width_of("concatenate")
    board.rect(end + GAP, y - apart / 2 - HEIGHT / 2, wide, apart + HEIGHT, GREY)
    board.text(end + GAP + wide / 2, y + 4.5, "concatenate", at="middle")
    ends = plus(board, end + GAP + wide, y)
    bypass(board, start, ends - RADIUS, y, 66, ["twice"])
    leave(board, path(board, ends, y, RPRELU), y, "y")
    return board


PICTURES: dict[str, Callable[[], Drawing]] = {
    "network-resnet20.svg": resnet20,
    "network-resnet18.svg": resnet18,
    "network-vgg-small.svg": vgg_small,
    "network-reactnet18.svg": reactnet18,
    "network-reactnet-a.svg": reactnet_a,
}

if __name__ == "__main__":
    for name, draw in PICTURES.items():
        (IMAGES / name).write_text(draw().svg(), encoding="utf-8")
