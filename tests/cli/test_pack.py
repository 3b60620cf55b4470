from bbdg_ref import nn, storage
from bbdg_ref.inference import coded_sizes, compile_network


def test_it_writes_what_save_packed_writes_with_the_notes(run, folder, tmp_path):
    result = run("pack", "model.h5", tmp_path / "new.h5")
    assert result.status == 0
    assert (tmp_path / "new.h5").read_bytes() == (folder / "packed.h5").read_bytes()
    assert storage.load(tmp_path / "new.h5", "packed network").header["notes"]["test_accuracy"] == 0.5


def test_a_packed_file_packs_to_itself(run, folder, tmp_path):
    assert run("pack", "packed.h5", tmp_path / "new.h5").status == 0
    assert (tmp_path / "new.h5").read_bytes() == (folder / "packed.h5").read_bytes()


def test_sizes_by_method_and_totals_are_told(run, folder, tmp_path):
    lines = run("pack", "model.h5", tmp_path / "new.h5").out.splitlines()
    sizes = coded_sizes(compile_network(nn.load_network(folder / "model.h5")))
    cells = {line.split()[0]: line.split() for line in lines if line.startswith(("blocks.", "total"))}
    for layer in sizes:
        expected = [f"{value:,}" for value in layer.sizes.values()]
        assert cells[layer.name][3:-2] == expected and cells[layer.name][-2] == layer.method
    assert cells["total"][-2] == f"{sum(layer.size for layer in sizes):,}"
    size = (folder / "packed.h5").stat().st_size
    assert any(line.startswith("this file") and f" {size:,} " in line for line in lines)


def test_an_existing_file_is_replaced_only_with_force(run, tmp_path):
    (tmp_path / "new.h5").write_text("mine")
    assert run("pack", "model.h5", tmp_path / "new.h5").status == 2
    assert (tmp_path / "new.h5").read_text() == "mine"
    assert run("pack", "model.h5", tmp_path / "new.h5", "--force").status == 0
    assert run("summary", tmp_path / "new.h5").status == 0


def test_a_model_is_never_packed_onto_itself_by_whatever_name(run, folder, tmp_path):
    (tmp_path / "link.h5").symlink_to(folder / "model.h5")
    before = (folder / "model.h5").read_bytes()
    result = run("pack", "model.h5", tmp_path / "link.h5", "--force")
    assert result.status == 2 and "MODEL itself" in result.err
    assert (folder / "model.h5").read_bytes() == before
