"""Words and numbers of the simulated shop. Symbols stand in the order of the Avro enums."""

from __future__ import annotations

from typing import NamedTuple

from loadgen.text import Dictionary

REGIONS = ("eu_west", "eu_north", "us_east", "us_west", "apac", "latam")
REGION_WEIGHTS = (0.30, 0.12, 0.24, 0.12, 0.15, 0.07)
UTC_OFFSETS = (1, 1, -5, -8, 8, -3)
CURRENCIES = ("EUR", "USD", "GBP", "JPY", "BRL")
REGION_CURRENCY = (0, 2, 1, 1, 3, 4)
#: Price of a thing that costs 1.00 in eu_west.
REGION_PRICE = (1.0, 0.9, 1.1, 1.1, 150.0, 6.0)
#: Activity by local hour, mean about 1: quiet nights, a busy evening.
HOURS = (
    *(0.45, 0.3, 0.22, 0.2, 0.22, 0.35, 0.6, 0.85, 1.0, 1.1, 1.15, 1.2),
    *(1.25, 1.2, 1.15, 1.15, 1.2, 1.3, 1.5, 1.75, 1.85, 1.7, 1.3, 0.8),
)

CATEGORIES = Dictionary(
    [
        *("kitchen", "garden", "lighting", "bedding", "furniture", "toys", "books", "audio"),
        *("phones", "laptops", "cameras", "cycling", "running", "camping", "fitness", "beauty"),
        *("health", "pets", "baby", "shoes", "jackets", "watches", "tools", "coffee"),
    ]
)
ADJECTIVES = (
    *("Oak", "Steel", "Linen", "Quiet", "Bright", "Folding", "Compact", "Nordic", "Café", "Alpine"),
    *("Woven", "Ivory", "Jasmin", "Brass", "Grün", "Plain", "Heavy", "Swift", "Hollow", "Amber"),
)
NOUNS = (  # one a category
    *("Kettle", "Spade", "Lamp", "Quilt", "Stool", "Puzzle", "Atlas", "Speaker"),
    *("Handset", "Notebook", "Lens", "Pump", "Vest", "Tent", "Mat", "Balm"),
    *("Kit", "Collar", "Cradle", "Boot", "Parka", "Dial", "Wrench", "Grinder"),
)

SESSION_TYPES = (
    *("page_view", "search", "product_view"),
    *("cart_add", "cart_remove", "checkout_started"),
)
PAGE_VIEW, SEARCH, PRODUCT_VIEW, CART_ADD, CART_REMOVE, CHECKOUT = range(6)
DEVICES = ("desktop", "mobile", "tablet", "app")
DEVICE_WEIGHTS = (0.33, 0.42, 0.07, 0.18)
PAGES = Dictionary(
    ["/", "/sale", "/new", "/account", "/help", "/stores", "/gift-cards"]
    + [f"/c/{name}" for name in CATEGORIES.values]
)
QUERIES = Dictionary(
    [f"{word.lower()} {name}" for name in CATEGORIES.values for word in ADJECTIVES[:8]]
)
REFERRERS = Dictionary(
    ["https://www.google.com/", "https://news.example/", "https://t.example/ad/7", "mail"]
)

ORDER_TYPES = ("placed", "paid", "packed", "shipped", "delivered", "cancelled", "refunded")
PLACED, PAID, PACKED, SHIPPED, DELIVERED, CANCELLED, REFUNDED = range(7)
CARRIERS = Dictionary(["dhl", "ups", "dpd", "posti", "correios"])
REASONS = Dictionary(["payment_failed", "customer_request", "returned", "damaged"])

PAYMENT_TYPES = ("authorised", "captured", "failed", "refunded")
AUTHORISED, CAPTURED, FAILED, PAID_BACK = range(4)
METHODS = ("card", "wallet", "bank_transfer", "invoice", "gift_card")
METHOD_WEIGHTS = (0.58, 0.22, 0.09, 0.08, 0.03)
FAILURES = Dictionary(["insufficient_funds", "card_declined", "3ds_timeout", "fraud_suspected"])

CATALOG_TYPES = ("created", "price_changed")

HTTP_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


class Route(NamedTuple):
    """One endpoint: latency is lognormal about ``median_us``, ``error`` the share of 5xx."""

    path: str
    method: int
    weight: float
    median_us: float
    sigma: float
    hit: float
    error: float
    size: int


