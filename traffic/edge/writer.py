"""Writes Envoy's two files in the order that never leaves a route without its cluster."""

from traffic.edge.acceptance import AcceptanceWatch, Answer
from traffic.edge.files import UNION_SUFFIX, Kind, Wanted, XdsFiles, merge_clusters


class ConfigWriter:
    """Brings Envoy from what lies on disk to what is wanted."""

    def __init__(self, files: XdsFiles, watch: AcceptanceWatch) -> None:
        self._files = files
        self._watch = watch
        self._leftover: frozenset[str] = frozenset()

    async def write(self, target: Wanted) -> Answer:
        """Write both files and return what Envoy made of them, with the reason of a refusal."""
        old = self._files.read("clusters")
        union, self._leftover = merge_clusters(old[1] if old else [], target.clusters)
        version = target.clusters_version + (UNION_SUFFIX if self._leftover else "")
        mark = await self._watch.mark()
        if old is not None and old[1] == union:
            # The same clusters: the routes need not wait, and the users' path goes first.
            self._files.write("routes", target.routes_version, target.routes)
            self._files.write("clusters", version, union)
            answer = await self._watch.wait(mark, "clusters", version, self._rewrite)
        else:
            self._files.write("clusters", version, union)
            answer = await self._watch.wait(mark, "clusters", version, self._rewrite)
            if answer.kind == "rejected":
                return answer
            self._files.write("routes", target.routes_version, target.routes)
        if answer.kind == "rejected":
            return answer
        return await self._watch.wait(mark, "routes", target.routes_version, self._rewrite)

    def put_back(self, target: Wanted | None) -> None:
        """After a refusal: make the files good again, for Envoy reads them when it restarts."""
        self._leftover = frozenset()
        if target is None:
            self._files.write_initial()
            return
        self._files.write("routes", target.routes_version, target.routes)
        self._files.write("clusters", target.clusters_version, target.clusters)

    async def drained(self) -> bool:
        """Whether clusters of an earlier snapshot are left over and no request uses them."""
        if not self._leftover:
            return False
        return not await self._watch.active_requests(self._leftover)

    def tidy(self, target: Wanted) -> None:
        """Drop the clusters that are left over."""
        self._leftover = frozenset()
        self._files.write("clusters", target.clusters_version, target.clusters)

    def matches(self, target: Wanted) -> bool:
        """Whether the files on disk are exactly the wanted ones."""
        return (self._files.read("clusters"), self._files.read("routes")) == (
            (target.clusters_version, target.clusters),
            (target.routes_version, target.routes),
        )

    def routes_match(self, target: Wanted) -> bool:
        """Whether the routes on disk are the wanted ones, by their version."""
        found = self._files.read("routes")
        return found is not None and found[0] == target.routes_version

    def _rewrite(self, kind: Kind) -> None:
        content = self._files.read(kind)
        if content is not None:
            self._files.write(kind, *content)
