"""Plans, lists, numbers and programs that are wrong on purpose: the checks of the suite must catch every one."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import packed_cases as cases
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import SEARCH

from bbdg_ref import ops, packed
from bbdg_ref.kernels.compiled import jit_is_on
from bbdg_ref.ops import column_plan, packed_layout, packed_plan
from bbdg_ref.ops import packed_conv2d as conv_ops
from bbdg_ref.ops.packed_layout import Builder, Places
from bbdg_ref.ops.packed_plan import Geometry

pytestmark = pytest.mark.slow  # tests of the tests

if not jit_is_on():
    pytest.skip("the definition serves, and nothing is planned", allow_module_level=True)

THOROUGH = settings(SEARCH, max_examples=400)

Patch = pytest.MonkeyPatch
SMALL = 200_000
CASES = cases.conv_cases(largest=SMALL)
SUBJECTS = {
    "counts": (cases.check_counts, st.tuples(CASES)),
    "floats": (cases.check_floats, cases.with_domains(CASES)),
    "linear": (cases.check_linear, cases.linear_cases()),
    "calls": (cases.check_calls, st.tuples(CASES)),
    "network": (cases.check_network, st.tuples(cases.network_cases())),
}
MUTANTS: list[tuple[str, str, Callable[[Patch], None]]] = []


def mutant(fault: str, *subjects: str) -> Callable:
    """Enter a fault: a function that plants it, and the checks that must find it."""

    def enter(plant: Callable[[Patch], None]) -> Callable[[Patch], None]:
        MUTANTS.extend((subject, fault, plant) for subject in subjects)
        return plant

    return enter


def is_caught(subject: str, search_for: settings = THOROUGH) -> bool:
    check, drawn = SUBJECTS[subject]

    @search_for
    @given(drawn)
    def search(case: tuple) -> None:
        check(*case)

    try:
        search()
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize("subject", SUBJECTS)
def test_without_a_fault_nothing_is_caught(subject):
    assert not is_caught(subject, settings(SEARCH, max_examples=40))


def changed(name: str, module: object, change: Callable) -> Callable[[Patch], None]:
    """Plant a function that changes what a planner says, wherever it is used."""
    planner = getattr(module, name)

    def wrong(*arguments):
        plan = planner(*arguments)
        return replace(plan, **change(plan))

    def plant(patch: Patch) -> None:
        for user in (conv_ops, packed_layout):
            patch.setattr(user, name, wrong)

    return plant


def geometry(fault: str, change: Callable[[Geometry], dict], *subjects: str) -> None:
    mutant(fault, *(subjects or ("counts",)))(changed("geometry", packed_plan, change))


def lists(fault: str, change: Callable[[packed_plan.Lists], dict], *subjects: str) -> None:
    mutant(fault, *(subjects or ("counts",)))(changed("counting_lists", packed_plan, change))


def column_geometry(fault: str, change: Callable[[column_plan.ColumnGeometry], dict], *subjects: str) -> None:
    mutant(fault, *(subjects or ("counts",)))(changed("column_geometry", column_plan, change))


def column_weights(fault: str, change: Callable[[column_plan.ColumnWeights], dict], *subjects: str) -> None:
    mutant(fault, *(subjects or ("counts",)))(changed("column_weights", column_plan, change))


# ---------------------------------------------------------------------------------------------------- the planes


def phases_swapped(plan: Geometry) -> dict:
    sv, sh = plan.stride
    return {"tap_phase": plan.tap_phase % sh * sv + plan.tap_phase // sh}


def last_block_blank(plan: Geometry) -> dict:
    masks = plan.masks.copy()
    masks[:, -plan.words :] = 0
    return {"masks": masks}


def all_ones(masks: np.ndarray) -> np.ndarray:
    return np.full_like(masks, ~masks.dtype.type(0))


geometry("the border reads the pixels beside it", lambda plan: {"masks": all_ones(plan.masks)}, "counts", "network")
geometry("the border counts as -1", lambda plan: {"kinds": np.ones_like(plan.kinds)}, "counts", "network")
geometry("the border counts at the first word only", lambda plan: {"starts": 0 * plan.starts}, "counts", "network")
geometry("taps read one pixel to the right", lambda p: {"tap_shift": p.tap_shift + 1, "length": p.length + 1})
geometry("the kernel is turned round", lambda p: {"tap_shift": p.tap_shift[::-1].copy(), "masks": p.masks[::-1].copy()})
geometry("vertical and horizontal phases are swapped", phases_swapped)
geometry("every tap reads phase 0", lambda plan: {"tap_phase": 0 * plan.tap_phase}, "counts", "network")
geometry("the last block is blank", last_block_blank, "counts", "network")
geometry("a run stores one pixel too few", lambda p: {"runs": p.runs - np.array([[0], [0], [1], [0]])})
geometry("a run reads one pixel early", lambda p: {"runs": np.maximum(p.runs - np.array([[0], [1], [0], [0]]), 0)})
geometry("every run goes to the first image", lambda p: {"runs": p.runs * np.array([[0], [1], [1], [1]])})
geometry("every piece goes to the first image", lambda p: {"piece_image": 0 * p.piece_image}, "counts", "network")


@mutant("a chunk that is not full is left out", "counts")
def _(patch: Patch) -> None:
    patch.setattr(Geometry, "chunks", property(lambda plan: max(1, plan.batch // plan.chunk)))


# ----------------------------------------------------------------------------------------------------- the lists


def columns_of(rows: np.ndarray, **values: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return the rows with some columns changed."""
    rows = rows.copy()
    for number, name in enumerate(("first", "last", "complement")):
        if name in values:
            rows[:, number] = values[name](rows[:, number])
    return rows


