-- The people whom a tenant talks to by voice, SMS and WhatsApp.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE TABLE profiles (
  id                       uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
  domain                   text        NOT NULL REFERENCES tenants,
  phone_number             text        CHECK (phone_number ~ '^\+[1-9][0-9]{1,14}$'),
  whatsapp_jid             text,
  whatsapp_user_id         text,
  has_whatsapp             boolean,
  allows_sms               boolean     NOT NULL DEFAULT true,
  sms_opt_out_at           timestamptz,
  whatsapp_opt_out_at      timestamptz,
  last_active_channel      text        CHECK (last_active_channel IN ('voice', 'whatsapp', 'sms')),
  last_whatsapp_inbound_at timestamptz,
  locale                   text,
  timezone                 text,
  created_at               timestamptz NOT NULL DEFAULT now(),
  updated_at               timestamptz NOT NULL DEFAULT now(),
  UNIQUE (domain, phone_number),
  UNIQUE (domain, whatsapp_user_id),
  CHECK (phone_number IS NOT NULL OR whatsapp_user_id IS NOT NULL)
)
WITH (fillfactor = 80);
COMMENT ON COLUMN profiles.phone_number IS 'E.164. Missing for someone whom WhatsApp names by a user id alone.';
COMMENT ON COLUMN profiles.whatsapp_jid IS 'As WhatsApp Web writes it, kept as given; the Cloud API addresses its digits.';
COMMENT ON COLUMN profiles.whatsapp_user_id IS 'The Cloud API''s business-scoped id.';
COMMENT ON COLUMN profiles.has_whatsapp IS 'NULL until a message from, or the fate of one to, WhatsApp has told.';
COMMENT ON COLUMN profiles.allows_sms IS 'True until the person says STOP; sms_opt_out_at is when.';
COMMENT ON COLUMN profiles.last_whatsapp_inbound_at IS 'Free text may be sent for 24 hours after it.';

ALTER TABLE profiles ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY everything ON profiles
  TO omnibus_owner, omnibus_call, omnibus_sms, omnibus_notify, omnibus_replay, omnibus_readonly
  USING (true) WITH CHECK (true);
CREATE POLICY own_tenant ON profiles TO omnibus_gateway
  USING (domain = NULLIF(current_setting('app.tenant', true), ''));
GRANT SELECT, INSERT, UPDATE ON profiles TO omnibus_call, omnibus_sms;
GRANT SELECT, UPDATE ON profiles TO omnibus_notify;
-- A replay finds the people who are there, and makes nobody who was deleted again.
GRANT SELECT ON profiles TO omnibus_gateway, omnibus_replay, omnibus_readonly;

RESET ROLE;

-- migrate:down
DROP TABLE profiles;
