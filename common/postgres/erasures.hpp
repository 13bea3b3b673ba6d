/// Who was erased, as workers poll it.
#pragma once

#include "subjects/subjects.hpp"

#include <cstdint>
#include <string>
#include <vector>

#include <boost/describe/class.hpp>

namespace pqxx {
class connection;
}

namespace omnibus::postgres {

/// The end of a partition at an erasure.
struct ErasedUpTo {
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;
};
BOOST_DESCRIBE_STRUCT(ErasedUpTo, (), (topic, partition, offset))

/// What changed in pipeline.erasures.
struct ErasureNews {
  std::vector<SubjectKey> erased;
  std::vector<SubjectKey> running;  ///< keys of erasures without positions
  std::vector<ErasedUpTo> up_to;    ///< the highest ones
  std::string as_of;                ///< for the next call
};

/// The erasures that changed since `as_of` of an earlier call, and some twice; all of them if it is empty.
/// @param topics whose positions are wanted
ErasureNews read_erasures(pqxx::connection& connection, std::string const& as_of,
                          std::vector<std::string> const& topics);

}  // namespace omnibus::postgres
