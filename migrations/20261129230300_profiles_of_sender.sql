-- A legal hold is on all identities of a person: that on a number also holds the profile that has it beside a WhatsApp id.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

-- With the owner's rights: who sets holds reads no profile.
CREATE FUNCTION profiles_of_sender(p_domain text, p_sender text) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT p.id FROM public.profiles p
  WHERE p.domain = p_domain AND (p.phone_number = p_sender OR p.whatsapp_user_id = p_sender OR p.sms_sender = p_sender);
END;
COMMENT ON FUNCTION profiles_of_sender IS 'The profiles of a number, WhatsApp id or other sender.';
REVOKE EXECUTE ON FUNCTION profiles_of_sender(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION profiles_of_sender(text, text) TO omnibus_admin;

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
DROP FUNCTION profiles_of_sender(text, text);
RESET ROLE;
