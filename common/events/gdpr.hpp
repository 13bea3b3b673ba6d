/// Requests of people about their own data, and the audit of what was done. Ids, subject keys, kinds and counts only:
/// never a text, a number or a name.
#pragma once

#include "json/raw.hpp"
#include "text/invalid_field.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus {

/// What both kinds of request have.
struct GdprRequest {
  Uuid request_id;
  std::string domain;
  std::string subject_key;                 ///< the person; also the record's key
  std::vector<std::string> identities;     ///< further subject keys of the person that the sender knows
  std::optional<Uuid> requested_by{};      ///< the principal who asked; missing: an operator of the installation
  std::string reason = "subject_request";  ///< one word of a list
  bool dry_run = false;                    ///< only find the person's identities and count, change nothing
};
BOOST_DESCRIBE_STRUCT(GdprRequest, (), (request_id, domain, subject_key, identities, requested_by, reason, dry_run))

std::optional<InvalidField> validate(GdprRequest const& event);

/// Collect what is stored about a person.
struct GdprExportRequested : GdprRequest {
  static constexpr std::string_view type = "omnibus.gdpr.export.requested.v1";
};
BOOST_DESCRIBE_STRUCT(GdprExportRequested, (GdprRequest), ())

/// Erase a person.
struct GdprDeletionRequested : GdprRequest {
  static constexpr std::string_view type = "omnibus.gdpr.deletion.requested.v1";
};
BOOST_DESCRIBE_STRUCT(GdprDeletionRequested, (GdprRequest), ())

/// How many of one kind.
struct GdprCount {
  std::string name;  ///< a table, a topic or another word of ours
  std::int64_t count = 0;
};
BOOST_DESCRIBE_STRUCT(GdprCount, (), (name, count))

/// A row was added to the tenant's audit log.
struct GdprAuditRecorded {
  static constexpr std::string_view type = "omnibus.gdpr.audit.recorded.v1";
  std::string domain;                        ///< also the record's key
  std::string action;                        ///< such as `erasure.rows`
  std::string actor;                         ///< `worker:NAME`, or a principal's id
  std::string status;                        ///< started, done, waiting, held or failed
  std::optional<Uuid> request_id{};          ///< the request it belongs to
  std::optional<std::string> subject_key{};  ///< the person
  std::vector<GdprCount> counts;
};
BOOST_DESCRIBE_STRUCT(GdprAuditRecorded, (), (domain, action, actor, status, request_id, subject_key, counts))

std::optional<InvalidField> validate(GdprAuditRecorded const& event);

/// Rows of the tenant's audit log were pruned.
struct GdprAuditPruned {
  static constexpr std::string_view type = "omnibus.gdpr.audit.pruned.v1";
  std::string domain;      ///< also the record's key
  std::string older_than;  ///< RFC 3339, UTC: rows before it
  std::int64_t rows = 0;   ///< how many were deleted
  std::int64_t held = 0;   ///< how many a legal hold kept
};
BOOST_DESCRIBE_STRUCT(GdprAuditPruned, (), (domain, older_than, rows, held))

std::optional<InvalidField> validate(GdprAuditPruned const& event);

/// An entry of the ledger of erasures: a row changed that a restored database must not forget.
struct GdprLedgerRecorded {
  static constexpr std::string_view type = "omnibus.gdpr.ledger.recorded.v1";
  Uuid entry_id;              ///< also the event's id
  std::int64_t sequence = 0;  ///< the order of entries about one row
  std::string domain;
  std::string kind;         ///< the table
  json::Raw facts;          ///< the row as an object; with `gone`, that it was deleted
  std::string recorded_at;  ///< RFC 3339, UTC
};
BOOST_DESCRIBE_STRUCT(GdprLedgerRecorded, (), (entry_id, sequence, domain, kind, facts, recorded_at))

std::optional<InvalidField> validate(GdprLedgerRecorded const& event);

}  // namespace omnibus
