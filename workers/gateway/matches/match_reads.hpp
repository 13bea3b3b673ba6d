/// The reads about people, matches, agents' conversations and their outcomes.
#pragma once

#include "concurrency/task.hpp"
#include "http/message.hpp"
#include "matches/reads.hpp"
#include "workers/gateway/matches/caller.hpp"

#include <optional>
#include <string_view>
#include <vector>

namespace omnibus::gateway {

/// A person sees what concerns themselves, an operator or admin all of the tenant: row-level security decides. Lists
/// are `{"<name>":[...]}` with `next_offset` when there is more; `?limit=` (10, at most 100) and `?offset=` page them.
class MatchReads {
 public:
  static constexpr Needs own = at_least(Role::visitor);
  static constexpr Needs team = at_least(Role::operator_role);

  explicit MatchReads(CallerReads& reads) : reads_(reads) {}

  Task<http::Response> people(http::Request const& request);    ///< ?status=
  Task<http::Response> person(http::Request const& request);    ///< {id}
  Task<http::Response> matches(http::Request const& request);   ///< ?status= &min_score= &user_id=
  Task<http::Response> match(http::Request const& request);     ///< {id}
  Task<http::Response> insights(http::Request const& request);  ///< {id}, of a match
  Task<http::Response> agent_conversations(
      http::Request const& request);                                      ///< ?match_id= &status= &user_id= &from= &to=
  Task<http::Response> agent_conversation(http::Request const& request);  ///< {id}, with its turns
  Task<http::Response> outcomes(http::Request const& request);            ///< ?conversation_id= &follow_up_recommended=
  Task<http::Response> processing_logs(http::Request const& request);     ///< ?process_type= &status=
  Task<http::Response> analytics(http::Request const& request);           ///< ?from= &to=
  Task<http::Response> calibration(http::Request const& request);         ///< ?from= &to=
  Task<http::Response> system_health(http::Request const& request);
  Task<http::Response> reports(http::Request const& request);  ///< ?user_id= &date=
  Task<http::Response> report(http::Request const& request);   ///< {id}, with its texts

 private:
  template <class Item, class Filter>
  using ReadList = std::vector<Item> (*)(pqxx::transaction_base&, Filter const&, matches::Page);
  template <class Item>
  using ReadOne = std::optional<Item> (*)(pqxx::transaction_base&, Uuid const&);

  template <class Item, class Filter>
  Task<http::Response> list(std::string_view name, Caller caller, Filter filter, matches::Page page,
                            ReadList<Item, Filter> read_list);
  template <class Item>
  Task<http::Response> one(http::Request const& request, std::string_view thing, ReadOne<Item> read_one);

  CallerReads& reads_;
};

}  // namespace omnibus::gateway
