"""Compiled twins of functions of ``spec``: arrays in, arrays out, no checks. The only folder that imports Numba."""
