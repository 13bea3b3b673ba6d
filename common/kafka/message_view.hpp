/// A librdkafka message as views.
#pragma once

#include "kafka/cloud_event.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include <librdkafka/rdkafka.h>

namespace omnibus::kafka {

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

/// Key, value and headers of a message. It must not outlive the message.
class MessageView {
 public:
  explicit MessageView(rd_kafka_message_t const& message)
      : key_{bytes(message.key, message.key_len)}, value_{bytes(message.payload, message.len)} {
    for_each_header(message, [this](std::string_view name, std::optional<std::string_view> value) {
      headers_.push_back({name, value});
    });
  }

  /// Valid as long as this view.
  RecordView record() const { return {key_, value_, headers_}; }

 private:
  static std::optional<std::string_view> bytes(void const* data, std::size_t size) {
    if (data == nullptr) return std::nullopt;
    return std::string_view{static_cast<char const*>(data), size};
  }

  std::optional<std::string_view> key_;
  std::optional<std::string_view> value_;
  std::vector<HeaderView> headers_;
};

}  // namespace omnibus::kafka
