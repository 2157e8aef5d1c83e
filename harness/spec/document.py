"""A YAML text as plain values plus the place of every one of them.

A validator that is handed a dict can say what is wrong but not where; a person with a file of two hundred lines wants
the line. So the text is composed into YAML's own nodes, which carry marks, and turned into values here, remembering for
each path where its key and its value stand.

Only what an experiment needs is accepted: one document, text keys, no tags, no merge keys, each key once. Size, depth
and the number of values (aliases counted each time they are used) are limited, so that a hostile file costs
a few seconds, not memory. Parsing is PyYAML's; nothing in a file can name a Python object.
"""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from harness.errors import SpecError

BYTES_MAX: Final = 1_000_000
DEPTH_MAX: Final = 16
VALUES_MAX: Final = 20_000
_YAML: Final = "tag:yaml.org,2002:"
_TAGS: Final = {f"{_YAML}{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq")}

Where = tuple[str | int, ...]


class Place(NamedTuple):
    """A line and a column, both from 1."""

    line: int
    column: int


class Document:
    """The values of one file and where they stand. `name` is how the file is called in complaints."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.data: Any = None
        self.keys: dict[Where, Place] = {}
        self.values: dict[Where, Place] = {}

    def place(self, path: Where, *, key: bool = False) -> Place | None:
        """Where the value (or the key) at `path` stands; None when the file does not say it."""
        return (self.keys.get(path) if key else None) or self.values.get(path)

    def nearest(self, path: Where) -> Place:
        """Where the value at `path`, or else its closest ancestor's key, stands."""
        if path in self.values:
            return self.values[path]
        for length in range(len(path) - 1, 0, -1):
            found = self.keys.get(path[:length]) or self.values.get(path[:length])
            if found is not None:
                return found
        return Place(1, 1)

    def complain(self, place: Place, text: str) -> str:
        """One complaint, as `file:line:column: text`."""
        return f"{self.name}:{place.line}:{place.column}: {text}"


def read_document(path: Path) -> Document:
    """Read an experiment file. Raises SpecError when it is missing, too large or not UTF-8."""
    try:
        with path.open("rb") as file:
            raw = file.read(BYTES_MAX + 1)
        return parse_document(raw.decode(), str(path))
    except OSError as error:
        raise SpecError(
            f"{path}: cannot be read: {error.strerror}; name an experiment file, as in experiments/*.yaml"
        ) from error
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: not UTF-8 text (byte {error.start}); an experiment file is YAML text") from error


def parse_document(text: str, name: str) -> Document:
    """The document in `text`. Raises SpecError with file, line and column."""
    document = Document(name)
    if len(text) > BYTES_MAX:
        raise SpecError(f"{name}:1:1: larger than {BYTES_MAX:,} bytes; an experiment file is a page or two of YAML")
    try:
        _check_shape(document, text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        place, said = _place(error.problem_mark or error.context_mark), (error.context, error.problem)
        raise SpecError(document.complain(place, f"not valid YAML: {', '.join(filter(None, said))}")) from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = Place(before.count("\n") + 1, error.position - before.rfind("\n"))
        raise SpecError(document.complain(place, f"not valid YAML: {error.reason}")) from error
    if node is None:
        raise SpecError(f"{name}:1:1: the file is empty; an experiment has at least a title and a load")
    document.data = _Builder(document).build(node, (), 0)
    return document


def _check_shape(document: Document, text: str) -> None:
    """Depth and size of the event stream, before anything recursive touches it."""
    depth = count = documents = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        count += 1
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.DocumentStartEvent):
            documents += 1
        if depth > DEPTH_MAX:
            problem = f"nested more than {DEPTH_MAX} deep; no key of an experiment lies that deep"
        elif count > 2 * VALUES_MAX:
            problem = f"more than {VALUES_MAX:,} values; an experiment file is a page or two of YAML"
        elif documents > 1:
            problem = "a second document begins; an experiment file holds one"
        else:
            continue
        raise SpecError(document.complain(_place(event.start_mark), problem))


def _place(mark: Any) -> Place:
    """The place of one of PyYAML's marks, or the start of the file for None."""
    return Place(mark.line + 1, mark.column + 1) if mark is not None else Place(1, 1)


class _Builder:
    """Turns nodes into values, noting places and counting what aliases blow up."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._constructor = yaml.SafeLoader("")
        self._count = 0

    def build(self, node: yaml.Node, path: Where, depth: int) -> Any:
        self._count += 1
        if self._count > VALUES_MAX:
            raise self._error(node, f"aliases repeat more than {VALUES_MAX:,} values; write them out or use variants")
        if depth > DEPTH_MAX:
            raise self._error(node, f"nested more than {DEPTH_MAX} deep; an alias may not contain itself")
        self._document.values[path] = _place(node.start_mark)
        if not isinstance(node, yaml.ScalarNode) and node.tag not in _TAGS:
            raise self._error(node, f"{node.tag.removeprefix(_YAML)!r} is a tag, and no key takes one; remove it")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, index), depth + 1) for index, item in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: Where, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == f"{_YAML}merge":
                raise self._error(key_node, "merge keys (<<) are not accepted; write the values out or use variants")
            key = self._key(key_node) if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str):
                raise self._error(
                    key_node, f"{_written(key_node)} is not a key; keys are words (quote it if it is one)"
                )
            inner = (*path, key)
            if key in found:
                first = self._document.keys[inner]
                raise self._error(key_node, f"{key!r} is given twice; the first is at line {first.line}; keep one")
            self._document.keys[inner] = _place(key_node.start_mark)
            found[key] = self.build(value_node, inner, depth + 1)
        return found

    def _key(self, node: yaml.ScalarNode) -> Hashable:
        """A key; `on` and `off` are words there (YAML 1.1 reads them as true and false, and a square takes them)."""
        return node.value if node.value in ("on", "off") else self._scalar(node)

    def _scalar(self, node: yaml.Node) -> Hashable:
        if node.tag not in _TAGS:
            short = node.tag.removeprefix(_YAML)
            raise self._error(
                node,
                f"{_written(node)} is read as {short!r}, which no key takes; quote it, or write a plain text or number",
            )
        try:
            value: Hashable = self._constructor.construct_object(node)
        except ValueError as error:
            raise self._error(node, f"{_written(node)} cannot be read: {error}") from error
        return value

    def _error(self, node: yaml.Node, text: str) -> SpecError:
        return SpecError(self._document.complain(_place(node.start_mark), text))


def _written(node: yaml.Node) -> str:
    text = (
        str(node.value)
        if isinstance(node, yaml.ScalarNode)
        else f"a {'list' if isinstance(node, yaml.SequenceNode) else 'mapping'}"
    )
    return repr(text) if len(text) <= 60 else repr(text[:57] + "...")
