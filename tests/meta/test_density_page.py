"""docs/results/density.md: its generated part is what its result files make, and they are one sweep of this script."""

import re
import runpy
from pathlib import Path

from bbdg_ref.training.sweep import read_folder
from bbdg_ref.training.sweep.remake import remaking_command
from bbdg_ref.training.sweep.report import BEGIN, END, generated

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "results" / "density"


def test_the_page_is_what_the_result_files_make():
    finished = read_folder(FOLDER)
    assert finished
    script = runpy.run_path(str(ROOT / "examples" / "sweep_density.py"))
    command = remaking_command(script["TASK"], script["GAMMA"], finished)
    page = (FOLDER.parent / "density.md").read_text(encoding="utf-8")
    part = page.partition(BEGIN + "\n")[2].partition(END)[0]
    assert part == generated(FOLDER.name, finished, command), "remake it: python examples/sweep_density.py --report"


def test_no_result_names_a_folder():
    for path in FOLDER.glob("*.json"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r'"(/|[A-Za-z]:[/\\\\])', text), path.name


def test_the_picture_shows_every_domain_of_the_results():
    picture = (FOLDER.parent / "density.svg").read_text(encoding="utf-8")
    for domain in {one.run.experiment.domain for one in read_folder(FOLDER)}:
        assert f">{domain}<" in picture
