"""Hypothesis profiles: `dev` while working, `ci` where CI is set, `deep` for long runs (.ci/deep)."""

import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# Numba compiles inside a test's first call, which is neither slow data generation nor a slow test.
_SLOW_FIRST_CALL = [HealthCheck.too_slow]

settings.register_profile("dev", deadline=None, max_examples=30, suppress_health_check=_SLOW_FIRST_CALL)
settings.register_profile(
    "ci",
    deadline=None,
    max_examples=100,
    derandomize=True,
    print_blob=True,
    suppress_health_check=_SLOW_FIRST_CALL,
)
settings.register_profile(
    "deep",
    deadline=None,
    # The number of cases of each property test; .ci/deep divides its total by the number of shards.
    max_examples=int(os.environ.get("BBDG_EXAMPLES", "1000000")),
    derandomize=False,
    print_blob=True,
    database=None,
    suppress_health_check=_SLOW_FIRST_CALL,
)

settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI", "").lower() in ("1", "true") else "dev")
)


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what has been imported and collected, which stays until the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def nothing_has_to_reach_the_disk() -> Iterator[None]:
    """Make `os.fsync` do nothing: no test outlives a power cut, and a disk takes milliseconds for each file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield
