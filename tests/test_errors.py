"""The error tree: who must act decides the exit code."""

from __future__ import annotations

import inspect

import pytest

from harness import errors
from harness.errors import Exit, HarnessError

TREE = {
    errors.HarnessError: 4,
    errors.SpecError: 2,
    errors.RunError: 4,
    errors.NotReady: 4,
    errors.RecordError: 2,
    errors.InvalidRun: 3,
    errors.StopCondition: 5,
}


@pytest.mark.parametrize("error", TREE, ids=lambda error: error.__name__)
def test_every_error_has_the_documented_exit_code(error: type[HarnessError]) -> None:
    assert error.exit_code == TREE[error]
    assert issubclass(error, HarnessError)


def test_no_error_is_left_out_of_the_tree() -> None:
    defined = {
        found
        for _, found in inspect.getmembers(errors, inspect.isclass)
        if issubclass(found, Exception) and found.__module__ == errors.__name__
    }
    assert defined == set(TREE)


def test_the_tree_in_the_docstring_is_the_tree_in_the_code() -> None:
    drawn = {
        line.split()[0]: int(line.split()[2])
        for line in (errors.__doc__ or "").splitlines()
        if len(line.split()) > 2 and line.split()[1] == "exit"
    }
    assert drawn == {error.__name__: code for error, code in TREE.items()}


def test_a_process_that_never_got_ready_is_a_failure_of_the_run() -> None:
    assert issubclass(errors.NotReady, errors.RunError)


def test_exit_codes_are_the_documented_ones() -> None:
    assert {name: int(code) for name, code in Exit.__members__.items()} == {
        "PASS": 0,
        "CRITERION_FAILED": 1,
        "USAGE": 2,
        "INVALID": 3,
        "MACHINERY": 4,
        "STOPPED": 5,
        "INTERRUPTED": 130,
        "TERMINATED": 143,
    }
