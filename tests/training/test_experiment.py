import dataclasses
import json
import os
import shutil
import signal
from dataclasses import replace

import numpy as np
import pytest
from training_runs import EXACT, act_at, contents, dataset, experiment, log

from bbdg_ref import nn, storage
from bbdg_ref.pruning import STRATEGIES
from bbdg_ref.training import Evaluation, Interrupted, Trainer, density_warning, evaluate, run
from bbdg_ref.training import experiment as module
from bbdg_ref.training.experiment import fingerprint


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """The folder of a run without interruption, and its results."""
    folder = tmp_path_factory.mktemp("straight")
    return folder, run(experiment(), dataset(), folder, bar=False)


def test_a_run_writes_its_files(straight):
    folder, results = straight
    assert {p.name for p in folder.iterdir()} == {*EXACT, "timing.jsonl"}
    assert [line["epoch"] for line in log(folder)] == [1, 2]
    written = json.loads((folder / "results.json").read_text())
    assert written["dataset"] == "noise with a bright channel"
    assert written["experiment"] == dataclasses.asdict(experiment())
    assert (written["train_images"], written["validation_images"], written["test_images"]) == (28, 12, 20)
    assert written["test_accuracy"] == results.test_accuracy


def test_the_log_tells_what_an_epoch_was(straight):
    for line in log(straight[0]):
        assert line["density"] == sum(x["ones"] for x in line["layers"]) / sum(x["weights"] for x in line["layers"])
        assert len(line["layers"]) == 18
        assert 0 <= line["validation_accuracy"] <= 1 and 0 <= line["train_accuracy"] <= 1
        assert line["penalty"] == 0.0 and line["train_loss"] > 0 and line["validation_loss"] > 0


def test_the_saved_network_is_the_best_epochs_and_gives_the_results(straight):
    folder, results = straight
    lines = log(folder)
    best = max(lines, key=lambda line: (line["validation_accuracy"], -line["epoch"]))
    assert (results.best_epoch, results.validation_accuracy) == (best["epoch"], best["validation_accuracy"])
    network, data = nn.load_network(folder / "model.h5"), dataset()
    part = module.Images(data.test_images, data.test_labels, 3, data.mean, data.std)
    test = evaluate(network, part)
    assert (test.accuracy, test.loss) == (results.test_accuracy, results.test_loss)
    assert [layer["ones"] for layer in best["layers"]] == [layer.ones for layer in results.layers]


def test_the_same_experiment_gives_the_same_bytes(straight, tmp_path):
    run(experiment(), dataset(), tmp_path, bar=True)
    assert contents(tmp_path) == contents(straight[0])


def test_another_seed_gives_other_results(straight, tmp_path):
    run(experiment(seed=1), dataset(), tmp_path, bar=False)
    assert (tmp_path / "log.jsonl").read_bytes() != (straight[0] / "log.jsonl").read_bytes()


@pytest.mark.parametrize(("step", "number"), [*((step, signal.SIGINT) for step in (1, 3, 6)), (4, signal.SIGTERM)])
def test_an_interrupted_run_goes_on_to_the_same_bytes(straight, tmp_path, step, number):
    with pytest.MonkeyPatch.context() as patch:
        act_at(patch, step, lambda: os.kill(os.getpid(), number))
        place = f"epoch {(step + 2) // 3}, after batch {(step - 1) % 3 + 1}"
        with pytest.raises(Interrupted, match=place):
            run(experiment(), dataset(), tmp_path, bar=False)
    assert not (tmp_path / "results.json").exists()
    run(experiment(), dataset(), tmp_path, resume=True, bar=False)
    assert contents(tmp_path) == contents(straight[0])


