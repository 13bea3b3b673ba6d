/// The SQL of the match worker about people.
#pragma once

#include "concurrency/task.hpp"
#include "events/people.hpp"
#include "handler/context.hpp"
#include "handler/unit_of_work.hpp"
#include "matches/time_zones.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace omnibus::match {

/// Where people are stored. Tests of the handler have one in memory.
class PeopleStore {
 public:
  virtual ~PeopleStore() = default;

  virtual Task<matches::TimeZones> read_zones(Context& context) = 0;
  /// Stores a person, what they tell of themselves and whom they block; what the event lacks is removed. Cancels the
  /// matches that wait and that this forbids. @param time_ms of the event, since 1970. @return their ids; nothing when
  /// a later event recorded the person: then nothing is written. @throws Failure (permanent) when the tenant is unknown
  /// or inactive, when another tenant has a person of this id, or another person has the handle.
  virtual std::optional<std::vector<Uuid>> record(UnitOfWork& unit, PersonRecorded const& person,
                                                  std::int64_t time_ms) = 0;
};

/// The one in PostgreSQL. Any thread may use it.
class PostgresPeople final : public PeopleStore {
 public:
  Task<matches::TimeZones> read_zones(Context& context) override;
  std::optional<std::vector<Uuid>> record(UnitOfWork& unit, PersonRecorded const& person,
                                          std::int64_t time_ms) override;
};

}  // namespace omnibus::match
