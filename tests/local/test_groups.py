"""Tests that share what is slow to start run in one process."""

import re
import subprocess
import sys
from pathlib import Path

GROUPED = """
import time
import pytest

@pytest.mark.parametrize("number", range(4))
@pytest.mark.xdist_group("slow to start")
def test_of_a_group(number):
    time.sleep(0.1)

@pytest.mark.parametrize("number", range(4))
def test_alone(number):
    time.sleep(0.1)
"""


def test_the_tests_of_a_group_run_in_one_process(tmp_path: Path) -> None:
    (tmp_path / "test_grouped.py").write_text(GROUPED)
    options = ("-n", "2", "--dist", "loadgroup", "-v", "-p", "no:cacheprovider")
    done = subprocess.run(
        (sys.executable, "-m", "pytest", *options, "test_grouped.py"),
        cwd=tmp_path,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    ran = re.findall(r"\[(gw\d)\] .* PASSED \S+::(test_\w+)", done.stdout)
    assert len(ran) == 8, done.stdout
    assert len({process for process, test in ran if test == "test_of_a_group"}) == 1
    assert len({process for process, _ in ran}) == 2
