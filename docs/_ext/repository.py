"""What is written for GitHub, or for reading as plain text, put into the form that Sphinx takes.

Links of the pages to other Markdown files of the repository become links to copies of these files; links to folders,
which a folder of pages cannot show, become plain text. In docstrings a bar is a bar, as in mean |w|, and names no
substitution.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx

LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s:#]+)(#[^)\s]*)?\)")
LITERAL = re.compile(r"(``.+?``)")
BARS = re.compile(r"\|(\w+)\|")


def mended(text: str, page: Path, pages: Path) -> str:
    """Return the text of a page with such links replaced; ``pages`` is the folder of all pages."""

    def mend(link: re.Match[str]) -> str:
        title, target, fragment = link[1], link[2], link[3] or ""
        path = (page.parent / target).resolve()
        if path.is_dir():
            return title
        if path.suffix == ".md" and path.is_file() and not path.is_relative_to(pages.resolve()):
            return f"[{title}](path:{target}{fragment})"
        return link[0]

    return LINK.sub(mend, text)


def escaped(lines: list[str]) -> list[str]:
    """Return lines of a docstring in which the bars of a magnitude are escaped, if they are not in a literal."""

    def escape(line: str) -> str:
        parts = LITERAL.split(line)
        parts[::2] = [BARS.sub(r"\|\1\|", part) for part in parts[::2]]
        return "".join(parts)

    return [escape(line) for line in lines]


def read(app: Sphinx, name: str, source: list[str]) -> None:
    """Mend a page before it is parsed."""
    source[0] = mended(source[0], Path(app.env.doc2path(name)), Path(app.srcdir))


def docstring(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Escape a docstring before it is parsed."""
    lines[:] = escaped(lines)


def setup(app: Sphinx) -> dict[str, object]:
    """Connect both to Sphinx."""
    app.connect("source-read", read)
    app.connect("autodoc-process-docstring", docstring)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
