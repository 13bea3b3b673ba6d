#include "workers/gateway/routes/incoming_event.hpp"

#include "http/form.hpp"
#include "time/time.hpp"
#include "workers/gateway/door/refusal.hpp"

#include <algorithm>
#include <cctype>
#include <deque>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace omnibus::gateway {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

Refusal not_valid(json::DecodeError const& error) {
  return Refusal::invalid(error.field, error.message());
}

/// Kafka producers may write any text there, and consumers then use the record's timestamp. Events that come in
/// here must follow the standard.
CloudEvent with_time(CloudEvent event, std::string field) {
  if (event.envelope.time.empty() || parse_time_ms(event.envelope.time)) return event;
  throw Refusal::invalid(std::move(field), "It must be an RFC 3339 time such as 2026-11-20T12:00:00Z");
}

/// A header's value without the double quotes and backslashes of RFC 9110, 5.6.4; one that does not begin with a quote
/// stays as it is. Nothing when the quotes do not enclose all of it.
std::optional<std::string> unquote(std::string_view value) {
  if (!value.starts_with('"')) return std::string(value);
  std::string text;
  for (std::size_t at = 1; at < value.size(); ++at) {
    if (value[at] == '"') return at + 1 == value.size() ? std::optional(std::move(text)) : std::nullopt;
    if (value[at] == '\\' && ++at == value.size()) break;
    text += value[at];
  }
  return std::nullopt;
}

/// The attribute in a `ce-` header. The order is that of the HTTP binding of CloudEvents 1.0.2, 3.1.3.2.
std::string attribute_of(std::string const& header, std::string_view value) {
  auto const text = unquote(value);
  if (!text) throw Refusal::invalid(header, "Its double quotes do not enclose the whole value");
  auto decoded = http::percent_decode(*text);
  if (!decoded) throw Refusal::invalid(header, "Its percent-encoding is malformed");
  return *std::move(decoded);
}

CloudEvent read_binary(http::Request const& request) {
  std::deque<std::string> texts;  // storage for the views below
  std::vector<HeaderView> headers;
  std::set<std::string> attributes;
  for (auto const& [name, value] : request.headers) {
    auto const lower_name = lower(name);
    if (lower_name == "content-type" || lower_name == "traceparent" || lower_name == "tracestate") {
      headers.push_back({texts.emplace_back(lower_name), value});
    } else if (lower_name.starts_with("ce-")) {
      if (!attributes.insert(lower_name).second) throw Refusal::invalid(lower_name, "It appears twice");
      auto const& name_over_kafka = texts.emplace_back("ce_" + lower_name.substr(3));
      headers.push_back({name_over_kafka, texts.emplace_back(attribute_of(lower_name, value))});
    }
  }
  RecordView record;
  record.value = request.body;
  record.headers = headers;
  auto event = parse_cloud_event(record);
  if (event) return with_time(*std::move(event), "ce-time");
  auto error = event.error();
  if (error.field.starts_with("ce_")) error.field[2] = '-';  // as the header is called over HTTP
  throw not_valid(error);
}

}  // namespace

CloudEvent read_event(http::Request const& request) {
  auto const type = request.content_type();
  if (type.starts_with("application/cloudevents-batch"))
    throw Refusal(415, "Batches of events are not accepted", "Send one event in each request", "Content-Type");
  if (!type.starts_with("application/cloudevents")) return read_binary(request);
  if (type != "application/cloudevents" && type != "application/cloudevents+json")
    throw Refusal(415, "Only the JSON event format is accepted", "Send application/cloudevents+json", "Content-Type");
  auto event = parse_structured(request.body, {.bytes = request.body.size()});  // the server has bounded it
  if (!event) throw not_valid(event.error());
  return with_time(*std::move(event), "time");
}

std::string tenant_source(std::string_view domain, std::string_view source) {
  auto const result = "/tenants/" + std::string(domain) + "/";
  if (source.starts_with(result)) return std::string(source);
  return result + http::percent_encode(source);
}

}  // namespace omnibus::gateway
