/// The event of the benchmark's topics.
#pragma once

#include "events/conversation.hpp"
#include "subjects/subjects.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/describe/class.hpp>

namespace omnibus::bench {

/// `seq` counts the events of a key from 0; the text makes it as large as it is to be.
struct BenchEvent {
  static constexpr std::string_view type = "omnibus.bench.recorded.v1";
  std::int64_t seq = 0;
  std::optional<std::string> text;
};
BOOST_DESCRIBE_STRUCT(BenchEvent, (), (seq, text))

/// Whom it is about, at the cost of a chat message.
inline Subjects subjects_of(BenchEvent const&, std::string_view record_key) {
  return aliases({conversation_id_of("bench.example", record_key)});
}

}  // namespace omnibus::bench
