/// The events that handling one event causes.
#pragma once

#include "kafka/cloud_event.hpp"
#include "kafka/record.hpp"
#include "uuid/uuid.hpp"

#include <string>
#include <string_view>

namespace omnibus::engine {

/// Makes the events that handling one event causes. Their ids depend on that event, the worker and the order in which
/// they are made, so that a second attempt makes the same ones.
class EventMaker {
 public:
  /// `series` tells apart what is numbered independently, such as the parts of a stream. `parent` outlives it.
  EventMaker(Envelope const& parent, std::string_view worker, std::string_view series = {})
      : parent_{parent}, worker_{series.empty() ? worker : std::string{worker} + '/' + std::string{series}} {}

  /// @throws Failure (permanent) when no topic carries this type, or when the record exceeds its topic's limit.
  kafka::Record make(std::string_view type, std::string_view data, std::string key);
  /// The key by which the inboxes of its readers will know the one made last.
  Uuid last_key() const;
  /// Numbers the next one.
  void number(int ordinal) { ordinal_ = ordinal; }

 private:
  Envelope const& parent_;
  std::string worker_;
  int ordinal_ = 0;
};

}  // namespace omnibus::engine
