"""YAML: safe, bounded, and with a place for every value."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import Exit, SpecError
from harness.spec.document import BYTES_MAX, DEPTH_MAX, VALUES_MAX, Place, parse_document, read_document


def said(text: str) -> str:
    """The one complaint about a text."""
    with pytest.raises(SpecError) as caught:
        parse_document(text, "x.yaml")
    return str(caught.value)


def test_every_value_and_key_has_its_place() -> None:
    document = parse_document("a: 1\nb:\n  c: [x, {d: 2}]\n", "x.yaml")
    assert document.data == {"a": 1, "b": {"c": ["x", {"d": 2}]}}
    assert document.values["b", "c", 1, "d"] == Place(3, 14)
    assert document.keys["b", "c", 1, "d"] == Place(3, 11)
    assert document.place(("b", "c"), key=True) == Place(3, 3)
    assert document.place(("b", "z")) is None


def test_a_repeated_key_is_refused_with_the_place_of_the_first() -> None:
    assert said("a: 1\nb: 2\na: 3\n") == "x.yaml:3:1: 'a' is given twice; the first is at line 1; keep one"


def test_python_objects_are_never_built() -> None:
    assert "python/object/apply:os.system" in said("a: !!python/object/apply:os.system ['true']\n")
    assert "python/name:os.system" in said("a: !!python/name:os.system x\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("when: 2026-10-11", "'timestamp'"),
        ("a: !!binary aGk=", "'binary'"),
        ("a: !mine x", "'!mine'"),
        ("1: x", "is not a key"),
        ("yes: x", "is not a key"),
        ("[a]: x", "is not a key"),
        ("base: &b {x: 1}\nother: {<<: *b}", "merge keys (<<) are not accepted"),
        ("a: [", "not valid YAML"),
        ("a: b: c", "not valid YAML"),
        ("a: *nobody", "not valid YAML"),
        ("a: 1\n---\nb: 2", "a second document begins"),
        ("", "the file is empty"),
        ("# only a comment\n", "the file is empty"),
        ("a: \x07", "not valid YAML"),
    ],
)
def test_what_an_experiment_does_not_need_is_refused(text: str, words: str) -> None:
    assert words in said(text)
    assert said(text).startswith("x.yaml:")


def test_depth_is_limited_before_anything_recurses() -> None:
    assert f"nested more than {DEPTH_MAX} deep" in said("[" * 100_000)
    assert f"nested more than {DEPTH_MAX} deep" in said("a:" + "{a: " * 40 + "1" + "}" * 40)


def test_an_alias_may_not_contain_itself() -> None:
    assert "an alias may not contain itself" in said("a: &a {b: *a}")


def test_an_alias_bomb_is_refused_quickly() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert f"aliases repeat more than {VALUES_MAX:,} values" in said("\n".join(lines))


def test_too_many_values_are_refused() -> None:
    assert f"more than {VALUES_MAX:,} values" in said("a: [" + "1, " * (2 * VALUES_MAX) + "1]")


def test_a_file_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_text("# " + "x" * BYTES_MAX)
    with pytest.raises(SpecError, match=r"larger than 1,000,000 bytes"):
        read_document(path)


def test_a_file_that_cannot_be_read_says_so_and_exits_2(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"nothing\.yaml: cannot be read: No such file"):
        read_document(tmp_path / "nothing.yaml")
    with pytest.raises(SpecError, match="cannot be read: Is a directory"):
        read_document(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"title: caf\xe9\n")
    with pytest.raises(SpecError, match=r"not UTF-8 text \(byte 10\)") as caught:
        read_document(tmp_path / "latin.yaml")
    assert caught.value.exit_code is Exit.USAGE
