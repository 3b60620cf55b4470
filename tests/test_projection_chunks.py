"""The projection of weights that are read in chunks, and the memory that long rows take."""

import json
import math
import os
import subprocess
import sys
import textwrap
from fractions import Fraction

import h5py
import numpy as np
import projection_checks as checks
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from oracles.fast_projection import floored, nearest
from strategies import weights

from bbdg_ref import ChunkedProjection, project, project_chunks
from bbdg_ref.ops import chunks as chunk_ops
from bbdg_ref.spec.projection import Projection

FIELDS = ("alpha", "beta", "threshold", "error", "n_ones", "tied")


def same_as_whole(p, w):
    """What is found of chunks is what `project` finds of all weights, bit for bit."""
    q = project(w)
    for name in FIELDS:
        assert type(getattr(p, name)) is type(getattr(q, name)), name
    checks.same_projection(Projection(p.alpha, p.beta, p.bits(w), *(getattr(p, name) for name in FIELDS[2:])), q)
    assert (p.n, p.dtype, p.density) == (w.size, w.dtype.newbyteorder("="), q.density)
    assert p.domain.alpha == q.alpha and p.domain.beta == q.beta


class Calls:
    """A function that gives chunks, and counts how often it is called; each call may give others."""

    def __init__(self, *answers):
        self.answers, self.count = answers, 0

    def __call__(self):
        self.count += 1
        return iter(self.answers[min(self.count, len(self.answers)) - 1])


def normal(n, dtype=np.float32):
    return np.random.default_rng(n).standard_normal(n).astype(dtype)


def narrow(n, dtype="f4"):
    """All in one bin, so that they are read a second time."""
    dtype = np.dtype(dtype)
    u = np.random.default_rng(n).integers(1, 2**16, n) << 8 * dtype.itemsize - 32
    start = (
        np.array([1], dtype).view(f"u{dtype.itemsize}") if dtype.kind == "f" else np.array([0], f"u{dtype.itemsize}")
    )
    return (start + u.astype(start.dtype)).view(dtype)


# --- chunks of any kind ---


@st.composite
def cut(draw, w):
    """Chunks that hold the numbers of w once each: in any order, of any shapes and layouts, some of them empty."""
    flat = draw(st.sampled_from([w.ravel(), w.ravel()[::-1], np.sort(w.ravel())]))
    ends = sorted(draw(st.lists(st.integers(0, w.size), max_size=6)))
    found = []
    for part in np.split(flat, ends):
        kind = draw(
            st.sampled_from(["flat", "2-D", "Fortran", "every second", "swapped", "list", "empty", "read only"])
        )
        if kind == "list" and part.dtype in (np.float64, np.int64) and part.size:
            part = part.tolist()
        elif kind in ("2-D", "Fortran"):
            part = part.reshape(draw(st.sampled_from([d for d in (1, 2, 3) if part.size % d == 0])), -1)
            part = np.asfortranarray(part) if kind == "Fortran" else part
        elif kind == "every second":
            wide = np.full(2 * part.size, 1, part.dtype)
            wide[::2] = part
            part = wide[::2]
        elif kind == "swapped":
            part = part.astype(part.dtype.newbyteorder())
        elif kind == "empty":
            found.append(draw(st.sampled_from([[], np.empty((0, 3)), np.empty(0, np.float16), np.empty((2, 0), bool)])))
        elif kind == "read only":
            part = np.frombuffer(part.tobytes(), part.dtype)
        found.append(part)
    return draw(st.permutations(found))