def zero_plane(found: packed_plan.Lists) -> int:
    """The place of the plane of zeros: the largest there is, and that of the shared map's row or never used."""
    return int(found.places.max(initial=0))


def shared_map_missing(found: packed_plan.Lists) -> dict:
    places = found.places.copy()
    first, last = found.rows[-1, :2]
    places[first + 1 : last] = places[first]
    return {"places": places}


def first_plane_twice(found: packed_plan.Lists) -> dict:
    """The second place of every list that has one repeats the first."""
    places = found.places.copy()
    for first, last in found.rows[:-1, :2]:
        if first < last:
            places[first + 1] = places[first]
    return {"places": places}


def filler_is_plane_0(found: packed_plan.Lists) -> dict:
    first, last = found.rows[-1, :2]
    planes = len(np.unique(found.places[first:last]))
    if planes == last - first:
        return {}
    return {"places": np.where(found.places == zero_plane(found), 0, found.places).astype(np.uint32)}


def neighbours_swapped(found: packed_plan.Lists) -> dict:
    rows = found.rows.copy()
    if len(rows) > 2:
        rows[[0, 1]] = rows[[1, 0]]
    return {"rows": rows}


def zeros_only(found: packed_plan.Lists, start: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    return np.where(found.rows[:, 2:] != 0, start(found.start), found.start).astype(np.int16)


lists("zeros are taken for ones", lambda f: {"rows": columns_of(f.rows, complement=np.zeros_like)}, "counts", "network")
lists("ones are taken for zeros", lambda f: {"rows": columns_of(f.rows, complement=np.ones_like)}, "counts", "network")
lists("the complement subtracts the valid taps", lambda f: {"start": zeros_only(f, np.negative)})
lists("the start has the other sign", lambda f: {"start": -f.start}, "counts", "network")
lists("the start is left out", lambda f: {"start": 0 * f.start}, "counts", "network")
lists("the shared map counts one plane only", shared_map_missing, "counts", "network")
lists("a plane is counted twice in place of another", first_plane_twice, "counts", "network")
lists("what fills a list up is plane 0", filler_is_plane_0)
lists("two output channels are swapped", neighbours_swapped, "counts", "network")


def other_bits(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Patch], None]:
    """Plant a change of the bits from which lists and columns are made."""

    def plant(patch: Patch) -> None:
        for name, module in (("counting_lists", packed_plan), ("column_weights", column_plan)):
            right = getattr(module, name)
            for user in (conv_ops, packed_layout):
                patch.setattr(user, name, lambda bits, plan, right=right: right(change(bits), plan))

    return plant


