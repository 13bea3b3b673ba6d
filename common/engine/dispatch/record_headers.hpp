/// Reading the headers of a consumed record.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include <librdkafka/rdkafka.h>

namespace omnibus::engine {

/// Calls `visit(name, value)` for each header in order; an absent value is no value. The views are valid as long as
/// the message.
template <class Visit>
void for_each_header(rd_kafka_message_t const& message, Visit&& visit) {
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
  char const* name = nullptr;
  void const* value = nullptr;
  std::size_t size = 0;
  for (std::size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
       ++i) {
    if (value == nullptr)
      visit(std::string_view{name}, std::optional<std::string_view>{});
    else
      visit(std::string_view{name}, std::optional{std::string_view{static_cast<char const*>(value), size}});
  }
}

}  // namespace omnibus::engine
