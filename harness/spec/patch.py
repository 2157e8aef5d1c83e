"""Merging one part of an experiment over another: variants over the file, an app's client over everyone's.

The rule, kept small so that a reader of a file can do it in the head:

    mapping over mapping     merged key by key, all the way down
    anything else            replaces what was there; lists are replaced whole
    null                     deletes the key, so that its default holds again
    {kind: x, ...}           over a policy of another kind, replaces it: parameters of one kind mean nothing to another

One exception: a component of the region set to null stays null, because there null means absent (and deleting the key
would bring the preset's component back). Nothing given is changed; parts that were not patched are shared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.spec.region import ALWAYS, HOSTED, PRESETS
from harness.spec.time_scale import scaled
from harness.spec.vocabulary import STORIES


def merge(
    base: Mapping[str, Any], patch: Mapping[str, Any], keep_null: tuple[str, ...] | None = None
) -> dict[str, Any]:
    """`base` with `patch` over it. Keys under the path `keep_null` keep a null instead of being deleted."""
    merged = dict(base)
    for key, value in patch.items():
        inside = keep_null[1:] if keep_null and keep_null[0] == key else None
        if value is None and keep_null != ():
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            under = merged.get(key)
            under = under if isinstance(under, Mapping) and not _other_kind(under, value) else {}
            merged[key] = merge(under, value, inside)
        else:
            merged[key] = value
    return merged


def _other_kind(under: Mapping[str, Any], over: Mapping[str, Any]) -> bool:
    return "kind" in over and under.get("kind") != over["kind"]


def normal(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The same experiment with shorthands written out, so that a patch meets mappings: `region: small`."""
    region = raw.get("region")
    return {**raw, "region": {"preset": region}} if isinstance(region, str) else dict(raw)


def patched(raw: Mapping[str, Any], variant: Mapping[str, Any]) -> dict[str, Any]:
    """The experiment of one variant, still as a mapping of texts."""
    return merge(normal(raw), normal(variant), keep_null=("region",))


def filled(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A normal experiment in the run's own time, with its preset beneath the region and every caller's client complete.

    Parts of the wrong shape are left as they are: the models complain about them, with their place.
    """
    result = scaled(raw)
    region = result.get("region") or {}
    if isinstance(region, Mapping):
        result["region"] = region = merge(PRESETS.get(str(region.get("preset")), {}), region, keep_null=())
        for name in HOSTED:
            part = region.get(name, {} if name in ALWAYS else None)
            if isinstance(part, Mapping):
                region[name] = _with_client(part, result.get("client"))
    load = result.get("load")
    if isinstance(load, Mapping):
        result["load"] = {
            story: _with_mix(story, _with_client(part, result.get("client"), resolver=False))
            if isinstance(part, Mapping)
            else part
            for story, part in load.items()
        }
    return result


def _with_mix(story: str, part: dict[str, Any]) -> dict[str, Any]:
    if not part.get("mix") and story in STORIES:
        part["mix"] = dict(STORIES[story].operations)
    return part


def _with_client(part: Mapping[str, Any], everyone: object, *, resolver: bool = True) -> dict[str, Any]:
    """A caller's part with `client` complete; an app's own `resolver` is its client's, and the other way round."""
    own = part.get("client") or {}
    result = dict(part)
    if isinstance(own, Mapping):
        client = merge(everyone if isinstance(everyone, Mapping) else {}, own)
        if resolver and part.get("resolver") is not None:
            client["resolver"] = part["resolver"]
        elif resolver and "resolver" in client:
            result["resolver"] = client["resolver"]
        result["client"] = client
    return result
