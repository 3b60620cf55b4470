"""The command line: ``python -m bbdg_ref summary | pack | predict | bench | project``.

Each sub-command is a module of its own that exports one `Command`; `command` loads the one that is asked for and turns
whatever goes wrong into a message and an exit status. `models`, `images` and `arrays` read what users have; `output`
writes.
"""

from .command import main

__all__ = ["main"]
