/// Requests about a person's data: as events to publish, and as they are stored.
#pragma once

#include "json/raw.hpp"
#include "privacy/identity.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/class.hpp>

namespace pqxx {
class transaction_base;
}

namespace omnibus::privacy {

enum class RequestKind : std::uint8_t { exporting, deletion };

/// What is asked for, besides the person.
struct RequestTerms {
  RequestKind kind = RequestKind::exporting;
  std::optional<Uuid> requested_by{};  ///< a principal
  std::string reason = "subject_request";
  bool dry_run = false;  ///< only list the person's identities and count
};

/// A request as an event.
struct PlannedRequest {
  Uuid request_id;        ///< also the event's id
  std::string_view type;  ///< of an event struct, so it lives as long as the program
  std::string data;
  std::string key;                      ///< the subject key
  std::vector<std::string> identities;  ///< further keys of the person
  bool runs = false;  ///< a request of that kind and person runs already, and this is its id: publish nothing
};

/// The id is the same for everybody who asks for the same until that has ended: then two requests at once are one
/// event. Reads the person's profiles and links to a customer. @throws InvalidIdentity, also for a reason that is not
/// in the list.
PlannedRequest plan_request(pqxx::transaction_base& transaction, SubjectRules const& rules,
                            NamedIdentity const& identity, RequestTerms const& terms);

/// Whether the user or customer that was named belongs to another tenant. Runs as the gateway.
bool is_of_another_tenant(pqxx::transaction_base& transaction, std::string_view domain, NamedSubject const& subject);

/// A request as the API and the tool show it. Times are RFC 3339 in UTC.
struct ShownRequest {
  Uuid id;
  std::string domain, kind, subject_key, status;
  std::optional<std::string> reason;
  std::optional<Uuid> requested_by;
  bool dry_run = false;
  std::optional<bool> found_nothing;  ///< of one that is completed
  json::Raw counts;
  std::optional<std::string> error, held_until;
  std::string created_at, updated_at;
  std::optional<std::string> completed_at;
  std::optional<std::string> log_clear_at;    ///< by when the topics should hold nothing of the person
  std::optional<std::string> log_cleared_at;  ///< when they were found to hold nothing
  std::optional<json::Raw> archive;           ///< size, sha256, expires_at and used_at
};
BOOST_DESCRIBE_STRUCT(ShownRequest, (),
                      (id, domain, kind, subject_key, status, reason, requested_by, dry_run, found_nothing, counts,
                       error, held_until, created_at, updated_at, completed_at, log_clear_at, log_cleared_at, archive))

/// A place in a list that is ordered by time and id, newest first.
struct ListCursor {
  std::string created_at;  ///< of the last item of the page before, in RFC 3339
  Uuid id{};
};
std::string to_string(ListCursor const& cursor);
/// Nothing for a text that to_string did not make.
std::optional<ListCursor> parse_list_cursor(std::string_view text);

/// A page of a list.
template <class Item>
struct ListPage {
  std::vector<Item> items;
  std::optional<ListCursor> next;
};

struct RequestFilter {
  std::optional<std::string> domain, status, kind;
  std::optional<Uuid> id;
};

/// The requests that the transaction's role may see, newest first. @throws what libpqxx throws
ListPage<ShownRequest> read_requests(pqxx::transaction_base& transaction, RequestFilter const& filter,
                                     std::optional<ListCursor> const& after, std::int64_t limit);
std::optional<ShownRequest> read_request(pqxx::transaction_base& transaction, std::string const& domain,
                                         Uuid const& id);

}  // namespace omnibus::privacy
