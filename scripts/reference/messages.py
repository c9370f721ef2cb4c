"""docs/reference/messages.md: the subjects, what goes over them and between whom, and what lies in the store."""

from __future__ import annotations

import ast
import inspect
import re
import typing
from collections.abc import Iterator
from enum import Enum
from functools import cache
from typing import Any

import msgspec

from rillcast.contracts import fields, ids, subjects
from scripts.reference import docstrings
from scripts.reference.faults import Undocumented
from scripts.reference.found import modules_in, processes, trees
from scripts.reference.markdown import bullets, link, page, paragraph, prose
from scripts.reference.structs import Targets, defined_in, enum_section, struct_section, targets_on, undocumented
from scripts.reference.type_words import in_python

INTRODUCTION = """
What the processes say to each other over NATS, and what they keep in JetStream's key-value store. Bodies are JSON; a
field that the reader does not know is ignored. How requests, answers and failures travel: [protocol](../protocol.md).
The codes of failures: [errors](errors.md).
"""
TAKES = {"serve", "listen"}
"""The methods of the bus by which a process answers requests and hears events."""

NOT_SENT_YET = {"SIGNALING_ADMIT"}
"""Requests that are served before anybody asks: origins will, for ingest that does not come by signaling."""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """One subject of the bus."""

    name: str
    """Its name in `rillcast.contracts.subjects`."""
    text: str
    """The subject itself, with ``<node>`` where an id goes."""
    doc: str

    @property
    def structs(self) -> list[str]:
        """The structs that the docstring names: of the request and of the answer, or of the event."""
        return re.findall(r"`messages\.(\w+)`", self.doc)

    @property
    def is_request(self) -> bool:
        """Requests are answered, events are not."""
        return "→" in self.doc


def render() -> str:
    """The page. Raises `Undocumented` for what lacks a docstring, and for docstrings that the code contradicts."""
    structs, enums = _classes(msgspec.Struct), _classes(Enum)
    faults = undocumented([*structs, *enums]) + subject_faults()
    if faults:
        raise Undocumented(faults)
    return page("Messages", "`rillcast/contracts`", INTRODUCTION, _parts(structs, enums))


def all_subjects() -> list[Subject]:
    """Every subject but patterns for listening, in the order of their definition."""
    docs = docstrings.of_attributes(subjects)
    found = []
    for name, value in vars(subjects).items():
        if isinstance(value, str) and value.startswith(f"{subjects.PREFIX}.") and not value.endswith(">"):
            found.append(Subject(name=name, text=value, doc=docs.get(name, "")))
        elif inspect.isfunction(value) and value.__module__ == subjects.__name__:
            ids = [f"<{parameter.replace('_', ' ')}>" for parameter in inspect.signature(value).parameters]
            found.append(Subject(name=name, text=value(*ids), doc=inspect.getdoc(value) or ""))
    return found


def takers(subject: Subject) -> list[str]:
    """The processes that answer a request or hear an event: those whose code calls `serve` or `listen` with it."""
    return _processes(subject, taking=True)


def senders(subject: Subject) -> list[str]:
    """The processes that ask a request or emit an event: those whose code names it in any other way."""
    return _processes(subject, taking=False)


def subject_faults() -> list[str]:
    """Subjects without a docstring, with one that names no struct, and those that nobody sends or takes."""
    known = {cls.__name__ for cls in _classes(msgspec.Struct)}
    faults = []
    for subject in all_subjects():
        place = f"rillcast.contracts.subjects.{subject.name}"
        if not subject.doc:
            faults.append(f"{place} has no docstring")
        elif len(subject.structs) < 1 + subject.is_request or not known.issuperset(subject.structs):
            faults.append(f"{place}: the docstring must name the structs as `messages.X` (→ `messages.Y`)")
        elif subject.is_request and not takers(subject):
            faults.append(f"{place}: no process serves it")
        elif not senders(subject) and subject.name not in NOT_SENT_YET:
            faults.append(f"{place}: no process sends it")
        elif senders(subject) and subject.name in NOT_SENT_YET:
            faults.append(f"{place}: it is sent by now, so it does not belong into NOT_SENT_YET")
    return faults


