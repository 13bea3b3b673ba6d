#include "kafka/cloud_event.hpp"

#include "observability/trace_context.hpp"

#include <map>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
constexpr std::string_view other_trace = "00-11111111111111111111111111111111-2222222222222222-01";

using Headers = std::vector<HeaderView>;

Headers required_headers() {
  return {{"ce_specversion", "1.0"}, {"ce_id", "1"}, {"ce_source", "/widget"}, {"ce_type", "omnibus.chat.v1"}};
}

/// The usual headers with one of them replaced, added, or left out when it has no value.
Headers headers_with(std::string_view name, std::optional<std::string_view> value) {
  Headers headers = required_headers();
  std::erase_if(headers, [&](HeaderView const& header) { return header.name == name; });
  if (value) headers.push_back({name, value});
  return headers;
}

RecordView record_of(Headers const& headers, std::optional<std::string_view> value = "{}") {
  return {std::nullopt, value, headers};
}

std::string refusal(Headers const& headers) {
  auto const view = parse_envelope(record_of(headers));
  auto const owned = parse_cloud_event(record_of(headers));
  CHECK(view.has_value() == owned.has_value());
  return view.has_value() ? "" : view.error().message();
}

std::string refusal_of_structured(std::string_view text) {
  auto const event = parse_structured(text);
  return event.has_value() ? "" : event.error().message();
}

std::string structured(std::string_view more) {
  return R"({"specversion":"1.0","id":"1","source":"/widget","type":"omnibus.chat.v1")" + std::string(more) + "}";
}

RecordView view_of_record(Record const& record, Headers& headers) {
  for (auto const& header : record.headers) headers.push_back({header.name, header.value});
  return {record.key, record.value, headers};
}

}  // namespace

TEST_CASE("a binary record's attributes are read from its headers") {
  auto headers = required_headers();
  headers.push_back({"content-type", "application/json"});
  headers.push_back({"ce_time", "2026-01-02T03:04:05Z"});
  headers.push_back({"ce_subject", "s"});
  headers.push_back({"ce_dataschema", "urn:s"});
  headers.push_back({"ce_correlationid", "c"});
  headers.push_back({"ce_causationid", "p"});
  headers.push_back({"traceparent", trace});
  headers.push_back({"tracestate", "a=b"});
  headers.push_back({"somebody", "else's"});
  auto const record = record_of(headers);
  CHECK(!is_structured(record));
  auto const view = parse_envelope(record);
  REQUIRE(view.has_value());
  CHECK(view->id == "1");
  CHECK(view->source == "/widget");
  CHECK(view->type == "omnibus.chat.v1");
  CHECK(view->time == "2026-01-02T03:04:05Z");
  CHECK(view->subject == "s");
  CHECK(view->data_schema == "urn:s");
  CHECK(view->data_content_type == "application/json");
  CHECK(view->correlation_id == "c");
  CHECK(view->causation_id == "p");
  CHECK(view->traceparent == trace);
  CHECK(view->tracestate == "a=b");
}

TEST_CASE("a binary record without an attribute that must be there is refused by name") {
  CHECK(refusal(required_headers()) == "");
  for (auto const* name : {"ce_specversion", "ce_id", "ce_source", "ce_type"}) {
    CHECK(refusal(headers_with(name, std::nullopt)) == std::string(name) + " is missing");
    CHECK(refusal(headers_with(name, "")) == std::string(name) + " is missing");
  }
  CHECK(refusal({}) == "ce_specversion is missing");
  CHECK(refusal(headers_with("ce_specversion", "0.3")) == "ce_specversion must be 1.0");
  auto headers = required_headers();
  headers[1].value = std::nullopt;
  CHECK(refusal(headers) == "ce_id is missing");
}

TEST_CASE("attributes are bounded, clean text, and given once") {
  CHECK(refusal(headers_with("ce_id", std::string(512, 'i'))) == "");
  CHECK(refusal(headers_with("ce_id", std::string(513, 'i'))) == "ce_id is longer than 512 bytes");
  CHECK(refusal(headers_with("ce_subject", std::string(1025, 'i'))) == "ce_subject is longer than 1024 bytes");
  CHECK(refusal(headers_with("ce_extra", std::string(1025, 'i'))) == "ce_extra is longer than 1024 bytes");
  CHECK(refusal(headers_with("content-type", std::string(1025, 'i'))) == "content-type is longer than 1024 bytes");
  CHECK(refusal(headers_with("ce_source", "\xC3\xA9")) == "");
  for (auto const value : {std::string_view("a\nb"), std::string_view("a\0b", 3), std::string_view("\x7f"),
                           std::string_view("\xFF"), std::string_view("\xC2\x85"), std::string_view("\xED\xA0\x80")})
    CHECK(refusal(headers_with("ce_source", value)) == "ce_source must be UTF-8 without control characters");
  auto headers = required_headers();
  headers.push_back({"ce_id", "2"});
  CHECK(refusal(headers) == "ce_id appears twice");
}

