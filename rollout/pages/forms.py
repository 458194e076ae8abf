"""What people post, read into typed values; the words of a refusal stand here."""

from django import forms
from django.http import QueryDict

from rollout.gates import TITLES
from rollout.policy_parts import METRIC_PREFIX

NO_REASON = "Say why. The reason stands in the audit log for good."
ROLL_BACK_REASONS = ("Errors", "Latency", "Mismatch", "Precaution")


class ReasonForm(forms.Form):
    """Hold, resume and start: a reason and the version the person saw."""

    reason = forms.CharField(max_length=2000, error_messages={"required": NO_REASON})
    version = forms.IntegerField(min_value=0, required=False)


class ConfirmForm(ReasonForm):
    """Promote, override, decommission: also the words that the form shows, typed."""

    confirm = forms.CharField(max_length=200, required=False)
    version = forms.IntegerField(min_value=0)

    def __init__(self, data: QueryDict, *, expected: str) -> None:
        """Keep what has to be typed."""
        super().__init__(data)
        self.expected = expected

    def clean_confirm(self) -> str:
        """Refuse anything but the exact words."""
        typed = str(self.cleaned_data["confirm"])
        if typed != self.expected:
            raise forms.ValidationError(f"Type {self.expected} exactly.")
        return typed


class GatesField(forms.MultipleChoiceField):
    """Gates by key; whether the policy has such a metric is for the service to say."""

    def valid_value(self, value: str) -> bool:
        """Take every known gate, and every metric's."""
        return super().valid_value(value) or value.startswith(METRIC_PREFIX)


class OverrideForm(ConfirmForm):
    """Ask for an override: the gates it goes past, the incident, when it ends."""

    gates = GatesField(
        choices=list(TITLES.items()), error_messages={"required": "Name the gates to go past."}
    )
    incident = forms.CharField(max_length=100, error_messages={"required": "Name the incident."})
    expires_in_s = forms.IntegerField(min_value=1)


class WaiveForm(ReasonForm):
    """Waive an item for a while."""

    version = forms.IntegerField(min_value=0)
    expires_in_s = forms.IntegerField(min_value=1)


class AnswerForm(forms.Form):
    """Answer somebody: words are welcome, but only sometimes needed."""

    reason = forms.CharField(max_length=2000, required=False)


class RollBackForm(forms.Form):
    """Roll back: everything has a default, so that the red button works at once."""

    reason = forms.CharField(max_length=40, required=False)
    note = forms.CharField(max_length=1000, required=False)
    to = forms.IntegerField(min_value=0, max_value=100, required=False)

    def words(self) -> str:
        """Return reason and note as the ledger keeps them."""
        reason = self.cleaned_data["reason"] or "Precaution"
        note = self.cleaned_data["note"].strip()
        return f"{reason}. {note}" if note else reason


class NewForm(forms.Form):
    """A new migration."""

    slug = forms.SlugField(max_length=60, error_messages={"required": "Give it a short name."})
    team = forms.SlugField(max_length=60, error_messages={"required": "Say which team owns it."})
    title = forms.CharField(max_length=120, required=False)
    legacy_url = forms.CharField(max_length=300, error_messages={"required": "Type an address."})
    candidate_url = forms.CharField(max_length=300, error_messages={"required": "Type an address."})
    policy = forms.CharField(max_length=40)
    extra = forms.CharField(max_length=4000, required=False)

    def clean_slug(self) -> str:
        """Keep slugs lower case, as they are typed to confirm."""
        slug = str(self.cleaned_data["slug"])
        if slug != slug.lower() or "_" in slug:
            raise forms.ValidationError("Lower case letters, digits and hyphens.")
        return slug
