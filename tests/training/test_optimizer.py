import numpy as np
import pytest
from training_checks import check_adam

from bbdg_ref.nn import Parameter
from bbdg_ref.training import Adam


@pytest.mark.parametrize("seed", range(4))
def test_steps_are_those_of_the_papers_algorithm(seed):
    check_adam(Adam, seed)


def made(steps: int = 3) -> Adam:
    rng = np.random.default_rng(0)
    parameters = {name: Parameter(rng.standard_normal(s).astype(np.float32)) for name, s in (("w", (2, 3)), ("t", ()))}
    adam = Adam(parameters)
    for _ in range(steps):
        for parameter in parameters.values():
            parameter.grad = np.asarray(rng.standard_normal(parameter.value.shape), np.float32)
        adam.step(0.01)
    return adam


def test_the_dtype_is_kept_and_scalars_stay_arrays():
    adam = made()
    arrays = [p.value for p in adam.parameters.values()] + list(adam.state().values())
    assert all(isinstance(a, np.ndarray) and a.dtype == np.float32 for a in arrays)


def test_a_loaded_state_goes_on_the_same_way():
    first, second = made(), made(0)
    second.load_state(first.state(), first.steps)
    for adam in (first, second):
        for parameter in adam.parameters.values():
            parameter.value = np.ones(parameter.value.shape, np.float32)
            parameter.grad = np.full(parameter.value.shape, 0.3, np.float32)
        adam.step(0.02)
    for name, parameter in first.parameters.items():
        assert np.array_equal(parameter.value, second.parameters[name].value)
    assert first.steps == second.steps == 4
    assert all(np.array_equal(a, second.state()[name]) for name, a in first.state().items())


def test_the_loaded_arrays_are_copies():
    adam, state = made(), made(5).state()
    adam.load_state(state, 5)
    assert not any(np.shares_memory(a, state[name]) for name, a in adam.state().items())


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda s: s.pop("first.w"), "first.w"),
        (lambda s: s.update({"first.x": np.zeros(1)}), "first.x"),
        (lambda s: s.update({"second.t": np.zeros(1, np.float32)}), "second.t"),
        (lambda s: s.update({"second.w": np.zeros((2, 3))}), "second.w"),
    ],
)
def test_a_state_of_another_network_is_refused_by_name(change, name):
    state = made().state()
    change(state)
    with pytest.raises(ValueError, match=rf"load_state: .*{name}"):
        made().load_state(state, 3)


def test_a_parameter_without_gradient_is_an_error_that_names_it():
    with pytest.raises(AssertionError, match="w has no gradient"):
        Adam({"w": Parameter(np.ones(1))}).step(0.1)
