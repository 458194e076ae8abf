"""Health and readiness of both services in each state that can be provoked."""
