import pytest
from training_runs import EXPERIMENT, experiment

from bbdg_ref.datasets import CIFAR10
from bbdg_ref.training.arguments import Task, make_parser
from bbdg_ref.training.flag_checks import Refused, check_data_flags, check_images, check_out

TASK = Task("train.py", "cifar10", CIFAR10, {"small": EXPERIMENT}, {})


def parsed(*words: str):
    return make_parser(TASK).parse_args(words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--data synthetic --data-dir .", "no effect with --data synthetic"),
        ("--data synthetic --data-label x", "no effect with --data synthetic"),
        ("--data-dir nowhere/at/all", "--data-dir must be there"),
        ("--data-label x", "--data-label names the data of"),
    ],
)
def test_data_flags_that_contradict_each_other_are_refused(words, message, monkeypatch):
    monkeypatch.delenv("BBDG_DATA", raising=False)
    with pytest.raises(Refused, match=message):
        check_data_flags(parsed(*words.split()))


def test_data_flags_that_fit_are_taken(tmp_path, monkeypatch):
    monkeypatch.delenv("BBDG_DATA", raising=False)
    for words in ((), ("--data", "synthetic"), ("--data-dir", str(tmp_path), "--data-label", "mine")):
        check_data_flags(parsed(*words))
    monkeypatch.setenv("BBDG_DATA", str(tmp_path))
    check_data_flags(parsed("--data-label", "mine"))


@pytest.mark.parametrize(
    ("words", "mend"), [((), "give another one, or move the file away"), (("--resume",), "give the folder of the run")]
)
def test_results_are_not_sent_to_a_file(tmp_path, words, mend):
    (tmp_path / "file").write_text("precious")
    for out in ("file", "file/below/it"):
        with pytest.raises(Refused, match=f"--out must be a folder, and {tmp_path / 'file'} is a file: {mend}"):
            check_out(parsed("--out", str(tmp_path / out), *words))
    for out in ("", "new", "new/one"):
        check_out(parsed("--out", str(tmp_path / out), *words))


def test_images_to_hold_out_and_to_train_on_have_to_be_there():
    check_images(experiment(validation=12, limit_train=28), 40, "images", "lower one of them")
    check_images(experiment(validation=12, limit_train=None, batch_size=8), 20, "images", "lower one of them")
    message = "--validation and --limit-train .* at most the 39 images of noise; got 12 and 28; lower one of them"
    with pytest.raises(Refused, match=message):
        check_images(experiment(validation=12, limit_train=28), 39, "images of noise", "lower one of them")
    with pytest.raises(Refused, match="got 12 and 8"):
        check_images(experiment(validation=12, limit_train=None, batch_size=8), 19, "images", "lower one of them")