@pytest.mark.slow
def test_a_run_can_be_interrupted_at_every_step(straight, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        after = Trainer.train_batch

        def always(self, indices):
            loss = after(self, indices)
            os.kill(os.getpid(), signal.SIGINT)
            return loss

        patch.setattr(Trainer, "train_batch", always)
        for attempt in range(6):
            with pytest.raises(Interrupted):
                run(experiment(), dataset(), tmp_path, resume=attempt > 0, bar=False)
        run(experiment(), dataset(), tmp_path, resume=True, bar=False)
    assert contents(tmp_path) == contents(straight[0])


@pytest.fixture(scope="module")
def taught(straight, tmp_path_factory):
    """The folder of a run with a teacher, and its experiment."""
    folder = tmp_path_factory.mktemp("taught")
    settings = experiment(
        teacher=str(straight[0] / "model.h5"), temperature=2.0, schedule="linear", rotate=True, mixup=True
    )
    run(settings, dataset(), folder, bar=False)
    return folder, settings


def test_a_run_with_a_teacher_goes_on_to_the_same_bytes(straight, taught, tmp_path):
    folder, settings = taught
    with pytest.MonkeyPatch.context() as patch:
        act_at(patch, 4, lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(Interrupted):
            run(settings, dataset(), tmp_path, bar=False)
    run(settings, dataset(), tmp_path, resume=True, bar=False)
    assert contents(tmp_path) == contents(folder)
    assert log(folder)[0]["learning_rate"] == 5e-3  # linear, after 3 of 6 steps
    # the loss is the divergence from the teacher, not the cross-entropy with the labels
    assert log(folder)[0]["train_loss"] != log(straight[0])[0]["train_loss"]


def test_a_run_with_a_teacher_goes_on_with_that_teacher_only(taught, tmp_path):
    folder, settings = taught
    path, out = tmp_path / "teacher.h5", tmp_path / "out"
    shutil.copy(settings.teacher, path)
    settings = replace(settings, teacher=str(path), epochs=1)
    run(settings, dataset(), out, bar=False)
    run(settings, dataset(), out, resume=True, bar=False)
    shutil.copy(folder / "model.h5", path)
    with pytest.raises(ValueError, match=r"run: dataset must be .* or another teacher"):
        run(settings, dataset(), out, resume=True, bar=False)


def test_a_teacher_of_other_classes_is_refused(tmp_path):
    network = nn.resnet20(width=2, classes=4, domain="general", rng=np.random.default_rng(0))
    nn.save_network(tmp_path / "four.h5", network)
    with pytest.raises(ValueError, match=r"run: teacher must be a network of 3 classes.*got one of 4 in .*four\.h5"):
        run(experiment(teacher=str(tmp_path / "four.h5")), dataset(), tmp_path / "out", bar=False)
    with pytest.raises(FileNotFoundError, match=r"run: teacher must be .*; got .*none\.h5, which is not there; choose"):
        run(experiment(teacher=str(tmp_path / "none.h5")), dataset(), tmp_path / "out", bar=False)


def test_a_run_that_dies_goes_on_from_the_last_epoch(straight, tmp_path):
    class Death(BaseException):
        pass

    def die():
        raise Death

    with pytest.MonkeyPatch.context() as patch:
        act_at(patch, 5, die)
        with pytest.raises(Death):
            run(experiment(), dataset(), tmp_path, bar=False)
    # what was logged but not saved, as when the machine stops between the two
    with open(tmp_path / "log.jsonl", "a") as file:
        file.write('{"epoch": 2, "torn')
    run(experiment(), dataset(), tmp_path, resume=True, bar=False)
    assert contents(tmp_path) == contents(straight[0])


def test_a_finished_run_can_be_resumed_and_stays_the_same(straight, tmp_path):
    run(experiment(), dataset(), tmp_path, bar=False)
    run(experiment(), dataset(), tmp_path, resume=True, bar=False)
    assert contents(tmp_path) == contents(straight[0])


def test_what_a_run_killed_before_its_first_checkpoint_left_does_not_count(straight, tmp_path):
    (tmp_path / "log.jsonl").write_text('{"epoch": 1, "of": "another run"}\n')
    (tmp_path / "timing.jsonl").write_text('{"train_seconds": 1e9, "validation_seconds": 0}\n')
    run(experiment(), dataset(), tmp_path, bar=False)
    assert contents(tmp_path) == contents(straight[0])
    assert "1000000000" not in (tmp_path / "timing.jsonl").read_text()


@pytest.mark.parametrize("name", ["checkpoint.h5", "model.h5", "results.json"])
def test_a_folder_with_a_run_is_not_overwritten(tmp_path, name):
    (tmp_path / name).write_bytes(b"precious")
    with pytest.raises(FileExistsError, match="run: out must be a folder without a run"):
        run(experiment(), dataset(), tmp_path, bar=False)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"precious"


@pytest.mark.parametrize(
    "changes",
    [{"epochs": 3}, {"seed": 1}, {"learning_rate": 2e-2}, {"density": 0.2}, {"domain": "bipolar"}, {"mixup": True}],
)
def test_a_checkpoint_of_another_experiment_is_refused(straight, changes):
    before = contents(straight[0])
    with pytest.raises(ValueError, match="run: experiment must be the checkpoint's own"):
        run(experiment(**changes), dataset(), straight[0], resume=True, bar=False)
    assert contents(straight[0]) == before


@pytest.mark.parametrize("other", [dataset(seed=5), dataset(label="CIFAR-10")])
def test_a_checkpoint_of_other_data_is_refused(straight, other):
    before = contents(straight[0])
    with pytest.raises(ValueError, match="run: dataset must be the one that the checkpoint was made on"):
        run(experiment(), other, straight[0], resume=True, bar=False)
    assert contents(straight[0]) == before


def test_resuming_without_a_checkpoint_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        run(experiment(), dataset(), tmp_path, resume=True, bar=False)


@pytest.mark.parametrize("field", ["train_images", "train_labels", "test_images", "test_labels"])
def test_the_fingerprint_is_of_every_array(field):
    data = dataset()
    array = getattr(data, field).copy()
    array.flat[-1] = 1 - array.flat[-1] % 2
    assert fingerprint(dataclasses.replace(data, **{field: array})) != fingerprint(data)
    assert fingerprint(dataset()) == fingerprint(data)


def test_the_test_images_are_evaluated_once_at_the_very_end(tmp_path, monkeypatch):
    evaluated = []

    def watching(network, images, **options):
        evaluated.append((len(images), images.images.tobytes()))
        return evaluate(network, images, **options)

    monkeypatch.setattr(module, "evaluate", watching)
    run(experiment(epochs=3), dataset(), tmp_path, bar=False)
    data = dataset()
    assert [n for n, _ in evaluated] == [12, 12, 12, 20]
    assert len({content for _, content in evaluated}) == 2  # the same validation images at every epoch
    assert evaluated[-1][1] == data.test_images.tobytes()
    assert data.test_images.tobytes() not in [content for _, content in evaluated[:-1]]


def parts(**changes):
    settings = experiment(**changes)
    return module._split(settings, dataset(), np.random.default_rng(settings.seed).spawn(3)[0])


def rows(images) -> set[bytes]:
    return {image.tobytes() for image in images.images}


def test_training_and_validation_are_disjoint_and_fixed_by_the_seed():
    whole, limited, other = parts(limit_train=None), parts(), parts(seed=1)
    everything = {image.tobytes() for image in dataset().train_images}
    assert len(everything) == 44 and rows(whole.train) | rows(whole.validation) == everything
    assert (len(whole.train), len(whole.validation), len(limited.train)) == (32, 12, 28)
    for one in (whole, limited, other):
        assert not rows(one.train) & rows(one.validation)
        assert not (rows(one.train) | rows(one.validation)) & rows(one.test)
    # the limit and all other settings leave the validation images as they are; the seed does not
    assert rows(whole.validation) == rows(limited.validation) == rows(parts(density=0.3, epochs=9).validation)
    assert rows(whole.validation) != rows(other.validation)
    assert rows(limited.train) < rows(whole.train)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"validation": 44}, "run: validation must leave training images"),
        ({"validation": 0}, "Experiment: validation must be an integer of at least 1; got 0"),
        ({"epochs": 0}, "Experiment: epochs must be an integer of at least 1; got 0"),
        ({"limit_train": 33}, "run: limit_train must be at most 32"),
        ({"limit_train": 7}, "Trainer: batch_size must be"),
    ],
)
def test_sizes_that_leave_nothing_are_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        run(experiment(**changes), dataset(), tmp_path / "out", bar=False)


