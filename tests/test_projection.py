"""The public projection functions: what they accept, what they refuse, and that they are right."""

import numpy as np
import projection_checks as checks
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import bit_arrays, weight_blocks, weighted_blocks, weighted_weights, weights, with_known

from bbdg_ref.projection import (
    Domain,
    assign,
    explain,
    fit_domain,
    project,
    project_k,
    project_symmetric,
    project_zero,
)

OF_WEIGHTS = {
    "project": project,
    "project_k": lambda w, **options: project_k(w, 1, **options),
    "project_symmetric": project_symmetric,
    "project_zero": project_zero,
}


@with_known
@given(w=weights())
def test_project_is_the_optimum(w):
    checks.check_project(project, w)


@with_known
@given(w=weights(12))
def test_the_restricted_domains_have_their_optima(w):
    checks.check_project_symmetric(project_symmetric, w)
    checks.check_project_zero(project_zero, w)


@given(w=weights(12), data=st.data())
def test_limits_and_counts_are_kept(w, data):
    k = data.draw(st.integers(0, w.size))
    checks.check_project(project, w, k)
    checks.check_project_k(project_k, w, k)
    checks.check_project_symmetric(project_symmetric, w, k)
    checks.check_project_zero(project_zero, w, k)


@given(pair=weighted_weights(12))
def test_project_is_the_weighted_optimum(pair):
    checks.check_project_weighted(project, *pair)
    checks.check_scaled_sample_weights(project, *pair)


@given(w=weights(12), data=st.data())
def test_whole_sample_weights_repeat_the_weights(w, data):
    s = data.draw(st.lists(st.integers(0, 3), min_size=w.size, max_size=w.size).filter(any))
    checks.check_whole_sample_weights(project, w, np.array(s).reshape(w.shape))


@given(block=weighted_blocks())
def test_channels_have_their_own_sample_weights(block):
    w, s, axis = block
    checks.check_weighted_channels(project, w, s, axis)


@given(w=weights(), data=st.data())
def test_given_bits_and_given_domains(w, data):
    bits = data.draw(bit_arrays(w.shape))
    checks.check_fit_domain(fit_domain, w, bits)
    domain = fit_domain(w, bits)
    checks.check_assign(assign, w, domain)
    checks.check_explain(explain, w, domain.alpha, domain.beta, bits)


@given(block=weight_blocks(), data=st.data())
def test_channels_are_projected_independently(block, data):
    w, axis = block
    n, channels = w.size // w.shape[axis], w.shape[axis]
    counts = np.array(data.draw(st.lists(st.integers(0, n), min_size=channels, max_size=channels)))
    checks.check_channels(project, w, axis)
    checks.check_channels(project, w, axis, max_ones=counts)
    checks.check_channels(project_k, w, axis, k=counts)
    negative = project(w, channel_axis=axis - w.ndim)
    checks.same_projection(negative, project(w, channel_axis=axis))


@given(block=weight_blocks())
def test_values_are_decoded_bits_and_encode_back(block):
    w, axis = block
    for p in (project(w), project(w, channel_axis=axis)):
        assert p.values.shape == w.shape
        assert np.array_equal(p.domain.decode(p.bits), p.values)
        assert np.array_equal(p.domain.encode(p.values), p.bits & (p.values != p.domain.decode(p.bits & False)))


def test_the_joint_optimum_may_leave_the_sign():
    """Why `project` is not what training uses: on skewed weights the threshold moves far from zero."""
    rng = np.random.default_rng(0)
    w = rng.gamma(0.5, 1.0, 10_000) - 2.0  # one weight in twenty-odd is positive
    assert (w > 0).mean() < 0.06 < 0.12 < project(w).density


@pytest.mark.parametrize("name", OF_WEIGHTS)
@pytest.mark.parametrize("value", [[], [np.nan], [np.inf], [1j], [True], ["a"], [None], np.zeros((0, 2))])
def test_bad_weights_are_refused_by_name(name, value):
    with pytest.raises((TypeError, ValueError), match=rf"^{name}: w must be a non-empty array .*; got .*; .*"):
        OF_WEIGHTS[name](value)


@pytest.mark.parametrize("name", OF_WEIGHTS)
@pytest.mark.parametrize("axis", [2, -3, 0.0, True])
def test_a_bad_axis_is_refused_by_name(name, axis):
    with pytest.raises((TypeError, ValueError), match=rf"^{name}: channel_axis must be "):
        OF_WEIGHTS[name](np.ones((2, 2)), channel_axis=axis)


