"""How Sphinx builds these pages: `python -m sphinx -W --keep-going -b html docs BUILD` (extra `docs`). No network."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))  # the extensions that are written here

from bbdg_ref import __version__

project = "bbdg_ref"
author = "The bbdg_ref developers"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "conformance_vectors",
    "mathml",
    "repository",
]
root_doc = "index"
exclude_patterns = ["_build", "results/*/*"]

# Pages are written for GitHub too: formulas between dollars, links to headings by the names that GitHub gives them.
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

napoleon_google_docstring = False
napoleon_use_param = napoleon_use_rtype = False  # types are words here, not names to be linked
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings tell types with their shapes
default_role = "py:obj"

html_theme = "furo"
html_title = f"bbdg_ref {version}"
html_math_renderer = "mathml"
html_copy_source = False
