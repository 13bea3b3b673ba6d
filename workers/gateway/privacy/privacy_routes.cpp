#include "workers/gateway/privacy/privacy_routes.hpp"

#include "json/encode.hpp"
#include "workers/gateway/door/guard.hpp"
#include "workers/gateway/matches/query.hpp"
#include "workers/gateway/privacy/privacy_answers.hpp"
#include "workers/gateway/routes/json_body.hpp"

#include <optional>
#include <utility>

#include <pqxx/pqxx>

namespace omnibus::gateway {
namespace {

constexpr std::string_view event_source = "/omnibus/gateway";

Refusal refusal_of(privacy::InvalidIdentity const& invalid) {
  return {422, "The request is not valid", invalid.detail, invalid.field};
}

/// Sets whether a legal hold keeps the person, as far as the request names them.
void look_for_hold(pqxx::transaction_base& transaction, std::string const& domain,
                   privacy::PlannedRequest const& planned, AcceptedPrivacyRequest& accepted) {
  auto keys = planned.identities;
  keys.push_back(planned.key);
  auto const hold = transaction
                        .exec(
                            "SELECT h.until IS NOT NULL, to_char(NULLIF(h.until, 'infinity') AT TIME ZONE 'UTC',"
                            " 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM (SELECT hold_on($1, $2::text[]) AS until) AS h",
                            pqxx::params{domain, keys})
                        .one_row();
  if (!hold[0].as<bool>()) return;
  accepted.status = "held";
  accepted.held_until = hold[1].as<std::optional<std::string>>();
}

}  // namespace

PrivacyRoutes::PrivacyRoutes(PrivacyPorts ports)
    : ports_(std::move(ports)),
      reads_(ports_.admission, ports_.access_log, ports_.store, ports_.pool),
      download_(reads_, ports_.access_log, ports_.pool, ports_.archive_keys) {}

Task<http::Response> PrivacyRoutes::post_export(http::Request const& request, http::Stream& client) {
  return post(privacy::RequestKind::exporting, request, client);
}

Task<http::Response> PrivacyRoutes::post_deletion(http::Request const& request, http::Stream& client) {
  return post(privacy::RequestKind::deletion, request, client);
}

Task<http::Response> PrivacyRoutes::post(privacy::RequestKind kind, http::Request const& request,
                                         http::Stream& client) {
  auto admission = reads_.admit(request, needs);
  auto const caller = co_await std::move(admission);
  require_json(request);
  auto const body = read_json<PrivacyBody>(request.body);
  if (ports_.rules.secret.empty())
    throw Refusal::unavailable("PROFILE_KEY_SECRET is not set, so people cannot be recognised");
  auto rules = ports_.rules;
  rules.domain = caller.scope.domain;
  privacy::RequestTerms terms{kind, caller.principal.id, body.reason.value_or("subject_request"),
                              body.dry_run.value_or(false)};
  AcceptedPrivacyRequest accepted;
  auto planning = reads_.read(caller.scope, [&](pqxx::transaction_base& transaction) {
    try {
      if (is_of_another_tenant(transaction, rules.domain, name_subject(rules, body)))
        return std::optional<privacy::PlannedRequest>{};
      auto plan = plan_request(transaction, rules, body, terms);
      if (kind == privacy::RequestKind::deletion && !terms.dry_run)
        look_for_hold(transaction, rules.domain, plan, accepted);
      return std::optional{std::move(plan)};
    } catch (privacy::InvalidIdentity const& invalid) {
      throw refusal_of(invalid);
    }
  });
  auto planned = co_await std::move(planning);
  auto const* const action = kind == privacy::RequestKind::exporting ? "gdpr.export.request" : "gdpr.deletion.request";
  if (!planned) {
    auto refusing = ports_.access_log.note_refusal(caller.scope, request, action, "");
    co_await std::move(refusing);
    throw Refusal(404, "Not found", {}, body.user_id ? "user_id" : "customer_id");
  }
  auto const id = planned->request_id;
  auto logging = ports_.access_log.note(caller.scope, request, action, to_string(id));
  co_await std::move(logging);
  auto wait = ports_.waiting.begin(request);
  auto publishing = publish(*std::move(planned), request, client, wait);
  auto const handled = co_await std::move(publishing);
  std::optional<privacy::ShownRequest> shown;
  if (handled) {
    if (handled->parked()) throw gateway::refusal_of(*handled);
    auto reading = reads_.read(caller.scope, [=, &rules](pqxx::transaction_base& transaction) {
      return privacy::read_request(transaction, rules.domain, id);
    });
    shown = co_await std::move(reading);
  }
  accepted.request_id = id;
  accepted.event_id = to_string(id);
  auto response = shown ? http::json_response(shown->status == "held" ? 202 : 200, json::encode(*shown))
                        : http::json_response(202, json::encode(accepted));
  wait.apply(response);
  co_return response;
}

Task<std::optional<HandledEvent>> PrivacyRoutes::publish(privacy::PlannedRequest planned, http::Request const& request,
                                                         http::Stream& client, Wait& wait) {
  auto envelope = originate(event_source, planned.type, request.headers.find("traceparent").value_or(""));
  envelope.id = to_string(planned.request_id);
  auto const key = event_key(envelope);
  if (!planned.runs) {
    auto publishing = ports_.publish({std::move(envelope), std::move(planned.data), std::move(planned.key)});
    co_await std::move(publishing);
  }
  auto waiting = wait.handled("gdpr", key, client);
  co_return co_await std::move(waiting);
}

Task<http::Response> PrivacyRoutes::requests(http::Request const& request) {
  auto admission = reads_.admit(request, needs);
  auto const caller = co_await std::move(admission);
  privacy::RequestFilter const filter{
      caller.scope.domain, query_word(request, "status", {"received", "held", "running", "completed", "failed"}),
      query_word(request, "kind", {"export", "delete"}), std::nullopt};
  auto const place = query_place(request);
  auto logging = ports_.access_log.note(caller.scope, request, "gdpr.requests.read", "");
  co_await std::move(logging);
  auto reading = reads_.read(caller.scope, [&](pqxx::transaction_base& transaction) {
    return read_requests(transaction, filter, place.after, place.limit);
  });
  auto const page = co_await std::move(reading);
  co_return http::json_response(200, json::encode(RequestList{page.items, next_of(page.next)}));
}

Task<http::Response> PrivacyRoutes::request(http::Request const& request) {
  auto admission = reads_.admit(request, needs);
  auto const caller = co_await std::move(admission);
  auto const id = path_id(request);
  auto logging = ports_.access_log.note(caller.scope, request, "gdpr.request.read", to_string(id));
  co_await std::move(logging);
  auto reading = reads_.read(caller.scope, [&](pqxx::transaction_base& transaction) {
    return privacy::read_request(transaction, caller.scope.domain, id);
  });
  auto const found = co_await std::move(reading);
  if (!found) throw Refusal(404, "Not found", {}, "id");
  co_return http::json_response(200, json::encode(*found));
}

Task<Caller> PrivacyRoutes::admit_to_audit(http::Request const& request) {
  if (request.query_value("domain")) {
    auto admission = reads_.admit(request, needs);
    co_return co_await std::move(admission);
  }
  // Without a domain, an admin of the installation sees all tenants.
  auto admission = ports_.admission.admit(request, needs);
  auto principal = co_await std::move(admission);
  auto scope = principal.in(principal.domain);
  co_return Caller{std::move(principal), std::move(scope)};
}

Task<> PrivacyRoutes::audit(http::Request const& request, http::Stream& client) {
  auto admission = admit_to_audit(request);
  auto const caller = co_await std::move(admission);
  auto const& domain = caller.scope.domain;
  privacy::AuditFilter const filter{domain.empty() ? std::nullopt : std::optional{domain}, query_name(request, "actor"),
                                    query_name(request, "action"), query_time(request, "from"),
                                    query_time(request, "to")};
  auto const csv = query_word(request, "format", {"json", "csv"}).value_or("json") == "csv";
  auto place = query_place(request);
  auto logging = ports_.access_log.note(caller.scope, request, csv ? "gdpr.audit.export" : "gdpr.audit.read", "");
  co_await std::move(logging);
  auto const read_page = [&](std::int64_t limit) {
    return reads_.read(caller.scope, [&filter, &place, limit](pqxx::transaction_base& transaction) {
      return read_audit(transaction, filter, place.after, limit);
    });
  };
  if (!csv) {
    auto reading = read_page(place.limit);
    auto const page = co_await std::move(reading);
    auto responding =
        client.respond(secured(http::json_response(200, json::encode(AuditList{page.items, next_of(page.next)}))));
    co_await std::move(responding);
    co_return;
  }
  constexpr std::int64_t rows_at_once = 2'000;
  auto reading = read_page(rows_at_once);
  auto page = co_await std::move(reading);
  auto headers = secure_headers();
  headers.set("Content-Type", "text/csv; charset=utf-8");
  headers.set("Content-Disposition", "attachment; filename=\"gdpr-audit.csv\"");
  auto starting = client.start(200, std::move(headers));
  co_await std::move(starting);
  if (request.method == "HEAD") co_return;
  for (auto table = privacy::audit_table();;) {
    for (auto const& entry : page.items) add_entry(table, entry);
    auto const text = table.take();
    auto writing = client.write(text);
    co_await std::move(writing);
    if (!page.next) co_return;
    place.after = page.next;
    auto next = read_page(rows_at_once);
    page = co_await std::move(next);
  }
}

Task<http::Response> PrivacyRoutes::audit_options(http::Request const& request) {
  auto admission = admit_to_audit(request);
  auto const caller = co_await std::move(admission);
  auto logging = ports_.access_log.note(caller.scope, request, "gdpr.audit.options", "");
  co_await std::move(logging);
  auto const& domain = caller.scope.domain;
  auto reading = reads_.read(caller.scope, [&](pqxx::transaction_base& transaction) {
    return privacy::read_audit_options(transaction, domain.empty() ? std::nullopt : std::optional{domain});
  });
  co_return http::json_response(200, json::encode(co_await std::move(reading)));
}

void PrivacyRoutes::add_to(http::Router& router) {
  using Read = Task<http::Response> (PrivacyRoutes::*)(http::Request const&);
  using Write = Task<http::Response> (PrivacyRoutes::*)(http::Request const&, http::Stream&);
  auto const get = [&](std::string_view pattern, Read read) {
    router.get(pattern,
               guarded(pattern, [this, read](http::Request const& request) { return (this->*read)(request); }));
  };
  auto const post = [&](std::string_view pattern, Write write) {
    router.add_stream("POST", pattern,
                      guarded_waiting(pattern, [this, write](http::Request const& request, http::Stream& client) {
                        return (this->*write)(request, client);
                      }));
  };
  post("/v1/gdpr/exports", &PrivacyRoutes::post_export);
  post("/v1/gdpr/deletions", &PrivacyRoutes::post_deletion);
  get("/v1/gdpr/requests", &PrivacyRoutes::requests);
  get("/v1/gdpr/requests/{id}", &PrivacyRoutes::request);
  get("/v1/gdpr/audit/options", &PrivacyRoutes::audit_options);
  constexpr std::string_view archive = "/v1/gdpr/requests/{id}/archive";
  router.add_stream("GET", archive, guarded_stream(archive, [this](http::Request const& request, http::Stream& client) {
                      return download_.get(request, client);
                    }));
  constexpr std::string_view audit = "/v1/gdpr/audit";
  router.add_stream("GET", audit, guarded_stream(audit, [this](http::Request const& request, http::Stream& client) {
                      return this->audit(request, client);
                    }));
}

}  // namespace omnibus::gateway
