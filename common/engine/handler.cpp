#include "engine/handler.hpp"

#include "kafka/topics.hpp"

namespace omnibus::engine {

bool is_event_of_topic(std::string_view type, std::string_view topic) {
  auto const* const carrying = kafka::TopicCatalog::built_in().topic_of(type);
  return carrying != nullptr && carrying->name == topic;
}

}  // namespace omnibus::engine