@pytest.mark.parametrize("density", [0.05, 0.25])
def test_latents_start_at_the_density_asked_for(tmp_path, monkeypatch, density):
    seen = []
    choose = Trainer.choose_bits
    monkeypatch.setattr(Trainer, "choose_bits", lambda self: (choose(self), seen.append(self.density()))[0])
    settings = experiment(prune="none", density=None, init_density=density, epochs=1)
    run(settings, dataset(), tmp_path, bar=False)
    assert abs(seen[0] - density) < 0.01


@pytest.mark.parametrize("domain", ["bipolar", "symmetric", "general-closed"])
def test_every_domain_runs_to_its_end(tmp_path, domain):
    settings = experiment(arch="resnet18", domain=domain, epochs=1, prune="penalty", density=0.1, gamma=0.04)
    results = run(settings, dataset(), tmp_path, bar=False)
    assert len(results.layers) == 16 and log(tmp_path)[0]["penalty"] > 0
    assert nn.load_network(tmp_path / "model.h5").arguments["domain"] == domain


#: What a strategy needs besides the density, and what becomes of it in two epochs.
SETTINGS = {"gamma": 0.2, "n_m": "1:4", "subbit": 4}


def strategy_experiment(name, **changes):
    takes = STRATEGIES[name].takes
    given = {"density": 0.1 if "density" in takes else None, "prune": name}
    given |= {setting: value for setting, value in SETTINGS.items() if setting in takes}
    return experiment(**given | changes)


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_trains(name, tmp_path):
    start = {"init_density": 0.3} if name == "penalty-entropy" else {}
    settings = strategy_experiment(name, epochs=1, batch_size=14, **start)
    results = run(settings, dataset(), tmp_path, bar=False)
    (line,) = log(tmp_path)
    assert np.isfinite(line["train_loss"]) and (line["penalty"] > 0) == ("gamma" in STRATEGIES[name].takes)
    assert 0 < results.density < 1
    if STRATEGIES[name].scheduled:
        assert results.density == pytest.approx(0.1, abs=0.03)  # layers of 36 weights have 3.6 ones
    assert nn.load_network(tmp_path / "model.h5").binary_layers()


