"""GET /api/notifications, and the request that webhooks receive."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from agentguard.accounts.principal import Permission
from agentguard.notifications.names import DeliveryState, ReceiverName
from agentguard.notifications.store import NotificationCursor, NotificationFilter
from agentguard.web.permissions import requires
from agentguard.web.schemas.notifications import NotificationsDocument, WebhookMessage
from agentguard.web.state import DocumentResponse, StateOf

router = APIRouter(prefix="/api/notifications", tags=["incidents"])
sent = APIRouter(tags=["incidents"])
"""Requests that AgentGuard sends: documented, not served."""

_MOST_SHOWN = 200

StatesParameter = Annotated[
    list[DeliveryState] | None,
    Query(alias="state", max_length=3, description="Only notifications in this state; repeatable."),
]
ReceiversParameter = Annotated[
    list[ReceiverName] | None,
    Query(alias="receiver", max_length=3, description="Only for this receiver; repeatable."),
]
IncidentParameter = Annotated[
    str | None, Query(max_length=100, description="Only those about this incident; its id.")
]
BeforeParameter = Annotated[
    str | None, Query(max_length=200, description="`next` of the previous page.")
]
LimitParameter = Annotated[int, Query(ge=1, le=_MOST_SHOWN, description="Notifications per page.")]


@router.get(
    "",
    operation_id="list_notifications",
    dependencies=[requires(Permission.READ)],
    response_model=NotificationsDocument,
)
async def get_notifications(
    state: StateOf,
    states: StatesParameter = None,
    receivers: ReceiversParameter = None,
    incident: IncidentParameter = None,
    before: BeforeParameter = None,
    limit: LimitParameter = 50,
) -> DocumentResponse:
    """List what waits for a receiver, was delivered or was given up, the latest changes first."""
    wanted = NotificationFilter(
        tuple(states or ()),
        tuple(receivers or ()),
        incident,
        before=None if before is None else NotificationCursor.parse(before),
    )
    return DocumentResponse(await state.app.notifications.page(wanted, limit))


@sent.post("incident", operation_id="receive_notification", status_code=204)
def receive_notification(
    message: WebhookMessage,  # noqa: ARG001 - documents what is sent
    webhook_id: Annotated[  # noqa: ARG001 - the same
        str, Header(description="Of the message, equal for each attempt: an idempotency key.")
    ],
    webhook_timestamp: Annotated[  # noqa: ARG001 - the same
        str, Header(description="When this attempt was sent: seconds since the Unix epoch.")
    ],
    webhook_signature: Annotated[  # noqa: ARG001 - the same
        str,
        Header(
            description="`v1,` and the base64 of HMAC-SHA256 over id, timestamp and body, joined by"
            " full stops; several, separated by spaces, while a secret is replaced."
        ),
    ],
) -> Response:
    """Receive a message about an incident at AGENTGUARD_WEBHOOK_URL.

    Any status from 200 to 299 accepts it. 408, 409, 425, 429 and 500 to 599 have it sent again, not
    before `Retry-After`; others give it up.
    """
    return Response(status_code=204)
