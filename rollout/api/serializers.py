"""What REST takes in, strictly: unknown fields are refused, integers are integers."""

from typing import Any, ClassVar

from rest_framework import serializers

from rollout.services import MAX_REASON

BAD = {chr(code) for code in (*range(32), 127, 0x200B, 0x200E, 0x200F, 0xFEFF)} | {
    chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0xD800, 0xE000))
}
SLUG = r"^[a-z][a-z0-9-]{0,58}[a-z0-9]$"


class StrictIntegerField(serializers.IntegerField):
    """A JSON integer: not 25.0, not "25", not true."""

    def to_internal_value(self, data: Any) -> int:
        """Return the integer or refuse."""
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return int(data)


class PlainTextField(serializers.CharField):
    """A JSON string without control, zero-width or direction-changing characters."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "bad_characters": "Control or invisible characters are not allowed."
    }

    def to_internal_value(self, data: Any) -> str:
        """Return the text or refuse."""
        if not isinstance(data, str):
            self.fail("invalid")
        if BAD.intersection(data.replace("\n", "") if self.style.get("multiline") else data):
            self.fail("bad_characters")
        return str(super().to_internal_value(data))


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses fields that it does not know."""

    def to_internal_value(self, data: Any) -> Any:
        """Check names before values."""
        if isinstance(data, dict):
            for name in data:
                if name not in self.fields:
                    raise serializers.ValidationError(
                        {name: serializers.ErrorDetail("This field is not known.", "unknown_field")}
                    )
        return super().to_internal_value(data)


class RouteSerializer(StrictSerializer):
    """A route of the services and how its answers compare."""

    method = serializers.ChoiceField(choices=["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"])
    path = serializers.RegexField(r"^/[\x21-\x7e]*$", max_length=200)
    safe_to_duplicate = serializers.BooleanField()
    ignore = serializers.ListField(
        child=serializers.RegexField(r"^\$[\x21-\x7e]*$", max_length=200), required=False
    )
    atol = serializers.FloatField(min_value=0, max_value=1e6, required=False)


class NewMigrationSerializer(StrictSerializer):
    """A migration to describe."""

    slug = serializers.RegexField(SLUG, max_length=60)
    title = PlainTextField(max_length=120, required=False, allow_blank=True)
    team = serializers.RegexField(SLUG, max_length=60)
    legacy_url = PlainTextField(max_length=300)
    candidate_url = PlainTextField(max_length=300)
    routes = RouteSerializer(many=True, allow_empty=False)
    policy = PlainTextField(max_length=40, required=False)
    group = serializers.SlugField(max_length=50, required=False)


class ReasonSerializer(StrictSerializer):
    """A verb whose version is optional: start, hold and resume."""

    reason = PlainTextField(
        max_length=MAX_REASON, required=False, allow_blank=True, style={"multiline": True}
    )
    version = StrictIntegerField(min_value=0, max_value=2**31 - 1, required=False)


class PromoteSerializer(StrictSerializer):
    """Promote names the version it read, so that nobody moves what he has not seen."""

    reason = PlainTextField(max_length=MAX_REASON, style={"multiline": True})
    version = StrictIntegerField(min_value=0, max_value=2**31 - 1, required=False)
    to = StrictIntegerField(
        min_value=0, max_value=100, required=False, help_text="the weight expected next, in percent"
    )


class RollBackSerializer(StrictSerializer):
    """Roll back takes no version: it is absolute."""

    reason = PlainTextField(
        max_length=MAX_REASON, required=False, allow_blank=True, style={"multiline": True}
    )
    to = StrictIntegerField(min_value=0, max_value=100, required=False)


class NeededReasonSerializer(StrictSerializer):
    """A verb that says why and names the version it read."""

    reason = PlainTextField(max_length=MAX_REASON, style={"multiline": True})
    version = StrictIntegerField(min_value=0, max_value=2**31 - 1, required=False)


class DecommissionSerializer(NeededReasonSerializer):
    """The last verb is typed out."""

    confirm = PlainTextField(max_length=100)


class ResetSerializer(NeededReasonSerializer):
    """Which gate is judged anew."""

    gate = serializers.SlugField(max_length=40)


class ApprovalRequestSerializer(NeededReasonSerializer):
    """What a second person is asked for; the last three are an override's terms."""

    action = serializers.ChoiceField(choices=["promote", "override", "decommission"])
    gates = serializers.ListField(
        child=serializers.SlugField(max_length=40), max_length=20, required=False
    )
    incident = PlainTextField(max_length=100, required=False)
    expires_in_s = StrictIntegerField(min_value=1, max_value=7 * 86_400, required=False)


class AnswerSerializer(StrictSerializer):
    """An answer to a request; declining says why."""

    reason = PlainTextField(
        max_length=MAX_REASON, required=False, allow_blank=True, style={"multiline": True}
    )


class WaiveSerializer(NeededReasonSerializer):
    """A checklist item to do without, why, and for how many seconds."""

    item = serializers.SlugField(max_length=40)
    expires_in_s = StrictIntegerField(min_value=1, max_value=7 * 86_400)


class PolicySerializer(NeededReasonSerializer):
    """A whole policy, as GET gives it out; its version is counted by Banyan."""

    policy = serializers.DictField()


class CheckSettingsSerializer(StrictSerializer):
    """All settings of one check; the check itself says what they are."""

    settings = serializers.DictField()
    reason = PlainTextField(
        max_length=MAX_REASON, required=False, allow_blank=True, style={"multiline": True}
    )


class ReviewSerializer(StrictSerializer):
    """What the review found."""

    text = PlainTextField(max_length=MAX_REASON, style={"multiline": True})
