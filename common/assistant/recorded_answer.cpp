#include "assistant/recorded_answer.hpp"

namespace omnibus::assistant {

Uuid request_key(Uuid const& event_key, std::string_view step) {
  return step.empty() ? event_key : name_uuid(event_key, step);
}

}  // namespace omnibus::assistant
