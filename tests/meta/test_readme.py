"""README's two commands are there for .ci/run to extract, and what README refers to exists."""

import doctest
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
EXTRACT = ROOT / ".ci" / "readme_command"

LINK = re.compile(r"\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)|\b(?:src|href)=\"([^\"]+)\"")


def local_links(text: str) -> list[str]:
    """The targets of the links and pictures of a Markdown text that are files, without their fragments."""
    targets = [first or second for first, second in LINK.findall(text)]
    return [target.partition("#")[0] for target in targets if not re.match(r"[a-z]+:|#", target)]


def extract(name: str, readme: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", str(EXTRACT), name, str(readme)], capture_output=True, text=True, check=False)


def test_the_training_command_installs_and_trains():
    command = extract("train", README).stdout
    assert "pip install" in command
    assert "examples/train_cifar10.py" in command


def test_the_test_command_installs_and_tests():
    command = extract("test", README).stdout
    assert "pip install" in command
    assert "pytest --hypothesis-show-statistics" in command


def test_readme_links_to_files_that_exist():
    links = local_links(README.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_links_are_found_and_addresses_are_not():
    text = 'See [a](docs/a.md#part), ![b](b.png "title"), <img src="c.png">, [d](https://d), [e](#e).'
    assert local_links(text) == ["docs/a.md", "b.png", "c.png"]


def test_a_command_is_extracted_from_its_own_block(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(
        "```bash\nno\n```\n<!-- command: train -->\n\n```bash\none \\\n  && two\n```\n"
        "<!-- command: test -->\n```bash\nthree\n```\n```bash\nno\n```\n",
        encoding="utf-8",
    )
    assert extract("train", readme).stdout == "one \\\n  && two\n"
    assert extract("test", readme).stdout == "three\n"


@pytest.mark.parametrize(
    "text", ["", "<!-- command: test -->\n", "<!-- command: test -->\n```bash\n```\n", "```bash\nls\n```\n"]
)
def test_a_missing_command_is_an_error(tmp_path, text):
    readme = tmp_path / "README.md"
    readme.write_text(text, encoding="utf-8")
    result = extract("test", readme)
    assert result.returncode != 0
    assert "command: test" in result.stderr


def test_the_examples_of_the_readme_print_what_it_says():
    found = doctest.testfile(str(README), module_relative=False, encoding="utf-8")
    assert found.attempted >= 3
    assert found.failed == 0
