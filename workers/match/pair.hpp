/// Two people. Pure.
#pragma once

#include "uuid/uuid.hpp"

#include <string>
#include <utility>

namespace omnibus::match {

/// Two people in whichever order they were named: `a` has the smaller id.
struct Pair {
  Uuid a;
  Uuid b;

  auto operator<=>(Pair const&) const = default;
};

inline Pair pair_of(Uuid const& one, Uuid const& other) {
  return one < other ? Pair{one, other} : Pair{other, one};
}

/// The Kafka key of requests for the pair.
inline std::string key_of(Pair const& pair) {
  return to_string(pair.a) + ":" + to_string(pair.b);
}

}  // namespace omnibus::match
