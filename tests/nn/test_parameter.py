import numpy as np
import pytest
from network_cases import DOMAINS, small

from bbdg_ref import nn
from bbdg_ref.nn import Module, Parameter


class Leaf(Module):
    state_names = ("memory",)

    def __init__(self):
        self.weight, self.memory, self.note = Parameter(np.ones(2, np.float32)), np.zeros(3, np.int64), "not saved"


class Tree(Module):
    def __init__(self):
        self.single, self.several, self.bias = Leaf(), [Leaf(), "not a module", Leaf()], Parameter(np.zeros(()))


def test_names_are_dotted_paths_to_attributes():
    tree = Tree()
    assert set(tree.parameters()) == {"bias", "single.weight", "several.0.weight", "several.2.weight"}
    memories = {"single.memory", "several.0.memory", "several.2.memory"}
    assert set(tree.state()) == set(tree.parameters()) | memories
    assert dict(tree.modules())["several.2"] is tree.several[2]


def test_parameters_have_no_gradient_before_a_backward_pass():
    assert all(p.grad is None for p in small().parameters().values())


@pytest.mark.parametrize("domain", DOMAINS)
def test_load_state_takes_over_every_array_as_a_copy(domain):
    source, target = small(domain=domain, seed=0), small(domain=domain, seed=1)
    source.forward(np.ones((2, 3, 8, 8), np.float32), training=True)
    state = source.state()
    target.load_state(state)
    for name, array in target.state().items():
        assert np.array_equal(array, state[name]) and array.dtype == state[name].dtype
        assert not np.shares_memory(array, state[name])


def changed(name: str, array: np.ndarray) -> dict:
    return small().state() | {name: array}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({n: a for n, a in small().state().items() if n != "head.2.bias"}, "none for 'head.2.bias'"),
        (changed("head.3.bias", np.zeros(3, np.float32)), "'head.3.bias' as well"),
        (changed("head.2.bias", np.zeros(4, np.float32)), r"head.2.bias must be float32 of shape \(3,\)"),
        (changed("head.2.bias", np.zeros(3, np.float64)), "head.2.bias must be float32"),
        (changed("stage1.0.main.0.bits", np.zeros((2, 2, 3, 3), np.uint8)), "bits must be bool"),
        (
            changed("stage1.0.main.0.bits", np.full((2, 2, 3, 3), 255, np.uint8).view(bool)),
            "stage1.0.main.0.bits must be bool of bytes 0 and 1; got the byte 255",
        ),
        (changed("stage1.0.main.0.bits", np.full((3, 3, 2, 2), 3, np.uint8).view(bool).T), "got the byte 3"),
    ],
)
def test_load_state_refuses_what_is_not_exactly_the_networks_own_and_changes_nothing(arrays, message):
    network = small(seed=9)
    before = {name: array.copy() for name, array in network.state().items()}
    with pytest.raises(ValueError, match=message):
        network.load_state(arrays)
    assert all(np.array_equal(before[name], array) for name, array in network.state().items())


def test_a_network_of_other_arguments_is_refused():
    with pytest.raises(ValueError, match="build the network with the arguments it was saved with"):
        small(width=3).load_state(small(width=2).state())
    with pytest.raises(ValueError, match="load_state"):
        nn.resnet18(width=2, classes=3, rng=np.random.default_rng(0)).load_state(small().state())


def test_the_protocol_without_an_implementation_says_so():
    with pytest.raises(NotImplementedError):
        Module().forward(np.zeros(1), training=True)
    with pytest.raises(NotImplementedError):
        Module().backward(np.zeros(1))
