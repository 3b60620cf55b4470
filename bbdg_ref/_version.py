"""The version, in one place: setup.cfg, the package and the files that it writes read it here."""

__version__ = "0.1.0"
