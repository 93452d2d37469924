"""Receivers and states of notifications, by name: importing this costs nothing."""

from __future__ import annotations

from enum import StrEnum


class ReceiverName(StrEnum):
    """Who can be told; each is one at most."""

    WEBHOOK = "webhook"
    SLACK = "slack"
    PAGERDUTY = "pagerduty"


class DeliveryState(StrEnum):
    """How far a notification has come."""

    WAITING = "waiting"
    """For its first or its next attempt."""
    DELIVERED = "delivered"
    """The receiver accepted it."""
    GIVEN_UP = "given_up"
    """It was never delivered, and is not tried again."""
