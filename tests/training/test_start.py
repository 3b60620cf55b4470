import dataclasses
import os
import signal

import numpy as np
import pytest
from training_runs import act_at, contents, dataset, experiment, log

from bbdg_ref import nn
from bbdg_ref.training import Interrupted, run
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


@pytest.mark.parametrize("prune", ["none", "topk-global"])
def test_the_bits_are_carried_over_to_a_strategy_about_zero(tmp_path, prune, monkeypatch):
    run(experiment(epochs=1), dataset(), tmp_path / "first", bar=False)
    source, begun = read_start(tmp_path / "first" / "model.h5"), []
    begin = module._Session.begin

    def watched(self):
        begin(self)
        begun.append([layer.bits.copy() for layer in self.trainer.layers])

    monkeypatch.setattr(module._Session, "begin", watched)
    density = None if prune == "none" else 0.1
    run(further(tmp_path / "first", prune=prune, density=density, epochs=1), dataset(), tmp_path / "second", bar=False)
    pairs = zip(source.binary_layers().values(), begun[0], strict=True)
    assert sum(int((layer.bits ^ bits).sum()) for layer, bits in pairs) <= 18  # of 4176; k is rounded in every layer


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