mutant("planes are numbered by taps first", "counts", "network")(
    other_bits(lambda bits: bits.transpose(0, 2, 3, 1).reshape(bits.shape))
)
mutant("the kernel is mirrored", "counts", "network")(other_bits(lambda bits: bits[:, :, ::-1, ::-1]))
mutant("input channels are in reverse", "counts", "network")(other_bits(lambda bits: bits[:, ::-1]))
mutant("one weight in a layer is another", "counts")(
    other_bits(lambda bits: bits ^ (np.arange(bits.size) == bits.size - 1).reshape(bits.shape))
)


# --------------------------------------------------------------------------------------------------- the columns


def transposed(plan: column_plan.ColumnGeometry) -> dict:
    height, width = plan.size
    return {"pixel_place": plan.pixel_place.reshape(height, width).T.ravel().copy()} if height == width else {}


def no_shared(found: column_plan.ColumnWeights) -> dict:
    words = found.words.copy()
    words[-1] = 0
    return {"words": words}


column_geometry("the border counts as -1, by columns", lambda p: {"valid": np.ones_like(p.valid)}, "counts", "network")
column_geometry("windows begin a word late", lambda p: {"windows": p.windows + 1, "length": p.length + 1})
column_geometry("columns are written to the transposed image", transposed, "counts", "network")
column_geometry("a window has its first row only", lambda p: {"row_step": 0})
column_weights("lanes are in reverse", lambda f: {"words": f.words[..., ::-1].copy()}, "counts", "network")
column_weights("the shared map's weights are missing", no_shared, "floats", "network")
column_weights("the start has the other sign, by columns", lambda f: {"start": -f.start}, "counts", "network")


# --------------------------------------------------------------------------------------------------- the numbers


def levels(change: Callable) -> Callable[[Patch], None]:
    """Plant a change of alpha and beta."""

    def plant(patch: Patch) -> None:
        right = packed._levels
        patch.setattr(packed, "_levels", lambda *arguments: change(*right(*arguments)))

    return plant


def rounded(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32).astype(np.float64)


mutant("alpha and beta are swapped", "floats", "linear")(levels(lambda alpha, beta: (beta, alpha)))
mutant("alpha and beta are rounded to float32", "floats", "linear")(levels(lambda a, b: (rounded(a), rounded(b))))
mutant("the first channel's values serve for all", "floats", "linear")(
    levels(lambda alpha, beta: (0 * alpha + alpha[0], 0 * beta + beta[0]))
)
mutant("alpha is taken for zero", "floats", "linear")(levels(lambda alpha, beta: (0 * alpha, beta)))


def difference(change: Callable) -> Callable[[Patch], None]:
    """Plant another beta - alpha."""

    def plant(patch: Patch) -> None:
        def after(self):
            object.__setattr__(self, "delta", change(self.alpha, self.beta))

        patch.setattr(conv_ops.PackedWeights, "__post_init__", after)

    return plant


mutant("beta stands for beta - alpha", "floats")(difference(lambda alpha, beta: beta))
mutant("beta - alpha is rounded to float32", "floats")(difference(lambda alpha, beta: rounded(beta - alpha)))
mutant("beta - alpha is one unit in the last place off", "floats")(
    difference(lambda alpha, beta: np.nextafter(beta - alpha, np.inf))
)


@mutant("zero has the bit one", "counts", "linear")
def _(patch: Patch) -> None:
    right = packed._activations
    patch.setattr(packed, "_activations", lambda *given: np.where(right(*given) >= 0, 1, -1).astype(np.float32))


@mutant("packed activations have the bit of the pixel before", "floats")
def _(patch: Patch) -> None:
    right = ops.pack_signs
    patch.setattr(ops, "pack_signs", lambda x, *, axis: right(np.roll(x, 1, axis=axis), axis=axis))


@mutant("rows of a batch come in reverse", "linear")
def _(patch: Patch) -> None:
    right = packed._convolved

    def wrong(name, *arguments):
        y = right(name, *arguments)
        return y[..., ::-1] if name == "packed_linear" else y

    patch.setattr(packed, "_convolved", wrong)