@pytest.mark.parametrize("name", ["subbit-topk", "random"])
def test_a_strategy_with_a_schedule_goes_on_to_the_same_bytes(name, tmp_path):
    settings = strategy_experiment(name, density_schedule="cubic")
    run(settings, dataset(), tmp_path / "straight", bar=False)
    with pytest.MonkeyPatch.context() as patch:
        act_at(patch, 2, lambda: os.kill(os.getpid(), signal.SIGINT))  # the density is still falling
        with pytest.raises(Interrupted):
            run(settings, dataset(), tmp_path / "resumed", bar=False)
    run(settings, dataset(), tmp_path / "resumed", resume=True, bar=False)
    assert contents(tmp_path / "resumed") == contents(tmp_path / "straight")
    densities = [line["density"] for line in log(tmp_path / "straight")]
    assert densities == pytest.approx([0.1, 0.1], abs=0.03)  # it has arrived after half of the steps


# --------------------------------------------------------------------------------------------------- the best epoch

#: Its density falls during the first two of four epochs: the first is too dense.
FALLING = experiment(epochs=4, density_schedule="cubic")


def scripted(patch, *accuracies):
    """Let the epochs have these accuracies on the validation images."""
    left = list(accuracies)

    def answer(network, images, **options):
        found = evaluate(network, images, **options)
        return Evaluation(found.loss, left.pop(0)) if len(images) == 12 else found

    patch.setattr(module, "evaluate", answer)


