import dataclasses
import os
import signal

import numpy as np
import pytest
from training_runs import act_at, contents, dataset, experiment, log

from bbdg_ref import compile_network, nn, save_packed, storage
from bbdg_ref.training import Interrupted, Trainer, run
from bbdg_ref.training import experiment as module
from bbdg_ref.training.start import read_start


@pytest.fixture(scope="module")
def dense(tmp_path_factory):
    """The folder of a run at a high density, to prune on from."""
    folder = tmp_path_factory.mktemp("dense")
    run(experiment(density=0.5, learning_rate=0.05), dataset(), folder, bar=False)
    return folder


def further(folder, name="model.h5", **changes):
    return experiment(**{"start": str(folder / name), "density": 0.05, "seed": 1} | changes)


def same(first, second):
    assert first.keys() == second.keys()
    return all(np.array_equal(first[name], second[name]) for name in first)


def test_the_network_of_a_model_and_of_a_checkpoint(dense):
    best, last = read_start(dense / "model.h5"), read_start(dense / "checkpoint.h5")
    assert same(best.state(), nn.load_network(dense / "model.h5").state())
    assert (last.name, last.arguments) == (best.name, best.arguments)
    lines = log(dense)
    ones = [sum(layer["ones"] for layer in line["layers"]) for line in lines]
    assert sum(int(layer.bits.sum()) for layer in last.binary_layers().values()) == ones[-1]


def test_what_is_neither_is_refused(tmp_path):
    (tmp_path / "model.h5").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"model\.h5"):
        read_start(tmp_path / "model.h5")
    with pytest.raises(FileNotFoundError):
        read_start(tmp_path / "none.h5")


def test_a_packed_network_is_refused_as_such(dense, tmp_path):
    save_packed(tmp_path / "packed.h5", compile_network(nn.load_network(dense / "model.h5")))
    with pytest.raises(
        ValueError, match=r"read_start: path must be a model\.h5 or checkpoint\.h5; got a packed network"
    ):
        read_start(tmp_path / "packed.h5")


def test_a_start_that_is_not_there_is_told_by_its_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"run: start must be .*; got .*none\.h5, which is not there; choose"):
        run(further(tmp_path, "none.h5"), dataset(), tmp_path / "out", bar=False)


@pytest.mark.parametrize("name", ["model.h5", "checkpoint.h5"])
def test_a_run_begins_with_the_weights_and_prunes_them_further(dense, tmp_path, name, monkeypatch):
    begun = []
    begin = module._Session.begin

    def watched(self):
        begin(self)
        begun.append(({key: array.copy() for key, array in self.network.state().items()}, self.trainer.density()))

    monkeypatch.setattr(module._Session, "begin", watched)
    results = run(further(dense, name), dataset(), tmp_path, bar=False)
    (state, density), source = begun[0], read_start(dense / name).state()
    chosen = {key for key in source if key.endswith((".bits", ".threshold"))}
    assert chosen and all(np.array_equal(state[key], source[key]) for key in source.keys() - chosen)
    assert density == pytest.approx(0.05, abs=0.01) and results.density == pytest.approx(0.05, abs=0.01)
    assert log(tmp_path)[0]["learning_rate"] < 1e-2  # the schedule begins anew: half-way after one of two epochs


CHOICES = {
    "none": {"density": None},
    "penalty": {"density": 0.05, "gamma": 0.1},
    "topk": {"density": 0.1},
    "topk-global": {"density": 0.1},
    "random": {"density": 0.1},
    "filters": {"density": 0.1},
    "n-m": {"density": None, "n_m": "1:4"},
    "subbit": {"density": None, "subbit": 3},
    "subbit-topk": {"density": 0.1, "subbit": 4},
}
X = np.random.default_rng(5).standard_normal((4, 3, 32, 32)).astype(np.float32)


def ended(prune, domain):
    """A network with ties whose bits a strategy chose, as at the end of a run."""
    network, source = nn.resnet20(domain=domain, width=4, classes=3, rng=np.random.default_rng(2)), experiment()
    network.forward(X, training=True)
    layers = list(network.binary_layers().values())
    for layer in layers:
        layer.latent.value.flat[::50] = 1.5  # as the clamp leaves them
        layer.latent.value += np.float32(0.05)
        if domain == "general":
            layer.domain.tau.value, layer.domain.phi.value = np.float32(0.5).reshape(()), np.float32(0.2).reshape(())
    pruning = dataclasses.replace(source, prune=prune, **CHOICES[prune]).pruning()
    for layer, selection in zip(layers, pruning.choose([layer.latent.value for layer in layers], 0), strict=True):
        layer.choose(selection)
    return network


