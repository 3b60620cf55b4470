"""The vectors: what really runs agrees with each, they hold the known breakers, and they catch the bugs they hunt."""

import inspect
from collections import Counter

import numpy as np
import pytest

from bbdg_ref.conformance import STAGES, differences, reference, vectors
from bbdg_ref.spec import popcount_conv, projection
from bbdg_ref.spec.activation import hardtanh_backward
from bbdg_ref.spec.conv2d import conv2d
from bbdg_ref.spec.estimators import ede_backward, sign

EVERY = vectors()
BY_ID = {vector.id: vector for vector in EVERY}


def answer_of(adapter, vector, inputs=None):
    """Return the outputs of an adapter's function, by name."""
    outputs = getattr(adapter, vector.stage)(**(vector.inputs if inputs is None else inputs))
    return outputs if isinstance(outputs, dict) else {STAGES[vector.stage].outputs[0].name: outputs}


@pytest.mark.parametrize("vector", EVERY, ids=BY_ID)
def test_what_runs_agrees_with_the_vector(vector):
    assert differences(vector, answer_of(reference, vector)) == []


@pytest.mark.parametrize("vector", EVERY, ids=BY_ID)
def test_inputs_are_not_changed(vector):
    copies = {name: np.copy(value) for name, value in vector.inputs.items()}
    answer_of(reference, vector)
    assert all(np.array_equal(vector.inputs[name], copies[name], equal_nan=True) for name in copies)


def test_ids_are_unique_and_every_stage_has_cases():
    assert len(BY_ID) == len(EVERY)
    counts = Counter(vector.stage for vector in EVERY)
    assert min(counts[name] for name in STAGES) >= 2


def test_comments_are_sentences():
    for vector in EVERY:
        assert vector.comment.endswith(".") and 10 < len(vector.comment) < 200, vector.id


def test_most_vectors_are_exact():
    exact = [vector for vector in EVERY if all(bound.ulps == 0 for bound in vector.bounds.values())]
    assert len(exact) > 0.7 * len(EVERY)


def test_bounds_leave_no_room_for_a_wrong_digit():
    """A bound is at most 1e-4 of its scale in float32 and 1e-11 in float64."""
    for vector in EVERY:
        for name, bound in vector.bounds.items():
            dtype = np.asarray(vector.expected[name]).dtype
            if bound.ulps:
                assert bound.ulps * np.finfo(dtype).eps < (1e-4 if dtype == np.float32 else 1e-11), (vector.id, name)


def test_two_builds_are_the_same():
    for first, second in zip(EVERY, vectors(), strict=True):
        for one, other in ((first.inputs, second.inputs), (first.expected, second.expected)):
            assert all(np.asarray(one[name]).tobytes() == np.asarray(other[name]).tobytes() for name in one)


BREAKERS = [
    np.array([0.0, 3, 4]),
    np.array([0.0, 1, 3, -2]),
    np.array([0.0, 1, -2]),
    np.array([1.0, 2, 3, 100]),
    np.full(128, 1000001.0, np.float32),
    np.array([-1.0, 0, 1]),
    np.array([0.0, 1, 1, 2]),
    np.full(10, 0.1),
]


@pytest.mark.parametrize("w", BREAKERS, ids=str)
def test_known_breakers_of_other_solvers_are_there(w):
    given = [vector.inputs["w"] for vector in vectors("project")]
    assert any(x.dtype == w.dtype and np.array_equal(x, w) for x in given)


@pytest.mark.parametrize("stage", ["project", "project_k", "project_symmetric", "project_zero", "project_weighted"])
def test_thresholds_separate_the_bits_of_the_optimum(stage):
    for vector in vectors(stage):
        if stage in ("project", "project_weighted") and vector.inputs["w"].dtype.kind == "f":
            assert np.array_equal(
                vector.expected["bits"], vector.inputs["w"] > np.float64(vector.expected["threshold"])
            )
        assert vector.expected["n_ones"] == np.count_nonzero(vector.expected["bits"])


# --- planted bugs, each caught by a vector whose flags name it ---


def prefix_sums(dtype):
    """The usual solver, S^2/k in floating point."""

    def project(w):
        order = np.argsort(-w, kind="stable")
        sums = np.cumsum(w[order].astype(dtype), dtype=dtype)
        k = np.arange(1, w.size, dtype=dtype)
        gain = sums[:-1] ** 2 / k + (sums[-1] - sums[:-1]) ** 2 / (dtype(w.size) - k)
        bits = np.zeros(w.size, bool)
        bits[order[: np.argmax(gain) + 1]] = True
        return {"bits": bits}

    return project


def nearest_threshold(w):
    p = projection.project(w)
    return {"threshold": p.alpha / 2 + p.beta / 2}


def conv_with_minus_one_border(x, weight, stride, padding):
    v, h = padding
    padded = np.pad(x, ((0, 0), (0, 0), (v, v), (h, h)), constant_values=-1)
    return {"y": conv2d(padded, weight, stride=tuple(stride))}


def fused_layer(u, bits, scale, shared, shift, stride, padding):
    counts = popcount_conv.binary_counts(u, bits, stride=tuple(stride), padding=tuple(padding))
    scale, shared, shift = (np.float64(value)[:, None, None] for value in (scale, shared, shift))
    rest = (shared * counts.total + shift).astype(np.float32)
    return {"z": (scale * counts.ones + rest).astype(np.float32)}


