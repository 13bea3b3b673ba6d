-- What consents are asked for: whether a chat may go on, and whose conversations analytics may read.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE FUNCTION consent_of(p_domain text, p_subject_keys text[], p_purpose text) RETURNS boolean
LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT c.granted FROM consents c
  WHERE c.domain = p_domain AND c.subject_key = ANY (p_subject_keys) AND c.purpose = p_purpose
  ORDER BY c.created_at DESC, c.id DESC LIMIT 1;
END;
COMMENT ON FUNCTION consent_of IS 'The newest word of a person on a purpose; NULL without one.';

-- The visitor of a chat is known by the conversation: chat has no secret to hash the session with.
CREATE FUNCTION chat_is_allowed(p_domain text, p_conversation_id uuid) RETURNS boolean
LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT COALESCE(NOT (SELECT consent_required FROM privacy_preferences(p_domain)), true)
         OR COALESCE(consent_of(p_domain, ARRAY[replace(p_conversation_id::text, '-', '')], 'processing'), false);
END;
COMMENT ON FUNCTION chat_is_allowed IS 'Whether the tenant asks for no consent, or the visitor of this conversation consents to processing.';

CREATE VIEW consented_conversations WITH (security_invoker = true) AS
  SELECT c.* FROM conversations c
  WHERE consent_of(c.domain, ARRAY[c.subject_key::text, replace(c.id::text, '-', '')], 'analytics');
COMMENT ON VIEW consented_conversations IS 'Conversations whose text analytics may read: the visitor consents to analytics. All others count in totals only.';
GRANT SELECT ON consented_conversations TO omnibus_gateway, omnibus_chat, omnibus_readonly;

-- A change of consent by a person of the team is audited where it is recorded.
CREATE POLICY consents ON gdpr_audit_log FOR INSERT TO omnibus_chat, omnibus_replay WITH CHECK (action = 'consent.recorded');
GRANT INSERT ON gdpr_audit_log TO omnibus_chat, omnibus_replay;

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
REVOKE INSERT ON gdpr_audit_log FROM omnibus_chat, omnibus_replay;
DROP POLICY consents ON gdpr_audit_log;
DROP VIEW consented_conversations;
DROP FUNCTION chat_is_allowed(text, uuid);
DROP FUNCTION consent_of(text, text[], text);
RESET ROLE;
