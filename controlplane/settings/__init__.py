"""Settings of a Banyan process, all from the environment; docs/settings.md lists every variable."""

import warnings
from pathlib import Path
from typing import Any

import dj_database_url

from controlplane.settings import env
from controlplane.settings.logs import logging_config

BASE_DIR = Path(__file__).resolve().parent.parent.parent
STATE_DIR = Path(env.text("BANYAN_STATE_DIR", str(BASE_DIR / "state")))

DEBUG = env.flag("BANYAN_DEBUG", default=False)
SECRET_KEY = env.text("BANYAN_SECRET_KEY", "django-insecure-only-for-tests-and-type-checks")
ALLOWED_HOSTS = env.words("BANYAN_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1],testserver")
PUBLIC_URL = env.text("BANYAN_PUBLIC_URL", "")
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []
ENVIRONMENT_NAME = env.text("BANYAN_ENVIRONMENT", "local")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "drf_spectacular",
    "django_filters",
    "django_htmx",
    "template_partials.apps.SimpleAppConfig",
    "axes",
    "csp",
    "controlplane",
    "audit",
    "shadow",
    "traffic",
    "rollout",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "controlplane.middleware.RequestIdMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "controlplane.urls"
ASGI_APPLICATION = "controlplane.asgi.application"
WSGI_APPLICATION = "controlplane.wsgi.application"
APPEND_SLASH = False

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "loaders": [
                (
                    "template_partials.loader.Loader",
                    [
                        (
                            "django.template.loaders.cached.Loader",
                            [
                                "django.template.loaders.filesystem.Loader",
                                "django.template.loaders.app_directories.Loader",
                            ],
                        )
                    ],
                )
            ],
        },
    }
]

# SQLite: IMMEDIATE makes a read-then-write transaction wait for the lock, not fail half-way;
# recursive_triggers closes INSERT OR REPLACE as a way around the ledger's DELETE trigger.
SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    # As on PostgreSQL: a forgotten lock becomes a clear 503 within seconds, not a hang.
    "timeout": 3.5,
    "init_command": (
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA recursive_triggers=ON;"
    ),
}
DATABASES: dict[str, Any] = {
    "default": dj_database_url.parse(
        env.text("BANYAN_DATABASE_URL", f"sqlite:///{STATE_DIR}/banyan.sqlite3"),
        conn_health_checks=True,
    )
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = SQLITE_OPTIONS
else:
    # A forgotten lock or a slow statement becomes a clear 503 within seconds, not a hang; one of
    # ours that sleeps in its transaction loses it before who waits for its locks gives up.
    DATABASES["default"].setdefault("OPTIONS", {}).update(
        connect_timeout=3,
        options="-c lock_timeout=3500 -c statement_timeout=4000"
        " -c idle_in_transaction_session_timeout=2500",
    )
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.text("BANYAN_REDIS_URL", env.text("REDIS_URL", "redis://127.0.0.1:6379/0"))

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_VERBOSE = False
LOGIN_URL = "/sign-in/"
LOGIN_REDIRECT_URL = "/fleet/"
LOGOUT_REDIRECT_URL = "/sign-in/"

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
HTTPS = env.flag("BANYAN_HTTPS", default=False)
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# The key that signs checkpoints of the ledger, and the file that they are appended to. Both belong
# outside the database's reach; an auditor keeps copies of the anchor.
BANYAN_LEDGER_KEY = env.text("BANYAN_LEDGER_KEY", str(STATE_DIR / "ledger.key"))
BANYAN_LEDGER_ANCHOR = env.text("BANYAN_LEDGER_ANCHOR", str(STATE_DIR / "ledger.anchor"))
# Further anchors: files (beginning with /) or dotted paths of functions that make one.
BANYAN_LEDGER_ANCHORS = env.words("BANYAN_LEDGER_ANCHORS", "")
BANYAN_LEDGER_UNANCHORED_LIMIT_S = env.whole(
    "BANYAN_LEDGER_UNANCHORED_LIMIT_S", 300, low=60, high=86_400
)
BANYAN_STATE_COMPARISON = "rollout.queries.places_for_audit"

# Directories of this machine below which the log format check may read files; none by default.
BANYAN_LOG_ROOTS = env.words("BANYAN_LOG_ROOTS", "")

# Who answers PromQL: a policy names one of these, and never an address of its own.
BANYAN_METRIC_PROVIDERS = env.addresses("BANYAN_METRIC_PROVIDERS", "")

# Where a worker serves /metrics on 127.0.0.1; 0 is nowhere. Two workers of a host need two.
BANYAN_WORKER_METRICS_PORT = env.whole("BANYAN_WORKER_METRICS_PORT", 0, low=0, high=65_535)

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "font-src": ["'self'"],
        "img-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    }
}

