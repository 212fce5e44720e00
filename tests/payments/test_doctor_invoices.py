"""The invariants of documents and bank lines: silent about what the services write, loud about what somebody else did."""

from apps.core.doctor import invariants
from apps.core.models import Counter
from apps.core.tenancy import account_scope, platform_scope
from apps.orders.models import OrderLine
from apps.payments.models import BankLine
from tests.payments.documents import change, issue
from tests.payments.test_bank import HEAD, import_file, line, transfers

CODES = ("I70", "I71", "I72")


def broken() -> list[str]:
    with platform_scope("test"):
        return [one.code for one in invariants() if one.code in CODES and one.find()]


def test_what_the_services_write_is_clean_and_each_damage_is_found(studio):
    order = studio.sell().order
    issue(studio, order)
    change(studio, order, -2500)
    issue(studio, order)
    (payment,) = transfers(studio)
    import_file(studio, HEAD + line(payment.reference) + line("?"))
    assert broken() == []

    with account_scope(studio.account):
        Counter.objects.filter(name="invoice INV-").update(value=2)
        assert broken() == ["I70"]
        OrderLine.objects.filter(order=order, position=1).update(amount_cents=1)
        assert broken() == ["I70", "I71"]
        BankLine.objects.filter(status="matched").update(amount_cents=1)
        assert broken() == ["I70", "I71", "I72"]
