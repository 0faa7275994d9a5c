"""The books that the HTTP benchmarks work on: a tenant, its key, customers, open invoices."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from backend import migrate
from backend.actor import Actor, platform_system
from backend.customers.service import CreateCustomer, create_customer
from backend.db.engine import Database
from backend.identity.api_keys import CreateApiKey, create_api_key
from backend.ids import new_id
from backend.invoices.service import CreateInvoice, LineInput, create_invoice, send_invoice
from backend.tenants.service import CreateTenant, add_tenant
from backend.unit_of_work import UnitOfWork, run

CUSTOMERS = 50
INVOICES = 400
LINES = 5


@dataclass(frozen=True)
class Books:
    """A database file with one tenant's open invoices in it."""

    path: Path
    tenant_id: UUID
    api_key: str
    customers: tuple[UUID, ...]
    invoices: tuple[UUID, ...]

    @property
    def headers(self) -> dict[str, str]:
        """What every call of the tenant's app carries."""
        return {"x-api-key": self.api_key, "x-tenant-id": str(self.tenant_id)}

    def actor(self) -> Actor:
        """The tenant's app, calling once."""
        return Actor.system(self.tenant_id, new_id().hex, who="api-key:bench")


def make_books(path: Path) -> Books:
    """Migrate a new file and fill it through the services."""
    db = Database(f"sqlite:///{path}")
    try:
        migrate.upgrade(db)
        tenant_id = run(db, platform_system("bench"), add_tenant, CreateTenant("Ridge Roofing"))
        actor = Actor.system(tenant_id, new_id().hex, who="bench")
        key = run(db, actor, create_api_key, CreateApiKey("bench"))
        customers = run(db, actor, _add_customers)
        invoices = run(db, actor, _add_invoices, customers)
    finally:
        db.close()
    return Books(path, tenant_id, key.api_key, customers, invoices)


def _add_customers(work: UnitOfWork) -> tuple[UUID, ...]:
    commands = (
        CreateCustomer(f"Customer {number}", email=f"customer{number}@example.com")
        for number in range(CUSTOMERS)
    )
    return tuple(create_customer(work, command).customer_id for command in commands)


def _add_invoices(work: UnitOfWork, customers: tuple[UUID, ...]) -> tuple[UUID, ...]:
    """Open invoices so large that no benchmark ever pays one off."""
    lines = [
        LineInput(f"Part {n + 1} of the work", "1.5", "100000.00", "8.25") for n in range(LINES)
    ]
    sent = []
    for number in range(INVOICES):
        draft = create_invoice(work, CreateInvoice(customers[number % CUSTOMERS], lines))
        sent.append(send_invoice(work, draft.invoice_id).invoice_id)
    return tuple(sent)