TEST_CASE("the headers of a record are bounded together") {
  Headers many = required_headers();
  many.resize(257, HeaderView{"x", "y"});
  CHECK(refusal(many) == "headers are more than 256");
  std::string const large(65'536, 'x');
  CHECK(refusal(headers_with("x", large)) == "headers are larger than 65536 bytes");
}

TEST_CASE("a trace that is no readable text is dropped, not refused") {
  auto const headers = headers_with("traceparent", "\xFF\n");
  CHECK(parse_envelope(record_of(headers))->traceparent == "");
}

TEST_CASE("the trace of the hop goes before the one the event began with") {
  auto headers = headers_with("ce_traceparent", trace);
  CHECK(parse_envelope(record_of(headers))->traceparent == trace);
  headers.push_back({"traceparent", other_trace});
  CHECK(parse_envelope(record_of(headers))->traceparent == other_trace);
  std::string const text = structured(R"(,"traceparent":")" + std::string(trace) + "\"");
  Headers structured_headers{{"content-type", "application/cloudevents+json"}};
  CHECK(parse_cloud_event(record_of(structured_headers, text))->envelope.traceparent == trace);
  structured_headers.push_back({"traceparent", other_trace});
  CHECK(parse_cloud_event(record_of(structured_headers, text))->envelope.traceparent == other_trace);
}

TEST_CASE("a binary record becomes an event with its extensions") {
  auto headers = headers_with("ce_partitionkey", "k");
  headers.push_back({"ce_Not-A-Name", "v"});
  auto const event = parse_cloud_event(record_of(headers, R"({"a":1})"));
  REQUIRE(event.has_value());
  CHECK(event->data == R"({"a":1})");
  CHECK(event->envelope.extensions == std::vector<Header>{{"partitionkey", "k"}});
  CHECK(parse_cloud_event(record_of(headers, std::nullopt))->data == "");
}

TEST_CASE("a structured record is told by its content type in any case") {
  for (auto const* type : {"application/cloudevents+json", "Application/CloudEvents+JSON; charset=utf-8",
                           "application/cloudevents+json;charset=UTF-8"}) {
    Headers const headers{{"content-type", type}};
    auto const text = structured(R"(,"data":{"a":1})");
    auto const record = record_of(headers, text);
    CHECK(is_structured(record));
    auto const event = parse_cloud_event(record);
    REQUIRE(event.has_value());
    CHECK(event->envelope.id == "1");
    CHECK(event->data == R"({"a":1})");
    CHECK(event->envelope.data_content_type == "application/json");
  }
}

TEST_CASE("other structured formats, and a structured record without a value, are refused") {
  for (auto const* type :
       {"application/cloudevents", "application/cloudevents+avro", "application/cloudevents-batch+json"}) {
    Headers const headers{{"content-type", type}};
    auto const text = structured("");
    auto const event = parse_cloud_event(record_of(headers, text));
    REQUIRE(event.has_error());
    CHECK(event.error().field == "content-type");
  }
  Headers const headers{{"content-type", "application/cloudevents+json"}};
  CHECK(parse_cloud_event(record_of(headers, std::nullopt)).error().field == "value");
}

TEST_CASE("a structured event's data comes as JSON, as text or as base64") {
  CHECK(parse_structured(structured(R"(,"data": [1, 2] )"))->data == "[1, 2]");
  CHECK(parse_structured(structured(R"(,"data":"a\n")"))->data == R"("a\n")");
  CHECK(parse_structured(structured(R"(,"datacontenttype":"text/plain","data":"a\n")"))->data == "a\n");
  CHECK(parse_structured(structured(R"(,"datacontenttype":"a/b+json; x","data":"a")"))->data == "\"a\"");
  CHECK(parse_structured(structured(R"(,"data_base64":"eyJhIjoxfQ==")"))->data == R"({"a":1})");
  CHECK(parse_structured(structured(""))->data == "");
  CHECK(refusal_of_structured(structured(R"(,"data":1,"data_base64":"eyJhIjoxfQ==")")) ==
        "data_base64 and data exclude each other");
  CHECK(refusal_of_structured(structured(R"(,"data_base64":"*")")) == "data_base64 must be a string of base64");
  CHECK(refusal_of_structured(structured(R"(,"data_base64":1)")) == "data_base64 must be a string of base64");
}

TEST_CASE("a structured event's attributes are checked like a binary one's") {
  CHECK(refusal_of_structured("{}") == "specversion is missing");
  CHECK(refusal_of_structured(R"({"specversion":"1.0","source":"s","type":"t"})") == "id is missing");
  CHECK(refusal_of_structured(R"({"specversion":"1.0","id":1,"source":"s","type":"t"})") == "id must be a string");
  CHECK(refusal_of_structured(R"({"specversion":"1.1","id":"1","source":"s","type":"t"})") ==
        "specversion must be 1.0");
  CHECK(refusal_of_structured(structured(R"(,"id":"2")")) == "the document names a field twice");
  CHECK(refusal_of_structured(structured(R"(,"subject":"a\nb")")) ==
        "subject must be UTF-8 without control characters");
  CHECK(refusal_of_structured(structured(R"(,"Bad_Name":"a")")) != "");
  CHECK(refusal_of_structured(structured(R"(,"ext":{})")) != "");
  CHECK(refusal_of_structured(structured(R"(,"subject":null,"traceparent":"\n")")) == "");
  CHECK(refusal_of_structured("[]") == "the document must be an object");
  auto const event = parse_structured(structured(R"(,"text":"a","count":7,"flag":true)"));
  CHECK(event->envelope.extensions == std::vector<Header>{{"text", "a"}, {"count", "7"}, {"flag", "true"}});
}