LANGUAGE_CODE = "en-us"
USE_I18N = False
TIME_ZONE = env.text("BANYAN_TIME_ZONE", "UTC")
USE_TZ = True

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = BASE_DIR / "staticfiles"
WHITENOISE_USE_FINDERS = True
if not STATIC_ROOT.exists():
    # The embedded server reads the source tree; only an image has a collected directory.
    warnings.filterwarnings("ignore", message="No directory at", category=UserWarning)
WHITENOISE_AUTOREFRESH = DEBUG

DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "controlplane.tokens.BearerAuthentication",
        "controlplane.tokens.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["controlplane.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "controlplane.errors.problem_handler",
    "COERCE_DECIMAL_TO_STRING": False,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Banyan",
    "DESCRIPTION": "Replace a running service by a new implementation, with proof.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "PhaseEnum": "rollout.lifecycle.PHASE_CHOICES",
        "VerdictEnum": "rollout.models.VERDICT_CHOICES",
    },
}

# Celery measures and judges, it carries no order. A hung broker costs a publisher 2 s, not 45.
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_timeout": 1,
    "socket_connect_timeout": 1,
    "max_retries": 1,
    "visibility_timeout": 600,
}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_TIMEZONE = "UTC"
# `expires` drops ticks that a stopped worker would otherwise find in a heap.
# What can wait is taken last: on Redis the smallest priority comes first.
LAST = 9
CELERY_BEAT_SCHEDULE = {
    "heartbeat": {
        "task": "controlplane.tasks.beat_heartbeat",
        "schedule": 2.0,
        "options": {"expires": 4},
    },
    "compare-pairs": {
        "task": "shadow.tasks.compare_pairs",
        "schedule": 1.0,
        "options": {"expires": 2},
    },
    "evaluate-gates": {
        "task": "rollout.tasks.evaluate_gates",
        "schedule": 2.0,
        "options": {"expires": 4},
    },
    "follow-holds": {
        "task": "rollout.tasks.follow_holds",
        "schedule": 2.0,
        "options": {"expires": 4},
    },
    "measure-metrics": {
        "task": "rollout.tasks.measure_metrics",
        "schedule": 5.0,
        "options": {"expires": 10},
    },
    "drive-loads": {
        "task": "rollout.tasks.drive_loads",
        "schedule": 2.0,
        "options": {"expires": 4},
    },
    "probe-health": {
        "task": "shadow.tasks.probe_health",
        "schedule": 5.0,
        "options": {"expires": 10},
    },
    "run-checks": {
        "task": "shadow.tasks.run_checks",
        "schedule": 3.0,
        "options": {"expires": 6, "priority": LAST},
    },
    "replay-corpus": {
        "task": "shadow.tasks.replay_corpus",
        "schedule": 2.0,
        "options": {"expires": 4, "priority": LAST},
    },
    "generate-corpus": {
        "task": "shadow.tasks.generate_corpus",
        "schedule": 60.0,
        "options": {"expires": 120, "priority": LAST},
    },
    "checkpoint": {
        "task": "audit.tasks.checkpoint",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "settle-hours": {
        "task": "traffic.tasks.settle_hours",
        "schedule": 60.0,
        "options": {"expires": 120},
    },
    "housekeep": {
        "task": "shadow.tasks.housekeep",
        "schedule": 60.0,
        "options": {"expires": 120},
    },
}

LOGGING = logging_config(
    level=env.one_of("BANYAN_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")),
    form="text" if env.one_of("BANYAN_LOG_FORMAT", "json", ("json", "text")) == "text" else "json",
)
