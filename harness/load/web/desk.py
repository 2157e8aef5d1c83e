"""One press of a button: checked, done on the region, written down, and undone when the load is over.

A person who presses twice means it once, and a page that lost the answer sends again. So every press carries a number
of its own, made by the page, which counts once; and the same deed again within a second is refused as well. A press is
written down before anybody can ask what happened: who (`operator`), what, and that press's number. What a component
refuses is written down too, with its words, and changes nothing else: unlike a timeline, a person may go on.

A fault always has a time to live, and what is still on when the load ends is healed, as after a timeline.

    200 done | 400 wrong arguments | 404 no such thing | 409 pressed twice, or no run | 502 the component would not
"""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from harness.errors import RunError, SpecError
from harness.load.ports import Ports
from harness.load.web import state
from harness.record.folder import RunFolder
from harness.record.journal import Journal
from harness.timeline import Due

WHO = "operator"
AGAIN_S = 1.0
_REMEMBERED = 4096
_DEEDS = ("inject", "heal", "action")

Answer = tuple[int, dict[str, Any]]


class Running(NamedTuple):
    """A run that goes on. `ports` is None where no region is served."""

    folder: RunFolder
    facts: dict[str, Any]  # plan.json
    now_s: Callable[[], float]  # from the run's zero
    ports: Ports | None


class Press(NamedTuple):
    """A press as the page sends it, checked for its form."""

    deed: Any
    component: str
    name: str
    params: dict[str, Any]
    ttl_s: float
    fix: bool
    press: str

    @property
    def what(self) -> str:
        """As the journal of a timeline has it."""
        return f"{self.component}.heal" if self.deed == "heal" else f"{self.component}.{self.name}"


class Desk:
    """Takes presses for one run at a time."""

    def __init__(self) -> None:
        self._run: Running | None = None
        self._journal: Journal | None = None
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._last: dict[str, float] = {}
        self._open: dict[tuple[str, str], Press] = {}

    def open(self, run: Running) -> None:
        """From now on presses are for this run."""
        self._run, self._journal = run, Journal(run.folder.journal, WHO)
        self._last.clear()
        self._open.clear()

    def close(self) -> None:
        """Heal what was pressed and is still on, and take no more presses."""
        run, journal = self._run, self._journal
        self._run = None
        if run is None or journal is None:
            return
        for (component, name), press in list(self._open.items()):
            fields = _fields(press) | {"what": "undo"}
            try:
                healed = run.ports.do(_due(press._replace(deed="heal"))) if run.ports is not None else True
                if healed:  # else it had ended by itself, and that was told
                    journal.write(run.now_s(), "heal", **fields, result=healed)
            except RunError as error:
                text = f"could not heal {component}.{name}; it ends by itself"
                journal.write(run.now_s(), "note", text=text, error=str(error))
        self._open.clear()
        self._journal = None
        journal.close()

    def press(self, body: object) -> Answer:
        """Do what was pressed: an HTTP status, and an answer in words."""
        run = self._run
        try:
            press = _read(body)
        except SpecError as error:
            return 400, {"error": str(error)}
        if press.press in self._seen:
            return 409, {"error": "pressed twice: this press was taken already"}
        if run is None or self._journal is None:
            return 409, {"error": "no run is going on; press Start first"}
        components = list(run.facts.get("components") or ())
        unknown = state.known(press.component, press.name, press.deed, components)
        if unknown is not None:
            return 404, {"error": unknown}
        if run.ports is None:
            return 409, {"error": "no region is served here, so there is nothing to press; carry it out by hand"}
        try:
            params = {} if press.deed == "heal" else state.params_of(press.component, press.name, press.params)
        except SpecError as error:
            return 400, {"error": str(error)}
        press = press._replace(params=params)
        now_s, key = run.now_s(), json.dumps([press.deed, press.component, press.name, params], sort_keys=True)
        if now_s - self._last.get(key, -math.inf) < AGAIN_S:
            return 409, {"error": f"pressed twice: the same was done less than {AGAIN_S:g} s ago"}
        self._last[key] = now_s
        self._remember(press.press)
        return self._do(run, self._journal, press, key)

    def _do(self, run: Running, journal: Journal, press: Press, key: str) -> Answer:
        assert run.ports is not None
        where = (press.component, press.name)
        if press.deed == "inject":
            self._open[where] = press  # before it is asked for: a request that was cut off may have arrived
        fields = _fields(press)
        try:
            result = run.ports.do(_due(press))
        except RunError as error:
            self._last.pop(key, None)
            if self._journal is journal:
                journal.write(run.now_s(), f"{press.deed}_failed", **fields, error=str(error))
            return 502, {"error": str(error)}
        if press.deed == "heal":
            self._open.pop(where, None)
        t_s = run.now_s()
        if self._journal is not journal:  # the run ended meanwhile, and with it its record
            return 409, {"error": "the run ended while this was being done; whatever was on is healed"}
        journal.write(t_s, press.deed, **fields, result=result)
        if press.fix:
            journal.write(t_s, "fix", id=fields["id"], what=press.what)
        return 200, {"done": True, "t_s": round(t_s, 3), "result": result}

    def _remember(self, press: str) -> None:
        self._seen[press] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)


def _read(body: object) -> Press:
    """A press from JSON. Raises SpecError with what is wrong in its form."""
    if not isinstance(body, Mapping):
        raise SpecError("a press is a JSON object with deed, component, name and press")
    deed, params, ttl_s = body.get("deed"), body.get("params") or {}, body.get("ttl_s")
    if deed not in _DEEDS:
        raise SpecError(f"deed is {deed!r}; it is one of {', '.join(_DEEDS)}")
    words = {key: body.get(key) for key in ("component", "name", "press")}
    for key, value in words.items():
        if not isinstance(value, str) or not 0 < len(value) <= 100:
            raise SpecError(f"{key} is {value!r}; it must be a text of at most 100 characters")
    if not isinstance(params, Mapping):
        raise SpecError(f"params is {params!r}; it must be an object")
    if deed == "inject":
        number = isinstance(ttl_s, int | float) and not isinstance(ttl_s, bool)
        if not number or not 0.0 < float(ttl_s or 0.0) <= state.TTL_S_MAX:
            raise SpecError(f"ttl_s is {ttl_s!r}; a fault needs its length in seconds, at most {state.TTL_S_MAX:g}")
    fix = body.get("fix", False)
    if not isinstance(fix, bool):
        raise SpecError(f"fix is {fix!r}; it must be true or false")
    if fix and deed == "inject":
        raise SpecError("a fault fixes nothing; the fix is a heal or an operator's action")
    length_s = float(ttl_s) if deed == "inject" and isinstance(ttl_s, int | float) else 0.0
    component, name, press = (str(words[key]) for key in ("component", "name", "press"))
    return Press(deed, component, name, dict(params), length_s, fix, press)


def _fields(press: Press) -> dict[str, Any]:
    fields: dict[str, Any] = {"id": f"press-{press.press}", "press": press.press, "what": press.what}
    fields |= {"component": press.component, "name": press.name}
    if press.params:
        fields["params"] = press.params
    if press.deed == "inject":
        fields["ttl_s"] = press.ttl_s
    return fields


def _due(press: Press) -> Due:
    ours = (press.component, press.name, press.params, press.ttl_s, press.fix, press.what)
    return Due(0.0, press.deed, f"press-{press.press}", *ours)
