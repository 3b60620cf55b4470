"""The directive `conformance-vectors`: a table of the vectors of a module of the specification, as the registry has it.

    ```{conformance-vectors} projection
    ```

lists stage, id, flags and comment of every vector whose stage names the module. It is made at build time from
`bbdg_ref.conformance` itself, so that it cannot be stale. A module without vectors is an error.
"""

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

from bbdg_ref.conformance.registry import vectors
from bbdg_ref.conformance.stages import STAGES

HEADS = ("stage", "id", "hunts", "what it is")


def rows(module: str) -> list[tuple[str, str, str, str]]:
    """Return stage, id, flags and comment of the vectors of a module of the specification."""
    stages = [name for name, stage in STAGES.items() if module in stage.spec]
    return [
        (name, vector.id, ", ".join(vector.flags), " ".join(vector.comment.split()))
        for name in stages
        for vector in vectors(name)
    ]


def table(cells: list[tuple[str, str, str, str]]) -> nodes.table:
    """Return the rows as a table; ids and flags are literal."""
    group = nodes.tgroup("", *(nodes.colspec(colwidth=width) for width in (18, 28, 18, 60)), cols=len(HEADS))
    group += nodes.thead("", nodes.row("", *(nodes.entry("", nodes.paragraph("", head)) for head in HEADS)))
    body = nodes.tbody()
    for stage, name, flags, comment in cells:
        texts = [nodes.literal("", stage), nodes.literal("", name), nodes.Text(flags), nodes.Text(comment)]
        body += nodes.row("", *(nodes.entry("", nodes.paragraph("", "", text)) for text in texts))
    group += body
    return nodes.table("", group, classes=["conformance-vectors"])


class ConformanceVectors(Directive):
    """The vectors of the module that the argument names."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        found = rows(self.arguments[0])
        if not found:
            raise self.error(f"no conformance vector belongs to {self.arguments[0]!r}")
        return [table(found)]


def setup(app: Sphinx) -> dict[str, object]:
    """Register the directive."""
    app.add_directive("conformance-vectors", ConformanceVectors)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