_ROUTES = (
    Route("/v1/home", 0, 14, 9_000, 0.45, 0.72, 0.0008, 48_000),
    Route("/v1/products/{id}", 0, 22, 6_500, 0.5, 0.64, 0.0010, 9_000),
    Route("/v1/search", 0, 13, 42_000, 0.7, 0.21, 0.0030, 26_000),
    Route("/v1/recommendations", 0, 11, 18_000, 0.6, 0.35, 0.0020, 12_000),
    Route("/v1/categories/{slug}", 0, 8, 8_000, 0.4, 0.8, 0.0006, 18_000),
    Route("/v1/cart", 0, 7, 5_000, 0.4, 0.0, 0.0012, 2_500),
    Route("/v1/cart/items", 1, 5, 12_000, 0.5, 0.0, 0.0025, 900),
    Route("/v1/cart/items/{id}", 4, 1.5, 11_000, 0.5, 0.0, 0.0025, 0),
    Route("/v1/checkout", 1, 2, 85_000, 0.6, 0.0, 0.0080, 1_800),
    Route("/v1/orders", 0, 3, 24_000, 0.5, 0.05, 0.0020, 7_000),
    Route("/v1/orders/{id}", 0, 3, 14_000, 0.5, 0.1, 0.0015, 3_000),
    Route("/v1/payments", 1, 2, 190_000, 0.8, 0.0, 0.0120, 700),
    Route("/v1/users/{id}", 0, 3, 7_000, 0.4, 0.3, 0.0010, 1_600),
    Route("/v1/users/{id}", 3, 0.7, 16_000, 0.5, 0.0, 0.0020, 400),
    Route("/v1/flags", 0, 4, 2_200, 0.3, 0.9, 0.0002, 1_100),
    Route("/v1/reviews", 1, 0.8, 20_000, 0.6, 0.0, 0.0030, 300),
)
ROUTES = _ROUTES
#: Routes share paths: the dictionary is by path, ``ROUTE_PATH[i]`` its code of route i.
PATHS = Dictionary(list(dict.fromkeys(route.path for route in _ROUTES)))
ROUTE_PATH = tuple(PATHS.values.index(route.path) for route in _ROUTES)

TENANTS = Dictionary(
    [
        f"{brand}-{region.replace('_', '-')}"
        for region in REGIONS
        for brand in ("alder", "birch", "cedar", "dogwood")
    ]
)
TENANTS_PER_REGION = 4
TENANT_WEIGHTS = (0.46, 0.27, 0.17, 0.10)


class Flag(NamedTuple):
    """A feature flag; variants with their weights, and its experiment if it has one."""

    name: str
    experiment: str | None
    variants: tuple[tuple[str, float], ...]


FLAGS = (
    Flag("new_checkout", "exp-checkout-2", (("control", 0.5), ("one_page", 0.5))),
    Flag("ranker", "exp-ranker-7", (("control", 0.4), ("gbdt", 0.3), ("two_tower", 0.3))),
    Flag("free_shipping_bar", "exp-bar-1", (("off", 0.5), ("on", 0.5))),
    Flag("dark_mode", None, (("off", 0.8), ("on", 0.2))),
    Flag("image_cdn", None, (("a", 0.9), ("b", 0.1))),
    Flag("reviews_first", "exp-reviews-3", (("control", 0.5), ("treatment", 0.5))),
    Flag("price_badge", "exp-badge-1", (("none", 0.34), ("red", 0.33), ("green", 0.33))),
    Flag("wallet_default", None, (("off", 0.7), ("on", 0.3))),
)
FLAG_NAMES = Dictionary([flag.name for flag in FLAGS])
VARIANTS = Dictionary(sorted({name for flag in FLAGS for name, _ in flag.variants}))
EXPERIMENTS = Dictionary([flag.experiment or "" for flag in FLAGS])
EXPOSURE_REASONS = ("targeting", "split", "default", "override")

#: The service that sends each stream.
PRODUCERS = {
    "catalog": Dictionary(["catalog"]),
    "sessions": Dictionary(["web", "app"]),
    "orders": Dictionary(["checkout"]),
    "payments": Dictionary(["payments"]),
    "requests": Dictionary(["gateway"]),
    "flags": Dictionary(["flags"]),
}
