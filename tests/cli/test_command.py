import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bbdg_ref import storage
from bbdg_ref.cli import bench, command, images, predict
from bbdg_ref.cli.command import PURPOSES
from bbdg_ref.datasets import CIFAR10, CifarFile, synthetic

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "cli.md"


def start(*words, **options) -> subprocess.Popen:
    """Start the command line as users do."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONUNBUFFERED", None)  # output that waits to be written is what can go wrong at the end
    command = [sys.executable, "-m", "bbdg_ref", *map(str, words)]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": environment} | options
    return subprocess.Popen(command, **options)


# ------------------------------------------------------------------------------------------------------- help


def test_the_list_of_sub_commands_loads_nothing_heavy():
    code = (
        "import sys\nfrom bbdg_ref.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit as stop:\n"
        "    print([n for n in ('numba', 'h5py', 'scipy', 'tqdm', 'bbdg_ref.nn') if n in sys.modules], stop.code)"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert out.splitlines()[-1] == "[] 0"
    assert all(name in out for name in PURPOSES)


@pytest.mark.parametrize("name", PURPOSES)
def test_help_of_a_sub_command_has_examples_and_ends_with_0(run, name):
    result = run(name, "--help")
    assert result.status == 0 and f"python -m bbdg_ref {name} " in result.out and "exit status" in result.out


def test_the_version_is_the_package_s(run):
    assert run("--version").out.startswith("bbdg_ref ")


def examples(text: str) -> list[str]:
    lines = [line.strip() for line in text.splitlines()]
    return [line.removeprefix("python -m bbdg_ref ") for line in lines if line.startswith("python -m bbdg_ref ")]


def every_example() -> list[str]:
    modules = [__import__(f"bbdg_ref.cli.{name}", fromlist=["COMMAND"]) for name in PURPOSES]
    found = [line for module in modules for line in examples(module.COMMAND.examples)]
    told = [line for line in examples(DOCS.read_text(encoding="utf-8")) if not line.endswith("--help")]
    return list(dict.fromkeys(found + told))


def test_there_are_examples_of_every_sub_command():
    assert {line.split()[0] for line in every_example()} == set(PURPOSES)


@pytest.fixture
def small_sets(monkeypatch):
    """CIFAR's test set has 7 images, the built-in one 10, and threads stay as they are."""
    small = replace(CIFAR10, test_file=CifarFile("test_batch.bin", 7, ""))
    monkeypatch.setitem(images.LAYOUTS, "cifar10", small)
    monkeypatch.setattr(images, "synthetic", lambda: synthetic(n_train=20, n_test=10))
    monkeypatch.setattr(bench, "THREAD_VARIABLES", ())


@pytest.mark.parametrize("line", every_example())
def test_the_examples_run(run, folder, tmp_path, monkeypatch, small_sets, line):
    shutil.copytree(folder, tmp_path / "work")  # some write files
    monkeypatch.chdir(tmp_path / "work")
    words = shlex.split(line.partition(">")[0])
    if words[0] == "pack" and "--force" not in words:
        Path("packed.h5").unlink()
    result = run(*words)
    assert (result.status, result.err) == (0, "") and result.out


# ------------------------------------------------------------------------------------------------ users' mistakes