def _classes(base: type) -> list[type]:
    return [
        cls
        for module in modules_in("rillcast.contracts")
        if module.__name__ != "rillcast.contracts.errors"
        for cls in defined_in(module, base)
    ]


def targets() -> Targets:
    """The sections of this page, for links from other pages."""
    classes = (*_classes(msgspec.Struct), *_classes(Enum))
    return targets_on(
        "messages.md", [*docstrings.of_attributes(ids), *_field_kinds().values(), *(cls.__name__ for cls in classes)]
    )


def _field_kinds() -> dict[Any, str]:
    """The names of the types that fields have besides structs and enums: kinds of text, of numbers, of ids."""
    return {
        value: name
        for name, value in {**vars(fields), **vars(ids)}.items()
        if typing.get_origin(value) is typing.Annotated or isinstance(value, typing.NewType)
    }


def _parts(structs: list[type], enums: list[type]) -> Iterator[str]:
    yield "## Requests"
    for subject in all_subjects():
        if subject.is_request:
            yield from _subject_section(subject, "Asked by", "answered by")
    yield "## Events"
    for subject in all_subjects():
        if not subject.is_request:
            yield from _subject_section(subject, "From", "heard by")
    yield "## Buckets of the key-value store"
    yield from _buckets()
    kinds = _field_kinds()
    yield "## Queues of work"
    yield from _stored("QUEUE_")
    names = [*docstrings.of_attributes(ids), *kinds.values(), *(cls.__name__ for cls in (*structs, *enums))]
    yield "## Ids"
    for name, doc in docstrings.of_attributes(ids).items():
        yield from (f"### {name}", prose(doc))
    yield "## Texts and numbers"
    meanings = docstrings.of_attributes(fields)
    yield paragraph("A value that a field may not hold is refused, and the refusal names the field.")
    for kind, name in kinds.items():
        if not isinstance(kind, typing.NewType):
            yield from (f"### {name}", prose(f"`{in_python(kind)}`. {meanings.get(name, '')}"))
    yield "## Structs"
    for cls in structs:
        yield from struct_section(cls, targets_on("", names), names=kinds)
    yield "## Enums"
    for cls in enums:
        yield from enum_section(cls)


def _subject_section(subject: Subject, sent: str, taken: str) -> Iterator[str]:
    yield f"### `{subject.text}`"
    yield prose(re.sub(r"`messages\.(\w+)`", lambda match: link(match[1]), subject.doc))
    yield bullets([f"{sent}: {_listed(senders(subject))}", f"{taken.capitalize()}: {_listed(takers(subject))}"])


def _stored(prefix: str) -> Iterator[str]:
    for name, doc in docstrings.of_attributes(subjects).items():
        if name.startswith(prefix):
            yield f"### `{getattr(subjects, name)}`"
            yield prose(re.sub(r"`\w*records\.(\w+)`", lambda match: link(match[1]), doc))


def _buckets() -> Iterator[str]:
    yield from _stored("BUCKET_")
    times = {name: getattr(subjects, name) for name in docstrings.of_attributes(subjects) if name.endswith("_S")}
    docs = docstrings.of_attributes(subjects)
    yield bullets(f"`{name}` is {value:g}: {docs[name]}" for name, value in times.items())


def _listed(processes: list[str]) -> str:
    return ", ".join(processes) or "nobody"


def _processes(subject: Subject, taking: bool) -> list[str]:
    return processes({module for name, module, takes in _uses() if name == subject.name and takes is taking})


@cache
def _uses() -> set[tuple[str, str, bool]]:
    """The name of a subject, the module that reads it, and whether it does so in a call of `TAKES`."""
    return {
        (node.id if isinstance(node, ast.Name) else node.attr, module, id(node) in taking)
        for module, tree in trees().items()
        if not module.startswith(("rillcast.contracts", "rillcast.testing")) and _imports_subjects(tree)
        for taking in [{id(node) for call in ast.walk(tree) if _takes(call) for node in ast.walk(call)}]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Name, ast.Attribute))
    }


def _takes(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in TAKES


def _imports_subjects(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.ImportFrom)
        and (node.module == subjects.__name__ or any(alias.name == "subjects" for alias in node.names))
        for node in ast.walk(tree)
    )
