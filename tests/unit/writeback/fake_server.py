"""A FHIR server in memory: versions, If-None-Exist, If-Match, search, transactions; and the faults of real ones on request."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any, cast

from fhir_trial.errors import ConflictError, TemporaryServerError
from fhir_trial.transport import Capabilities, FhirServer, Found, Json, NotFoundError, NotSupportedError, ServerSettings, Written
from fhir_trial.transport.connection import Answer, Connection
from fhir_trial.writeback.lookup import identifiers_of, names, target_of

BASE = "https://ehr.example.invalid/fhir"
KINDS = ("Patient", "ResearchStudy", "ResearchSubject", "Observation", "Provenance", "DocumentReference")


class FakeServer(FhirServer):
    """Holds resources by ``Type/id``.

    Attributes:
        requests: "create ResearchSubject", "update ...", "process Bundle", in order.
        tick: Called before and after each request, reads too; may raise.
        ignores_conditions: If-None-Exist is not looked at (WB-07).
        keeps_versions: Whether meta.versionId is given.
        refuses: "create Observation" -> the error for it.
        loses: Requests that are done, but whose answer never comes, by name.
        keeps_tags: Whether tags outlive an update that leaves them out; then ``unmarks`` says whether $meta-delete is offered.
        half: Of a transaction, only the first entry is done, and the answer says all is well (WB-20).
    """

    def __init__(self, *, version: str = "4.0.1", transaction: bool = False, without: Sequence[str] = ()) -> None:
        self.settings = ServerSettings(BASE)
        self.held: dict[str, Json] = {}
        self.requests: list[str] = []
        self.tick: Callable[[str], None] = lambda _: None
        self.ignores_conditions = False
        self.keeps_versions = True
        self.refuses: dict[str, Exception] = {}
        self.loses: set[str] = set()
        self.half = False
        self.keeps_tags = False
        self.unmarks = True
        self._connection = cast("Connection", self)
        self._numbers = 0
        offered = frozenset({"create", "update", "read", "search-type"})
        interactions = {kind: offered for kind in KINDS if kind not in without}
        system = frozenset({"transaction"}) if transaction else frozenset()
        self._stated = Capabilities(version, interactions, system=system)
        self.put({"resourceType": "Patient", "id": "p1"})
        self.put(
            {
                "resourceType": "ResearchStudy",
                "id": "s1",
                "identifier": [{"system": "https://clinicaltrials.gov/nctid", "value": "NCT00000000"}],
            }
        )

    def put(self, resource: Json) -> Json:
        """Somebody saves it: a new version."""
        reference = f"{resource['resourceType']}/{resource['id']}"
        before = self.held.get(reference, {}).get("meta", {}).get("versionId", "0")
        meta = {key: value for key, value in resource.get("meta", {}).items() if key != "versionId"}
        if self.keeps_tags and (tags := self.held.get(reference, {}).get("meta", {}).get("tag")):
            meta["tag"] = [*tags, *(tag for tag in meta.get("tag", []) if tag not in tags)]
        if self.keeps_versions:
            meta["versionId"] = str(int(before) + 1)
        self.held[reference] = deepcopy({**resource, "meta": meta})
        return self.held[reference]

    def all(self, kind: str) -> list[Json]:
        return [resource for reference, resource in self.held.items() if reference.startswith(f"{kind}/")]

    def capabilities(self) -> Capabilities:
        return self._stated

    def read(self, reference: str) -> Json:
        self.tick(f"before read {reference}")
        if reference not in self.held:
            raise NotFoundError("Not there.")
        return deepcopy(self.held[reference])

    def search(self, resource_type: str, parameters: Sequence[tuple[str, str]]) -> Found:
        self.tick(f"before search {resource_type}")
        matches = [each for each in self.all(resource_type) if all(_matches(each, *pair) for pair in parameters)]
        return Found(tuple(deepcopy(matches)))

    def create(self, resource: Json, *, if_none_exist: str | None = None) -> Written:
        return cast(
            "Written", self._requested(f"create {resource['resourceType']}", lambda: self._create(resource, if_none_exist))
        )

    def update(self, resource: Json, *, if_match: str) -> Written:
        return cast("Written", self._requested(f"update {resource['resourceType']}", lambda: self._update(resource, if_match)))

    def write(self, method: str, url: str, what: str, resource: Json, headers: Mapping[str, str]) -> Answer:
        """As the connection below would send it; only $meta-delete comes here."""
        reference, _, operation = url.removeprefix(f"{BASE}/").rpartition("/")
        assert (method, operation, resource["resourceType"]) == ("POST", "$meta-delete", "Parameters")
        self._requested(what, lambda: self._unmark(reference, resource["parameter"][0]["valueMeta"]["tag"]))
        return Answer(200, None, {}, url)

    def _unmark(self, reference: str, tags: list[Json]) -> None:
        """No new version, as HAPI has it."""
        if not self.unmarks:
            raise NotSupportedError("ResearchSubject $meta-delete: the server answered 404.")
        meta = self.held[reference]["meta"]
        meta["tag"] = [tag for tag in meta["tag"] if tag not in tags]
        if not meta["tag"]:
            del meta["tag"]

    def process(self, bundle: Json) -> Json:
        return cast("Json", self._requested("process Bundle", lambda: self._process(bundle)))

    def _requested(self, name: str, work: Callable[[], object]) -> object:
        self.tick(f"before {name}")
        self.requests.append(name)
        if name in self.refuses:
            raise self.refuses[name]
        done = work()
        self.tick(f"after {name}")
        if name in self.loses:
            self.loses.discard(name)
            raise TemporaryServerError("The answer never came.")
        return done

    def _create(self, resource: Json, condition: str | None) -> Written:
        if condition is not None and not self.ignores_conditions:
            found = [each for each in self.all(resource["resourceType"]) if _matches(each, *condition.split("=", 1))]
            if len(found) > 1:
                raise ConflictError("Several match.")
            if found:
                return _written(found[0], created=False)
        self._numbers += 1
        return _written(self.put({**resource, "id": str(self._numbers)}), created=True)

    def _update(self, resource: Json, if_match: str) -> Written:
        held = self.held[f"{resource['resourceType']}/{resource['id']}"]
        if held["meta"].get("versionId") != if_match:
            raise ConflictError("Another version is there.")
        return _written(self.put(resource), created=False)

    def _process(self, bundle: Json) -> Json:
        before = deepcopy(self.held)
        named: dict[str, str] = {}
        try:
            for entry in bundle["entry"][:1] if self.half else bundle["entry"]:
                request, resource = entry["request"], _resolved(entry["resource"], named)
                if request["method"] == "PUT":
                    written = self._update(resource, request["ifMatch"].split('"')[1])
                else:
                    written = self._create(resource, request.get("ifNoneExist"))
                named[entry["fullUrl"]] = str(written.reference)
        except ConflictError:
            self.held = before
            raise
        return {"resourceType": "Bundle", "type": "transaction-response", "entry": []}


def _resolved(node: Any, named: dict[str, str]) -> Any:
    if isinstance(node, dict):
        return {key: _resolved(value, named) for key, value in node.items()}
    if isinstance(node, list):
        return [_resolved(item, named) for item in node]
    return named.get(node, node) if isinstance(node, str) else node


def _written(resource: Json, *, created: bool) -> Written:
    reference = f"{resource['resourceType']}/{resource['id']}"
    return Written(reference, resource["meta"].get("versionId"), created, deepcopy(resource))


def _matches(resource: Json, name: str, value: str) -> bool:
    if name == "identifier":
        return any(f"{each.system}|{each.value}" == value for each in identifiers_of(resource))
    if name == "patient":
        return any(names(resource.get(key), f"Patient/{value}") for key in ("subject", "individual"))
    if name == "target":
        return any(target_of(each) == value for each in resource["target"])
    return True
