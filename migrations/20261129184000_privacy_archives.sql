-- The archives of exports, sealed, until they were fetched or for seven days; and what an export reads.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE TABLE gdpr_archives (
  request_id  uuid        PRIMARY KEY REFERENCES gdpr_requests ON DELETE CASCADE,
  domain      text        NOT NULL REFERENCES tenants ON DELETE CASCADE,
  subject_key subject_key NOT NULL,
  archive_id  uuid        NOT NULL UNIQUE,
  key_id      text        NOT NULL CHECK (key_id ~ '^[0-9a-f]{16}$'),
  wrapped_key bytea       NOT NULL,
  size        bigint      NOT NULL CHECK (size > 0),
  sha256      bytea       NOT NULL CHECK (length(sha256) = 32),
  used_at     timestamptz,
  expires_at  timestamptz NOT NULL DEFAULT now() + interval '7 days',
  created_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE gdpr_archives IS 'The archive of each export that is done. It can be fetched once, within seven days.';
COMMENT ON COLUMN gdpr_archives.key_id IS 'The master key that wraps the archive''s own key.';
COMMENT ON COLUMN gdpr_archives.size IS 'Bytes, opened.';
COMMENT ON COLUMN gdpr_archives.sha256 IS 'Of the opened archive.';
COMMENT ON COLUMN gdpr_archives.used_at IS 'Its last byte was sent.';
CREATE INDEX gdpr_archives_by_subject ON gdpr_archives (subject_key);
CREATE INDEX gdpr_archives_by_domain ON gdpr_archives (domain);
CREATE INDEX gdpr_archives_by_expiry ON gdpr_archives (expires_at);

-- An attempt at an export writes its parts under an id of its own; the row of gdpr_archives says which attempt counts.
CREATE TABLE gdpr_archive_parts (
  archive_id uuid        NOT NULL,
  part       int         NOT NULL CHECK (part >= 0),
  request_id uuid        NOT NULL REFERENCES gdpr_requests ON DELETE CASCADE,
  domain     text        NOT NULL REFERENCES tenants ON DELETE CASCADE,
  bytes      bytea       NOT NULL,
  PRIMARY KEY (archive_id, part)
);
COMMENT ON TABLE gdpr_archive_parts IS 'Archives in pieces of 256 KiB, each sealed by AES-256-GCM.';
ALTER TABLE gdpr_archive_parts ALTER COLUMN bytes SET STORAGE EXTERNAL; -- sealed bytes do not compress
CREATE INDEX gdpr_archive_parts_by_request ON gdpr_archive_parts (request_id);
CREATE INDEX gdpr_archive_parts_by_domain ON gdpr_archive_parts (domain);

ALTER TABLE gdpr_archives ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE gdpr_archive_parts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY everything ON gdpr_archives TO omnibus_owner, omnibus_gdpr, omnibus_readonly USING (true) WITH CHECK (true);
CREATE POLICY everything ON gdpr_archive_parts TO omnibus_owner, omnibus_gdpr USING (true) WITH CHECK (true);
CREATE POLICY own_tenant ON gdpr_archives TO omnibus_gateway
  USING (domain = NULLIF(current_setting('app.tenant', true), ''));
CREATE POLICY own_tenant ON gdpr_archive_parts TO omnibus_gateway
  USING (domain = NULLIF(current_setting('app.tenant', true), ''));
GRANT SELECT, INSERT, DELETE ON gdpr_archives, gdpr_archive_parts TO omnibus_gdpr;
GRANT SELECT, UPDATE (used_at) ON gdpr_archives TO omnibus_gateway;
GRANT SELECT, DELETE ON gdpr_archive_parts TO omnibus_gateway;
GRANT SELECT ON gdpr_archives TO omnibus_readonly;

CREATE FUNCTION remove_gdpr_archives(p_domain text, p_subject_keys text[], p_before timestamptz) RETURNS bigint
LANGUAGE sql VOLATILE SET search_path = pg_catalog, public, pg_temp
BEGIN ATOMIC
  WITH removed AS (
    DELETE FROM gdpr_archives a
    WHERE a.domain = p_domain AND a.subject_key = ANY (p_subject_keys) AND a.created_at < p_before
    RETURNING a.request_id
  ), parts AS (
    DELETE FROM gdpr_archive_parts p USING removed r WHERE p.request_id = r.request_id
  )
  SELECT count(*) FROM removed;
END;
COMMENT ON FUNCTION remove_gdpr_archives IS 'For an erasure: removes a person''s archives that were made before it was asked for. One that was made later is of an export that the erasure waited for. Their number.';

CREATE FUNCTION prune_gdpr_archives() RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  pruned bigint;
BEGIN
  DELETE FROM gdpr_archive_parts p
  WHERE NOT EXISTS (SELECT FROM gdpr_archives a
                    WHERE a.archive_id = p.archive_id AND a.expires_at > now() AND a.used_at IS NULL)
    AND NOT EXISTS (SELECT FROM gdpr_requests r WHERE r.id = p.request_id AND r.status IN ('received', 'running'));
  GET DIAGNOSTICS pruned = ROW_COUNT;
  DELETE FROM gdpr_archives WHERE expires_at <= now();
  RETURN pruned;
END
$$;
COMMENT ON FUNCTION prune_gdpr_archives IS 'Removes archives that are over seven days old, and parts that no archive needs. The parts'' number.';
REVOKE EXECUTE ON FUNCTION remove_gdpr_archives(text, text[], timestamptz), prune_gdpr_archives() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION remove_gdpr_archives(text, text[], timestamptz), prune_gdpr_archives() TO omnibus_gdpr;

-- So that the gateway can refuse another tenant's person without reading that tenant's rows.
CREATE FUNCTION is_of_another_tenant(p_domain text, p_user_id uuid, p_customer_id uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT EXISTS (SELECT FROM public.users u WHERE u.id = p_user_id AND u.domain <> p_domain)
      OR EXISTS (SELECT FROM public.principals p WHERE p.id = p_user_id AND p.domain <> p_domain)
      OR EXISTS (SELECT FROM public.identity_links l WHERE l.customer_id = p_customer_id AND l.domain <> p_domain);
END;
COMMENT ON FUNCTION is_of_another_tenant IS 'Whether a user or customer of that id belongs to another tenant.';
REVOKE EXECUTE ON FUNCTION is_of_another_tenant(text, uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION is_of_another_tenant(text, uuid, uuid) TO omnibus_gateway;

-- The export reads everything of a person; the keys that older rows lack are filled first.
DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['conversations', 'messages', 'profiles', 'omnichannel_sessions', 'message_delivery_log',
    'call_summaries', 'chat_telemetry', 'access_log', 'users', 'personal_stories', 'omniscient_blocks',
    'omniscient_matches', 'omniscient_insights', 'omniscient_match_insights', 'omniscient_insight_overrides',
    'omniscient_conversations', 'omniscient_turns', 'omniscient_outcomes', 'omniscient_reports',
    'omniscient_report_outcomes', 'omniscient_report_unsubscriptions', 'omniscient_processing_logs'] LOOP
    EXECUTE format('CREATE POLICY export ON %I FOR SELECT TO omnibus_gdpr USING (true)', name);
    EXECUTE format('GRANT SELECT ON %I TO omnibus_gdpr', name);
  END LOOP;
END
$$;
GRANT SELECT (id, domain, role, kind, name, email, disabled_at, created_at) ON principals TO omnibus_gdpr;
GRANT SELECT ON pipeline.delivery, pipeline.delivery_receipt, pipeline.llm_responses, pipeline.outbox TO omnibus_gdpr;
CREATE POLICY keys ON conversations FOR UPDATE TO omnibus_gdpr USING (true) WITH CHECK (true);
CREATE POLICY keys ON profiles FOR UPDATE TO omnibus_gdpr USING (true) WITH CHECK (true);
GRANT UPDATE (subject_key) ON conversations, profiles TO omnibus_gdpr;

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
REVOKE UPDATE (subject_key) ON conversations, profiles FROM omnibus_gdpr;
DROP POLICY keys ON profiles;
DROP POLICY keys ON conversations;
REVOKE SELECT ON pipeline.delivery, pipeline.delivery_receipt, pipeline.llm_responses FROM omnibus_gdpr;
REVOKE SELECT (domain, role, kind, name, email, disabled_at, created_at) ON principals FROM omnibus_gdpr;
DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['conversations', 'messages', 'profiles', 'omnichannel_sessions', 'message_delivery_log',
    'call_summaries', 'chat_telemetry', 'access_log', 'users', 'personal_stories', 'omniscient_blocks',
    'omniscient_matches', 'omniscient_insights', 'omniscient_match_insights', 'omniscient_insight_overrides',
    'omniscient_conversations', 'omniscient_turns', 'omniscient_outcomes', 'omniscient_reports',
    'omniscient_report_outcomes', 'omniscient_report_unsubscriptions', 'omniscient_processing_logs'] LOOP
    EXECUTE format('REVOKE SELECT ON %I FROM omnibus_gdpr', name);
    EXECUTE format('DROP POLICY export ON %I', name);
  END LOOP;
END
$$;
DROP FUNCTION is_of_another_tenant(text, uuid, uuid);
DROP FUNCTION prune_gdpr_archives();
DROP FUNCTION remove_gdpr_archives(text, text[], timestamptz);
DROP TABLE gdpr_archive_parts, gdpr_archives;
RESET ROLE;
