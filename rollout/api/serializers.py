"""What REST takes in, strictly: unknown fields are refused, integers are integers."""

import unicodedata
from typing import Any, ClassVar

from django.core.validators import RegexValidator
from rest_framework import serializers

from rollout.services import MAX_REASON

# Control, format (zero-width, direction), lone surrogates, line and paragraph separators.
UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# In sentences lines end, and joiners make letters and pictures of some scripts.
IN_SENTENCES = "\n\u200c\u200d"
SLUG = r"^[a-z][a-z0-9-]{0,58}[a-z0-9]\Z"
WORD = r"^[A-Za-z0-9_-]+\Z"


class StrictIntegerField(serializers.IntegerField):
    """A JSON integer: not 25.0, not "25", not true."""

    def to_internal_value(self, data: Any) -> int:
        """Return the integer or refuse."""
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return int(data)


class StrictNumberField(serializers.FloatField):
    """A JSON number: not "1e-4", not "nan", not true."""

    def to_internal_value(self, data: Any) -> float:
        """Return the number or refuse; the parser lets only finite ones through."""
        if isinstance(data, bool) or not isinstance(data, int | float):
            self.fail("invalid")
        return float(data)


class StrictBooleanField(serializers.BooleanField):
    """True or false: not "yes", not 1."""

    def to_internal_value(self, data: Any) -> bool:
        """Return the truth or refuse."""
        if not isinstance(data, bool):
            self.fail("invalid", input=str(data)[:60])
        return data


class PlainTextField(serializers.CharField):
    """A JSON string without control, zero-width or direction-changing characters."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "bad_characters": "Control or invisible characters are not allowed."
    }

    def to_internal_value(self, data: Any) -> str:
        """Return the text or refuse."""
        if not isinstance(data, str):
            self.fail("invalid")
        allowed = IN_SENTENCES if self.style.get("multiline") else ""
        if any(unicodedata.category(char) in UNSEEN and char not in allowed for char in data):
            self.fail("bad_characters")
        return str(super().to_internal_value(data))


class NameField(PlainTextField):
    """A JSON string that is a name of this pattern, as it stands: nothing is trimmed."""

    def __init__(self, pattern: str, **kwargs: Any) -> None:
        """Keep the pattern where the OpenAPI document finds it."""
        super().__init__(trim_whitespace=False, **kwargs)
        message = "This has characters that a name here cannot have."
        self.validators.append(RegexValidator(pattern, message))


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
    path = NameField(r"^/[\x21-\x7e]*\Z", max_length=200)
    safe_to_duplicate = StrictBooleanField()
    ignore = serializers.ListField(
        child=NameField(r"^\$[\x21-\x7e]*\Z", max_length=200), max_length=100, required=False
    )
    atol = StrictNumberField(min_value=0, max_value=1e6, required=False)


class NewMigrationSerializer(StrictSerializer):
    """A migration to describe."""

    slug = NameField(SLUG, max_length=60)
    title = PlainTextField(max_length=120, required=False, allow_blank=True)
    team = NameField(SLUG, max_length=60)
    legacy_url = PlainTextField(max_length=300)
    candidate_url = PlainTextField(max_length=300)
    routes = RouteSerializer(many=True, allow_empty=False)
    policy = PlainTextField(max_length=40, required=False)
    group = NameField(WORD, max_length=50, required=False)


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

    gate = NameField(WORD, max_length=40)


class ApprovalRequestSerializer(NeededReasonSerializer):
    """What a second person is asked for; the last three are an override's terms."""

    action = serializers.ChoiceField(choices=["promote", "override", "decommission"])
    gates = serializers.ListField(
        child=NameField(WORD, max_length=40), max_length=20, required=False
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

    item = NameField(WORD, max_length=40)
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
