#include "workers/gateway/replies/unseen_replies.hpp"

#include <algorithm>
#include <utility>

namespace omnibus::gateway {

void UnseenReplies::posted(Uuid const& conversation_id, std::string domain, std::uint64_t sequence,
                           Clock::time_point now) {
  auto const* const earlier = marks_.find(conversation_id, now);
  marks_.put(conversation_id, earlier != nullptr ? *earlier : Mark{std::move(domain), sequence}, now);
}

void UnseenReplies::seen(Uuid const& conversation_id, std::uint64_t sequence) {
  auto* const mark = marks_.find(conversation_id, Clock::time_point::min());  // whatever its age
  if (mark != nullptr) mark->sequence = std::max(mark->sequence, sequence);
}

std::optional<UnseenReplies::Mark> UnseenReplies::find(Uuid const& conversation_id, Clock::time_point now) {
  auto const* const mark = marks_.find(conversation_id, now);
  return mark == nullptr ? std::nullopt : std::optional{*mark};
}

}  // namespace omnibus::gateway
