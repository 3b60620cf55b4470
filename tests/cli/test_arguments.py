import argparse

import pytest

from bbdg_ref.cli.arguments import at_least, finite


@pytest.mark.parametrize("text", ["0", "-1", "1.0", "", "x", "1e3"])
def test_a_count_is_a_whole_number_from_its_least_on(text):
    assert at_least(1)("1") == 1
    with pytest.raises(argparse.ArgumentTypeError, match="from 1 on; got"):
        at_least(1)(text)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999", "", "x"])
def test_a_value_is_finite(text):
    assert finite("-1e-3") == -0.001
    with pytest.raises(argparse.ArgumentTypeError, match="must be a finite number; got"):
        finite(text)
