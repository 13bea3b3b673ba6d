#include "privacy/requests.hpp"

#include "events/gdpr.hpp"
#include "json/encode.hpp"
#include "matches/json_column.hpp"
#include "postgres/rows.hpp"
#include "time/time.hpp"

#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::privacy {
namespace {

/// "omnibus", "gdprq": the namespace of requests.
constexpr Uuid request_space{
    {0x6f, 0x6d, 0x6e, 0x69, 0x62, 0x75, 0x50, 0x00, 0x80, 0x00, 0x67, 0x64, 0x70, 0x72, 0x71, 0x00}};
constexpr std::size_t most_identities = 100;

std::string_view word_of(RequestKind kind) {
  return kind == RequestKind::exporting ? "export" : "delete";
}

std::string utc(std::string_view column, std::string_view name) {
  return fmt::format(R"(to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS {})", column, name);
}

/// The newest request of that kind and person.
struct NewestRequest {
  Uuid id;
  bool runs = false;
};
BOOST_DESCRIBE_STRUCT(NewestRequest, (), (id, runs))

std::optional<NewestRequest> newest_request(pqxx::transaction_base& transaction, std::string_view domain,
                                            std::string_view kind, std::string_view subject_key) {
  return postgres::read_optional<NewestRequest>(
      transaction,
      "SELECT id, status IN ('received', 'held', 'running') AS runs FROM gdpr_requests"
      " WHERE domain = $1 AND kind = $2 AND subject_key = $3 AND NOT dry_run"
      " ORDER BY status IN ('received', 'held', 'running') DESC, created_at DESC, id LIMIT 1",
      pqxx::params{domain, kind, subject_key});
}

/// The keys of everything that was joined with the person.
std::vector<std::string> linked_keys(pqxx::transaction_base& transaction, std::string_view domain,
                                     NamedSubject const& subject) {
  return postgres::read<std::string>(
      transaction,
      "SELECT DISTINCT l.subject_key FROM identity_links l WHERE l.domain = $1 AND (l.customer_id = $2::uuid"
      " OR l.customer_id IN (SELECT k.customer_id FROM identity_links k WHERE k.domain = $1 AND k.subject_key = $3))"
      " ORDER BY 1 LIMIT 100",
      pqxx::params{domain, subject.customer_id ? std::optional{to_string(*subject.customer_id)} : std::nullopt,
                   subject.key.text()});
}

/// The profiles of that number or WhatsApp id: each also has the person's other one.
std::vector<std::string> profile_keys(pqxx::transaction_base& transaction, std::string_view domain,
                                      NamedSubject const& subject) {
  std::vector<std::string> keys;
  if (!subject.sender) return keys;
  for (auto const& id :
       postgres::read<Uuid>(transaction,
                            "SELECT id FROM profiles WHERE domain = $1"
                            " AND (phone_number = $2 OR whatsapp_user_id = $2 OR sms_sender = $2) ORDER BY id",
                            pqxx::params{domain, *subject.sender}))
    keys.push_back(alias(id).text());
  return keys;
}

template <class Event>
PlannedRequest planned(GdprRequest const& request, bool runs) {
  Event event;
  static_cast<GdprRequest&>(event) = request;
  if (auto const invalid = validate(event))
    throw InvalidIdentity{invalid->field, invalid->field + " " + invalid->reason};
  return {request.request_id, Event::type, json::encode(event), request.subject_key, request.identities, runs};
}

}  // namespace

PlannedRequest plan_request(pqxx::transaction_base& transaction, SubjectRules const& rules,
                            NamedIdentity const& identity, RequestTerms const& terms) {
  auto const subject = name_subject(rules, identity);
  GdprRequest request;
  request.domain = rules.domain;
  request.subject_key = subject.key.text();
  for (auto const& each : subject.aliases) request.identities.push_back(each.text());
  for (auto& each : profile_keys(transaction, rules.domain, subject)) request.identities.push_back(std::move(each));
  for (auto& each : linked_keys(transaction, rules.domain, subject))
    if (each != request.subject_key && request.identities.size() < most_identities)
      request.identities.push_back(std::move(each));
  request.requested_by = terms.requested_by;
  request.reason = terms.reason;
  request.dry_run = terms.dry_run;
  auto const kind = word_of(terms.kind);
  auto runs = false;
  if (terms.dry_run) {
    request.request_id = random_uuid();
  } else {
    auto const newest = newest_request(transaction, rules.domain, kind, request.subject_key);
    runs = newest && newest->runs;
    request.request_id =
        runs ? newest->id
             : name_uuid(request_space, fmt::format("{}\n{}\n{}\n{}", rules.domain, kind, request.subject_key,
                                                    newest ? to_string(newest->id) : ""));
  }
  return terms.kind == RequestKind::exporting ? planned<GdprExportRequested>(request, runs)
                                              : planned<GdprDeletionRequested>(request, runs);
}