@pytest.mark.parametrize(
    "line",
    [
        "",
        "frobnicate",
        "summary",
        "summary model.h5 extra",
        "summary model.h5 --csv a.csv --json",
        "summary model.h5 --force",
        "summary model.h5 --csv images.npy",
        "summary model.h5 --image-size",
        "summary model.h5 --image-size 0",
        "summary model.h5 --image-size 32 32 3",
        "summary model.h5 --image-size large",
        "summary reactnet-a.h5 --image-size 50",
        "summary bound.h5 --image-size 32",
        "pack model.h5",
        "pack model.h5 packed.h5",
        "pack model.h5 model.h5",
        "pack model.h5 model.h5 --force",
        "predict model.h5",
        "predict model.h5 images.npy --top 0",
        "predict model.h5 images.npy --top 11",
        "predict model.h5 images.npy --top many",
        "predict model.h5 images.npy --show -1",
        "predict model.h5 images.npy --output logits.txt",
        "predict model.h5 images.npy --output images.npy",
        "predict model.h5 images.npy --force",
        "predict model.h5 images.npy --data-format jpeg",
        "predict model.h5 images.npy --statistics imagenet",
        "predict unnoted.h5 images.npy",
        "bench model.h5 --batch 0",
        "bench model.h5 --batch",
        "bench model.h5 --image-size 32 32 32",
        "bench reactnet-a.h5 --image-size 50",
        "bench bound.h5 --image-size 16",
        "bench model.h5 --threads 0",
        "bench model.h5 --repeats 0",
        "project weights.npz",
        "project weights.npz --dataset conv3",
        "project weights.npy --dataset conv1",
        "project weights.npy --channel-axis 4",
        "project weights.npy --channel-axis -5",
        "project weights.npy --channel-axis first",
        "project weights.npy --max-ones -1",
        "project weights.npy --max-ones 1.5",
        "project weights.npy --alpha 1",
        "project weights.npy --beta 1",
        "project weights.npy --alpha nan --beta 1",
        "project weights.npy --alpha 0 --beta inf",
        "project weights.npy --alpha 0 --beta 1 --channel-axis 0",
        "project weights.npy --alpha 0 --beta 1 --max-ones 1",
        "project model.h5",
        "project model.h5 --dataset stage1.0.main.0.weights",
    ],
)
def test_wrong_usage_ends_with_2_and_a_message(run, folder, line):
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    result = run(*shlex.split(line))
    assert result.status == 2 and not result.out
    assert result.err.startswith("usage: python -m bbdg_ref") and ": error: " in result.err.splitlines()[-1]
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


READERS = ("summary {}", "pack {} new.h5", "predict {} images.npy", "bench {}", "project {}")


