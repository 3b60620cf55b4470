import json

import numpy as np
import pytest
from training_checks import (
    RESUMED,
    check_resume,
    restore,
    save,
    settings,
    stop_after,
    trainer,
)

from bbdg_ref import storage
from bbdg_ref.nn.files import describe
from bbdg_ref.training import Best, Trainer, load_checkpoint, save_checkpoint


@pytest.mark.parametrize(("case", "steps"), RESUMED)
def test_training_resumes_to_the_same_bytes(tmp_path, case, steps):
    domain, prune, arch = case
    check_resume(Trainer, save, restore, tmp_path, steps, domain=domain, prune=prune, arch=arch)


def test_a_checkpoint_before_the_first_step(tmp_path):
    check_resume(Trainer, save, restore, tmp_path, 3, epochs=3)
    first = trainer()
    wanted = save(tmp_path / "x.h5", first)
    second = trainer(seed=8)
    restore(tmp_path / "x.h5", second)
    assert save(tmp_path / "y.h5", second) == wanted


@pytest.mark.parametrize(
    "variant",
    [{"schedule": "linear"}, {"schedule": "step", "smoothing": 0.1}, {"schedule": "constant", "rotate": True}],
)
@pytest.mark.parametrize("steps", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_training_with_another_recipe_resumes_to_the_same_bytes(tmp_path, variant, steps):
    check_resume(Trainer, save, restore, tmp_path, steps, **variant)


def full(path, subject: Trainer):
    state = {name: array.copy() for name, array in subject.network.state().items()}
    log = [{"epoch": 1, "note": "α", "loss": 0.1 + 0.2}]
    save_checkpoint(
        path, subject, experiment=settings(subject), label="CIFAR-10 (JPEG)", fingerprint="ab" * 32,
        log=log, best=Best(1, 0.5, state), start_density=0.1 + 0.2,
    )  # fmt: skip
    return log, state


def test_what_belongs_to_the_experiment_comes_back(tmp_path):
    subject = trainer()
    stop_after(subject, 5)
    log, state = full(tmp_path / "x.h5", subject)
    got = load_checkpoint(tmp_path / "x.h5")
    assert (got.experiment, got.label) == (settings(subject), "CIFAR-10 (JPEG)")
    assert got.fingerprint == "ab" * 32 and got.log == log
    assert (got.best.epoch, got.best.accuracy) == (1, 0.5) and got.best.state.keys() == state.keys()
    assert all(np.array_equal(got.best.state[name], array) for name, array in state.items())
    assert (got.start_density, got.best.density) == (0.1 + 0.2, subject.density())


def test_a_failing_write_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    subject = trainer()
    before = save(tmp_path / "x.h5", subject)
    subject.train_batch(np.arange(8))

    def fail(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(storage, "_replace", fail)
    with pytest.raises(OSError, match="no space"):
        save(tmp_path / "x.h5", subject)
    assert (tmp_path / "x.h5").read_bytes() == before


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """What the checkpoint of a trainer in the middle of its second epoch holds."""
    subject, path = trainer(), tmp_path_factory.mktemp("stopped") / "x.h5"
    stop_after(subject, 5)
    full(path, subject)
    return storage.load(path, "checkpoint")


def changed(stored, header=(), arrays=(), drop=()) -> storage.Stored:
    """What a file would hold if parts of the checkpoint were replaced or left out."""
    own = {k: v for k, v in stored.header.items() if k not in drop}
    held = {k: v for k, v in stored.arrays.items() if k not in drop}
    return storage.Stored(held | dict(arrays), json.loads(json.dumps(own | dict(header))))


@pytest.fixture
def load_changed(monkeypatch, stopped):
    """Load the checkpoint with parts of it replaced or left out, without writing its hundreds of arrays."""

    def load(*parts, **named):
        held = changed(stopped, *parts, **named)
        monkeypatch.setattr(storage, "load", lambda path, kind: held)
        return load_checkpoint("x.h5")

    return load


@pytest.mark.parametrize("part", ["network", "experiment", "label", "fingerprint", "steps", "progress", "best", "log"])
def test_a_checkpoint_without_a_part_is_refused(load_changed, part):
    with pytest.raises(ValueError, match=rf"load_checkpoint: x\.h5 must hold a whole checkpoint.*{part}"):
        load_changed(drop=(part,))


def test_a_file_without_a_part_is_refused_by_its_name(tmp_path, stopped):
    held = changed(stopped, drop=("label", "log"))
    own = {k: v for k, v in held.header.items() if k not in ("format", "format_version", "versions")}
    storage.save(tmp_path / "x.h5", "checkpoint", held.arrays, own)
    with pytest.raises(ValueError, match=r"load_checkpoint: .*x\.h5 must hold a whole checkpoint.*label"):
        load_checkpoint(tmp_path / "x.h5")


def test_a_checkpoint_of_before_starts_had_a_density_is_taken(load_changed):
    got = load_changed(drop=("start_density",))
    assert got.start_density is None
    got.restore(trainer(seed=5))


def test_an_unchanged_checkpoint_is_taken(load_changed):
    load_changed().restore(trainer(seed=5))


LATER = {"rotate": False, "schedule": "cosine", "smoothing": 0.0, "teacher": None, "temperature": 1.0}


def test_a_checkpoint_of_before_the_later_settings_is_taken_with_what_was_the_rule(load_changed, stopped):
    earlier = {name: value for name, value in stopped.header["experiment"].items() if name not in LATER}
    got = load_changed({"experiment": earlier})
    assert got.experiment == stopped.header["experiment"] == earlier | LATER | got.experiment
    assert LATER.items() <= got.experiment.items()
    got.restore(trainer(seed=5))


PROGRESS = {"epoch": 1, "batch": 2, "loss": 1.0, "penalty": 0.0, "correct": 1.0}
NETWORK = {"network": "resnet20", "arguments": {"domain": "general", "width": 2, "classes": 3}}
SETTINGS = settings(trainer())


@pytest.mark.parametrize(
    ("header", "arrays"),
    [
        ({"best": {"epoch": 1}}, {}),
        ({"best": {"epoch": 1, "accuracy": 0.5, "more": 1}}, {}),
        ({"best": {"epoch": 1.0, "accuracy": 0.5}}, {}),
        ({"best": {"epoch": 0, "accuracy": 0.5}}, {}),
        ({"best": {"epoch": 2, "accuracy": 0.5}}, {}),
        ({"best": {"epoch": 1, "accuracy": "0.5"}}, {}),
        ({"best": {"epoch": 1, "accuracy": float("nan")}}, {}),
        ({"best": [1]}, {}),
        ({"best": {}}, {}),
        ({"best": False}, {}),
        ({"best": None}, {}),
        ({"start_density": "0.5"}, {}),
        ({"start_density": 1.5}, {}),
        ({"start_density": float("nan")}, {}),
        ({"start_density": [0.5]}, {}),
        ({"progress": PROGRESS | {"epoch": 0}}, {}),
        ({}, {"log": np.frombuffer(b"no JSON", np.uint8)}),
        ({}, {"log": np.frombuffer(b"\xff", np.uint8)}),
        ({}, {"log": np.frombuffer(b"{}", np.uint8)}),
        ({}, {"log": np.frombuffer(b"[1]", np.uint8)}),
        ({}, {"log": np.frombuffer(b"[" * 200_000, np.uint8)}),
        ({"label": 1}, {}),
        ({"fingerprint": None}, {}),
        ({"steps": -1}, {}),
        ({"steps": 2.0}, {}),
        ({"steps": True}, {}),
        ({"progress": None}, {}),
        ({"progress": PROGRESS | {"epoch": -1}}, {}),
        ({"progress": PROGRESS | {"batch": -1}}, {}),
        ({"progress": PROGRESS | {"batch": "2"}}, {}),
        ({"progress": PROGRESS | {"loss": None}}, {}),
        ({"experiment": None}, {}),
        ({"experiment": [1]}, {}),
        ({"experiment": {}}, {}),
        ({"experiment": {k: v for k, v in SETTINGS.items() if k != "seed"}}, {}),
        ({"experiment": SETTINGS | {"more": 1}}, {}),
        ({"experiment": SETTINGS | {"arch": "resnet1001"}}, {}),
        ({"experiment": SETTINGS | {"arch": []}}, {}),
        ({"experiment": SETTINGS | {"prune": "topk"}}, {}),
        ({"experiment": SETTINGS | {"learning_rate": 10**400}}, {}),
        ({"experiment": SETTINGS | {"width": 3}}, {}),
        ({"experiment": SETTINGS | {"domain": "bipolar"}}, {}),
        ({"network": None}, {}),
        ({"network": {"network": "resnet20"}}, {}),
        ({"network": NETWORK | {"network": "resnet18"}}, {}),
        ({"network": NETWORK | {"arguments": NETWORK["arguments"] | {"classes": "3"}}}, {}),
        ({"network": NETWORK | {"arguments": NETWORK["arguments"] | {"classes": 10**12}}}, {}),
    ],
)
def test_a_checkpoint_with_a_broken_part_is_refused(load_changed, header, arrays):
    with pytest.raises(ValueError, match=r"load_checkpoint: x\.h5"):
        load_changed(header, arrays)


def test_a_width_that_the_arrays_cannot_fill_is_refused_before_anything_is_built(load_changed):
    width = {"width": 10**6}
    network = NETWORK | {"arguments": NETWORK["arguments"] | width}
    with pytest.raises(ValueError, match=r"load_checkpoint: x\.h5 .*arguments must fit the \d+ numbers"):
        load_changed({"experiment": SETTINGS | width, "network": network})


def test_the_header_describes_the_network(stopped):
    assert stopped.header["network"] == describe(trainer().network)
    assert NETWORK.items() <= stopped.header["network"].items()


RNG = np.random.default_rng(0).bit_generator.state


@pytest.fixture(scope="module")
def untouched(tmp_path_factory) -> bytes:
    """What is saved of a trainer that has just been built."""
    return save(tmp_path_factory.mktemp("untouched") / "x.h5", trainer(seed=5))


@pytest.mark.parametrize(
    ("header", "arrays", "drop"),
    [
        ({}, {}, ("rng",)),
        ({}, {}, ("order",)),
        ({}, {}, ("adam.first.head.2.bias",)),
        ({}, {}, ("network.head.2.bias",)),
        ({}, {}, ("best.head.2.bias",)),
        ({"network": NETWORK}, {}, ()),
        ({"rng": {"bit_generator": "MT19937"}}, {}, ()),
        ({"rng": {}}, {}, ()),
        ({"rng": None}, {}, ()),
        ({"rng": RNG | {"state": {"state": 2**128, "inc": 1}}}, {}, ()),
        ({"rng": RNG | {"state": {"state": -1, "inc": 1}}}, {}, ()),
        ({"rng": RNG | {"uinteger": 2**32}}, {}, ()),
        ({"progress": PROGRESS | {"batch": 4}}, {}, ()),
        ({"progress": PROGRESS | {"batch": 4}, "steps": 7}, {}, ()),
        ({"progress": PROGRESS | {"batch": 1}}, {}, ()),
        ({"progress": PROGRESS | {"epoch": 2}}, {}, ()),
        ({"progress": PROGRESS | {"epoch": 2}, "steps": 8}, {}, ()),
        ({"steps": 6}, {}, ()),
        ({"progress": PROGRESS | {"more": 1}}, {}, ()),
        ({}, {"order": np.arange(27)}, ()),
        ({}, {"order": np.zeros(28, np.int64)}, ()),
        ({}, {"order": np.arange(1, 29)}, ()),
        ({}, {"order": np.arange(28.0)}, ()),
        ({}, {"order": np.arange(28).reshape(4, 7)}, ()),
        ({}, {"order": np.empty(0, np.int64)}, ()),
        ({}, {"network.head.2.bias": np.zeros(4, np.float32)}, ()),
        ({}, {"network.more": np.zeros(4, np.float32)}, ()),
        ({}, {"best.head.2.bias": np.zeros(4, np.float32)}, ()),
        ({}, {"best.head.2.bias": np.zeros(3)}, ()),
        ({}, {"best.more": np.zeros(3)}, ()),
        ({}, {"adam.second.head.2.bias": np.zeros(3)}, ()),
    ],
)
def test_a_checkpoint_that_does_not_fit_the_trainer_is_refused_and_changes_nothing(
    tmp_path, load_changed, untouched, header, arrays, drop
):
    checkpoint, subject = load_changed(header, arrays, drop), trainer(seed=5)
    with pytest.raises(ValueError, match=r"restore: checkpoint must fit the trainer; got .*x\.h5; start afresh"):
        checkpoint.restore(subject)
    assert save(tmp_path / "after.h5", subject) == untouched


def test_the_log_is_kept_as_json_beside_the_header(tmp_path):
    # a header has room for 60,000 characters, the log of 500 epochs needs more
    log = [{"epoch": n, "layers": ["x" * 1000]} for n in range(500)]
    subject = trainer()
    save_checkpoint(
        tmp_path / "x.h5", subject, experiment=settings(subject), label="", fingerprint="", log=log, best=None
    )
    assert load_checkpoint(tmp_path / "x.h5").log == log
    assert len(json.dumps(log)) > 500_000