def float32_levels(x, bits, alpha, beta, stride, padding):
    levels = np.float32(alpha), np.float32(beta)
    return {"y": popcount_conv.popcount_conv2d(x, bits, *levels, stride=tuple(stride), padding=tuple(padding))}


def all_taps(u, bits, stride, padding):
    v, h = padding
    padded = np.pad(u, ((0, 0), (0, 0), (v, v), (h, h)))
    counts = popcount_conv.binary_counts(padded, bits, stride=tuple(stride))
    return {"ones": counts.ones, "total": counts.total}


def float32_sums(dw, s, tau, phi):
    total = np.float32(0)
    for x in dw.ravel():
        total += x
    return {"ds": np.float32(tau) * dw, "dtau": np.asarray(total), "dphi": np.asarray(total)}


def axes_of(x):
    return tuple(i for i in range(x.ndim) if i != 1)


def normalized_by(statistics):
    """Batch norm of rows or maps with another variance or another root, from x and eps."""

    def train(x, weight, bias, eps):
        mean = x.mean(axis=axes_of(x), keepdims=True)
        var, root = statistics(x, mean, eps)
        y = weight.reshape(mean.shape) * (x - mean) / root + bias.reshape(mean.shape)
        return {"y": y, "mean": mean.ravel(), "var": var.ravel()}

    return train


def squares_minus_square(x, mean, eps):
    var = np.square(x).mean(axis=axes_of(x), keepdims=True) - np.square(mean)
    return var, np.sqrt(var + eps)


def sample_variance(x, mean, eps):
    var = x.var(axis=axes_of(x), ddof=1, keepdims=True)
    return var, np.sqrt(var + eps)


def eps_beside_the_root(x, mean, eps):
    var = x.var(axis=axes_of(x), keepdims=True)
    return var, np.sqrt(var) + eps


BUGS = {
    "batchnorm_train_offset": (normalized_by(squares_minus_square), "offset_cancellation"),
    "batchnorm_train_maps": (normalized_by(sample_variance), "population_variance"),
    "batchnorm_train_large_eps": (normalized_by(eps_beside_the_root), "eps"),
    "project_offset_ten_thousand": (prefix_sums(np.float32), "float32_sums"),
    "project_four_thousand": (prefix_sums(np.float32), "float32_sums"),
    "project_offset_million": (prefix_sums(np.float64), "offset_cancellation"),
    "project_negative_neighbours": (nearest_threshold, "threshold_rounding"),
    "sign_float32": (lambda x: {"y": np.sign(x)}, "zero"),
    "sign_bits_float32": (lambda x: {"bits": x >= 0}, "zero"),
    "sign_bits_float64": (lambda x: {"bits": ~np.signbit(x)}, "negative_zero"),
    "sign_bits_float16": (lambda x: {"bits": x > 2.0**-14}, "subnormal"),
    "ede_first_epoch": (lambda dy, x, t, k: {"dx": ede_backward(dy, x, t=t, k=1.0)}, "estimator_scale"),
    "ede_schedule_last": (lambda epoch, epochs: {"t": 10 ** (-1 + 2 * epoch / (epochs - 1)), "k": 1.0}, "schedule_end"),
    "hardtanh_backward_corners": (lambda dy, x: {"dx": np.where(np.abs(x) <= 1, dy, 0)}, "corner"),
    "hardtanh_backward_float64": (
        lambda dy, x: {"dx": hardtanh_backward(dy.astype(np.float32), x.astype(np.float32))}, "corner"
    ),
    "conv2d_border_of_ones": (conv_with_minus_one_border, "border"),
    "binary_counts_all_minus": (all_taps, "border_count"),
    "binary_layer_one_rounding_each": (fused_layer, "rounding_order"),
    "binary_layer_cancelling": (fused_layer, "rounding_order"),
    "popcount_conv2d_common_offset": (float32_levels, "level_precision"),
    "general_weights_backward_float32_sum": (float32_sums, "float32_sums"),
    "running_update_two_values": (
        lambda running_mean, running_var, mean, var, count, momentum: {
            "new_mean": (running_mean + mean) / 2, "new_var": (running_var + var) / 2
        },
        "population_variance",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_caught_by_the_vector_that_hunts_it(name):
    wrong, flag = BUGS[name]
    vector = BY_ID[name]
    assert flag in vector.flags
    assert list(inspect.signature(wrong).parameters) == list(vector.inputs)
    outputs = {**vector.expected, **wrong(**vector.inputs)}
    assert differences(vector, outputs) != []


def test_the_binary_block_is_the_sum_of_its_parts():
    """The float64 block written out with plain NumPy on real weights."""
    vector = BY_ID["binary_block_same_shape"]
    given = vector.inputs
    w = np.where(given["latent"] > 0, given["phi"] + given["tau"], given["phi"] - given["tau"])
    z = conv2d(sign(given["x"]), w, padding=1)
    mean, var = z.mean(axis=(0, 2, 3), keepdims=True), z.var(axis=(0, 2, 3), keepdims=True)
    scale, shift = given["weight"][:, None, None], given["bias"][:, None, None]
    y = np.clip(scale * (z - mean) / np.sqrt(var + given["eps"]) + shift + given["x"], -1, 1)
    assert differences(vector, {"y": y}) == []
    assert 0.1 < np.mean(np.abs(y) == 1) < 0.9  # both sides of hardtanh