@settings(max_examples=min(5000, settings().max_examples))  # an example fills tables of megabytes
@given(weights(), st.data())
def test_any_way_of_cutting_gives_the_same(w, data):
    parts = data.draw(cut(w))
    calls = Calls(parts)
    p = project_chunks(calls)
    event(f"{w.dtype.newbyteorder('=')}, {calls.count} passes")
    same_as_whole(p, w)
    bits = [p.bits(part) for part in parts]
    assert [b.shape for b in bits] == [np.shape(part) for part in parts]
    assert all(b.dtype == np.bool_ for b in bits)
    assert sum(int(b.sum()) for b in bits) == p.n_ones
    together = np.concatenate([b.ravel() for b in bits])
    full = np.concatenate([np.asarray(part, w.dtype.newbyteorder("=")).ravel() for part in parts])
    assert np.array_equal(together, p.bits(full))


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "u1", "i2", "i4", "u4", "i8", "u8"])
def test_long_arrays_in_chunks(dtype):
    dtype = np.dtype(dtype)
    scale = 1.0 if dtype.kind == "f" else 0.1 * np.iinfo(dtype).max
    w = ((normal(300_000, np.float64) + 5 * (dtype.kind == "u")).clip(-4 * (dtype.kind != "u"), 9) * scale).astype(
        dtype
    )
    calls = Calls(np.array_split(w, 7))
    same_as_whole(project_chunks(calls), w)
    assert calls.count == 1 if dtype.itemsize < 4 else calls.count <= 2


@pytest.mark.parametrize("dtype, passes", [("f2", 1), ("f4", 2), ("f8", 2)])
def test_the_number_of_passes(dtype, passes):
    calls = Calls(np.array_split(normal(400_000, dtype), 3))
    project_chunks(calls)
    assert calls.count == passes


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "i8"])
def test_nearly_equal_weights_take_few_passes(dtype):
    """All in one bin, and more than can be gathered."""
    start = np.array([0.7 if dtype[0] == "f" else 2**30 + 1], dtype).view(f"u{dtype[1]}")
    w = (start + np.random.default_rng(0).integers(0, 50, 400_000).astype(start.dtype)).view(dtype)
    calls = Calls([w])
    same_as_whole(project_chunks(calls), w)
    assert calls.count <= 2 + np.dtype(dtype).itemsize // 2


@pytest.mark.parametrize("dtype", ["f4", "f8", "i8"])
@pytest.mark.parametrize("gathered", [50, 1000])
def test_the_number_of_passes_where_every_split_is_nearly_as_good(dtype, gathered, monkeypatch):
    """Quantiles of Student's t with two degrees of freedom, far from 0, so that few bins hold them."""
    monkeypatch.setattr("bbdg_ref.ops.projection_passes.GATHERED", gathered)
    n = 4000
    q = (np.arange(n) + 0.5) / n
    w = (((2 * q - 1) / np.sqrt(2 * q * (1 - q)) + 1e4) * (2**40 if dtype == "i8" else 1)).astype(dtype)
    calls = Calls([np.random.default_rng(0).permutation(w)])
    same_as_whole(project_chunks(calls), w)
    assert 3 <= calls.count <= 3 + 12 * n / gathered


def test_one_weight_and_equal_weights():
    for w in (np.array([3.5]), np.full(10, -0.1, np.float32), np.array([0.0, -0.0]), np.array([7], np.uint64)):
        p = project_chunks(lambda w=w: iter(np.split(w, w.size)))
        same_as_whole(p, w)
        assert p.least is None and not p.bits(w).any()


def test_a_function_may_give_a_list_an_array_or_be_a_generator():
    w = normal(1000).reshape(10, 100)

    def generator():
        yield from w

    for function in (lambda: list(w), lambda: w, generator, lambda: (row for row in w), lambda: tuple(w)):
        same_as_whole(project_chunks(function), w)


def test_the_first_iterator_is_not_wasted():
    """The dtype is read of the first chunk, and the iterator goes on from there."""
    calls, begun = [], []

    def function():
        calls.append(1)
        for part in np.split(normal(400_000), 4):
            begun.append(1)
            yield part

    project_chunks(function)
    assert (len(calls), len(begun)) == (2, 8)


# --- what is refused ---


def refused(error, match, chunks):
    with pytest.raises(error, match=match) as found:
        project_chunks(chunks)
    assert str(found.value).startswith("project_chunks: chunks must be ")


OTHERS = "other numbers the second time"


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4"])
def test_an_iterator_that_is_used_up(dtype):
    w = narrow(1000, dtype)
    used = iter([w])
    refused(ValueError, OTHERS, lambda: used)
    refused(ValueError, OTHERS, Calls([w], []))
    refused(ValueError, OTHERS, Calls([w], [w[:0]]))