def begun(network, folder, prune):
    """The network and the bits that a run which starts from this one begins with."""
    nn.save_network(folder / "model.h5", network)
    changes = {"width": 4, "domain": network.arguments["domain"], "start": str(folder / "model.h5"), "prune": prune}
    session = module._Session(experiment(**changes, **CHOICES[prune]), dataset(), folder / "run", False)
    session.begin()
    return session.network


@pytest.mark.parametrize("before", CHOICES)
@pytest.mark.parametrize("domain", ["general", "bipolar"])
def test_bits_by_sign_begin_as_the_other_run_ended(tmp_path, domain, before):
    network = ended(before, domain)
    for prune in ("none", "penalty"):
        first = begun(network, tmp_path, prune)
        for one, two in zip(network.binary_layers().values(), first.binary_layers().values(), strict=True):
            assert np.array_equal(one.bits, two.bits)
        assert np.array_equal(network.forward(X, training=False), first.forward(X, training=False))


def test_top_k_becomes_global_with_almost_the_same_bits(tmp_path):
    first, network = begun(ended("topk", "general"), tmp_path, "topk-global"), ended("topk", "general")
    pairs = zip(network.binary_layers().values(), first.binary_layers().values(), strict=True)
    assert sum(int((one.bits ^ two.bits).sum()) for one, two in pairs) <= 18  # k is rounded in every layer


@pytest.mark.parametrize("domain", nn.DOMAINS)
@pytest.mark.parametrize("prune", ["topk", "filters", "n-m", "random", "topk-global", "subbit", "subbit-topk"])
def test_the_strategy_that_a_run_ended_with_begins_with_its_bits_and_latent_weights(tmp_path, domain, prune):
    network = ended(prune, domain)
    first = begun(network, tmp_path, prune)
    for one, two in zip(network.binary_layers().values(), first.binary_layers().values(), strict=True):
        assert np.array_equal(one.bits, two.bits) and np.array_equal(one.latent.value, two.latent.value)
    assert np.array_equal(network.forward(X, training=False), first.forward(X, training=False))


@pytest.mark.parametrize("domain", ["symmetric", "general-closed"])
@pytest.mark.parametrize("before", ["topk", "filters", "random", "n-m"])
@pytest.mark.parametrize("prune", ["none", "penalty", "topk-global", "subbit"])
def test_where_other_latent_weights_are_other_values_it_is_refused(tmp_path, domain, before, prune):
    pattern = f"run: start must be one whose bits are the signs of its latent weights.*'{domain}'.*such as 'topk'"
    with pytest.raises(ValueError, match=pattern):
        begun(ended(before, domain), tmp_path, prune)


@pytest.mark.parametrize("domain", nn.DOMAINS)
def test_signs_are_carried_in_every_domain(tmp_path, domain):
    network = ended("none", domain)
    for prune in ("none", "penalty"):
        first = begun(network, tmp_path, prune)
        assert same(network.state(), first.state())
        assert np.array_equal(network.forward(X, training=False), first.forward(X, training=False))


