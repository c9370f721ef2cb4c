"""Writes `rillcast/client/api`: a class for each tag with a method for each operation, and one that has them all."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence

from scripts.client.modules import Imports, module
from scripts.client.names import class_name, module_of, snake
from scripts.client.operations import Operation, Parameter
from scripts.client.shapes import Shapes
from scripts.client.types import ANYTHING, Components

PACKAGE = "rillcast.client.api"
ASKING = ("rillcast.client.asking", "Asking")
QUERY = ("rillcast.client.asking", "Query")
PART = ("rillcast.client.asking", "part")


class Calls:
    """All operations, by tag."""

    def __init__(self, components: Components, shapes: Shapes, calls: Sequence[Operation]) -> None:
        self._components = components
        self._shapes = shapes
        self._calls = calls

    def files(self, tags: Mapping[str, str]) -> dict[str, str]:
        """Modules by their name. `tags`: each with a sentence."""
        return {"__init__": self._index(tags), **{module_of(tag): self._module(tag, tags[tag]) for tag in tags}}

    def _index(self, tags: Mapping[str, str]) -> str:
        imports = Imports()
        imports.add(*ASKING)
        lines = ["class Api:", '    """Every call that REST answers, by what it is about."""', ""]
        lines.append("    def __init__(self, ask: Asking) -> None:")
        for tag, about in tags.items():
            imports.add(f"{PACKAGE}.{module_of(tag)}", class_of(tag))
            lines += [f"        self.{module_of(tag)} = {class_of(tag)}(ask)", _text(about, 8)]
        return module("The calls of REST.", imports, ["\n".join(lines)])

    def _module(self, tag: str, about: str) -> str:
        imports = Imports()
        imports.add(*ASKING)
        methods = [self._method(call, imports) for call in self._calls if call.tag == tag]
        head = f"class {class_of(tag)}:\n{_text(about, 4)}"
        made = "    def __init__(self, ask: Asking) -> None:\n        self._ask = ask"
        return module(f"Calls about {tag}.", imports, ["\n\n".join([head, made, *methods])])

    def _method(self, call: Operation, imports: Imports) -> str:
        answer = "str" if call.plain else self._components.python_type(call.answer)
        kind = f"{answer} | None" if call.may_lack else answer
        for component in sorted(self._components.used(call.body) | self._components.used(call.answer)):
            imports.add(*self._shapes.where(component))
        signature = ["self", *self._given(call)]
        if "Any" in " ".join([kind, *signature]):
            imports.add("typing", "Any")
        if "Sequence[" in " ".join(signature):
            imports.add("collections.abc", "Sequence")
        lines = [f"    def {call.name}({', '.join(signature)}) -> {kind}:", self._docstring(call)]
        options = []
        if call.in_query:
            lines.append(f"        query: Query = {_query(call)}")
            imports.add(*QUERY)
            options.append("query=query")
        if call.body is not None:
            options.append("body=body")
        asked = ", ".join([f'"{call.method}"', self._path(call, imports), *options])
        if call.plain:
            lines.append(f"        return self._ask.text({asked})")
        elif answer == ANYTHING:
            lines.append(f"        return self._ask.anything({asked})")
        elif call.may_lack:
            lines.append(f"        return self._ask.perhaps({answer}, {asked})")
        else:
            lines.append(f"        return self._ask({answer}, {asked})")
        return "\n".join(lines)

    def _given(self, call: Operation) -> Iterator[str]:
        for one in call.in_path:
            yield f"{one.name}: {self._components.python_type(one.schema)}"
        if call.body is not None:
            kind = self._components.python_type(call.body).replace("list[", "Sequence[", 1)
            yield f"body: {kind}" if call.body_required else f"body: {kind} | None = None"
        if call.in_query:
            yield "*"
        for one in call.in_query:
            kind = self._components.python_type(one.schema)
            yield f"{one.name}: {kind}" if one.required else f"{one.name}: {kind.removesuffix(' | None')} | None = None"

    @staticmethod
    def _path(call: Operation, imports: Imports) -> str:
        if not call.in_path:
            return f'"{call.path}"'
        imports.add(*PART)
        return 'f"' + re.sub(r"\{(\w+)\}", lambda found: f"{{part({snake(found[1])})}}", call.path) + '"'

    @staticmethod
    def _docstring(call: Operation) -> str:
        said = [one for one in (*call.in_path, *call.in_query) if one.schema.get("description")]
        parts = [call.summary, f"``{call.method} {call.path}``", *(_about(one) for one in said)]
        blocks = [textwrap.fill(part, 112, break_long_words=False, break_on_hyphens=False) for part in parts]
        first, *others = blocks
        text = "\n\n".join([first, "\n\n".join(others[:1]), *(["\n".join(others[1:])] if others[1:] else [])])
        return textwrap.indent(f'"""{text}\n"""', " " * 8)


def class_of(tag: str) -> str:
    """The class with the calls of a tag."""
    return "".join(word.title() for word in re.split(r"\W+", class_name(tag)))


def _about(one: Parameter) -> str:
    return f"`{one.name}`: {one.schema['description']}"


def _query(call: Operation) -> str:
    return "{" + ", ".join(f'"{one.wire}": {one.name}' for one in call.in_query) + "}"


def _text(words: str, indent: int) -> str:
    return textwrap.indent(textwrap.fill(f'"""{words}"""', 120 - indent, break_on_hyphens=False), " " * indent)
