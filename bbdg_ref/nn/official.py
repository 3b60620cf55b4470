"""A network's arrays under the names that the official PyTorch code gives them, in and out.

The official code (`robustml-eurecom/SBNN`) keeps one float array for every learned number: the latent weights of a
binary convolution, and beside them ``tau`` and ``phi``; batch norm as PyTorch has it. Its layers are called otherwise
than here: a table for each network (`official_layers`) says how, and ``names`` replaces it for a repository that
calls them something else again.

`load_official` and `to_official` work on arrays by name; `read_state_dict` and `write_state_dict` bring those from a
file and into one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _checks
from .binary import BinaryConv2d
from .domains import Bipolar, General, Symmetric
from .layers import BatchNorm
from .network import Network
from .official_layouts import ENTRIES, LAYOUTS, Layout, official_shape
from .parameter import Module, Shape
from .signed import signed_latents

__all__ = ["Imported", "load_official", "official_layers", "to_official"]

Arrays = Mapping[str, NDArray[Any]]
Names = Mapping[str, str]

PREFIX = "module."  # what DataParallel puts before every name
COUNT = "num_batches_tracked"  # of a batch norm: steps taken, which no result depends on
FIXED = {"tau": 1.0, "phi": 0.0}  # what they stay at where they are not learned
SUB_BIT = "binarize"  # the part of a binary convolution that holds the codebook of its patterns


@dataclass(frozen=True)
class Imported:
    """What `load_official` found beside the numbers that it took over.

    Attributes
    ----------
    zeros : dict of str to int
        Binary layers in which latent weights are exactly 0, by the official name, and how many. Here a 0 has bit 0,
        value α = φ − τ; the official CIFAR-10 and ImageNet code gives it τ·0 + φ = φ, a third value.
    unused : tuple of str
        Entries that are part of the layout, but not of this network: ``num_batches_tracked``, and ``tau`` = 1 and
        ``phi`` = 0 where the domain learns neither.
    """

    zeros: dict[str, int]
    unused: tuple[str, ...]


@dataclass(frozen=True)
class _Entry:
    """One entry of the layout: its layer, what it is called here (None: it has no place), and its official shape."""

    layer: Module
    ours: str | None
    shape: Shape


def official_layers(network: Network) -> dict[str, str]:
    """Return the official name of every layer of a network that holds numbers, and ours.

    Parameters
    ----------
    network : Network
        ResNet-18, ResNet-20, ReActNet-18 or ReActNet-A.

    Returns
    -------
    dict of str to str
        A new one: change it and pass it as ``names`` for weights from a repository with other names.

    Raises
    ------
    ValueError
        If there is no table for this network.

    Examples
    --------
    >>> import numpy as np
    >>> from bbdg_ref import nn
    >>> layers = official_layers(nn.resnet20(rng=np.random.default_rng(0)))
    >>> layers["layer1.0.conv2"], layers["linear"]
    ('stage1.1.main.0', 'head.2')
    """
    return dict(_layout("official_layers", network).layers)


def load_official(network: Network, arrays: Arrays, *, names: Names | None = None) -> Imported:
    """Take over the weights of a network of the official layout; bits are the signs of the latent weights.

    Every array of the network must be there, in the official shape, and nothing else. ``module.`` before all of the
    names, which PyTorch's DataParallel puts there, is taken off.

    Parameters
    ----------
    network : Network
        Filled in place. Build it with the domain that the weights were trained in: "general" for learned τ and φ,
        "bipolar" for plain signs, "symmetric" for ReActNet-18 trained without them. The official code has no other:
        what `to_official` wrote of "general-closed" is of "general".
    arrays : mapping of str to ndarray
        A state dict: float16, float32 or float64 (kept as float32), from `read_state_dict` for example.
    names : mapping of str to str, optional
        The official name of every layer that holds numbers, and ours; without it, `official_layers`.

    Returns
    -------
    Imported
        Latent weights that are 0, and entries without use.

    Raises
    ------
    TypeError
        If ``arrays`` is no mapping, a name is no text, or NumPy cannot read an entry, such as a PyTorch tensor that
        requires a gradient or is bfloat16.
    ValueError
        If the network's domain is none of these, or an entry is missing, unknown, of another shape or dtype, not
        finite or a negative variance; the message names it. If the weights are sub-bit ones of the official code.
        Nothing is changed then.

    Notes
    -----
    The logits are those of the official network up to float32 rounding, as long as no latent weight is 0
    (`Imported.zeros`) and the layers are the same.

    The official code's sub-bit weights have a codebook of patterns beside the latent weights, and every kernel's bits
    are the pattern nearest to it, not the signs of its latent weights. Which patterns, the state dict does not quite
    say: a number of the codebook below 1e-3 has a sign that is not in it. They are taken over by way of the bits that
    the trained network computes there: every latent weight w replaced by |w| with the sign of its bit (a tiny number
    for w = 0), and the patterns left out.

    Examples
    --------
    >>> import numpy as np
    >>> from bbdg_ref import nn
    >>> net, other = (nn.resnet20(width=4, rng=np.random.default_rng(seed)) for seed in (0, 1))
    >>> arrays = to_official(net)
    >>> load_official(other, arrays).zeros
    {}
    >>> bool(np.array_equal(other.binary_layers()["stage1.0.main.0"].bits, arrays["layer1.0.conv1.weight"] > 0))
    True
    """
    given, wanted = _without_prefix(arrays), _entries("load_official", network, names)
    _check_domains(network)
    _check_known(given, wanted)
    state, zeros, unused = dict(network.state()), {}, []
    for name, entry in wanted.items():
        layer, _, what = name.rpartition(".")
        if entry.ours is None:
            if name in given:
                _check_unused(name, given[name], FIXED.get(what))
                unused.append(name)
            continue
        if name not in given:
            raise _refusal(f"of the layout of {network.name}", f"no {name!r}", _mend_missing(what))
        number = _number(name, given[name], entry.shape).reshape(state[entry.ours].shape)
        if what == "running_var" and (number < 0).any():
            raise _refusal(f"0 or more at {name!r}, a variance", f"{number.min()}", "pass the learned numbers")
        state[entry.ours] = number
        if isinstance(entry.layer, BinaryConv2d) and what not in FIXED:
            place = entry.ours.removesuffix("latent")
            state[f"{place}bits"], state[f"{place}threshold"] = number > 0, np.zeros((), np.float32)
            zeros[layer] = int(np.count_nonzero(number == 0))
    network.load_state(state)
    return Imported({layer: count for layer, count in zeros.items() if count}, tuple(unused))


def to_official(network: Network, *, names: Names | None = None) -> dict[str, NDArray[Any]]:
    """Return a network's weights under their official names, all that the official state dict holds.

    The official code knows a layer's bits as the signs of its latent weights alone. Bits that a strategy chose by
    another threshold θ, or by none, are written as |w − θ| with their sign, which is w − θ where θ cuts them; of
    latent weights that are θ itself, a number next to 0. In the domain "symmetric", whose scale is mean|w|, it is |w|.

    Parameters
    ----------
    network : Network
        In the domain "general", "bipolar" (written as τ = 1, φ = 0) or "general-closed" (its α and β as τ and φ);
        ReActNet-18 also in "symmetric", to be run without τ and φ.
    names : mapping of str to str, optional
        As in `load_official`.

    Returns
    -------
    dict of str to ndarray
        Copies, float32; ``num_batches_tracked``, which is not counted here, is int64 and 0.

    Raises
    ------
    ValueError
        If a layer has one pair of values for each filter.

    Examples
    --------
    >>> import numpy as np
    >>> from bbdg_ref import nn
    >>> net = nn.resnet20(width=4, rng=np.random.default_rng(0))
    >>> to_official(net)["layer1.0.conv1.tau"]
    array(1., dtype=float32)
    """
    state, scaled = network.state(), _layout("to_official", network).scaled
    result: dict[str, NDArray[Any]] = {}
    for name, entry in _entries("to_official", network, names).items():
        layer, _, what = name.rpartition(".")
        if what == COUNT:
            value: NDArray[Any] = np.zeros((), np.int64)
        elif isinstance(entry.layer, BinaryConv2d) and entry.ours is None:
            value = _scalar(layer, what, entry.layer, scaled)
        elif isinstance(entry.layer, BinaryConv2d) and what not in FIXED:
            value = _signed(entry.layer)
        else:
            assert entry.ours is not None
            value = state[entry.ours]
        result[name] = np.array(value, np.int64 if what == COUNT else np.float32).reshape(entry.shape)
    return result


def _refusal(
    expected: str, got: str, mend: str, function: str = "load_official", argument: str = "arrays"
) -> ValueError:
    return ValueError(_checks.message(function, argument, expected, got, mend))


def _layout(function: str, network: Network) -> Layout:
    _checks.one_of(function, "network", network.name, list(LAYOUTS))
    return LAYOUTS[network.name]


def _check_domains(network: Network) -> None:
    """Refuse a layer whose values are not those that the official code would compute from the same numbers."""
    scaled = LAYOUTS[network.name].scaled
    for place, layer in network.binary_layers().items():
        if isinstance(layer.domain, Bipolar | General) or (scaled and isinstance(layer.domain, Symmetric)):
            continue
        names = ["'general'", "'bipolar'", *(["'symmetric'"] if scaled else [])]
        mend = "build it with domain='general' for learned tau and phi, or 'bipolar' for plain signs"
        expected, got = f"in the domain {' or '.join(names)}", f"{type(layer.domain).__name__} at {place!r}"
        raise _refusal(expected, got, mend, argument="network")


def _without_prefix(arrays: Arrays) -> dict[str, NDArray[Any]]:
    if not isinstance(arrays, Mapping):
        expected, mend = "a mapping of names to arrays", "pass a state dict, such as that of read_state_dict"
        raise TypeError(_checks.message("load_official", "arrays", expected, type(arrays).__name__, mend))
    if odd := [name for name in arrays if not isinstance(name, str)]:
        expected, mend = "named by str", "pass a state dict, such as that of read_state_dict"
        raise TypeError(_checks.message("load_official", "arrays", expected, f"the name {odd[0]!r}", mend))
    plain = [name for name in arrays if not name.startswith(PREFIX)]
    if plain and len(plain) < len(arrays):
        raise _refusal(f"named with {PREFIX!r} all or not at all", f"{plain[0]!r} without it", "rename them alike")
    return {name.removeprefix(PREFIX): _array(name, array) for name, array in arrays.items()}


def _array(name: str, value: object) -> NDArray[Any]:
    try:
        return np.asarray(value)
    except MemoryError:
        raise
    except Exception as error:  # PyTorch: RuntimeError where a gradient is required, TypeError for bfloat16 or a GPU
        got = f"{type(value).__name__}, which NumPy cannot read ({error})"
        mend = "pass numbers as NumPy has them, of a PyTorch tensor tensor.detach().float().cpu().numpy()"
        raise TypeError(_checks.message("load_official", "arrays", f"an array at {name!r}", got, mend)) from error


def _check_known(given: Arrays, wanted: Mapping[str, _Entry]) -> None:
    """Refuse entries that the layout does not have: what is not understood may be what the result depends on."""
    unknown = [name for name in given if name not in wanted]
    if patterns := [name for name in unknown if SUB_BIT in name.split(".")[:-1]]:
        got = f"{patterns[0]!r}, of sub-bit weights: their bits are the nearest patterns, which cannot be taken over"
        mend = (
            "in the official code, give every latent weight w the sign of its bit, |w| or -|w|, then drop the patterns"
        )
        raise _refusal("latent weights whose signs are the bits", got, mend)
    if unknown:
        layer = unknown[0].rpartition(".")[0]
        ends = [name.rpartition(".")[2] for name in wanted if name.rpartition(".")[0] == layer]
        layers = list(dict.fromkeys(name.rpartition(".")[0] for name in wanted))
        some = f"its {len(layers)} layers are {', '.join(layers[:5])} …"
        has = f"{layer!r} has {', '.join(ends)}" if ends else some
        mend = f"{has}; pass names if it is called otherwise here, and drop no entry before you know what it does"
        raise _refusal("only entries of the layout", f"{unknown[0]!r} as well", mend)


def _layers(function: str, network: Network, names: Names | None) -> Names:
    """Return the table of layers; refuse one that does not hold every layer with numbers once."""
    table = official_layers(network) if names is None else names
    held = {name for name, module in network.modules() if type(module) in ENTRIES}
    told = list(table.values())
    if held != set(told) or len(told) != len(held):
        odd = sorted(held.symmetric_difference(told)) or sorted(name for name in told if told.count(name) > 1)
        expected, mend = "the official name of every layer with numbers, once", "begin with official_layers(network)"
        raise _refusal(expected, f"{odd[0]!r} amiss", mend, function, "names")
    return table


def _entries(function: str, network: Network, names: Names | None) -> dict[str, _Entry]:
    """Return every entry of the layout by its official name."""
    layout, modules, state = _layout(function, network), dict(network.modules()), network.state()
    entries = {}
    for theirs, place in _layers(function, network, names).items():
        layer = modules[place]
        for what, own in ENTRIES[type(layer)].items():
            ours = f"{place}.{own}"
            if ours in state:
                entries[f"{theirs}.{what}"] = _Entry(layer, ours, official_shape(layer, state[ours].shape))
            else:  # tau or phi of a domain that learns neither
                entries[f"{theirs}.{what}"] = _Entry(layer, None, ())
        if isinstance(layer, BinaryConv2d):
            shape = (layer.latent.value.size, 1) if layout.flat else layer.latent.value.shape
            entries[f"{theirs}.{layout.latent}"] = _Entry(layer, f"{place}.latent", shape)
        if isinstance(layer, BatchNorm):
            entries[f"{theirs}.{COUNT}"] = _Entry(layer, None, ())
    return entries


def _check_unused(name: str, array: NDArray[Any], fixed: float | None) -> None:
    if array.shape != ():
        raise _refusal(f"of shape () at {name!r}", f"shape {array.shape}", "pass the layout's own")
    if fixed is None and (array.dtype.kind not in "iuf" or not 0 <= array < np.inf or array % 1):
        raise _refusal(f"a count at {name!r}", f"{array.dtype} {array}", "leave it out: no result depends on it")
    if fixed is not None and (array.dtype.kind != "f" or array != fixed):
        mend = "build the network with domain='general', which has it"
        raise _refusal(f"{fixed} at {name!r}, as in a network that does not learn it", f"{array}", mend)


def _mend_missing(what: str) -> str:
    if what in FIXED:
        return "for weights that are plain signs, build the network with domain='bipolar', or add tau = 1 and phi = 0"
    return "add it, or pass names if it is called otherwise"


def _number(name: str, array: NDArray[Any], shape: Shape) -> NDArray[np.float32]:
    """Return an entry of the official shape as float32."""
    if array.dtype.kind != "f" or array.dtype.itemsize > 8:
        raise _refusal(f"of float16, float32 or float64 at {name!r}", f"{array.dtype}", "pass the learned numbers")
    if array.shape != shape:
        mend = "build the network with the width and classes of the weights"
        raise _refusal(f"of shape {shape} at {name!r}", f"shape {array.shape}", mend)
    with np.errstate(over="ignore", under="ignore"):
        number = array.astype(np.float32)
    if not np.isfinite(number).all():
        raise _refusal(f"finite in float32 at {name!r}", "NaN, infinity or more", "train it again or scale it down")
    if not np.array_equal(np.sign(number), np.sign(array)):
        raise _refusal(f"of the same sign in float32 at {name!r}", "numbers so small that they become 0", "scale them")
    return number


def _scalar(layer: str, what: str, module: BinaryConv2d, scaled: bool) -> NDArray[Any]:
    """Return τ or φ of a binary layer that learns neither."""
    if not isinstance(module.domain, Symmetric):
        return np.asarray(getattr(module.values(), what))
    if not scaled:
        mend = "the layout has one tau and one phi a layer; train in the domain 'general'"
        raise _refusal("one with two values a layer", f"two a filter at {layer!r}", mend, "to_official", "network")
    return np.asarray(FIXED[what])


def _signed(module: BinaryConv2d) -> NDArray[Any]:
    """Return latent weights whose signs are the layer's bits, and whose mean|w| is theirs where it counts."""
    latent = module.latent.value
    if np.array_equal(latent > 0, module.bits):
        return latent
    scaled = isinstance(module.domain, Symmetric)
    return signed_latents(latent, module.bits, 0.0 if scaled else float(module.threshold))