@pytest.mark.parametrize(
    ("s", "kind", "words"),
    [
        ([1, -1, 2, -3], ValueError, "numbers of 0 or more; got first bad value -1 at index 1; "),
        ([1, np.nan, 2, 3], ValueError, "first bad value nan at index 1; "),
        ([1, 2, np.inf, 3], ValueError, "first bad value inf at index 2; "),
        ([0, 0.0, -0.0, 0], ValueError, "with a positive number; got 0 throughout; "),
        ([1, 2, 3], ValueError, r"of shape \(4,\), as the weights; got shape \(3,\); "),
        (1.0, ValueError, r"of shape \(4,\), as the weights; got shape \(\); "),
        ([], ValueError, "got an empty array"),
        ([True, False, True, True], TypeError, "got bool"),
        ([1j, 0, 0, 0], TypeError, "got complex"),
        (["a"] * 4, TypeError, "got string"),
    ],
)
def test_bad_sample_weights_are_refused(s, kind, words):
    for function in (project, lambda w, **options: explain(w, 0.0, 1.0, **options)):
        with pytest.raises(kind, match=rf"^(project|explain): sample_weight must be .*{words}"):
            function([0.0, 1.0, 2.0, 3.0], sample_weight=s)


def test_the_channel_without_sample_weights_is_named():
    words = "in each channel; got 0 throughout in channel 1 along axis 1; "
    with pytest.raises(ValueError, match=f"^project: sample_weight must be an array with a positive number {words}"):
        project(np.eye(3), channel_axis=1, sample_weight=[[1, 0, 1], [0, 0, 1], [0, 0, 2]])


def test_sample_weights_and_a_limit_are_refused_together():
    with pytest.raises(ValueError, match=r"^project: sample_weight must be None where max_ones is given; .* need not"):
        project([0.0, 1.0], sample_weight=[1, 1], max_ones=1)


def test_sample_weights_of_any_real_dtype_and_order_of_bytes():
    for dtype in (np.float16, np.float32, ">f8", np.int8, np.uint64):
        p = project([1, 2, 3, 100], sample_weight=np.array([4, 1, 3, 0], dtype))
        assert (p.alpha, p.beta, p.error, p.n_ones) == (1, 2.75, 0.75, 3)


@pytest.mark.parametrize("function", [project, project_symmetric, project_zero])
def test_a_bad_limit_is_refused(function):
    for bad in (-1, 1.5, True, [1, 2]):
        with pytest.raises((TypeError, ValueError), match=rf"^{function.__name__}: max_ones must be "):
            function([1.0, 2.0], max_ones=bad)
    with pytest.raises(ValueError, match="first bad value -1 at index 1"):
        function(np.eye(2), channel_axis=0, max_ones=[0, -1])
    checks.same_projection(function([1.0, 2.0], max_ones=10**30), function([1.0, 2.0]))


def test_a_bad_count_is_refused():
    for bad in (-1, 3, 1.5, True, None):
        with pytest.raises((TypeError, ValueError), match=r"^project_k: k must be an integer from 0 to 2; got "):
            project_k([1.0, 2.0], bad)


def test_bits_and_domains_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"^fit_domain: bits must be .* of shape \(2,\); got shape \(3,\)"):
        fit_domain([1.0, 2.0], [0, 1, 1])
    with pytest.raises(TypeError, match=r"^assign: domain must be a Domain; got tuple"):
        assign([1.0], (0.0, 1.0))
    with pytest.raises(ValueError, match=r"^assign: w must be an array with 2 channels along axis 0; got shape \(3,\)"):
        assign([1.0, 2.0, 3.0], Domain(np.zeros(2), np.ones(2), 0))
    with pytest.raises(ValueError, match=r"^explain: beta must be a finite real number"):
        explain([1.0], 0.0, np.nan)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.uint64])
def test_every_real_dtype_gives_float64_results(dtype):
    p = project(np.array([0, 3, 4], dtype))
    assert (p.alpha, p.beta, p.error) == (0.0, 3.5, 0.5)
    assert p.values.dtype == np.float64


def test_shapes_are_kept_and_views_are_read_in_their_own_order():
    w = np.arange(24.0).reshape(2, 3, 4)[:, ::-1].transpose(2, 0, 1)
    p = project(w)
    assert p.bits.shape == w.shape and np.array_equal(p.bits, w > 11.5)
    assert project(np.float64(3.0)).bits.shape == ()


def test_results_cannot_be_reassigned():
    with pytest.raises(AttributeError):
        project([1.0, 2.0]).alpha = 0.0
