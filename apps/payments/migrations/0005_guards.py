"""Row-level security on the tables of money, and the database's own word on the ledger and on documents (docs/adr/0010-ledger.md)."""

from django.db import migrations

from apps.core.operations import BY_CLIENT, TenantPolicies

# At the end of the statement that writes them; whoever writes a transaction's legs one by one puts it off (SET CONSTRAINTS).
BALANCED = """
CREATE FUNCTION payments_ledger_is_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (
    SELECT FROM payments_ledgerentry e WHERE e.account_id = NEW.account_id AND e.transaction_id = NEW.transaction_id
    GROUP BY e.currency HAVING sum(e.amount_cents) <> 0 OR count(*) < 2
  ) THEN
    RAISE EXCEPTION 'ledger transaction % does not balance', NEW.transaction_id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_ledgerentry_balanced';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER payments_ledgerentry_balanced AFTER INSERT ON payments_ledgerentry
  DEFERRABLE INITIALLY IMMEDIATE FOR EACH ROW EXECUTE FUNCTION payments_ledger_is_balanced();
"""
UNBALANCED = """
DROP TRIGGER payments_ledgerentry_balanced ON payments_ledgerentry;
DROP FUNCTION payments_ledger_is_balanced();
"""

FROZEN = """
CREATE FUNCTION payments_row_is_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_TABLE_NAME || '_frozen';
END $$;
CREATE TRIGGER payments_ledgerentry_frozen BEFORE UPDATE OR DELETE ON payments_ledgerentry
  FOR EACH ROW EXECUTE FUNCTION payments_row_is_frozen();
CREATE TRIGGER payments_ledgertransaction_frozen BEFORE UPDATE OR DELETE ON payments_ledgertransaction
  FOR EACH ROW EXECUTE FUNCTION payments_row_is_frozen();
CREATE TRIGGER payments_invoice_frozen BEFORE UPDATE OR DELETE ON payments_invoice
  FOR EACH ROW EXECUTE FUNCTION payments_row_is_frozen();
CREATE TRIGGER payments_invoiceline_frozen BEFORE UPDATE OR DELETE ON payments_invoiceline
  FOR EACH ROW EXECUTE FUNCTION payments_row_is_frozen();
"""
THAWED = """
DROP TRIGGER payments_invoiceline_frozen ON payments_invoiceline;
DROP TRIGGER payments_invoice_frozen ON payments_invoice;
DROP TRIGGER payments_ledgertransaction_frozen ON payments_ledgertransaction;
DROP TRIGGER payments_ledgerentry_frozen ON payments_ledgerentry;
DROP FUNCTION payments_row_is_frozen();
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0004_money_online")]

    operations = [
        TenantPolicies(
            "Instalment",
            "Refund",
            "Dispute",
            "Invoice",
            "WalletBalance",
            "WalletLot",
            "WalletTransaction",
            "PointsEntry",
            reads={"own": BY_CLIENT},
        ),
        TenantPolicies(
            "ProviderAccount",
            "ProviderEvent",
            "BankLine",
            "LedgerTransaction",
            "LedgerEntry",
            "WalletSpend",
            "GiftCode",
            "ReferralReward",
            "Coupon",
            "CouponUse",
            "DepositRule",
            "InvoiceLine",
            "HistoricalRefund",
            "HistoricalDispute",
            "HistoricalProviderAccount",
            "HistoricalGiftCode",
            "HistoricalReferralReward",
            "HistoricalCoupon",
            "HistoricalDepositRule",
        ),
        migrations.RunSQL(BALANCED, UNBALANCED),
        migrations.RunSQL(FROZEN, THAWED),
    ]
