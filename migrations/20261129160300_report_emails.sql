-- Sending reports by e-mail: what a server answered, and who wants none.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

ALTER TABLE omniscient_reports ADD send_detail text;
COMMENT ON COLUMN omniscient_reports.claimed_at IS 'When sending began; attempts end some hours later.';
COMMENT ON COLUMN omniscient_reports.send_state IS 'Missing: not sent, or waiting for the next attempt.';
COMMENT ON COLUMN omniscient_reports.send_detail IS 'Of the last attempt: the code of the server, or what went wrong.';

CREATE TABLE omniscient_report_unsubscriptions (
  user_id    uuid        PRIMARY KEY,
  domain     text        NOT NULL REFERENCES tenants,
  created_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (user_id, domain) REFERENCES users (id, domain) ON DELETE CASCADE
);
COMMENT ON TABLE omniscient_report_unsubscriptions IS 'People who get no reports by e-mail.';
ALTER TABLE omniscient_report_unsubscriptions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY everything ON omniscient_report_unsubscriptions TO omnibus_owner, omnibus_report, omnibus_readonly
  USING (true) WITH CHECK (true);
GRANT SELECT ON omniscient_report_unsubscriptions TO omnibus_report, omnibus_readonly;

-- Ends a person's reports by e-mail, for whoever has the signed address: the gateway checks the signature first.
-- Nothing happens for a person who is not there, or has done it before.
CREATE FUNCTION unsubscribe_from_reports(p_domain text, p_user uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
BEGIN ATOMIC
  INSERT INTO omniscient_report_unsubscriptions (user_id, domain)
  SELECT id, domain FROM users WHERE id = p_user AND domain = p_domain
  ON CONFLICT DO NOTHING;
END;
REVOKE EXECUTE ON FUNCTION unsubscribe_from_reports(text, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION unsubscribe_from_reports(text, uuid) TO authenticated;

RESET ROLE;

-- migrate:down
DROP FUNCTION unsubscribe_from_reports(text, uuid);
DROP TABLE omniscient_report_unsubscriptions;
ALTER TABLE omniscient_reports DROP send_detail;