def test_other_numbers_the_second_time():
    x = np.abs(np.concatenate([0.05 * normal(10**6, "f8"), normal(10**6 + 1, "f8")])).astype(np.float32)
    refused(ValueError, OTHERS, Calls([x, -x], [x, x]))


def test_numbers_with_their_lower_bits_cleared_the_second_time():
    """Every number stays in its bin."""
    x = normal(400_000)
    y = (x.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    refused(ValueError, OTHERS, Calls([x], [y]))


@given(
    st.sampled_from(["f4", "f8", "i8"]), st.sampled_from(["fewer", "more", "shifted", "a step", "NaN"]), st.booleans()
)
def test_changes_among_the_numbers_that_are_kept(dtype, change, large):
    """All numbers lie in one bin, so that all are read again."""
    n = 500
    w = (np.int64(2**40) + np.random.default_rng(n).integers(0, 1000, n)).astype(dtype)
    w = w + w.dtype.type(0)
    other = w.copy()
    if change == "fewer":
        other = w[1:]
    elif change == "more":
        other = np.append(w, w[:1])
    elif change == "shifted":
        other = w - w.dtype.type(2**39)
    elif change == "a step":
        other[7] = np.nextafter(w[7], 0) if dtype[0] == "f" else w[7] - 1
    elif dtype[0] == "f":
        other[3] = np.nan
    else:
        other[3] = 0
    with pytest.MonkeyPatch.context() as patch:
        if large:  # the bin is divided, and not gathered
            patch.setattr("bbdg_ref.ops.projection_passes.GATHERED", 20)
        calls = Calls([w], [other])
        refused(ValueError, OTHERS, calls)
    event(f"{change}, {calls.count} passes")
    assert calls.count >= 2


def test_another_dtype_the_second_time():
    w = narrow(1000)
    refused(TypeError, "float32 and then float64", Calls([w], [w.astype(np.float64)]))


def test_nothing_iterable_the_second_time():
    calls = []

    def function():
        calls.append(1)
        return iter([narrow(1000)]) if len(calls) == 1 else None

    refused(TypeError, "a function that gives NoneType", function)


def test_chunks_of_different_dtypes():
    expected = r"float32 and then float64; convert all chunks"
    refused(TypeError, expected, lambda: iter([normal(3), normal(3, "f8")]))
    refused(TypeError, "int64 and then float64", lambda: iter([[1, 2], [0.5]]))


@pytest.mark.parametrize("parts", [[], [[]], [np.empty((3, 0)), np.empty(0, np.float32)]])
def test_no_weights(parts):
    refused(ValueError, "at least one weight; got none", lambda: iter(parts))


@pytest.mark.parametrize(
    "chunk, got",
    [
        (np.array([True, False]), "bool"),
        (np.array([1j, 2]), "complex"),
        (np.array([1, None]), "object"),
        (np.array(["1"]), "string"),
        (np.array([b"1"]), "bytes"),
        (np.array(["2020-01-01"], "M8[D]"), "datetime"),
        (np.ma.masked_array([1.0, 2.0], [True, False]), "masked"),
        (np.ones(2, np.longdouble), "longdouble|float128|dtype"),
        ([[1.0, 2.0], [3.0]], "NumPy cannot read"),
    ],
)
@pytest.mark.parametrize("before", [0, 2])
def test_chunks_that_are_not_of_real_numbers(chunk, got, before):
    refused(TypeError, got, lambda: iter([*[np.ones(3)] * before, chunk]))


def test_a_masked_array_as_a_whole_is_refused():
    refused(TypeError, "masked", np.ma.masked_array([1.0, 2.0], [True, False]))


@pytest.mark.parametrize("chunks", [None, 3, "abc", [np.ones(3)], iter([np.ones(3)]), {"a": 1}])
def test_what_gives_no_chunks(chunks):
    refused(TypeError, "got .*; write lambda: iter", chunks)


def test_functions_that_give_no_iterator():
    refused(TypeError, "a function that gives NoneType", lambda: None)
    refused(TypeError, "a function that gives float", lambda: 3.0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_nan_and_infinity_are_told_with_chunk_and_index(bad, dtype):
    def function():
        for number in range(5):
            part = np.ones((4, 6), dtype)
            if number >= 2:
                part[1, 3] = bad
                part[3, 3] = bad
            yield part.T if number == 3 else part

    refused(ValueError, rf"NaN or infinity, first {bad} at index \(1, 3\) of chunk 2; ", function)
    flat = [[], np.append(np.ones(4, dtype), bad)]
    refused(ValueError, rf"NaN or infinity, first {bad} at index 4 of chunk 1; ", lambda: iter(flat))


def test_an_exception_of_the_function_is_not_touched():
    class Mine(Exception):
        pass

    for when in (1, 2):
        calls = []

        def function(when=when, calls=calls):
            calls.append(1)
            yield narrow(1000)
            if len(calls) == when:
                raise Mine("disk on fire")

        with pytest.raises(Mine, match="disk on fire"):
            project_chunks(function)
        assert len(calls) == when


def test_bits_of_what_did_not_take_part():
    p = project_chunks(lambda: iter([normal(100)]))
    with pytest.raises(TypeError, match=r"ChunkedProjection.bits: chunk must be float32; got float64"):
        p.bits(np.ones(3))
    with pytest.raises(ValueError, match=r"ChunkedProjection.bits: chunk must be .* first bad value nan at index 1"):
        p.bits(np.array([1, np.nan], np.float32))
    with pytest.raises(TypeError, match=r"ChunkedProjection.bits"):
        p.bits(["a"])


@pytest.mark.parametrize(
    "empty", [[], np.empty((2, 0, 3)), np.empty(0, bool), np.empty(0, "f8"), np.empty((0, 1), object)]
)
def test_bits_of_empty_chunks_of_any_dtype(empty):
    found = project_chunks(lambda: iter([normal(100)])).bits(empty)
    assert found.shape == np.shape(empty) and found.dtype == np.bool_


def test_bits_of_a_chunk_of_other_bytes():
    w = normal(1000)
    p = project_chunks(lambda: iter([w]))
    assert isinstance(p, ChunkedProjection)
    assert np.array_equal(p.bits(w.astype(">f4")), p.bits(w))
    assert p.bits(w[0]).shape == ()


# --- datasets and memory maps ---


class Counted:
    """A dataset that notes how often each number is read."""

    def __init__(self, data):
        self.data, self.shape, self.dtype, self.chunks = data, data.shape, data.dtype, getattr(data, "chunks", None)
        self.read = np.zeros(data.shape, np.int64)

    def __getitem__(self, box):
        self.read[box] += 1
        return self.data[box]


DATASETS = {
    "contiguous": ((50, 30, 7), {}),
    "chunked": ((50, 30, 7), {"chunks": (8, 7, 3)}),
    "compressed": ((1000, 21), {"chunks": (64, 5), "compression": "gzip"}),
    "shuffled": ((5000,), {"chunks": (333,), "shuffle": True, "compression": "lzf"}),
    "scalar": ((), {}),
    "one": ((1, 1), {}),
    "resizable": ((40, 11), {"maxshape": (None, 11)}),
}


@pytest.mark.parametrize("name", DATASETS)
@pytest.mark.parametrize("dtype", ["<f4", ">f8", ">f2", "|u1"])
def test_datasets(name, dtype, tmp_path, monkeypatch):
    shape, options = DATASETS[name]
    w = (20 * np.random.default_rng(1).standard_normal(shape) + 100 * ("u" in dtype)).astype(dtype)[...]
    with h5py.File(tmp_path / "w.h5", "w") as file:
        data = file.create_dataset("w", data=w, dtype=dtype, **options)
        for together in (chunk_ops.TOGETHER, 1000):
            monkeypatch.setattr(chunk_ops, "TOGETHER", together)
            same_as_whole(project_chunks(data), w)
        counted = Counted(data)
        project_chunks(counted)
        assert (counted.read == counted.read.flat[0]).all()
        assert counted.read.flat[0] in (1, 1 if w.itemsize < 4 or w.size == 1 else 2)


@pytest.mark.parametrize("dtype, n, passes", [("f4", 200_000, 2), ("f4", 10**6, 2), ("f8", 10**6, 3)])
def test_every_pass_reads_every_number_once(dtype, n, passes):
    """Numbers of one bin: they are gathered if they are few enough, else the bin is divided first."""
    counted = Counted(narrow(n, dtype))
    project_chunks(counted)
    assert (counted.read == passes).all()


@pytest.mark.parametrize("shape", [(0,), (3, 0, 2)])
def test_datasets_without_numbers(shape, tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        refused(ValueError, "at least one weight; got none", file.create_dataset("w", shape, "f4"))
        refused(ValueError, "at least one weight; got none", file.create_dataset("none", data=h5py.Empty("f4")))
        chunked = file.create_dataset("chunked", shape, "f4", maxshape=tuple(None for _ in shape), chunks=True)
        refused(ValueError, "at least one weight; got none", chunked)


def test_datasets_of_other_things(tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        refused(TypeError, "bool", file.create_dataset("bool", data=np.array([True, False])))
        refused(TypeError, "complex", file.create_dataset("complex", data=np.array([1j])))
        refused(TypeError, "object", file.create_dataset("text", data=["a", "b"]))
        refused(TypeError, "got Group", file.create_group("group"))


def test_nan_in_a_dataset_is_told_by_its_index(tmp_path, monkeypatch):
    monkeypatch.setattr(chunk_ops, "TOGETHER", 50)
    w = normal(40 * 30).reshape(40, 30)
    w[33, 17] = np.nan
    w[39, 0] = np.inf
    with h5py.File(tmp_path / "w.h5", "w") as file:
        for options in ({}, {"chunks": (8, 30)}):
            data = file.create_dataset(f"w{len(options)}", data=w, **options)
            refused(ValueError, r"first nan at index \(33, 17\); ", data)
        flat = file.create_dataset("flat", data=w.ravel())
        refused(ValueError, rf"first nan at index {33 * 30 + 17}; ", flat)


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<f2", "<i4"])
def test_memory_maps(dtype, tmp_path, monkeypatch):
    w = (50 * np.random.default_rng(1).standard_normal((300, 40))).astype(dtype)
    w.tofile(tmp_path / "w")
    for together in (1000, chunk_ops.TOGETHER):
        monkeypatch.setattr(chunk_ops, "TOGETHER", together)
        mapped = np.memmap(tmp_path / "w", dtype, "r", shape=w.shape)
        same_as_whole(project_chunks(mapped), w)
        same_as_whole(project_chunks(mapped.T), w.T)
        del mapped
    if "f" in dtype:
        w[250, 3] = np.inf
        w.tofile(tmp_path / "w")
        refused(ValueError, r"first inf at index \(250, 3\); ", np.memmap(tmp_path / "w", dtype, "r", shape=w.shape))


def test_a_plain_array_is_read_by_slices():
    w = normal(1000).reshape(10, 100)
    same_as_whole(project_chunks(w), w)
    same_as_whole(project_chunks(w.T[::2]), w.T[::2])
    assert project_chunks(np.float32(3)).alpha == 3


# --- Dask ---


@pytest.fixture(params=["synchronous", "threads"])
def da(request):
    dask = pytest.importorskip("dask")
    array = pytest.importorskip("dask.array")
    with dask.config.set(scheduler=request.param):
        yield array


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<f2", "<i8"])
def test_dask_arrays(da, dtype):
    w = (20 * np.random.default_rng(1).standard_normal((60, 50))).astype(dtype)
    for stored in ((20, 50), (60, 50), (23, 21), ((0, 60), (1, 49))):
        same_as_whole(project_chunks(da.from_array(w, chunks=stored)), w)
    same_as_whole(project_chunks(da.from_array(w, chunks=20).T[:, ::2] + w.dtype.type(0)), w.T[:, ::2])


def test_dask_arrays_of_unknown_size(da):
    w = normal(1000)
    x = da.from_array(w, chunks=70)
    same_as_whole(project_chunks(x[x > 0]), w[w > 0])
    refused(ValueError, "at least one weight; got none", x[x > 100])


def test_dask_arrays_that_are_refused(da):
    for bad in (np.nan, np.inf):
        refused(ValueError, "NaN or infinity; ", da.from_array(np.array([1, 2, bad, 3]), chunks=2))
    for empty in (da.zeros(0), da.zeros((3, 0))):
        refused(ValueError, "at least one weight; got none", empty)
    refused(TypeError, "complex", da.from_array(np.array([1j])))
    refused(TypeError, "bool", da.from_array(np.array([True])))
    wrong = da.from_array(normal(100), chunks=10).map_blocks(lambda block: block.astype("f8"), dtype="f4")
    refused(TypeError, "float32 and then float64", wrong)


def test_a_dask_array_that_gives_other_numbers_the_second_time(da):
    calls = []

    def block(x):
        calls.append(1)
        return x if len(calls) <= 1 else x[::-1] * 2

    w = narrow(1000)
    refused(ValueError, OTHERS, da.from_array(w, chunks=1000).map_blocks(block, dtype="f4", meta=np.empty(0, "f4")))
    assert len(calls) == 2


def test_an_exception_of_a_dask_block_is_not_touched(da):
    def fail(x):
        raise RuntimeError("disk on fire")

    with pytest.raises(RuntimeError, match="disk on fire"):
        project_chunks(da.ones(10, chunks=5).map_blocks(fail, dtype="f8", meta=np.empty(0)))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Dask's own, about ports and processes that are gone
def test_a_dask_array_on_a_cluster(tmp_path):
    distributed = pytest.importorskip("distributed")
    da = pytest.importorskip("dask.array")
    options = {"processes": True, "dashboard_address": None, "local_directory": str(tmp_path), "silence_logs": 50}
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, **options) as cluster:
        with distributed.Client(cluster):
            for w in (normal(600_000), normal(600_000, "f8").reshape(600, 1000), normal(50_000, "f2")):
                same_as_whole(project_chunks(da.from_array(w, chunks=(70_000,) if w.ndim == 1 else (130, 400))), w)
            bad = normal(1000)
            bad[777] = np.nan
            refused(ValueError, "NaN or infinity; ", da.from_array(bad, chunks=100))


# --- memory ---

MEASURE = """
import json, sys
import numpy as np
from bbdg_ref import project, project_chunks

def status(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name + ":"))

def grown(function):
    "What the greatest memory in use comes to beyond that before the call."
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the greatest memory so far is forgotten
    before = status("VmRSS")
    assert status("VmHWM") <= before + 2**21
    result = function()
    return status("VmHWM") - before, result
"""

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is measured as Linux tells it")


def measured(script, *arguments):
    """What a script prints in JSON, run in a process of its own."""
    text = MEASURE + textwrap.dedent(script)
    # What is freed goes back to the system at once: what was in use before the call does not serve it.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    command = [sys.executable, "-c", text, *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


LONG_ROWS = {
    "50 million float32": ("f4", (5 * 10**7,), None),
    "20 million float64": ("f8", (2 * 10**7,), None),
    "64 rows of a million float16": ("f2", (64, 2**20), 0),
    "512 rows of 4608 float64": ("f8", (512, 4608), 0),
    "3 rows of 10 million float32": ("f4", (3, 10**7), 0),
    "rows along the last axis": ("f8", (3 * 10**6, 4), 1),
}


@linux
@pytest.mark.slow
@pytest.mark.parametrize("name", LONG_ROWS)
def test_projecting_takes_less_than_64_mb_beyond_weights_and_bits(name):
    dtype, shape, axis = LONG_ROWS[name]
    script = """
    dtype, shape, axis = json.loads(sys.argv[1])
    rng = np.random.default_rng(0)
    w = np.empty(shape, dtype)
    flat = w.reshape(-1)
    for start in range(0, w.size, 2**18):
        part = flat[start : start + 2**18]
        part[...] = rng.standard_normal(part.size)
    for n in (100, 2**17 + 1, 2**21 + 1):
        project(flat[:n])
    size, p = grown(lambda: project(w, channel_axis=axis))
    print(json.dumps([size - p.bits.nbytes, int(np.sum(p.n_ones))]))
    """
    beyond, ones = measured(script, json.dumps([dtype, shape, axis]))
    assert 0.4 < ones / math.prod(shape) < 0.6
    assert beyond < 64 * 2**20


@linux
@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_of_chunks_that_a_function_makes_two_are_held(dtype):
    """One of them by the function itself, until it has made the next."""
    script = """
    dtype, size = sys.argv[1], 10**8 // np.dtype(sys.argv[1]).itemsize
    def chunks():
        for seed in range(5):
            rng, w = np.random.default_rng(seed), np.empty(size, dtype)
            for start in range(0, size, 2**18):
                part = w[start : start + 2**18]
                part[...] = rng.standard_normal(part.size)
            yield w
    project_chunks(lambda: iter([np.linspace(0, 1, 3 * 10**6).astype(dtype)]))
    print(json.dumps(grown(lambda: project_chunks(chunks))[0]))
    """
    assert measured(script, dtype) < 2 * 10**8 + 64 * 2**20


def optimum_of_counts(values, counts):
    """The exact optimum of whole numbers, in ascending order, each of which occurs so many times."""
    n, total = sum(counts), sum(v * c for v, c in zip(values, counts, strict=True))
    best, tied = (Fraction(0), 0, 0), True
    ones = ones_sum = 0
    for v, c in zip(reversed(values), reversed(counts), strict=True):
        if c:
            ones, ones_sum = ones + c, ones_sum + v * c
            if ones < n:
                gain = Fraction((n * ones_sum - ones * total) ** 2, ones * (n - ones) * n)
                if gain > best[0]:
                    best, tied = (gain, ones, ones_sum), False
                elif gain == best[0]:
                    tied = True
    gain, ones, ones_sum = best
    error = Fraction(sum(v * v * c for v, c in zip(values, counts, strict=True))) - Fraction(total**2, n) - gain
    return Fraction(total - ones_sum, n - ones), Fraction(ones_sum, ones), error, ones, tied


@linux
@pytest.mark.slow
def test_a_dataset_of_400_million_float16(tmp_path):
    n, step = 4 * 10**8, 2**20
    rng = np.random.default_rng(0)
    base = rng.standard_normal(step, np.float32)
    counts = np.zeros(2**16, np.int64)
    path = tmp_path / "w.h5"
    try:
        with h5py.File(path, "w") as file:
            data = file.create_dataset("w", (n,), np.float16, chunks=(step,))
            for start in range(0, n, step):
                part = (base * np.float32(rng.uniform(0.5, 1.5)) + np.float32(rng.choice([-0.2, 1.1])))[: n - start]
                part = part.astype(np.float16)
                counts += np.bincount(part.view(np.uint16), minlength=2**16)
                data[start : start + step] = part
        script = """
        import h5py
        with h5py.File(sys.argv[1]) as file:
            project_chunks(lambda: iter([file["w"][:100]]))
            size, p = grown(lambda: project_chunks(file["w"]))
        numbers = [float(x).hex() for x in (p.alpha, p.beta, p.threshold, p.error)]
        print(json.dumps([size, numbers, p.n_ones, p.tied, p.n]))
        """
        size, numbers, ones, tied, found = measured(script, path)
    finally:
        path.unlink(missing_ok=True)
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    there = np.flatnonzero(counts)
    there = there[np.argsort(every[there], kind="stable")]
    values = [int(x) for x in (every[there].astype(np.float64) * 2.0**24).tolist()]
    alpha, beta, error, want, want_tied = optimum_of_counts(values, counts[there].tolist())
    middle = (alpha + beta) / 2
    assert numbers == [
        nearest(alpha.numerator, alpha.denominator, -24).hex(),
        nearest(beta.numerator, beta.denominator, -24).hex(),
        floored(middle.numerator, middle.denominator, -24).hex(),
        nearest(error.numerator, error.denominator, -48).hex(),
    ]
    assert (ones, tied, found) == (want, want_tied, n)
    assert size < 64 * 2**20 + 2 * step
