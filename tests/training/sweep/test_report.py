import pytest
from sweep_cases import finished, grid

from bbdg_ref.training.sweep import report, update_page

RESULTS = [finished(run, 0.5 + 0.01 * n) for n, run in enumerate(grid(domains=["bipolar", "general"], seeds=[0, 1]))]


def test_a_new_page_has_a_title_and_the_generated_part(tmp_path):
    page = update_page(tmp_path / "density", RESULTS, "python sweep.py")
    text = page.read_text(encoding="utf-8")
    assert page == tmp_path / "density.md" and text.startswith("# Accuracy against density\n")
    for wanted in (
        "(density.svg)", "[density](density)", "```bash\npython sweep.py\n```", "CIFAR-10 (JPEG)", "28 training",
        "12 validation", "10000 test", "Abacus", "NumPy 2.1.0", "4 runs, 50 s of one core", "| bipolar |", "τ 1.00 ± ",
        "φ/τ 0.03 ± ", "from -0.33 to +0.40", "sample standard deviation over the seeds",
    ):  # fmt: skip
        assert wanted in text, wanted
    assert "The routes" not in text


def test_what_stands_outside_the_marks_is_kept(tmp_path):
    page = tmp_path / "density.md"
    page.write_text(f"before\n\n{report.BEGIN}\nold\n{report.END}\n\nafter\n", encoding="utf-8")
    update_page(tmp_path / "density", RESULTS, "one")
    first = page.read_text(encoding="utf-8")
    assert first.startswith(f"before\n\n{report.BEGIN}\n## All runs")
    assert first.endswith(f"{report.END}\n\nafter\n") and "old" not in first
    update_page(tmp_path / "density", RESULTS, "one")
    assert page.read_text(encoding="utf-8") == first


@pytest.mark.parametrize("text", ["by hand\n", f"{report.BEGIN}\n", f"{report.END}\n{report.BEGIN}\n", ""])
def test_a_page_without_the_marks_is_not_overwritten(tmp_path, text):
    page = tmp_path / "density.md"
    page.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"put_generated: page must have the lines"):
        update_page(tmp_path / "density", RESULTS, "one")
    assert page.read_text(encoding="utf-8") == text


def test_the_same_results_give_the_same_text_in_any_order():
    assert report.generated("d", RESULTS, "c") == report.generated("d", RESULTS[::-1], "c")


def test_one_result_of_another_domain_is_a_page_too():
    text = report.generated("d", [finished(grid(domains=["symmetric"], routes=["start"])[0])], "c")
    assert "The domains compared" not in text and "learned" not in text and "±" not in text


def test_the_page_and_the_picture_are_beside_the_folder(tmp_path):
    assert report.page_of(tmp_path / "density-0.05") == tmp_path / "density-0.05.md"
    assert report.page_of(tmp_path / "density-0.05", ".svg").name == "density-0.05.svg"