bool is_of_another_tenant(pqxx::transaction_base& transaction, std::string_view domain, NamedSubject const& subject) {
  if (!subject.user_id && !subject.customer_id) return false;
  auto const text = [](std::optional<Uuid> const& id) { return id ? std::optional{to_string(*id)} : std::nullopt; };
  return transaction
      .exec("SELECT is_of_another_tenant($1, $2::uuid, $3::uuid)",
            pqxx::params{domain, text(subject.user_id), text(subject.customer_id)})
      .one_row()[0]
      .as<bool>();
}

std::string to_string(ListCursor const& cursor) {
  return fmt::format("{}_{}", cursor.created_at, to_string(cursor.id));
}

std::optional<ListCursor> parse_list_cursor(std::string_view text) {
  auto const line = text.find('_');
  if (line == std::string_view::npos || !parse_time_ms(text.substr(0, line))) return std::nullopt;
  auto const id = parse_uuid(text.substr(line + 1));
  return id ? std::optional{ListCursor{std::string{text.substr(0, line)}, *id}} : std::nullopt;
}

ListPage<ShownRequest> read_requests(pqxx::transaction_base& transaction, RequestFilter const& filter,
                                     std::optional<ListCursor> const& after, std::int64_t limit) {
  auto const text = [](std::optional<Uuid> const& id) { return id ? std::optional{to_string(*id)} : std::nullopt; };
  auto query =
      "SELECT r.id, r.domain, r.kind, r.subject_key, r.status, r.reason, r.requested_by, r.dry_run, r.counts, r.error,"
      " CASE WHEN r.status = 'completed' THEN NOT r.counts @? '$.** ? (@.type() == \"number\" && @ > 0)' END"
      " AS found_nothing, CASE WHEN a.request_id IS NOT NULL THEN jsonb_build_object('size', a.size, 'sha256',"
      " encode(a.sha256, 'hex'), 'expires_at', a.expires_at, 'used_at', a.used_at) END AS archive, " +
      utc("r.held_until", "held_until") + ", " + utc("r.created_at", "created_at") + ", " +
      utc("r.updated_at", "updated_at") + ", " + utc("r.completed_at", "completed_at") + ", " +
      utc("r.log_clear_at", "log_clear_at") + ", " + utc("r.log_cleared_at", "log_cleared_at") +
      " FROM gdpr_requests r LEFT JOIN gdpr_archives a ON a.request_id = r.id"
      " WHERE ($1::text IS NULL OR r.domain = $1) AND ($2::text IS NULL OR r.status = $2)"
      " AND ($3::text IS NULL OR r.kind = $3) AND ($4::uuid IS NULL OR r.id = $4)"
      " AND ($5::timestamptz IS NULL OR (r.created_at, r.id) < ($5, $6::uuid))"
      " ORDER BY r.created_at DESC, r.id DESC LIMIT $7";
  ListPage<ShownRequest> page;
  page.items =
      postgres::read<ShownRequest>(transaction, query,
                                   pqxx::params{filter.domain, filter.status, filter.kind, text(filter.id),
                                                after ? std::optional{after->created_at} : std::nullopt,
                                                after ? std::optional{to_string(after->id)} : std::nullopt, limit + 1});
  if (std::ssize(page.items) > limit) {
    page.items.pop_back();
    page.next = ListCursor{page.items.back().created_at, page.items.back().id};
  }
  return page;
}

std::optional<ShownRequest> read_request(pqxx::transaction_base& transaction, std::string const& domain,
                                         Uuid const& id) {
  auto page = read_requests(transaction, {domain, {}, {}, id}, std::nullopt, 1);
  return page.items.empty() ? std::nullopt : std::optional{std::move(page.items.front())};
}

}  // namespace omnibus::privacy
