/// A person as an erasure knows them: by keys alone.
#pragma once

#include "events/gdpr.hpp"

#include <set>
#include <string>
#include <vector>

namespace omnibus::gdpr {

/// That a person does not want messages on a channel; outlives them.
struct OptOut {
  std::string channel;  ///< sms, whatsapp or email
  std::string subject_key;
  std::string since;  ///< as PostgreSQL writes it

  bool operator==(OptOut const&) const = default;
};

/// All identities of a person, found in the tables. The aliases among the keys are the ids of the person's rows.
struct ErasedPerson {
  std::set<std::string> keys;      ///< of a person who may come back: numbers, sessions, conversations, users
  std::set<std::string> for_good;  ///< aliases that never come back, such as a profile's
  std::set<std::string> others;    ///< keys of the other halves of matches, which go with the person's
  std::vector<OptOut> opt_outs;
  std::vector<GdprCount> found;  ///< rows that stand for the person, by table

  std::set<std::string> all() const {
    auto every = keys;
    every.insert(for_good.begin(), for_good.end());
    return every;
  }
  /// The keys of everybody of whom something goes.
  std::set<std::string> concerned() const {
    auto every = all();
    every.insert(others.begin(), others.end());
    return every;
  }
};

}  // namespace omnibus::gdpr