@mutant("a call is remembered without its padding", "calls")
def _(patch: Patch) -> None:
    right = conv_ops.PackedWeights.prepared
    patch.setattr(
        conv_ops.PackedWeights, "prepared",
        lambda self, batch, size, stride, padding: self.__dict__.setdefault("first", {}).setdefault(
            (batch, size, stride), right(self, batch, size, stride, padding)
        ),
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------- the programs


def builder(name: str, change: Callable) -> Callable[[Patch], None]:
    """Plant a method of the builder of programs that calls the right one with other arguments."""
    right = getattr(Builder, name)

    def wrong(self, *arguments):
        return change(lambda *others: right(self, *others), *arguments)

    return lambda patch: patch.setattr(Builder, name, wrong)


def folded(**changes: Callable) -> Callable[[Patch], None]:
    """Plant another scale, shared or shift in every binary layer."""

    def plant(patch: Patch) -> None:
        right, kept = Builder.weights, Builder.columns

        def other(layer):
            return replace(layer, **{name: change(layer) for name, change in changes.items()})

        patch.setattr(Builder, "columns", lambda self, layer, *others: kept(self, other(layer), *others))

        def wrong(self, layer, *others):
            return right(self, other(layer), *others)

        patch.setattr(Builder, "weights", wrong)

    return plant


def another_shortcut(right: Callable, layer, source: int, shape, target: int, shortcut: int, result: int) -> None:
    """The last layer of a block adds the map it writes to, from whatever ran before, in place of the shortcut."""
    right(layer, source, shape, target, -1 if shortcut < 0 else result, result)


mutant("the shortcut is another map", "network")(builder("binary", another_shortcut))
mutant("scale and shared are swapped", "network")(folded(scale=lambda z: z.shared, shared=lambda z: z.scale))
mutant("shared and shift are swapped", "network")(folded(shared=lambda z: z.shift, shift=lambda z: z.shared))
mutant("the scale's sign is lost", "network")(folded(scale=lambda layer: np.abs(layer.scale)))
mutant("the shared map is left out", "network")(folded(shared=lambda layer: 0 * layer.shared))
mutant("the shift is one unit in the last place off", "network")(
    folded(shift=lambda layer: np.nextafter(layer.shift, np.float32(np.inf)))
)
mutant("classes are in reverse", "network")(
    builder("classifier", lambda right, head, *others: right(replace(head, weight=head.weight[::-1]), *others))
)
mutant("the classifier's bias is left out", "network")(
    builder("classifier", lambda right, head, *others: right(replace(head, bias=0 * head.bias), *others))
)
mutant("the mean is over half of the pixels", "network")(
    builder("classifier", lambda right, head, x, shape: right(head, x, (shape[0], shape[1], -(-shape[2] // 2))))
)


@mutant("a real layer's bias is left out", "network")
def _(patch: Patch) -> None:
    right = packed_layout.grouped
    patch.setattr(packed_layout, "grouped", lambda weight, bias: right(weight, 0 * bias))


@mutant("the products of a real layer are added in reverse", "network")
def _(patch: Patch) -> None:
    """The sum of the same numbers, rounded otherwise."""
    right, real = packed_layout.grouped, Builder.real

    def wrong(self, *arguments):
        after = real(self, *arguments)
        taps = self.integers.parts[-2]
        taps[...] = taps[::-1].copy()
        return after

    patch.setattr(packed_layout, "grouped", lambda weight, bias: right(weight[:, ::-1], bias))
    patch.setattr(Builder, "real", wrong)


@mutant("a map is overwritten while it is still read", "network")
def _(patch: Patch) -> None:
    right = Places.take
    patch.setattr(Places, "take", lambda self, size, *used: right(self, size))


@mutant("a shortcut without parameters is not computed", "network")
def _(patch: Patch) -> None:
    patch.setattr(Builder, "stride_pad", lambda *arguments: None)


@pytest.mark.parametrize(("subject", "fault", "plant"), MUTANTS, ids=[f"{s}: {f}" for s, f, _ in MUTANTS])
def test_a_fault_is_caught(subject, fault, plant, monkeypatch):
    plant(monkeypatch)
    assert is_caught(subject), fault
