import pytest

from bbdg_ref.conformance.xfail import ExpectedFailures, read_expected_failures

NAMES = ["project_tie", "project_zero", "sign_bits_zero"]


def test_ids_and_patterns_give_their_reasons(tmp_path):
    path = tmp_path / "port.xfail"
    path.write_text(
        "# what this port cannot do\n\nproject_tie: sums in float32: the tie is lost\n  project_*  :  no rationals  \n"
    )
    expected = read_expected_failures(path, NAMES)
    assert expected.reason("project_tie") == "sums in float32: the tie is lost"
    assert expected.reason("project_zero") == "no rationals"
    assert expected.reason("sign_bits_zero") is None


def test_a_pattern_respects_case_and_the_whole_id():
    expected = ExpectedFailures((("project_[ab]?", "why"),))
    assert [expected.reason(name) for name in ("project_a1", "Project_a1", "project_a", "project_c1")] == [
        "why", None, None, None,
    ]  # fmt: skip


def test_an_empty_file_expects_nothing(tmp_path):
    path = tmp_path / "port.xfail"
    path.write_text("\n# nothing\n")
    assert read_expected_failures(path, NAMES) == ExpectedFailures()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("project_tie\n", "port.xfail:1: a line must be `id: reason`, with a reason"),
        ("# why\nproject_tie:  \n", "port.xfail:2: a line must be"),
        (": no id\n", "port.xfail:1: a line must be"),
        ("project_tied: why\n", "port.xfail:1: no case has the id project_tied"),
        ("\nconv2d_*: why\n", "port.xfail:2: no case has the id conv2d_*"),
        ("project_*: why\nproject_*: why not\n", "port.xfail:2: project_* is there twice"),
    ],
)
def test_a_bad_line_is_named(tmp_path, text, message):
    path = tmp_path / "port.xfail"
    path.write_text(text)
    with pytest.raises(ValueError) as caught:
        read_expected_failures(path, NAMES)
    assert message in str(caught.value)


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_expected_failures(tmp_path / "port.xfail", NAMES)
    (tmp_path / "port.xfail").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError):
        read_expected_failures(tmp_path / "port.xfail", NAMES)
