#include "engine/handler_work.hpp"

#include "handler/failure.hpp"
#include "kafka/topics.hpp"

namespace omnibus::engine {

void check_carried(Context& context, std::string_view type) {
  auto const* const carrying = kafka::TopicCatalog::built_in().topic_of(type);
  if (carrying == nullptr || carrying->name != context.topic())
    throw Failure::permanent("this topic carries no event of this type", "unknown_type");
}

}  // namespace omnibus::engine
