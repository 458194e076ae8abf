"""A proxy host made of the edge's real logic, with a fake Envoy: it follows, breaks, reports."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from tests.rollout.builders import NOW
from tests.traffic.edge.test_apply import Bench
from traffic import services as traffic
from traffic.edge.acceptance import uses
from traffic.edge.admin import Acceptance, ConfigStatus
from traffic.edge.glass import GlassBox
from traffic.edge.hold import new_hold_id
from traffic.edge.report import EnvoyView, configuration_head
from traffic.models import Proxy, ProxyGroup, Snapshot
from traffic.reports import parse_report


class Host:
    """One proxy of the default group; its edge's files live in `directory`."""

    def __init__(self, directory, name="edge-1"):
        self.name, self.seq = name, 0
        group = ProxyGroup.objects.get(name="default")
        if not Proxy.objects.filter(name=name).exists():
            traffic.register_proxy(group=group, name=name, token=name, now=NOW)
        directory.mkdir(exist_ok=True)
        self.bench = Bench(directory)
        self.glass = GlassBox(directory)
        self.glass.prepare(name)
        self.bench.applier._glass = self.glass

    @property
    def row(self):
        return Proxy.objects.select_related("group").get(name=self.name)

    @property
    def hold(self):
        return self.bench.store.load().hold

    @property
    def share(self):
        """What users get of the candidate, in ten-thousandths."""
        state = self.bench.store.load()
        routes = self.bench.version("routes")
        if state.hold and routes.endswith(state.hold.id):
            return 0
        return max(state.position.exposure.values(), default=0)

    def follow(self):
        """Take the newest snapshot, as the long poll would."""
        document = Snapshot.objects.order_by("-generation").first().document
        return asyncio.run(self.bench.applier.offer(document))

    def offered(self, document):
        """Offer any document."""
        return asyncio.run(self.bench.applier.offer(document))

    def settle(self):
        """Let the edge notice what changed at Envoy."""
        asyncio.run(self.bench.applier.settle())

    def breaks(self, reason="users complain", *, at=NOW, by="root"):
        """Break the glass on the host; the control plane hears nothing of it yet."""
        return asyncio.run(self.bench.applier.hold(new_hold_id(), reason, at.timestamp(), by=by))

    def report(self, *, forge=None, head=None):
        """Build what the edge would send; `forge` changes each sealed record."""
        self.seq += 1
        status = self.bench.applier.status()
        wanted = status.wanted
        view = EnvoyView()
        if wanted:
            versions = (wanted.clusters_version, wanted.routes_version)
            view = EnvoyView(Acceptance(*(ConfigStatus(v) for v in versions)))
            assert uses(view.acceptance, wanted)
        records = [sealed for _, sealed in self.glass.waiting()]
        return {
            "proxy": self.name,
            "boot": "b1",
            "seq": self.seq,
            **configuration_head(status, view),
            "glass_key": self.glass.public_key,
            "glass": [(forge(s) if forge else s).to_wire() for s in records],
            **(head or {}),
        }

    def tells(self, *, now=NOW, forge=None, head=None):
        """Report, and note what arrived."""
        waiting = [path for path, _ in self.glass.waiting()]
        body = self.report(forge=forge, head=head)
        traffic.record_report(proxy=self.row, report=parse_report(body), now=now)
        self.glass.arrived(waiting)


def other_text(sealed):
    """Another text under the same signature."""
    return replace(sealed, text=sealed.text.replace('"by":"root"', '"by":"lena"'))


LATER = NOW + timedelta(minutes=5)