def kept(folder):
    """The density of the network in the folder."""
    bits = [layer.bits for layer in nn.load_network(folder / "model.h5").binary_layers().values()]
    return sum(int(each.sum()) for each in bits) / sum(each.size for each in bits)


def test_the_best_epoch_is_one_that_meets_the_density(tmp_path, monkeypatch):
    scripted(monkeypatch, 1.0, 0.25, 0.75, 0.75)
    results = run(FALLING, dataset(), tmp_path, bar=False)
    lines = log(tmp_path)
    assert lines[0]["density"] > 0.101 >= lines[1]["density"]
    assert (results.best_epoch, results.validation_accuracy) == (3, 0.75)  # not the first; of equals the earlier
    assert results.density == kept(tmp_path) == lines[2]["density"]
    assert density_warning(results, lines) is None


def test_where_no_epoch_meets_the_density_the_least_dense_is_kept(tmp_path, monkeypatch):
    scripted(monkeypatch, 1.0, 0.5, 0.25)
    settings = experiment(prune="penalty", density=0.05, gamma=0.5, epochs=3)
    results = run(settings, dataset(), tmp_path, bar=False)
    densities = [line["density"] for line in log(tmp_path)]
    assert len(set(densities)) > 1 and results.density == kept(tmp_path) == min(densities) > 0.051
    assert results.best_epoch == 1 + densities.index(min(densities)) > 1
    assert "no epoch met density 0.05 (within 0.001)" in density_warning(results, log(tmp_path))


@pytest.mark.parametrize("step", [5, *(pytest.param(step, marks=pytest.mark.slow) for step in (2, 8))])
def test_the_choice_of_the_best_epoch_goes_on_to_the_same_bytes(tmp_path, monkeypatch, step):
    accuracies = (1.0, 0.75, 0.25, 0.75)
    scripted(monkeypatch, *accuracies)
    assert run(FALLING, dataset(), tmp_path / "straight", bar=False).best_epoch == 2
    scripted(monkeypatch, *accuracies)
    with pytest.MonkeyPatch.context() as patch:
        act_at(patch, step, lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(Interrupted):
            run(FALLING, dataset(), tmp_path / "resumed", bar=False)
    run(FALLING, dataset(), tmp_path / "resumed", resume=True, bar=False)
    assert contents(tmp_path / "resumed") == contents(tmp_path / "straight")


def as_before(folder, settings, step):
    """Leave the checkpoint of a run that was stopped, with the choice and the header of an earlier version."""
    with pytest.MonkeyPatch.context() as earlier:
        earlier.setattr(module, "rank", lambda accuracy, density, asked: (accuracy,))
        act_at(earlier, step, lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(Interrupted):
            run(settings, dataset(), folder, bar=False)
    held = storage.load(folder / "checkpoint.h5", "checkpoint")
    header = {
        name: value for name, value in held.header.items()
        if name not in ("start_density", "format", "format_version", "versions")
    }  # fmt: skip
    storage.save(folder / "checkpoint.h5", "checkpoint", held.arrays, header)


def test_a_checkpoint_of_an_earlier_choice_goes_on_by_the_rule(tmp_path, monkeypatch):
    scripted(monkeypatch, 1.0, 0.25, 0.75, 0.5)
    as_before(tmp_path, FALLING, 5)
    results = run(FALLING, dataset(), tmp_path, resume=True, bar=False)
    assert (results.best_epoch, results.density) == (3, kept(tmp_path))
    assert density_warning(results, log(tmp_path)) is None


def test_an_epoch_that_an_earlier_version_did_not_keep_is_told(tmp_path, monkeypatch):
    scripted(monkeypatch, 1.0, 0.75, 0.25, 0.5)
    as_before(tmp_path, FALLING, 8)
    results = run(FALLING, dataset(), tmp_path, resume=True, bar=False)
    assert results.best_epoch == 4
    assert "epoch 2, with 0.1006, is the better choice" in density_warning(results, log(tmp_path))
