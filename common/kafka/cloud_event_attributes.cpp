#include "kafka/cloud_event_attributes.hpp"

#include "json/utf8.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

namespace omnibus {
namespace cloud_event {
namespace {

using json::DecodeError;

constexpr std::size_t max_headers = 256;
constexpr std::string_view structured_media_type = "application/cloudevents";

bool has_c1_control(std::string_view text) {
  for (std::size_t i = 0; i + 1 < text.size(); ++i)
    if (text[i] == '\xC2' && static_cast<unsigned char>(text[i + 1]) < 0xA0) return true;
  return false;
}

constexpr std::uint64_t in_each_byte(std::uint8_t byte) {
  return 0x0101010101010101ULL * byte;
}

/// Has the top bit of some byte set when one of eight bytes is an ASCII control character, DEL included.
std::uint64_t controls(std::uint64_t eight) {
  auto const below_space = (eight - in_each_byte(0x20)) & ~eight;
  auto const differs_from_del = eight ^ in_each_byte(0x7f);
  auto const is_del = (differs_from_del - in_each_byte(1)) & ~differs_from_del;
  return below_space | is_del;
}

/// The rule of CloudEvents for strings: UTF-8 without control characters. Eight bytes at a time, as every event's
/// headers are checked here.
bool is_attribute_text(std::string_view text) {
  std::uint64_t control = 0;
  std::uint64_t beyond_ascii = 0;
  auto const look = [&](char const* at, std::size_t size) {
    std::uint64_t eight = in_each_byte(' ');
    std::memcpy(&eight, at, size);
    control |= controls(eight);
    beyond_ascii |= eight;
  };
  std::size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) look(text.data() + at, 8);
  if (at < text.size() && text.size() >= 8) look(text.data() + text.size() - 8, 8);  // some of it for the second time
  if (at == 0 && !text.empty()) look(text.data(), text.size());
  if ((control & in_each_byte(0x80)) != 0) return false;
  return (beyond_ascii & in_each_byte(0x80)) == 0 || (json::is_utf8(text) && !has_c1_control(text));
}

std::optional<DecodeError> check(std::string_view name, std::string_view value, std::size_t most, bool required) {
  if (value.empty()) return required ? std::optional(DecodeError{std::string(name), "is missing"}) : std::nullopt;
  if (value.size() > most) return DecodeError{std::string(name), "is longer than " + std::to_string(most) + " bytes"};
  if (!is_attribute_text(value)) return DecodeError{std::string(name), "must be UTF-8 without control characters"};
  return std::nullopt;
}

}  // namespace

bool starts_with_ignoring_case(std::string_view text, std::string_view start) {
  auto const lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; };
  return text.size() >= start.size() &&
         std::equal(start.begin(), start.end(), text.begin(), [&](char a, char b) { return a == lower(b); });
}

bool is_structured_type(std::string_view type) {
  return starts_with_ignoring_case(type, structured_media_type);
}

bool is_attribute_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 &&
         std::all_of(name.begin(), name.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
}

std::optional<DecodeError> check_extension(std::string_view name, std::string_view value) {
  if (!is_attribute_name(name)) return std::nullopt;
  return check(name, value, max_attribute, false);
}

void keep_trace(EnvelopeView& envelope) {
  if (!is_attribute_text(envelope.traceparent) || envelope.traceparent.size() > max_attribute)
    envelope.traceparent = {};
  bool const state_is_kept = !envelope.traceparent.empty() && envelope.tracestate.size() <= max_attribute &&
                             is_attribute_text(envelope.tracestate);
  if (!state_is_kept) envelope.tracestate = {};
}

std::optional<DecodeError> check_header_sizes(std::span<HeaderView const> headers) {
  if (headers.size() > max_headers) return DecodeError{"headers", "are more than " + std::to_string(max_headers)};
  std::size_t bytes = 0;
  for (auto const& header : headers) bytes += header.name.size() + (header.value ? header.value->size() : 0);
  if (bytes <= max_header_bytes) return std::nullopt;
  return DecodeError{"headers", "are larger than " + std::to_string(max_header_bytes) + " bytes"};
}

}  // namespace cloud_event

std::optional<json::DecodeError> validate(EnvelopeView const& envelope) {
  using namespace cloud_event;
  for (auto const& attribute : attributes)
    if (auto error = check(attribute.name, envelope.*(attribute.view), attribute.most, attribute.required))
      return error;
  for (auto const& attribute : other_attributes)
    if (auto error = check(attribute.name, envelope.*(attribute.view), attribute.most, attribute.required))
      return error;
  if (is_structured_type(envelope.data_content_type))
    return DecodeError{"datacontenttype", "must not be that of an event in structured mode"};
  return std::nullopt;
}

}  // namespace omnibus
