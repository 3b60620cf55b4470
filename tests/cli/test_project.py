import json

import numpy as np
import pytest

from bbdg_ref import explain, nn, project, project_k, project_symmetric, project_zero


def told(run, *words) -> dict:
    result = run("project", *words, "--json")
    assert (result.status, result.err) == (0, "")
    return json.loads(result.out)


@pytest.mark.parametrize("words", [(), ("--max-ones", 7), ("--max-ones", 0), ("--max-ones", 10**30)])
def test_json_has_the_numbers_of_project(run, folder, words):
    w = np.load(folder / "weights.npy")
    limit = words[1] if words else None
    found, p = told(run, "weights.npy", *words), project(w, max_ones=limit)
    assert (found["alpha"], found["beta"], found["threshold"]) == (p.alpha, p.beta, p.threshold)
    assert (found["ones"], found["error"], found["tied"]) == (p.n_ones, p.error, p.tied)
    assert found["density"] == p.n_ones / w.size
    assert found["other_errors"] == {
        "{-a, +a}": project_symmetric(w, max_ones=limit).error,
        "{0, beta}": project_zero(w, max_ones=limit).error,
        "one value": project_k(w, 0).error,
    }


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_channels_have_numbers_of_their_own(run, folder, axis):
    w = np.load(folder / "weights.npy")
    found, p = (
        told(run, "weights.npy", "--channel-axis", axis, "--max-ones", 5),
        project(w, channel_axis=axis, max_ones=5),
    )
    for key, value in (("alpha", p.alpha), ("beta", p.beta), ("ones", p.n_ones), ("error", p.error)):
        assert found[key] == value.tolist()
    lines = run("project", "weights.npy", "--channel-axis", axis, "--max-ones", 5).out.splitlines()
    rows = [line.split() for line in lines if line[:1].isdigit()]
    assert [int(row[4]) for row in rows] == p.n_ones.tolist()
    assert [float(row[5]) for row in rows] == [round(n / (w.size // w.shape[axis]), 4) for n in p.n_ones]
    total = next(line.split() for line in lines if line.startswith("all"))
    assert int(total[1]) == p.n_ones.sum() and float(total[3]) == pytest.approx(p.error.sum(), rel=1e-5)


def test_the_text_has_them_too(run, folder):
    w = np.load(folder / "weights.npy")
    p, out = project(w), run("project", "weights.npy").out
    for line in (
        f"alpha      {p.alpha:.9g}",
        f"beta       {p.beta:.9g}",
        f"ones       {p.n_ones}",
        f"error      {p.error:.6g}",
    ):
        assert line in out.splitlines()
    assert f"(--channel-axis 0) has the error {project(w, channel_axis=0).error.sum():.6g}" in out


@pytest.mark.parametrize("name", ["conv1", "conv2"])
def test_an_array_of_an_archive_is_named(run, folder, name):
    w = np.load(folder / "weights.npz")[name]
    assert told(run, "weights.npz", "--dataset", name)["alpha"] == project(w).alpha
    assert "conv1, conv2" in run("project", "weights.npz").err


def test_the_latent_weights_of_a_model_file_are_named(run, folder):
    w = nn.load_network(folder / "model.h5").binary_layers()["stage2.0.main.0"].latent.value
    assert told(run, "model.h5", "--dataset", "stage2.0.main.0.latent")["beta"] == project(w).beta
    refused = run("project", "model.h5").err
    assert "stage1.0.main.0.latent, " in refused and "running_mean" not in refused


def test_a_packed_model_has_no_weights_to_project(run):
    result = run("project", "packed.h5")
    assert result.status == 1 and "of the kind 'network'; got ('packed network', 1)" in result.err


@pytest.mark.parametrize(
    ("weights", "words", "hint"),
    [
        ([-1, 0, 1], (), "note: other bits have the same error"),
        ([[-1, 0, 1], [1, 2, 9]], ("--channel-axis", 0), "here the fewest ones count in 1 of 2 channels"),
        ([2, 2, 2], (), "note: alpha equals beta"),
        ([0, 5, 6], ("--max-ones", 1), "note: the limit of 1 ones holds; without it 2 ones, error 0.5"),
        ([0, 0, 0, 0, 9, 9], ("--max-ones", 2), None),
        ([0, 5, 6], (), "note: more ones than zeros, as bit 1 is the larger value; of -w only 0.3333"),
        ([0, 0, 6], (), None),
        ([-9, 0, 0, 0, 0.5], ("--max-ones", 1), "note: {0, beta} errs less"),
    ],
)  # fmt: skip
def test_what_may_surprise_is_noted(run, tmp_path, weights, words, hint):
    np.save(tmp_path / "w.npy", np.array(weights, float))
    result = run("project", tmp_path / "w.npy", *words)
    assert result.status == 0
    assert (hint in result.out) if hint else ("note:" not in result.out)


def test_the_values_of_another_implementation_are_checked(run, folder):
    w = np.load(folder / "weights.npy")
    assert explain(w, -0.25, 0.5).message in run("project", "weights.npy", "--alpha=-0.25", "--beta", 0.5).out
    p = project(w)
    assert ": optimal: error" in run("project", "weights.npy", f"--alpha={p.alpha!r}", f"--beta={p.beta!r}").out


@pytest.mark.parametrize(
    "array",
    [np.array([1, np.nan]), np.array([np.inf]), np.zeros(0), np.zeros((3, 0)), np.array([True]), np.array([1j]),
     np.array(["a"]), np.zeros(2, "M8[s]"), np.zeros(2, [("a", float)])],
)  # fmt: skip
def test_weights_that_are_none_are_refused(run, tmp_path, array):
    np.save(tmp_path / "w.npy", array)
    result = run("project", tmp_path / "w.npy")
    assert result.status == 1 and result.err.startswith("error: ") and len(result.err.splitlines()) == 1
    assert not result.out


@pytest.mark.parametrize("array", [np.float32(3), np.array([1], np.int8), np.array([[2.0, -1]]), np.full(3, 1e308)])
def test_odd_but_real_weights_are_projected(run, tmp_path, array):
    np.save(tmp_path / "w.npy", array)
    assert run("project", tmp_path / "w.npy").status == 0
    assert told(run, tmp_path / "w.npy")["ones"] == project(array).n_ones


def test_an_error_beyond_float64_is_null_in_json(run, tmp_path):
    np.save(tmp_path / "w.npy", np.array([0.0, 1e200, 3e200, 1e300]))
    assert told(run, tmp_path / "w.npy")["error"] is None
