#include "events/notification.hpp"
#include "json/encode.hpp"
#include "kafka/cloud_event.hpp"
#include "postgres/outbox.hpp"
#include "postgres/rows.hpp"
#include "workers/cli/commands.hpp"
#include "workers/cli/database/database.hpp"
#include "workers/cli/telemetry/telemetry_command.hpp"
#include "workers/cli/terminal/terminal.hpp"

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <boost/describe/class.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>
#include <unistd.h>

namespace omnibus::cli {
namespace {

struct DeliveryOptions {
  std::string database;
  std::string state;
  std::string channel;
  std::string domain;
  std::string since = "7d";
  std::int64_t limit = 20;
  std::string effect_key;
  std::string says;
  std::string expected = "in_doubt";
  std::string before;
  bool dry_run = false;
  bool json = false;
};

/// A row of pipeline.delivery as an operator sees it: its recipient is masked, and so is WhatsApp's message id, which
/// contains the number.
struct ShownDelivery {
  std::string effect_key, state, channel, provider, kind, domain, recipient, request_id, planned_at, updated_at;
  std::int64_t attempt = 0;
  std::optional<std::string> dispatched_at, provider_message_id, error_code, reason, encoding;
  std::optional<std::int64_t> segments;
  std::string cost;
};
BOOST_DESCRIBE_STRUCT(ShownDelivery, (),
                      (effect_key, state, channel, provider, kind, domain, recipient, request_id, planned_at,
                       updated_at, attempt, dispatched_at, provider_message_id, error_code, reason, encoding, segments,
                       cost))

/// An operator's action on it.
struct DeliveryAction {
  std::string action, from_state, actor, at;
  std::int64_t attempt = 0;
};
BOOST_DESCRIBE_STRUCT(DeliveryAction, (), (action, from_state, actor, at, attempt))

struct DeliveryListing {
  std::vector<ShownDelivery> deliveries;
};
BOOST_DESCRIBE_STRUCT(DeliveryListing, (), (deliveries))

struct DeliveryDetail {
  ShownDelivery delivery;
  std::vector<DeliveryAction> actions;
};
BOOST_DESCRIBE_STRUCT(DeliveryDetail, (), (delivery, actions))

constexpr std::int64_t prune_batch = 10'000;  // one transaction each, so that workers do not wait long

constexpr auto delivery_columns = R"(
  SELECT effect_key, state, channel, provider, kind, domain,
         COALESCE(pipeline.masked_recipient(profile_id), 'deleted') AS recipient, request_id,
         to_char(planned_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS planned_at,
         to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS updated_at, attempt,
         to_char(dispatched_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS dispatched_at,
         CASE provider WHEN 'whatsapp_cloud' THEN '...' || right(provider_message_id, 6) ELSE provider_message_id
         END AS provider_message_id,
         error_code, reason, encoding, segments, trim_scale(cost) AS cost
  FROM pipeline.delivery d )";

void list(DeliveryOptions const& options) {
  auto const now = std::chrono::system_clock::now().time_since_epoch();
  auto const since = read_time(options.since, std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
  auto const connection = connect(options.database);
  pqxx::nontransaction query{*connection};
  auto const found = postgres::read<ShownDelivery>(
      query,
      std::string{delivery_columns} +
          "WHERE ($1 = '' OR state = $1) AND ($2 = '' OR channel = $2) AND ($3 = '' OR domain = $3)"
          " AND updated_at >= to_timestamp($4::double precision / 1000) ORDER BY d.updated_at DESC LIMIT $5",
      pqxx::params{options.state, options.channel, options.domain, since, options.limit});
  if (options.json) return fmt::print("{}\n", json::encode(DeliveryListing{found}));
  Table table{{"EFFECT KEY", "STATE", "CHANNEL", "TO", "KIND", "ATTEMPT", "UPDATED", "REASON"}};
  for (auto const& each : found)
    table.add({each.effect_key, each.state, each.channel, each.recipient, each.kind, std::to_string(each.attempt),
               each.updated_at, each.reason.value_or("")});
  fmt::print("{}", table.text());
}

/// @throws std::runtime_error if it does not exist.
ShownDelivery find(pqxx::nontransaction& query, std::string const& effect_key) {
  if (!parse_uuid(effect_key)) throw std::runtime_error("give a delivery's effect key: omnibus delivery ls shows it");
  auto found = postgres::read_optional<ShownDelivery>(query, std::string{delivery_columns} + "WHERE effect_key = $1",
                                                      pqxx::params{effect_key});
  if (!found) throw std::runtime_error("there is no delivery " + effect_key);
  return *std::move(found);
}

void show(DeliveryOptions const& options) {
  auto const connection = connect(options.database);
  pqxx::nontransaction query{*connection};
  DeliveryDetail const detail{
      find(query, options.effect_key),
      postgres::read<DeliveryAction>(
          query,
          "SELECT action, from_state, actor, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS at,"
          " attempt FROM pipeline.delivery_actions WHERE effect_key = $1 ORDER BY id",
          pqxx::params{options.effect_key})};
  if (options.json) return fmt::print("{}\n", json::encode(detail));
  auto const& d = detail.delivery;
  auto const line = [](std::string_view name, std::string_view value) {
    if (!value.empty()) fmt::print("{:<20} {}\n", name, printable(value));
  };
  line("state", d.state);
  line("attempt", std::to_string(d.attempt));
  line("channel", d.channel + " over " + d.provider);
  line("to", d.recipient);
  line("domain", d.domain);
  line("kind", d.kind);
  line("request", d.request_id);
  line("planned", d.planned_at);
  line("dispatched", d.dispatched_at.value_or(""));
  line("updated", d.updated_at);
  line("provider message id", d.provider_message_id.value_or(""));
  line("segments", d.segments ? fmt::format("{} {}", *d.segments, d.encoding.value_or("")) : "");
  line("cost", d.cost);
  line("error", d.error_code.value_or(""));
  line("reason", d.reason.value_or(""));
  for (auto const& each : detail.actions)
    line("operator", fmt::format("{} {} said {} of {}, attempt {}", each.at, each.actor, each.action, each.from_state,
                                 each.attempt));
}

/// The stored request of a delivery: `content` is its text, stored for a limited time.
struct KnownRequest {
  std::string request_source, request_id, domain;
  Uuid profile_id;
  std::optional<Uuid> session_id;
  std::string channel, kind;
  std::optional<std::string> content;
};
BOOST_DESCRIBE_STRUCT(KnownRequest, (),
                      (request_source, request_id, domain, profile_id, session_id, channel, kind, content))

/// The request as its worker saw it, for one channel, to be handled again: the same event, with the same text.
/// @throws std::runtime_error when the text is not stored any more.
kafka::Record request_of(KnownRequest const& known) {
  if (!known.content) throw std::runtime_error("its text is not stored any more: it cannot be sent again");
  auto envelope = originate(known.request_source, NotificationRequested::type);
  envelope.id = known.request_id;
  NotificationRequested request;
  request.domain = known.domain;
  request.profile_id = known.profile_id;
  request.session_id = known.session_id;
  request.channels = {known.channel};
  request.kind = known.kind;
  request.body = *known.content;
  return to_binary_record(envelope, json::encode(request), "notifications.requested", to_string(request.profile_id));
}

void resolve(DeliveryOptions const& options, int& exit_code) {
  auto const connection = connect(options.database);
  std::int64_t attempt = 0;
  {
    pqxx::nontransaction query{*connection};
    auto const seen = find(query, options.effect_key);
    attempt = seen.attempt;
    if (seen.state != options.expected)
      throw std::runtime_error(fmt::format("the delivery is {}, not {}: run omnibus delivery show {}", seen.state,
                                           options.expected, options.effect_key));
  }
  pqxx::work transaction{*connection};
  auto const resolved = postgres::read_optional<KnownRequest>(
      transaction, "SELECT * FROM pipeline.resolve_delivery($1, $2, $3, $4, $5)",
      pqxx::params{options.effect_key, options.expected, attempt, options.says, actor()});
  if (!resolved) {
    fmt::print(stderr, "nothing done: the delivery has changed since, or its state does not allow {}\n", options.says);
    exit_code = 1;
    return;
  }
  if (options.says == "resend") {
    std::vector<OutboxRow> const again{
        {transaction.query_value<std::int64_t>("SELECT nextval('pipeline.outbox_id')"), request_of(*resolved)}};
    transaction.exec(postgres::outbox_insert(*connection, {"operator", "notifications.requested", 0}, again));
  }
  transaction.commit();
  fmt::print("{}\n", options.says == "resend" ? "to be sent again: the relay publishes its request within seconds"
                                              : "noted: " + options.says);
}

/// Deletes up to `most` that ended before `moment`. @throws std::runtime_error when `moment` is too late.
std::int64_t prune(pqxx::connection& connection, std::string const& moment, std::int64_t most) {
  pqxx::work transaction{connection};
  try {
    auto const pruned =
        transaction.query_value<std::int64_t>("SELECT pipeline.prune_deliveries($1, $2)", pqxx::params{moment, most});
    transaction.commit();
    return pruned;
  } catch (pqxx::insufficient_privilege const&) {
    throw std::runtime_error(
        "this role lacks the right: set OPERATOR_DATABASE_URL or --database to the role omnibus_operator");
  } catch (pqxx::sql_error const& error) {
    if (error.sqlstate() != "22023") throw;
    throw std::runtime_error(
        "--before: a request of the last 30 days may be delivered again and must still be known: give an earlier date");
  }
}

void drop(DeliveryOptions const& options) {
  auto const moment = date_of(day_of("before", options.before)) + "T00:00:00Z";
  auto const connection = connect(options.database);
  prune(*connection, moment, 0);  // checks that it is allowed
  auto const total = pqxx::nontransaction{*connection}.query_value<std::int64_t>(
      "SELECT count(*) FROM pipeline.delivery WHERE updated_at < $1 AND pipeline.delivery_has_ended(state)",
      pqxx::params{moment});
  std::int64_t dropped = 0;
  auto const is_terminal = isatty(STDERR_FILENO) != 0;
  while (!options.dry_run) {
    auto const pruned = prune(*connection, moment, prune_batch);
    if (pruned == 0) break;
    dropped += pruned;
    if (is_terminal) fmt::print(stderr, "\r{} of {} deliveries ", dropped, total);
  }
  if (is_terminal && dropped > 0) fmt::print(stderr, "\n");
  auto const count = options.dry_run ? total : dropped;
  fmt::print("{} deliver{} {}dropped; the log of messages stays\n", with_separators(count), count == 1 ? "y" : "ies",
             options.dry_run ? "would be " : "");
}

}  // namespace

void add_delivery_command(CLI::App& application, int& exit_code) {
  auto* command = application.add_subcommand("delivery", "List messages to people, and settle messages in doubt");
  command->require_subcommand(1);
  auto const options = std::make_shared<DeliveryOptions>();
  auto const add = [&](char const* name, char const* help, auto add_database) {
    auto* subcommand = command->add_subcommand(name, help);
    add_database(*subcommand, options->database);
    return subcommand;
  };
  auto* ls = add("ls", "List deliveries, the latest change first", add_database_option);
  ls->add_option("--state", options->state, "Only deliveries in this state")
      ->check(CLI::IsMember(
          {"planned", "claimed", "dispatching", "in_doubt", "accepted", "skipped", "failed", "delivered", "read"}));
  ls->add_option("--channel", options->channel, "Only this channel")->check(CLI::IsMember({"whatsapp", "sms"}));
  ls->add_option("--domain", options->domain, "Only this tenant");
  ls->add_option("--since", options->since, "A time, or how long ago")->capture_default_str();
  ls->add_option("--limit", options->limit, "List at most this many")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  ls->add_flag("--json", options->json, "As JSON");
  ls->callback([options] { list(*options); });

  auto const with_key = [&](CLI::App* subcommand) {
    subcommand->add_option("effect_key", options->effect_key, "As ls shows it")->required();
    return subcommand;
  };
  auto* shown = with_key(add("show", "Show all details of one delivery", add_database_option));
  shown->add_flag("--json", options->json, "As JSON");
  shown->callback([options] { show(*options); });

  auto* resolved = with_key(add("resolve", "Record a delivery's outcome, or send it again; needs the role operator",
                                add_operator_database_option));
  resolved->add_option("says", options->says, "accepted, failed or resend")
      ->required()
      ->check(CLI::IsMember({"accepted", "failed", "resend"}));
  resolved->add_option("--expect", options->expected, "Only if it is in this state")
      ->check(CLI::IsMember({"in_doubt", "dispatching", "failed"}))
      ->capture_default_str();
  resolved->callback([options, &exit_code] { resolve(*options, exit_code); });

  auto* dropped =
      add("drop", "Delete deliveries that ended long ago; needs the role operator", add_operator_database_option);
  dropped->add_option("--before", options->before, "The first day (UTC) to keep, as 2026-11-20")->required();
  dropped->add_flag("--dry-run", options->dry_run, "Print the number of deliveries and change nothing");
  dropped->callback([options] { drop(*options); });
}

}  // namespace omnibus::cli
