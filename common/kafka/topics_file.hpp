/// Reading topics.yaml. Internal to the catalogue.
#pragma once

#include "kafka/topics.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace omnibus::kafka {

constexpr std::size_t largest_topics_file = 1 << 20;

/// `source` names the text in errors. @throws TopicsFileError naming line and field.
TopicCatalog read_topics(std::string_view yaml, std::string_view source);

/// The whole text as an integer.
std::optional<std::int64_t> to_number(std::string_view text);

}  // namespace omnibus::kafka
