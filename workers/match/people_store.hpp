/// The SQL of the match worker about people.
#pragma once

#include "concurrency/task.hpp"
#include "events/people.hpp"
#include "handler/context.hpp"
#include "handler/unit_of_work.hpp"
#include "uuid/uuid.hpp"

#include <set>
#include <string>
#include <vector>

namespace omnibus::match {

/// Where people are stored. Tests of the handler have one in memory.
class PeopleStore {
 public:
  virtual ~PeopleStore() = default;

  /// The names of time zones that people may have.
  virtual Task<std::set<std::string>> read_zones(Context& context) = 0;
  /// Stores a person, what they tell of themselves and whom they block; what the event lacks is removed. Cancels the
  /// matches that wait and that this forbids. @return their ids. @throws Failure (permanent) when the tenant is unknown
  /// or inactive, when another tenant has a person of this id, or another person has the handle.
  virtual std::vector<Uuid> record(UnitOfWork& unit, PersonRecorded const& person) = 0;
};

/// The one in PostgreSQL. Any thread may use it.
class PostgresPeople final : public PeopleStore {
 public:
  Task<std::set<std::string>> read_zones(Context& context) override;
  std::vector<Uuid> record(UnitOfWork& unit, PersonRecorded const& person) override;
};

}  // namespace omnibus::match
