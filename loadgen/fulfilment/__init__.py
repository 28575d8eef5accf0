"""The services that an order saga gives its commands to, simulated: money, stock, parcels.

They answer as such services do, late, twice, out of order or not at all, and keep books of their
own, which the saga must not upset. Nothing here uses the pipeline's code.
"""

from loadgen.fulfilment.books import Books
from loadgen.fulfilment.faults import Faults
from loadgen.fulfilment.orders import Order, orders
from loadgen.fulfilment.services import Services

__all__ = ["Books", "Faults", "Order", "Services", "orders"]
