#include "workers/sms/store.hpp"

#include "engine/failure.hpp"

#include <algorithm>

#include <pqxx/pqxx>

namespace omnibus::sms {
namespace {

// Whatever a later event has made of the session meanwhile, the message's turn goes on with it as it is now.
constexpr auto conversation_query = R"(
  SELECT p.id, p.allows_sms AND p.sms_opt_out_at IS NULL, p.whatsapp_opt_out_at IS NULL,
         s.id, s.status, s.context::text, s.version,
         ARRAY(SELECT direction FROM message_delivery_log l WHERE l.session_id = s.id AND l.content IS NOT NULL
               AND l.created_at < m.created_at ORDER BY l.created_at DESC, l.id LIMIT $2),
         ARRAY(SELECT content FROM message_delivery_log l WHERE l.session_id = s.id AND l.content IS NOT NULL
               AND l.created_at < m.created_at ORDER BY l.created_at DESC, l.id LIMIT $2)
  FROM message_delivery_log m JOIN profiles p ON p.id = m.profile_id JOIN omnichannel_sessions s ON s.id = m.session_id
  WHERE m.effect_key = $1)";

}  // namespace

Conversation receive(engine::UnitOfWork& unit, Uuid const& event_key, Inbound const& said) {
  auto& transaction = unit.transaction();
  Conversation conversation;
  conversation.profile = sessions::find_or_create_profile(transaction, said.domain, said.sender);
  auto const& profile = conversation.profile.id;
  if (said.channel == sessions::Channel::whatsapp)
    sessions::note_whatsapp_inbound(transaction, profile, said.received_ms);
  conversation.session = sessions::get_or_create_session(transaction, profile, said.channel);
  transaction.exec(
      "SELECT log_message_delivery($1, $2, $3, $4, 'inbound', $5, 'received', $6, $7, $8,"
      " p_source_event_id => $1)",
      pqxx::params{to_string(event_key), to_string(profile), to_string(conversation.session.id),
                   sessions::to_string(said.channel), said.kind, said.text, said.provider, said.provider_message_id});
  return conversation;
}

Task<Conversation> read_conversation(engine::Context& context, std::int32_t history) {
  auto const key = to_string(context.event_key());
  auto reading = context.read([&](pqxx::connection& connection) {
    pqxx::nontransaction query{connection};
    return query.exec(conversation_query, pqxx::params{key, history});
  });
  auto const rows = co_await std::move(reading);
  // Its person was deleted while it was being answered.
  if (rows.empty()) throw Failure::permanent("the message's person is gone", "deleted_profile");
  auto const row = rows[0];
  Conversation conversation;
  conversation.profile.id = parse_uuid(row[0].view()).value();
  conversation.profile.allows_sms = row[1].as<bool>();
  conversation.profile.allows_whatsapp = row[2].as<bool>();
  conversation.session.id = parse_uuid(row[3].view()).value();
  conversation.session.profile_id = conversation.profile.id;
  conversation.session.status = row[4].as<std::string>();
  conversation.session.context = row[5].as<std::string>();
  conversation.session.version = row[6].as<std::int32_t>();
  auto const directions = row[7].as_sql_array<std::string>();
  auto const contents = row[8].as_sql_array<std::string>();
  for (auto i = std::min(directions.size(), contents.size()); i-- > 0;)
    conversation.history.push_back({directions[i] == "outbound", contents[i]});
  co_return conversation;
}

std::optional<double> keep(engine::UnitOfWork& unit, Uuid const& session, tools::MessagingTools const& tools) {
  // Member by member, into the context as it is now: what another channel has added meanwhile stays.
  for (auto const& patch : tools.patches()) sessions::merge_session_context(unit.transaction(), session, patch);
  if (!tools.status()) return std::nullopt;
  auto const now = sessions::update_session_status(unit.transaction(), session, *tools.status());
  return now && now->status == "closed" ? std::optional{now->age_s} : std::nullopt;
}

}  // namespace omnibus::sms