@pytest.fixture
def bad(folder, tmp_path, monkeypatch) -> Path:
    """A folder with files that are no models."""
    whole = (folder / "model.h5").read_bytes()
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "text").write_text("not a model")
    (tmp_path / "truncated").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "head").write_bytes(whole[:8])
    (tmp_path / "flipped").write_bytes(whole[:20000] + bytes([whole[20000] ^ 255]) + whole[20001:])
    (tmp_path / "directory").mkdir()
    storage.save(tmp_path / "other", "checkpoint", {"a": np.zeros(3)}, {})
    storage.save(tmp_path / "hollow", "network", {}, {})
    storage.save(tmp_path / "hollow_packed", "packed network", {}, {})
    for name in ("images.npy", "images.npz", "weights.npy"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    return tmp_path


@pytest.mark.parametrize("line", READERS)
@pytest.mark.parametrize(
    "name", "missing empty text truncated head flipped directory other hollow hollow_packed images.npz".split()
)
def test_no_model_ends_with_1_and_a_message_that_names_the_file(run, bad, monkeypatch, line, name):
    monkeypatch.chdir(bad)
    result = run(*line.format(name).split())
    if line.startswith("project") and name in ("hollow", "images.npz"):  # it holds no array, or two
        assert result.status == 2
    else:
        assert result.status == 1 and result.err.startswith("error: ") and len(result.err.splitlines()) == 1
    assert name in result.err and not result.out
    assert not (bad / "new.h5").exists()


def test_a_folder_of_a_run_is_refused_with_the_file_in_it(run, folder):
    assert f"give the file in it: {folder / 'model.h5'}" in run("summary", folder).err


@pytest.mark.parametrize(
    "line", ["pack model.h5 {}", "summary model.h5 --csv {}", "predict model.h5 images.npy --output {}"]
)
@pytest.mark.parametrize("where", ["nowhere/new.csv", "data", "model.h5/new.csv"])
def test_an_output_that_cannot_be_written_ends_with_1_before_the_work(run, folder, line, where):
    if where == "data" and "--output" in line:
        where = "data.csv"
        (folder / where).mkdir(exist_ok=True)
    result = run(*line.format(where).split())
    assert result.status == 1 and not result.out and where.split("/")[0] in result.err
    assert len(result.err.splitlines()) == 1


# -------------------------------------------------------------------------------------- how a process may end


def test_ctrl_c_ends_with_130(run, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(predict, "read_images", stop)
    result = run("predict", "model.h5", "images.npy")
    assert (result.status, result.err) == (130, "interrupted\n")


def test_too_little_memory_is_an_error(run, monkeypatch):
    def fail(*_, **__):
        raise MemoryError("Unable to allocate 1 EiB")

    monkeypatch.setattr(predict, "read_images", fail)
    result = run("predict", "model.h5", "images.npy")
    assert (result.status, result.err) == (1, "error: out of memory; Unable to allocate 1 EiB\n")


def _interrupt(process: subprocess.Popen[str]) -> None:
    """Interrupt a process, again if need be: a KeyboardInterrupt inside a callback of the compiler is lost."""
    for _ in range(6):
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=10)  # not sooner: a second one while it ends would end it differently
            return
        except subprocess.TimeoutExpired:
            continue
    process.kill()


@pytest.mark.skipif(os.name == "nt", reason="signals of another kind")
def test_a_signal_ends_a_process_with_130_without_a_traceback(folder):
    # Kernels are in the cache then: an interrupt within LLVM's own callbacks is told, and passed over.
    assert command.main(["bench", str(folder / "model.h5"), "--repeats", "1"]) == 0
    with start("bench", "model.h5", "--repeats", 10**6, cwd=folder) as process:
        assert process.stdout.readline().startswith("model: ")  # it is at work
        time.sleep(0.2)
        _interrupt(process)
        _, err = process.communicate(timeout=60)
    # Where the interrupt fell into code that a library runs from a string as it loads, the interpreter ends itself by
    # the signal, whatever the program returns; to a shell that is 130 as well.
    assert process.returncode in (130, -signal.SIGINT), err
    assert "Traceback" not in err and err.endswith("interrupted\n")


@pytest.mark.skipif(os.name == "nt", reason="pipes of another kind")
@pytest.mark.parametrize("words", [["summary", "model.h5", "--json"], ["project", "weights.npy"]])
def test_a_reader_that_goes_away_ends_it_quietly(folder, words):
    read, write = os.pipe()
    os.close(read)
    with start(*words, cwd=folder, stdout=write) as process:
        os.close(write)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_an_error(folder):
    with open("/dev/full", "w") as full, start("project", "weights.npy", cwd=folder, stdout=full) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and err.startswith("error: ") and len(err.splitlines()) == 1


def test_a_process_ends_with_its_status_and_prints_to_the_right_stream(folder):
    with start("summary", "nowhere.h5", cwd=folder) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "") and "nowhere.h5: No such file or directory" in err
    with start("summary", "model.h5", cwd=folder) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "") and "18 binary layers" in out


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are text there")
def test_a_name_that_is_no_text_does_no_harm(folder, tmp_path):
    name = os.fsencode(tmp_path) + b"/\xff.npy"
    Path(os.fsdecode(name)).write_bytes((folder / "weights.npy").read_bytes())
    with start("project", os.fsdecode(name), env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "") and "\\udcff.npy" in out


def test_a_fault_of_the_program_is_not_hidden(run, monkeypatch):
    def fail(*_, **__):
        raise KeyError("a bug")

    monkeypatch.setattr(predict, "read_images", fail)
    with pytest.raises(KeyError):
        run("predict", "model.h5", "images.npy")


def test_without_standard_output_it_still_ends_well(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "stdout", None)
    assert command.main(["project", "weights.npy"]) == 0
