#include "workers/gateway/routes/incoming_event.hpp"

#include "http/form.hpp"
#include "time/time.hpp"
#include "workers/gateway/door/refusal.hpp"

#include <algorithm>
#include <cctype>
#include <deque>
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

CloudEvent read_binary(http::Request const& request) {
  std::deque<std::string> texts;  // storage for the views below
  std::vector<HeaderView> headers;
  for (auto const& [name, value] : request.headers) {
    auto const lower_name = lower(name);
    if (lower_name == "content-type" || lower_name == "traceparent" || lower_name == "tracestate") {
      headers.push_back({texts.emplace_back(lower_name), value});
    } else if (lower_name.starts_with("ce-")) {
      auto const decoded = http::percent_decode(value);
      if (!decoded) throw Refusal::invalid(lower_name, "Its percent-encoding is malformed");
      auto const& attribute = texts.emplace_back("ce_" + lower_name.substr(3));
      headers.push_back({attribute, texts.emplace_back(*decoded)});
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
