#pragma once

#include "uuid/uuid.hpp"

#include <string_view>

namespace omnibus {

/// The conversation id of a visitor's session on a domain, when its first message names none: a UUIDv5, so
/// that gateway, workers and producers of any language compute the same one.
/// The name hashed is the domain, a NUL byte and the session id; the namespace is
/// 6f6d6e69-6275-5000-8000-636f6e766572 ("omnibus", "conver").
inline Uuid conversation_id_of(std::string_view domain, std::string_view session_id) {
  static constexpr Uuid space{
      {0x6f, 0x6d, 0x6e, 0x69, 0x62, 0x75, 0x50, 0x00, 0x80, 0x00, 0x63, 0x6f, 0x6e, 0x76, 0x65, 0x72}};
  return name_uuid(space, {domain, std::string_view("\0", 1), session_id});
}

}  // namespace omnibus
