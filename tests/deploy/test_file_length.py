"""No file of code is longer than its reader's patience, tests and their helpers included."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
MOST_LINES = 400
FOLDERS = ("rillcast", "services", "tests", "scripts", "deploy", "native/crates")
KINDS = frozenset({".py", ".rs"})


def long_files(root: Path) -> list[str]:
    """Each file of code that is too long, with its lines."""
    files = [
        file
        for folder in FOLDERS
        for file in (root / folder).rglob("*")
        if file.suffix in KINDS and not {"node_modules", "target"} & set(file.parts)
    ]
    lengths = {file.relative_to(root).as_posix(): file.read_bytes().count(b"\n") for file in files}
    return [f"{name}: {lines} lines, split it by subject" for name, lines in lengths.items() if lines > MOST_LINES]


def test_no_file_of_code_is_longer_than_400_lines() -> None:
    assert long_files(ROOT) == []


def test_a_file_of_tests_counts_too_and_one_of_exactly_400_lines_is_none(tmp_path: Path) -> None:
    for name, lines in (("long.py", 401), ("long.rs", 401), ("fits.py", 400), ("long.json", 401)):
        (tmp_path / "tests").mkdir(exist_ok=True)
        (tmp_path / "tests" / name).write_text("x\n" * lines)
    assert sorted(long_files(tmp_path)) == [
        "tests/long.py: 401 lines, split it by subject",
        "tests/long.rs: 401 lines, split it by subject",
    ]
