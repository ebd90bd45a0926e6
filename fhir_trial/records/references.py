"""Following references: relative, absolute, versioned, urn:uuid, fullUrl (DATA-23, VER-07). A page follows its contained ones.

Source: FHIR R4 References, Bundle "Resolving references in Bundles".
"""

from __future__ import annotations

from functools import cached_property

from fhir_trial.records.raw import Json, RawRecord


class References:
    """Every resource of the source by each of its names.

    Attributes:
        unread: Resources that a followed reference led to and that are not among the patient's own: to be read as well (DATA-63).
    """

    def __init__(self, raw: RawRecord) -> None:
        self._raw = raw
        self._by_reference = raw.by_reference
        self._met = {id(resource) for resource in raw.resources}
        self.unread: list[Json] = []

    def name(self, resource: Json) -> str:
        """``Type/id``; the fullUrl where there is no id; the bare type where there is neither."""
        kind = resource.get("resourceType")
        identity = resource.get("id")
        if isinstance(kind, str) and isinstance(identity, str) and identity:
            return f"{kind}/{identity}"
        return self._raw.names.get(id(resource)) or (kind if isinstance(kind, str) and kind else "resource")

    def find(self, reference: str) -> Json | None:
        """The resource, or None. An absolute URL of another server than the source's own leads nowhere."""
        found = self._by_reference.get(reference)
        if found is not None:
            return found
        bare = unversioned(reference)
        found = self._by_reference.get(bare)
        if found is None:
            local = self._local(bare)
            found = self._by_reference.get(local) or self._own_index.get(local)
        return found

    def plain(self, reference: str) -> str:
        """The reference as evidence names it: that of the resource it leads to, else itself without version.

        One into this source is relative, whether what it names was read or not; a contained one stays as it is.
        """
        if reference.startswith("#"):
            return reference
        found = self.find(reference)
        if found is not None:
            return self.name(found)
        bare = unversioned(reference)
        base, _, local = _split(bare)
        return local if base in self._bases else bare

    def follow(self, reference: str) -> Json | None:
        """Like ``find``; and if the resource is not among the patient's own, it will be read as well."""
        found = self.find(reference)
        if found is not None and id(found) not in self._met:
            self._met.add(id(found))
            self.unread.append(found)
        return found

    def is_patient(self, reference: str) -> bool | None:
        """Whether a reference names this patient; None when it leads nowhere and is not this patient's name."""
        if reference in self._patient_names:
            return True
        found = self.find(reference)
        if found is not None:
            return any(found is copy for copy in self._raw.patients) or self.name(found) in self._patient_names
        bare = unversioned(reference)
        if bare in self._patient_names or self._local(bare) in self._patient_names:
            return True
        return False if bare.startswith("Patient/") else None

    def _local(self, reference: str) -> str:
        """``Type/id`` of an absolute URL, unless the source names its resources under other bases only.

        A urn:uuid that is nobody's fullUrl may be a Patient's id: exports number their resources so.
        """
        if reference.startswith("urn:uuid:"):
            return f"Patient/{reference.removeprefix('urn:uuid:')}"
        if not reference.startswith(("http://", "https://")):
            return reference
        base, _, local = _split(reference)
        return local if not self._bases or base in self._bases else reference

    @cached_property
    def _patient_names(self) -> frozenset[str]:
        return frozenset({self._raw.reference, *(self.name(copy) for copy in self._raw.patients)} - {"Patient", "resource"})

    @cached_property
    def _bases(self) -> frozenset[str]:
        return frozenset([key.rsplit("/", 2)[0] for key in self._by_reference if key.startswith(("http://", "https://"))])

    @cached_property
    def _own_index(self) -> dict[str, Json]:
        return {self.name(resource): resource for resource in (*self._raw.patients, *self._raw.resources)}


def unversioned(reference: str) -> str:
    """Without ``/_history/n``."""
    return reference.split("/_history/", maxsplit=1)[0] if "/_history/" in reference else reference


def _split(url: str) -> tuple[str, str, str]:
    """(base, "/", "Type/id") of an absolute URL; the whole URL is the base where it has too few segments."""
    head, _, identity = url.rpartition("/")
    base, slash, kind = head.rpartition("/")
    return (base, slash, f"{kind}/{identity}") if slash else (url, "", url)
