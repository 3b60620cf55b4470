"""Check that a wheel holds every file of the package folder, and only the package.

Usage: python .ci/check_wheel.py WHEEL PACKAGE_FOLDER
"""

import sys
import zipfile
from pathlib import Path


def main(wheel: Path, folder: Path) -> int:
    """Compare the wheel's names with the folder's files; print what differs; return the exit status."""
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        told = {name for name in archive.namelist() if ".dist-info/" in name}
    files = [path for path in folder.rglob("*") if path.suffix == ".py" or path.name == "py.typed"]
    wanted = {path.relative_to(folder.parent).as_posix() for path in files}
    faults = [f"missing: {name}" for name in sorted(wanted - held)]
    faults += [f"not of the package: {name}" for name in sorted(held - wanted)]
    faults += ["missing: the licence"] if not any(name.endswith("LICENSE") for name in told) else []
    print("\n".join(faults) or f"{wheel.name}: {len(held)} files")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
