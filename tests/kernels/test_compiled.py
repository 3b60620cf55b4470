"""Kernels compile where no cache can be written."""

import numba

from bbdg_ref.kernels.compiled import compiled


def test_without_a_writable_cache_folder_functions_are_compiled_uncached(monkeypatch):
    plain, refused = numba.njit, []

    def njit(function, **options):
        if options.pop("cache", False):
            refused.append(function.__name__)
            raise RuntimeError(f"cannot cache function '{function.__name__}': no locator available")
        return plain(function, **options)

    monkeypatch.setattr(numba, "njit", njit)

    @compiled
    def double(x):
        return 2 * x

    assert double(21) == 42
    assert refused == ["double"]
