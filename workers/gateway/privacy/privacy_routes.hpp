/// The routes about people's data: exports, deletions, and the audit of both. For admins of a tenant.
#pragma once

#include "concurrency/task.hpp"
#include "http/router.hpp"
#include "privacy/requests.hpp"
#include "workers/gateway/door/waiting.hpp"
#include "workers/gateway/matches/caller.hpp"
#include "workers/gateway/privacy/archive_download.hpp"
#include "workers/gateway/publisher.hpp"

#include <functional>
#include <string>

namespace omnibus::gateway {

/// What these routes stand on; all of it must outlive them.
struct PrivacyPorts {
  /// Publishes one event. @throws as Publisher::publish does
  using Publish = std::function<Task<>(Publisher::Event)>;

  Admission& admission;
  AccessLog& access_log;
  Store& store;
  TransactionPool& pool;
  Waiting& waiting;
  Publish publish;
  privacy::SubjectRules rules;  ///< without a domain; with an empty secret, requests are refused
  privacy::ArchiveKeys const& archive_keys;
};

/// Each access and refusal is logged in `access_log`: with ids, never with the person's identity. Use it on the event
/// loop only.
class PrivacyRoutes {
 public:
  static constexpr Needs needs = at_least(Role::admin);

  explicit PrivacyRoutes(PrivacyPorts ports);

  void add_to(http::Router& router);

  /// `POST /v1/gdpr/exports` and `/v1/gdpr/deletions`
  /// `{phone_number | whatsapp_user_id | session_id | user_id | customer_id, reason?, dry_run?}`: 202
  /// `{"request_id","event_id","status"}`; with `Prefer: wait` 200 and the request as it is then. The answer is the
  /// same whether there is such a person or not. While a request of that kind and person runs, its id is returned.
  Task<http::Response> post_export(http::Request const& request, http::Stream& client);
  Task<http::Response> post_deletion(http::Request const& request, http::Stream& client);
  /// `GET /v1/gdpr/requests?status= &kind= &cursor= &limit=`
  Task<http::Response> requests(http::Request const& request);
  /// `GET /v1/gdpr/requests/{id}`
  Task<http::Response> request(http::Request const& request);
  /// `GET /v1/gdpr/audit?from= &to= &domain= &actor= &action= &cursor= &limit=`, or all of them with `format=csv`
  Task<> audit(http::Request const& request, http::Stream& client);
  /// `GET /v1/gdpr/audit/options`: the domains, actors and actions to filter by
  Task<http::Response> audit_options(http::Request const& request);

 private:
  Task<http::Response> post(privacy::RequestKind kind, http::Request const& request, http::Stream& client);
  /// Publishes unless it runs already, and waits when the client prefers.
  Task<std::optional<HandledEvent>> publish(privacy::PlannedRequest planned, http::Request const& request,
                                            http::Stream& client, Wait& wait);
  Task<Caller> admit_to_audit(http::Request const& request);

  PrivacyPorts ports_;
  CallerReads reads_;
  ArchiveDownload download_;
};

}  // namespace omnibus::gateway
