"""JSON Schema of an experiment file, for editors that complete and check YAML while one types.

Made from the same models and the same policy catalogue that read the file, so the two cannot drift. A schema sees one
value at a time: what needs several (a fault that outlives the load) only `blackstart check` can say. Three things the
models do not know are added here: a client below an app or a story is a patch, the region may be the bare name of a
preset, and variants are patches, in which everything is optional and null deletes.
"""

from __future__ import annotations

from typing import Any, Final

from harness.spec.experiment import Experiment
from harness.spec.load import PATCHABLE
from harness.spec.region import PRESETS
from harness.spec.vocabulary import DEEDS, STOP_GAUGES, STORIES

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The schema, JSON-able; draft 2020-12."""
    schema = Experiment.model_json_schema(by_alias=True, mode="validation")
    parts = schema["$defs"]
    parts["Event"]["properties"]["do"] = {"enum": list(DEEDS), "description": "component.verb, or pause"}
    properties = schema["properties"]
    properties["load"]["propertyNames"] = {"enum": list(STORIES)}
    watched = {"enum": list(STOP_GAUGES)}
    gauges = {"type": "object", "propertyNames": watched, "additionalProperties": {"type": "string"}}
    properties["stop_when"] = {"anyOf": [{"const": "none"}, {"type": "null"}, gauges]}
    properties["region"] = {"anyOf": [{"enum": list(PRESETS)}, {"$ref": "#/$defs/Region"}]}
    patches = {name: {"type": ["object", "array", "string", "null"]} for name in PATCHABLE}
    properties["variants"] = {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {"type": ["object", "null"], "properties": patches, "additionalProperties": False},
        "description": "patches, each merged deep over the whole file; lists are replaced, null deletes",
    }
    schema.update({"$schema": DIALECT, "title": "Blackstart experiment"})
    return schema
