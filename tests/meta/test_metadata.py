"""What is said in several places is said the same: versions, lower bounds, the data that a wheel carries."""

import configparser
import importlib.metadata
import re
from pathlib import Path

import bbdg_ref

ROOT = Path(__file__).parents[2]


def setup() -> configparser.ConfigParser:
    config = configparser.ConfigParser()
    assert config.read(ROOT / "setup.cfg", encoding="utf-8")
    return config


def lower_bounds() -> dict[str, str]:
    config = setup()
    text = "\n".join(
        [
            config["options"]["install_requires"],
            config["options.extras_require"]["test"],
            config["options.extras_require"]["plot"],
        ]
    )
    return dict(re.findall(r"^([\w-]+)>=([\d.]+)$", text, re.MULTILINE))


def test_version_is_the_same_everywhere():
    version = importlib.metadata.version("bbdg_ref")  # setup.cfg reads it from bbdg_ref/_version.py
    citation = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    newest = re.search(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert citation is not None
    assert newest is not None
    assert bbdg_ref.__version__ == citation[1] == newest[1] == version


def test_oldest_constraints_are_the_lower_bounds():
    text = (ROOT / ".ci" / "oldest.txt").read_text(encoding="utf-8")
    pinned = dict(re.findall(r"^([\w-]+)==([\d.]+)$", text, re.MULTILINE))
    bounds = lower_bounds()
    assert pinned.keys() == bounds.keys()
    assert {name: pin for name, pin in pinned.items() if not f"{pin}.".startswith(f"{bounds[name]}.")} == {}


def test_python_versions_agree():
    config = setup()
    classifiers = re.findall(r"Python :: (3\.\d+)$", config["metadata"]["classifiers"], re.MULTILINE)
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    matrix = re.search(r"python-version: \[(.+)\]", workflow)
    assert matrix is not None
    assert re.findall(r"3\.\d+", matrix[1]) == classifiers
    assert config["options"]["python_requires"] == f">={classifiers[0]}"


def test_installed_files_are_typed():
    assert (ROOT / "bbdg_ref" / "py.typed").is_file()
    assert setup()["options.package_data"]["bbdg_ref"].split() == ["py.typed"]
