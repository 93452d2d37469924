"""An online shop.

A checkout agent that asks seven others, with a payment fallback, a retried stock check, and a bot
nobody declared.
"""

from __future__ import annotations

from collections.abc import Sequence

from demo.ecommerce import tools
from demo.faults import Fault, chance
from demo.scripts import Step
from demo.system import Agent, Request, Service, System

_LARGE, _SMALL = "gpt-4o", "gpt-4o-mini"
_ITEMS = ("lamp", "chair", "desk", "rug")
_LOYAL_SHARE = 0.4

_CHECKOUT = Agent(
    "CheckoutAgent",
    "Takes an order from basket to parcel.",
    models=(_LARGE, _LARGE),
    tools={"send_receipt": tools.send_receipt},
    colleagues=(
        "InventoryAgent",
        "PricingAgent",
        "PaymentAgent",
        "ShippingAgent",
        "RecommendationAgent",
    ),
    script=(
        Step(("InventoryAgent", "InventoryAgent")),
        Step(("PricingAgent",)),
        Step(("PaymentAgent",)),
        Step(("ShippingAgent",)),
        Step(("RecommendationAgent",), optional=True),
        Step(("send_receipt",), optional=True),
    ),
)
_PRICING = Agent(
    "PricingAgent",
    "Says what an item costs, campaigns included.",
    models=(_SMALL,),
    tools={"price_list": tools.price_list},
    colleagues=("PromotionAgent",),
    script=(Step(("price_list",)), Step(("PromotionAgent",), unless="list_price_only")),
)
_PROMOTION = Agent(
    "PromotionAgent",
    "Finds the discount; asks for the list price to apply it to.",
    models=(_SMALL,),
    tools={"campaign_calendar": tools.campaign_calendar},
    colleagues=("PricingAgent", "DiscountBot"),
    script=(
        Step(("campaign_calendar",)),
        Step(("PricingAgent",), adds={"list_price_only": True}),
        Step(("DiscountBot",), optional=True, when="loyal"),
    ),
)
_DISCOUNT_BOT = Agent(
    "DiscountBot",
    "Gives loyal customers a coupon.",
    models=(_SMALL,),
    tools={"issue_coupon": tools.issue_coupon},
    script=(Step(("issue_coupon",)),),
)
_INVENTORY = Agent(
    "InventoryAgent",
    "Knows what is in stock.",
    models=(_SMALL,),
    tools={"stock_lookup": tools.stock_lookup},
    script=(Step(("stock_lookup",)),),
)
_PAYMENT = Agent(
    "PaymentAgent",
    "Collects the money, with a second provider where the first one fails.",
    models=(_LARGE,),
    tools={"charge_northpay": tools.charge_northpay, "charge_southpay": tools.charge_southpay},
    colleagues=("FraudAgent",),
    script=(Step(("FraudAgent",), optional=True), Step(("charge_northpay", "charge_southpay"))),
)
_FRAUD = Agent(
    "FraudAgent",
    "Judges how risky an order is.",
    models=(_SMALL,),
    tools={"risk_score": tools.risk_score},
    script=(Step(("risk_score",)),),
)
_SHIPPING = Agent(
    "ShippingAgent",
    "Gets the parcel on its way.",
    models=(_SMALL,),
    tools={"book_courier": tools.book_courier},
    script=(Step(("book_courier", "book_courier")),),
)
_RECOMMENDATION = Agent(
    "RecommendationAgent",
    "Suggests what else to buy.",
    models=(_LARGE, _SMALL),
    tools={"similar_items": tools.similar_items},
    script=(Step(("similar_items",)),),
)


def requests(seed: int, runs: int) -> Sequence[Request]:
    """Return `runs` checkouts and half as many requests for recommendations, in the order they are
    sent.
    """
    checkouts = [
        Request("/checkout", _order(seed, f"order-{number}")) for number in range(1, runs + 1)
    ]
    recommendations = [
        Request("/recommendations", _order(seed, f"visit-{number}"))
        for number in range(1, runs // 2 + 1)
    ]
    return [*checkouts, *recommendations]


def _order(seed: int, order: str) -> dict[str, object]:
    item = _ITEMS[int(chance(seed, order, "item") * len(_ITEMS))]
    return {"id": order, "item": item, "loyal": chance(seed, order, "loyal") < _LOYAL_SHARE}


SYSTEM = System(
    name="ecommerce",
    services=(
        Service(
            "storefront",
            entries={"/checkout": "CheckoutAgent", "/recommendations": "RecommendationAgent"},
        ),
        Service("checkout", (_CHECKOUT,)),
        Service("pricing", (_PRICING, _PROMOTION)),
        Service("discount-bot", (_DISCOUNT_BOT,)),
        Service("warehouse", (_INVENTORY, _SHIPPING)),
        Service("payments", (_PAYMENT, _FRAUD)),
        Service("recommendations", (_RECOMMENDATION,)),
    ),
    faults=(
        Fault("stock_lookup", 0.15, attempts=1),
        Fault("charge_northpay", 0.2, 502, "the provider does not answer"),
        Fault("charge_southpay", 0.1, 502, "the provider does not answer"),
        Fault("risk_score", 0.2, message="the scoring service is overloaded"),
        Fault("book_courier", 0.15, message="the courier's desk is closed", attempts=1),
        Fault("similar_items", 0.2, 500, "the index is being rebuilt"),
        Fault("send_receipt", 0.15, 500, "the mail server refused"),
        Fault("issue_coupon", 0.2, 500, "no coupons left"),
        Fault("price_list", 0.02, 500, "the price list is locked"),
        Fault("CheckoutAgent/gpt-4o", 0.02, 429, "rate limit reached", attempts=1),
        Fault("RecommendationAgent/gpt-4o", 0.1, 500, "the model had an error"),
    ),
    database="shop",
    schema=tools.SCHEMA,
    default_runs=40,
    conventions="http,database,gen_ai_latest_experimental",
    requests=requests,
)