def test_it_goes_on_to_the_same_bytes_without_the_file(dense, tmp_path):
    copy = tmp_path / "model.h5"
    copy.write_bytes((dense / "model.h5").read_bytes())
    settings = dataclasses.replace(further(dense), start=str(copy))
    run(settings, dataset(), tmp_path / "straight", bar=False)
    with pytest.MonkeyPatch.context() as patch:
        act_at(patch, 4, lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(Interrupted):
            run(settings, dataset(), tmp_path / "resumed", bar=False)
    copy.unlink()
    run(settings, dataset(), tmp_path / "resumed", resume=True, bar=False)
    assert contents(tmp_path / "resumed") == contents(tmp_path / "straight")


@pytest.fixture(scope="module")
def quarter(tmp_path_factory):
    """The folder of a run at density 0.25, to prune on from along a cubic."""
    folder = tmp_path_factory.mktemp("quarter")
    run(experiment(density=0.25, epochs=1), dataset(), folder, bar=False)
    return folder


def densities(patch):
    """The densities that a run has at its beginning and after every step, as they come."""
    seen, choose = [], Trainer.choose_bits
    patch.setattr(Trainer, "choose_bits", lambda self: (choose(self), seen.append(self.density()))[0])
    return seen


@pytest.mark.parametrize("prune", ["topk", "topk-global"])
def test_a_cubic_schedule_falls_from_the_density_of_the_network_to_start_from(quarter, tmp_path, monkeypatch, prune):
    seen = densities(monkeypatch)
    settings = further(quarter, prune=prune, density_schedule="cubic", epochs=4)
    run(settings, dataset(), tmp_path, bar=False)
    begun = seen[1:]  # the first are the bits of the fresh weights, which are replaced
    assert begun[0] == pytest.approx(0.25, abs=0.003)
    assert begun == sorted(begun, reverse=True) and begun[6:] == [begun[-1]] * 7
    assert begun[-1] == pytest.approx(0.05, abs=0.003) and len(set(begun)) == 7


def test_a_cubic_schedule_goes_on_from_that_density_without_the_file(quarter, tmp_path):
    copy = tmp_path / "model.h5"
    copy.write_bytes((quarter / "model.h5").read_bytes())
    settings = dataclasses.replace(further(quarter, density_schedule="cubic", epochs=4), start=str(copy))
    run(settings, dataset(), tmp_path / "straight", bar=False)
    with pytest.MonkeyPatch.context() as patch:
        act_at(patch, 4, lambda: os.kill(os.getpid(), signal.SIGINT))  # the density is still falling
        with pytest.raises(Interrupted):
            run(settings, dataset(), tmp_path / "resumed", bar=False)
    copy.unlink()
    run(settings, dataset(), tmp_path / "resumed", resume=True, bar=False)
    assert contents(tmp_path / "resumed") == contents(tmp_path / "straight")


def test_a_cubic_schedule_of_an_earlier_version_goes_on_from_one_half_as_it_began(quarter, tmp_path, monkeypatch):
    settings = further(quarter, density_schedule="cubic", epochs=4)
    with pytest.MonkeyPatch.context() as patch:
        act_at(patch, 2, lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(Interrupted):
            run(settings, dataset(), tmp_path, bar=False)
    held = storage.load(tmp_path / "checkpoint.h5", "checkpoint")
    own = {name: value for name, value in held.header.items() if name not in ("format", "format_version", "versions")}
    storage.save(tmp_path / "checkpoint.h5", "checkpoint", held.arrays, own | {"start_density": None})
    seen = densities(monkeypatch)
    run(settings, dataset(), tmp_path, resume=True, bar=False)
    left = (1 - 2 / 6) ** 3
    assert seen[1] == pytest.approx(left * 0.5 + (1 - left) * 0.05, abs=0.003)


def test_a_resnet18_whose_stem_is_clipped_is_refused(tmp_path):
    """As it was before the second structure."""
    source = nn.resnet18(width=2, classes=3, rng=np.random.default_rng(0))
    source.layers[0].layers.append(nn.HardTanh())
    nn.save_network(tmp_path / "first.h5", source)
    settings = experiment(arch="resnet18", width=2, domain="general", start=str(tmp_path / "first.h5"))
    with pytest.raises(ValueError, match=r"must hold a resnet18 of structure 2 with .*; got a resnet18 with "):
        run(settings, dataset(), tmp_path / "run", bar=False)


def test_pruning_may_go_on_step_by_step(dense, tmp_path):
    """Iterative pruning: each run starts from the one before, at a lower density."""
    folder = dense
    for density in (0.25, 0.1):
        out = tmp_path / str(density)
        results = run(further(folder, density=density, epochs=1), dataset(), out, bar=False)
        assert results.density == pytest.approx(density, abs=0.01)
        folder = out


@pytest.mark.parametrize("changes", [{"width": 3}, {"domain": "bipolar"}, {"arch": "resnet18"}])
def test_another_network_is_refused(dense, tmp_path, changes):
    with pytest.raises(ValueError, match="run: start must hold a"):
        run(further(dense, density=0.05, **changes), dataset(), tmp_path, bar=False)
    assert not (tmp_path / "checkpoint.h5").exists()
