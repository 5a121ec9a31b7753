"""GraphML, read by Python's own expat. A document type, and with it every entity, is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

from facevalue.data._network_tables import RELATION_COLUMNS, Entry, distinct, signed
from facevalue.data.errors import SchemaError

NUMBERED = re.compile(r"n\d+")
NAMES = ("name", "label")


class _Graph:
    """The state of a GraphML file while its elements open and close."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.StartDoctypeDeclHandler = self.refuse
        self.parser.StartElementHandler, self.parser.EndElementHandler = self.start, self.end
        self.parser.CharacterDataHandler = self.text
        self.keys = dict[str, tuple[str, str]]()
        self.defaults: dict[str, dict[str, str]] = {"node": {}, "edge": {}}
        self.nodes = dict[str, dict[str, str]]()
        self.edges = list[tuple[int, str, str, bool, dict[str, str]]]()
        self.owners: list[tuple[str, dict[str, str]]] = []
        self.key, self.words, self.graphs, self.directed = "", list[str](), 0, True

    def fail(self, expected: str, got: object) -> NoReturn:
        raise SchemaError(f"{self.path}, line {self.parser.CurrentLineNumber}: expected {expected}; got {got}")

    def refuse(self, name: str, *_: object) -> None:
        """Refuse a document type."""
        self.fail("GraphML without a document type", f"<!DOCTYPE {name}>: remove it")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Open an element."""
        name = tag.rpartition(" ")[2]
        self.words = []
        if name == "key":
            self.key = attributes.get("id", "")
            self.keys[self.key] = (attributes.get("for", "all"), attributes.get("attr.name", self.key).lower())
        elif name == "data":
            self.key = attributes.get("key", "")
        elif name == "graph":
            self._graph(attributes)
        elif name == "node":
            self._node(attributes)
        elif name == "edge":
            self._edge(attributes)
        elif name == "hyperedge":
            self.fail("edges between two nodes", "a hyperedge")

    def _graph(self, attributes: dict[str, str]) -> None:
        self.graphs += 1
        if self.graphs > 1:
            self.fail("one graph a file", "another: write each into a file of its own")
        if (default := attributes.get("edgedefault", "")) not in ("directed", "undirected"):
            self.fail('edgedefault="directed" or "undirected" of the graph', repr(default))
        self.directed = default == "directed"

    def _node(self, attributes: dict[str, str]) -> None:
        if (node := attributes.get("id", "").strip()) in self.nodes or not node:
            self.fail("each node's id once, none empty", repr(node))
        self.nodes[node] = dict[str, str]()
        self.owners.append(("node", self.nodes[node]))

    def _edge(self, attributes: dict[str, str]) -> None:
        ends = [attributes.get(end, "").strip() for end in ("source", "target")]
        if (given := attributes.get("directed", str(self.directed).lower())) not in ("true", "false"):
            self.fail("directed=true or false of an edge", repr(given))
        data = dict[str, str]()
        self.edges.append((self.parser.CurrentLineNumber, ends[0], ends[1], given == "true", data))
        self.owners.append(("edge", data))

    def text(self, data: str) -> None:
        """Keep text."""
        self.words.append(data)

    def end(self, tag: str) -> None:
        """Close an element."""
        name, word = tag.rpartition(" ")[2], "".join(self.words).strip()
        if name in ("node", "edge"):
            self.owners.pop()
        elif name == "default":
            whose, attribute = self.keys[self.key]
            for kind in ("node", "edge") if whose == "all" else (whose,):
                self.defaults.setdefault(kind, {})[attribute] = word
        elif name == "data" and self.owners:
            if self.key not in self.keys:
                self.fail("data of a key that the file declares", repr(self.key))
            self.owners[-1][1][self.keys[self.key][1]] = word

    def named(self) -> dict[str, str]:
        """Return what each node is called: its id, or the name or label of each where ids are n0, n1, as igraph writes."""
        if all(NUMBERED.fullmatch(node) for node in self.nodes):
            for attribute in NAMES:
                names = [data.get(attribute, "") for data in self.nodes.values()]
                if names and all(names):
                    distinct(names, f"{self.path}: expected each node's {attribute} once")
                    return dict(zip(self.nodes, names, strict=True))
        return {node: node for node in self.nodes}


def read_graphml(path: Path, relation: str, wave: str) -> list[Entry]:
    """Return the ties of a GraphML file.

    Parameters
    ----------
    path
        Edges with the data weight, sign, relation (or type, layer) and wave, or the defaults of these; edgedefault says
        whether ties have a direction, and `directed` of an edge.
    relation, wave
        Of edges that have none.

    Raises
    ------
    SchemaError
        Not XML, a document type, several graphs, an edge of a node that is not there, or a weight that is no number.
    """
    graph = _Graph(path)
    try:
        graph.parser.Parse(path.read_bytes(), True)
    except (OSError, expat.ExpatError) as error:
        raise SchemaError(f"{path}: expected GraphML; it cannot be read: {error}") from error
    if not graph.graphs:
        raise SchemaError(f"{path}: expected GraphML; it has no graph")
    names, found = graph.named(), []
    for line, source, target, directed, data in graph.edges:
        if lost := [node for node in (source, target) if node not in names]:
            raise SchemaError(f"{path}, line {line}: expected edges between nodes of the file; it has no node {lost[0]!r}")
        data = graph.defaults["edge"] | data
        kind = next((data[name] for name in RELATION_COLUMNS if name in data), relation)
        try:
            weight = signed(data.get("sign"), data.get("weight"))
        except ValueError as error:
            raise SchemaError(f"{path}, line {line}: {error}") from error
        found.append(Entry(names[source], names[target], kind, weight, data.get("wave", wave), line, directed))
    return found