TEST_CASE("a structured event that would not fit into headers, or would be read as another there, is refused") {
  std::string extensions;
  for (int i = 0; i < 129; ++i) extensions += ",\"x" + std::to_string(i) + "\":1";
  CHECK(refusal_of_structured(structured(extensions)) == "the document has more than 128 extensions");
  extensions.clear();
  for (int i = 0; i < 40; ++i) extensions += ",\"x" + std::to_string(i) + "\":\"" + std::string(1'000, 'v') + "\"";
  CHECK(refusal_of_structured(structured(extensions)) == "the document has extensions larger than 32768 bytes");
  CHECK(refusal_of_structured(structured(R"(,"datacontenttype":"application/cloudevents+json","data":{})")) ==
        "datacontenttype must not be that of an event in structured mode");
}

TEST_CASE("what is written reads back") {
  auto envelope = originate("/omnibus/gateway", "omnibus.chat.message.received.v1", trace,
                            std::chrono::system_clock::time_point(1'234'567'890'123ms));
  envelope.subject = "s";
  envelope.correlation_id = "c";
  envelope.causation_id = "p";
  envelope.tracestate = "a=b";
  envelope.extensions = {{"partitionkey", "k"}};
  CHECK(envelope.time == "2009-02-13T23:31:30.123Z");
  CHECK(envelope.data_schema == "urn:omnibus:schema:chat.message.received:v1");
  auto const record = to_binary_record(envelope, "{}", "chat.messages", "key");
  CHECK(record.topic == "chat.messages");
  CHECK(record.key == "key");
  CHECK(record.headers.front() == Header{"ce_specversion", "1.0"});
  Headers headers;
  auto const event = parse_cloud_event(view_of_record(record, headers));
  REQUIRE(event.has_value());
  CHECK(event->envelope == envelope);
  CHECK(event->data == "{}");
}

TEST_CASE("an event is the same event when source and id are both the same") {
  EnvelopeView a{.id = "1", .source = "s", .type = "t"};
  EnvelopeView b{.id = "1", .source = "s", .type = "another"};
  CHECK(event_key(a) == event_key(b));
  b.source = "s2";
  CHECK(event_key(a) != event_key(b));
  CHECK(event_key(EnvelopeView{.id = "bc", .source = "a"}) != event_key(EnvelopeView{.id = "c", .source = "ab"}));
  // Held fast: the inbox remembers events by it.
  CHECK(to_string(event_key(a)) == "5a83ed84-c95d-5e51-affd-da3cbc0a8183");
}

TEST_CASE("an original event continues the trace it is given, or begins one") {
  auto const continued = originate("/s", "t", trace);
  CHECK(TraceContext::parse(continued.traceparent)->trace_id == TraceContext::parse(trace)->trace_id);
  CHECK(continued.traceparent != trace);
  CHECK(TraceContext::parse(originate("/s", "t").traceparent).has_value());
  CHECK(originate("/s", "t").id != originate("/s", "t").id);
}

TEST_CASE("a derived event is the same one each time it is derived") {
  Envelope parent = originate("/s", "t", trace);
  parent.tracestate = "a=b";
  auto const child = derive(parent, "chat", 0, "omnibus.chat.reply.delta.v1");
  CHECK(child.id == derive(parent, "chat", 0, "omnibus.chat.reply.delta.v1").id);
  CHECK(child.id != derive(parent, "chat", 1, "omnibus.chat.reply.delta.v1").id);
  CHECK(child.id != derive(parent, "chat2", 0, "omnibus.chat.reply.delta.v1").id);
  CHECK(child.source == "/omnibus/chat");
  CHECK(child.type == "omnibus.chat.reply.delta.v1");
  CHECK(child.causation_id == parent.id);
  CHECK(child.correlation_id == parent.id);
  CHECK(child.tracestate == "a=b");
  CHECK(TraceContext::parse(child.traceparent)->trace_id == TraceContext::parse(trace)->trace_id);
  CHECK(TraceContext::parse(child.traceparent)->span_id != TraceContext::parse(parent.traceparent)->span_id);
  CHECK(derive(child, "notify", 0, "x").correlation_id == parent.id);
  parent.traceparent = "nonsense";
  CHECK(TraceContext::parse(derive(parent, "chat", 0, "x").traceparent).has_value());
  CHECK(derive(parent, "chat", 0, "x").tracestate == "");
}
