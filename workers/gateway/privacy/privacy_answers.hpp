/// What the routes about people's data read and answer.
#pragma once

#include "http/message.hpp"
#include "privacy/audit.hpp"
#include "privacy/requests.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus::gateway {

/// The body of a request for an export or a deletion.
struct PrivacyBody : privacy::NamedIdentity {
  std::optional<std::string> reason;
  std::optional<bool> dry_run;
};
BOOST_DESCRIBE_STRUCT(PrivacyBody, (privacy::NamedIdentity), (reason, dry_run))

/// The answer to a request that is not handled yet.
struct AcceptedPrivacyRequest {
  Uuid request_id;
  std::string event_id;
  std::optional<std::string> status;      ///< held: a legal hold keeps the person, and the deletion runs at its end
  std::optional<std::string> held_until;  ///< absent: until the hold is removed
};
BOOST_DESCRIBE_STRUCT(AcceptedPrivacyRequest, (), (request_id, event_id, status, held_until))

struct RequestList {
  std::vector<privacy::ShownRequest> requests;
  std::optional<std::string> next_cursor;
};
BOOST_DESCRIBE_STRUCT(RequestList, (), (requests, next_cursor))

struct AuditList {
  std::vector<privacy::ShownAuditEntry> entries;
  std::optional<std::string> next_cursor;
};
BOOST_DESCRIBE_STRUCT(AuditList, (), (entries, next_cursor))

/// A place in a list, as the query names it.
struct ListPlace {
  std::optional<privacy::ListCursor> after;
  std::int64_t limit = 50;
};
/// `cursor`, as the page before gave it, and `limit` (50, at most 200). @throws Refusal 400 that names the parameter
ListPlace query_place(http::Request const& request);
std::optional<std::string> next_of(std::optional<privacy::ListCursor> const& next);

/// The headers of every answer, for a stream that answers by itself.
http::Headers secure_headers();
http::Response secured(http::Response response);

}  // namespace omnibus::gateway
