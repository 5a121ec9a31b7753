import json

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from facevalue import models
from facevalue.data.licences import File, Material
from facevalue.data.sbom import bill_of_materials

ROOT = Material("package", "Root_Package", "1", "Apache-2.0", True, "License-Expression", source="pkg:pypi/root-package@1")
LIBRARY = Material("package", "lib", "2", "", None, "", needed_by=("core",), source="pkg:pypi/lib@2", needs=("root-package",))
SUM = "0123456789abcdef" * 4
NET = Material(
    "model",
    "net",
    f"net@sha256:{SUM[:8]}",
    "research only",
    False,
    "card",
    state="not fetched",
    source="pip:net==3.1/net/a.onnx, https://example.org/b.onnx",
    trained_on="faces",
    about="what it measures",
    limits=("a limit",),
    task="embed",
    files=(File("net/a.onnx", SUM), File("net/b.onnx", "")),
    needs=("other",),
)
ONE = Material(
    "model", "one", "one@1", "MIT AND Zlib", True, "card", state="carried", task="pose", files=(File("one.onnx", SUM),)
)


def errors(bill):
    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill))


@pytest.fixture(scope="module")
def found():
    return models.materials()


@pytest.fixture(scope="module")
def whole(found):
    return bill_of_materials(found)


def test_the_bill_of_this_installation_is_valid(whole):
    assert errors(whole) is None


def test_what_is_no_bill_is_found_out():
    bill = bill_of_materials([ROOT, LIBRARY])
    bill["components"][0]["type"] = "sorcery"
    assert errors(bill) is not None


def test_every_material_and_every_known_sum_is_in_the_bill(found, whole):
    assert [part["name"] for part in whole["components"]] == [one.name for one in found[1:]]
    text = json.dumps(whole)
    assert all(file.sha256 in text for one in found for file in one.files)
    assert {row["ref"] for row in whole["dependencies"]} == {
        whole["metadata"]["component"]["bom-ref"],
        *(part["bom-ref"] for part in whole["components"]),
    }


def test_a_bill_says_what_is_known_and_nothing_else():
    bill = bill_of_materials([ROOT, LIBRARY, NET, ONE])
    library, net, one = bill["components"]
    assert errors(bill) is None
    assert "licenses" not in library
    assert {"name": "facevalue:licence_read_from", "value": "nowhere: unknown"} in library["properties"]
    assert {"name": "facevalue:commercial_use", "value": "unknown"} in library["properties"]
    assert net["type"] == "machine-learning-model"
    assert net["licenses"] == [{"license": {"name": "research only"}}]
    assert [part.get("hashes") for part in net["components"]] == [[{"alg": "SHA-256", "content": SUM}], None]
    assert [place["url"] for place in net["externalReferences"]] == [
        "https://pypi.org/project/net/3.1/",
        "https://example.org/b.onnx",
    ]
    assert net["modelCard"]["modelParameters"]["datasets"][0]["name"] == "faces"
    assert net["modelCard"]["considerations"]["technicalLimitations"] == ["a limit"]
    assert (library["scope"], net["scope"], one["scope"]) == ("required", "optional", "required")
    assert one["licenses"] == [{"expression": "MIT AND Zlib"}]
    assert one["hashes"] == [{"alg": "SHA-256", "content": SUM}]
    needs = {row["ref"]: row["dependsOn"] for row in bill["dependencies"]}
    assert needs["package:root-package"] == ["model:net", "model:one"]
    assert needs["package:lib"] == []
    assert bill["metadata"]["component"]["type"] == "application"


def test_the_serial_number_depends_on_the_content_alone(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    first = bill_of_materials([ROOT, NET])
    assert first["metadata"]["timestamp"] == "1970-01-02T00:00:00Z"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    second = bill_of_materials([ROOT, NET])
    assert (first["serialNumber"], first == second) == (second["serialNumber"], False)
    assert bill_of_materials([ROOT, ONE])["serialNumber"] != first["serialNumber"]
