-- Who ended reports by e-mail and was erased gets none when somebody records the person again.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE POLICY report ON suppressions FOR SELECT TO omnibus_report USING (channel = 'email');
GRANT SELECT ON suppressions TO omnibus_report;

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
REVOKE SELECT ON suppressions FROM omnibus_report;
DROP POLICY report ON suppressions;
RESET ROLE;
